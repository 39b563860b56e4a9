"""Engines on the built-in networks, each compiled once for all tests of a session."""

from __future__ import annotations

import functools
from typing import Any

from penult import backbones, engines
from penult.backbones import Backbone
from penult.engines import Engine

SMALL = 96  # a side at which a network takes a fifth of its time


@functools.cache
def network(name: str = "efficientnet_lite0", precision: str = "f32", output: str = "features", **changes: Any) -> Engine:
    """Return the engine for a backbone, changed as `backbones.find_builtin` takes it."""
    return engines.open_engine(backbones.find_builtin(name, **changes), "cpu", precision, output=output)


@functools.cache
def graph(backbone: Backbone, classifier: bool = False) -> bytes:
    """Return the graph of a backbone."""
    return backbone.graph(classifier)

"""The features of every built-in backbone are what they were; renew with `python tests/golden/renew.py`."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from networks import network
from penult import backbones
from tolerance import assert_same_pixels

GOLDEN = Path(__file__).parent / "golden"


def golden_features() -> tuple[Any, dict[str, np.ndarray]]:
    """Return the script that makes the golden features, as a module, and the features (n, d) of each backbone."""
    spec = importlib.util.spec_from_file_location("renew", GOLDEN / "renew.py")
    assert spec is not None and spec.loader is not None
    renew = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(renew)
    with np.load(renew.FILE, allow_pickle=False) as file:
        return renew, dict(file)


def test_features_are_golden(tmp_path_factory: pytest.TempPathFactory) -> None:
    """One value off in a backbone would make cached features and saved models wrong without a word."""
    renew, golden = golden_features()
    assert set(golden) == set(backbones.builtin_names())
    actual = renew.features(network)
    np.savez(tmp_path_factory.mktemp("actual") / "features.npz", **actual)  # kept beside, to look at
    for name, wanted in golden.items():
        assert_same_pixels(actual[name], wanted)

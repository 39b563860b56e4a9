"""What is asked of a source of networks, and what it gives: the records between `find` and the sources.

In: nothing. Out: `Wish`, `Order` and `Loaded`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from penult.backbones.backbone import Pooling
from penult.pixels.recipe import Recipe
from penult.store import CacheEntry

Kind = Literal["timm", "keras", "onnx"]


@dataclass(frozen=True, slots=True)
class Wish:
    """One network of a source, in the source's own words.

    `name` is what timm or Keras call it, or the path of an ONNX file; `weights` the path of a local checkpoint, None for
    the source's own; `changes` are settings of the recipe that the user wants otherwise than the source has them.
    `recipe` and `output` are for ONNX files, which do not say them: every setting, and which tensor the features are.
    """

    kind: Kind
    name: str
    weights: str | None = None
    changes: tuple[tuple[str, Any], ...] = ()
    recipe: tuple[tuple[str, Any], ...] | None = None
    output: str | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """A wish, the name that its backbone is to carry, and the cache entry that it is to become."""

    wish: Wish
    label: str
    entry: CacheEntry


@dataclass(frozen=True, slots=True)
class Loaded:
    """A network in torch, its weights in place, as its source evaluates it (no dropout, no batch statistics).

    `module` takes float32 (n, 3, s, s), which `recipe` has made of the pixels, and returns a tuple: the features (n, d) and,
    with the pooling "mean", the maps (n, d, h, w) whose means over the positions they are; with "none" the features alone.
    `weights` is the sha256 (hex) of `penult.zoo.digest.of_state`, `params` the number of parameters without the last layer.
    `architecture` says what runs these weights (two networks can share all names and differ in their padding); where it is
    empty that is the name wished for.
    """

    module: Any
    recipe: Recipe
    pooling: Pooling
    weights: str
    license: str
    source: str
    params: int
    top1: float | None = None
    architecture: str = ""

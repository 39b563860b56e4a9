"""One photo as explanations need it: decoded once, prepared for each network, and small enough to be drawn.

In: a source. Out: a `Seen`, or a `Failure`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import pixels
from penult.backbones import Backbone
from penult.pixels import Failure
from penult.pixels.resizing import Box


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A photo, and what each network sees of it: its pixels, and which part of the photo that is."""

    index: int
    photo: NDArray[np.uint8]  # (h, w, 3), upright, shrunk
    pixels: tuple[NDArray[np.uint8], ...]  # each (s, s, 3)
    views: tuple[Box, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the photo as it is drawn."""
        return self.photo.shape[0], self.photo.shape[1]

    @property
    def area(self) -> Box:
        """The part of the photo that any of the networks sees."""
        lefts, tops, rights, bottoms = zip(*self.views, strict=True)
        return min(lefts), min(tops), max(rights), max(bottoms)


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What a method found in one photo; `heat` lies on the drawn photo's pixels."""

    proba: NDArray[np.float64]  # (k,)
    label: int
    heat: NDArray[np.float64]  # (h, w)
    logit: float
    intercept: float | None


def see(
    index: int, source: Any, backbones: Sequence[Backbone], side: int, max_pixels: int = pixels.MAX_PIXELS
) -> Seen | Failure:
    """Return a photo as the networks see it, to the bit as `predict` shows it to them, its drawn form at most `side` long."""
    rgb = pixels.load_rgb(source, backbones[0].recipe.depth, max_pixels)
    if isinstance(rgb, Failure):
        return rgb
    height, width = rgb.shape[:2]
    prepared = tuple(pixels.prepare(rgb, b.recipe) for b in backbones)
    views = tuple(pixels.visible_box(width, height, b.recipe) for b in backbones)
    return Seen(index, pixels.shrink(rgb, side), prepared, views)


def contrast(logits: NDArray[np.float64], label: int) -> NDArray[np.float64]:
    """Return a class's logit less the mean logit of all classes for each row of logits (n, k), (n,)."""
    return np.asarray(logits[:, label] - logits.mean(axis=1))

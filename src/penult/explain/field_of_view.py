"""One photo as explanations need it: decoded once, prepared for each network, and small enough to be drawn; and the way back,
from the grid of a network's maps to the photo's own pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import pixels
from penult.arrays import Array
from penult.backbones import Backbone
from penult.pixels import Failure, Recipe
from penult.pixels.resizing import Box


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One picture of a photo that a network sees: its pixels, which part of the photo that is, and whether it is mirrored."""

    pixels: NDArray[np.uint8]  # (s, s, 3)
    box: Box
    mirrored: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class FieldOfView:
    """A photo, and what each network sees of it: one or more views."""

    index: int
    photo: NDArray[np.uint8]  # (h, w, 3), upright, shrunk
    views: tuple[tuple[View, ...], ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the photo as it is drawn."""
        return self.photo.shape[0], self.photo.shape[1]

    @property
    def area(self) -> Box:
        """The part of the photo that any of the networks sees."""
        lefts, tops, rights, bottoms = zip(*(view.box for views in self.views for view in views), strict=True)
        return min(lefts), min(tops), max(rights), max(bottoms)


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """What a method found in one photo; `heat` lies on the drawn photo's pixels."""

    proba: NDArray[np.float64]  # (k,)
    label: int
    heat: NDArray[np.float64]  # (h, w)
    logit: float
    intercept: float | None


def view_photo(
    index: int, source: Any, backbones: Sequence[Backbone], side: int, max_pixels: int = pixels.MAX_PIXELS
) -> FieldOfView | Failure:
    """Return a photo as the networks see it, to the bit as `predict` shows it to them, its drawn form at most `side` long."""
    rgb = pixels.load_rgb(source, backbones[0].recipe.depth, max_pixels)
    if isinstance(rgb, Failure):
        return rgb
    return FieldOfView(index, pixels.shrink(rgb, side), tuple(_views(rgb, b.recipe) for b in backbones))


def _views(rgb: NDArray[np.uint8], recipe: Recipe) -> tuple[View, ...]:
    height, width = rgb.shape[:2]
    boxes = [pixels.visible_box(width, height, view) for view in recipe.views]
    seen = recipe.with_mirror_images([pixels.prepare(rgb, view) for view in recipe.views])
    return tuple(View(own, boxes[i % len(boxes)], i >= len(boxes)) for i, own in enumerate(seen))


def relative_logit(logits: NDArray[np.float64], label: int, several: bool = False) -> NDArray[np.float64]:
    """Return a class's logit less the mean logit of all classes for each row of logits (n, k), (n,).

    Of `several` labels a photo it is the label's own logit: what is said of one label depends on no other.
    """
    return np.asarray(logits[:, label] if several else logits[:, label] - logits.mean(axis=1))


def spread(grid: Array, box: Box, shape: tuple[int, int]) -> Array:
    """Return the amounts of `grid` (r, c), which covers `box` of a photo, on that photo's pixels (h, w); the sums are equal.

    Each cell becomes a smooth bump, the quadratic B-spline of its own size (Unser 1999, "Splines", IEEE Signal Processing
    Magazine): an even grid stays even. Bumps are mirrored at the edge of the box: nothing lies where the network did not look.
    """
    down, across = _bumps(grid.shape[0], box[1], box[3], shape[0]), _bumps(grid.shape[1], box[0], box[2], shape[1])
    return np.asarray(down @ grid @ across.T)  # (h, w)


def _bumps(cells: int, start: float, stop: float, pixels: int) -> Array:
    """Return the share of each cell that each pixel gets along one side, (pixels, cells): columns add up to 1."""
    middles = (np.arange(pixels) + 0.5) / pixels
    at = (middles - start) / (stop - start) * cells  # (pixels,) in cells
    own = np.arange(cells) + 0.5
    mirrored = np.stack([own, -own, 2 * cells - own])  # (3, cells)
    share = _spline(at[:, None, None] - mirrored).sum(axis=1)  # (pixels, cells)
    share[(at < 0) | (at > cells)] = 0
    total = share.sum(axis=0)
    for cell in np.flatnonzero(total == 0):  # far fewer pixels than cells
        share[np.abs(at - own[cell]).argmin(), cell] = total[cell] = 1
    return np.asarray(share / total, np.float64)


def _spline(t: Array) -> Array:
    t = np.abs(t)
    return np.where(t < 0.5, 0.75 - t**2, 0.5 * np.maximum(1.5 - t, 0) ** 2)

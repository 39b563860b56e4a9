"""From the grid of a network's maps to the photo's own pixels, and nothing gets lost on the way.

In: a grid (r, c) of amounts, and the part of the photo that it covers. Out: amounts (h, w) that add up to the same.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penult.pixels.resizing import Box

Array = NDArray[np.float64]


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

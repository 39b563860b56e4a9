"""What is known of a picture without a network: its colours, a grey thumbnail, how bright and how sharp it is.

In: uint8 images (n, s, s, 3). Out: numbers (n, d). Sums are of whole numbers, so every machine, batch size and order gives
the same bits.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

SHADES = 4  # of each colour, in the joint histogram
GRID = 4  # cells on each side, for the mean colours
WIDTH = SHADES**3 + 3 * GRID**2
THUMBNAIL_SIDE = 16
LARGE_THUMBNAIL_SIDE = 96
QUALITY_SIDE = 192
MEASURES = ("mean", "spread", "bright", "blur")
_REACH = 9  # pixels of the strong blur that a picture is compared with


def _digest(definition: str) -> str:
    return hashlib.sha256(definition.encode()).hexdigest()


# What stands for the weights of a network: the sha256 of what is computed.
HISTOGRAM_DIGEST = _digest(f"colour_histogram 1: sqrt of {SHADES}^3 joint frequencies, then {GRID}x{GRID} mean colours")
THUMBNAIL_DIGEST = _digest("thumbnail 1: 299 R + 587 G + 114 B, 16x16")
LARGE_THUMBNAIL_DIGEST = _digest(f"thumbnail 1: 299 R + 587 G + 114 B, {LARGE_THUMBNAIL_SIDE}x{LARGE_THUMBNAIL_SIDE}")
QUALITY_DIGEST = _digest(f"quality 1: {MEASURES} of BT.601 luma, {QUALITY_SIDE}x{QUALITY_SIDE}, box of {_REACH}")


def color_histogram(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Describe images (n, s, s, 3) by roots of colour frequencies and a coarse thumbnail: (n, 112).

    Square roots make Euclidean distance the Hellinger distance of the histograms.
    """
    n, side = pixels.shape[:2]
    shade = (pixels // (256 // SHADES)).astype(np.int64)  # (n, s, s, 3)
    code = (shade[..., 0] * SHADES + shade[..., 1]) * SHADES + shade[..., 2]  # (n, s, s)
    code += np.arange(n)[:, None, None] * SHADES**3
    counts = np.bincount(code.ravel(), minlength=n * SHADES**3).reshape(n, SHADES**3)  # (n, 64)
    edges = np.arange(GRID) * side // GRID  # (4,)
    sizes = np.diff(np.append(edges, side))  # (4,)
    sums = np.add.reduceat(np.add.reduceat(pixels, edges, axis=1, dtype=np.int64), edges, axis=2)  # (n, 4, 4, 3)
    means = sums / (255 * sizes[:, None, None] * sizes[:, None])  # (n, 4, 4, 3)
    return np.hstack([np.sqrt(counts / side**2), means.reshape(n, 3 * GRID**2)]).astype(np.float32)  # (n, 112)


def luma(pixels: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Return the luma (ITU-R BT.601, as Pillow has it) of pixels (..., 3), whole numbers below 256: (...)."""
    red, green, blue = (pixels[..., i].astype(np.int32) for i in range(3))
    return (299 * red + 587 * green + 114 * blue + 500) // 1000


def gray_thumbnail(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the luma of images (n, s, s, 3), row by row: (n, s * s)."""
    return np.asarray(luma(pixels).reshape(len(pixels), -1), np.float32)


def quality_measures(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return for images (n, s, s, 3) mean, standard deviation and 95th percentile of the luma (0 to 255), and blur: (n, 4).

    Blur is from 0 (sharp) to 1: how little a strong blur changes the picture, in the direction in which it changes it least
    (Crete, Dolmiere, Ladret, Nicolas, "The blur effect: perception and estimation with a new no-reference perceptual blur
    metric", SPIE 6492, 2007). A picture without any edge has a blur of 1.
    """
    rows, at = [], int(0.95 * QUALITY_SIDE * QUALITY_SIDE)
    for picture in pixels:
        grey = luma(picture)  # (s, s)
        rows.append((grey.mean(), grey.std(), np.partition(grey, at, axis=None)[at], _blur(grey)))
    return np.array(rows, np.float32).reshape(len(pixels), len(MEASURES))


def _blur(grey: NDArray[np.int32]) -> float:
    """Return the larger blur of the two directions of whole numbers (s, s)."""
    return max(_along(grey), _along(np.ascontiguousarray(grey.T)))


def _along(grey: NDArray[np.int32]) -> float:
    """Return the share of the changes from pixel to pixel, along rows, that a box blur leaves."""
    sums = np.cumsum(grey, axis=1, dtype=np.int32)  # (s, s)
    box = sums[:, _REACH:] - sums[:, :-_REACH]  # (s, s - 9): _REACH times the mean of the pixels j + 1 to j + 9
    middle = _REACH // 2 + 1
    own = np.abs(np.diff(grey[:, middle : middle + box.shape[1]], axis=1)) * _REACH
    whole = int(own.sum())
    own -= np.abs(np.diff(box, axis=1))
    lost = int(np.maximum(own, 0).sum())
    return 1.0 - lost / whole if whole else 1.0

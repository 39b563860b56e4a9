"""How bright, how even and how sharp a picture is: not to learn from, but to see which photos went wrong.

In: uint8 images. Out: four numbers for each. Sums are of whole numbers, so every machine, batch size and order gives
the same bits.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from penult.backbones.backbone import Backbone
from penult.backbones.thumbnail import luma
from penult.pixels.recipe import Recipe

SIDE = 192
MEASURES = ("mean", "spread", "bright", "blur")
_REACH = 9  # pixels of the strong blur that a picture is compared with
_WEIGHTS = hashlib.sha256(f"quality 1: {MEASURES} of BT.601 luma, {SIDE}x{SIDE}, box of {_REACH}".encode()).hexdigest()


def measures(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return for images (n, s, s, 3) mean, standard deviation and 95th percentile of the luma (0 to 255), and blur: (n, 4).

    Blur is from 0 (sharp) to 1: how little a strong blur changes the picture, in the direction in which it changes it least
    (Crete, Dolmiere, Ladret, Nicolas, "The blur effect: perception and estimation with a new no-reference perceptual blur
    metric", SPIE 6492, 2007). A picture without any edge has a blur of 1.
    """
    rows, at = [], int(0.95 * SIDE * SIDE)
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


def quality() -> Backbone:
    """Return the backbone that measures quality; the catalogue does not list it."""
    recipe = Recipe(SIDE, "squash", 1.0, "bilinear", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    return Backbone(
        "quality", (len(MEASURES),), "none", recipe, _WEIGHTS, "Apache-2.0", "penult", 0, 0.0, None,
        network=None, function=measures,
    )  # fmt: skip

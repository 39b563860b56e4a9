"""A grey thumbnail of the whole picture, 16 x 16: not to learn from, but to see whether two pictures are one photo.

In: uint8 images. Out: 256 numbers for each, whole numbers below 256.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from penult.backbones.backbone import Backbone
from penult.pixels.recipe import Recipe

SIDE = 16
_WEIGHTS = hashlib.sha256(b"thumbnail 1: 299 R + 587 G + 114 B, 16x16").hexdigest()


def luma(pixels: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Return the luma (ITU-R BT.601, as Pillow has it) of pixels (..., 3), whole numbers below 256: (...)."""
    red, green, blue = (pixels[..., i].astype(np.int32) for i in range(3))
    return (299 * red + 587 * green + 114 * blue + 500) // 1000


def grey(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the luma of images (n, 16, 16, 3), row by row: (n, 256)."""
    return np.asarray(luma(pixels).reshape(len(pixels), -1), np.float32)


def thumbnail() -> Backbone:
    """Return the backbone that gives thumbnails; the catalogue does not list it."""
    recipe = Recipe(SIDE, "squash", 1.0, "bicubic", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    return Backbone(
        "thumbnail", (SIDE * SIDE,), "none", recipe, _WEIGHTS, "Apache-2.0", "penult", 0, 0.0, None,
        network=None, function=grey,
    )  # fmt: skip

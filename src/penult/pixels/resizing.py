"""Bring a picture to a network's size, to the bit as Pillow and torchvision do.

In: an RGB array, or a Pillow image of mode `L` or `RGB`, and a `Recipe`. Out: uint8 pixels (size, size, 3).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from penult.errors import InputError
from penult.pixels import kernel, passes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from penult.pixels.recipe import Recipe

_MOST_RESIZED = 50_000_000  # pixels of the whole resized picture; only beyond 1 : 190 is it reached


def prepare(rgb: NDArray[np.uint8], recipe: Recipe) -> NDArray[np.uint8]:
    """Resize and crop an RGB array (h, w, 3) as `recipe` says; returns a new array (size, size, 3).

    `crop_mode="crop"` equals torchvision's `Resize(floor(size / crop))` and `CenterCrop(size)` on Pillow images,
    which is what timm evaluates with; `crop_mode="squash"` resizes both sides to floor(size / crop) and crops the
    same way. Raises InputError for other arrays.
    """
    import numpy as np
    from PIL.Image import fromarray

    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or 0 in rgb.shape:
        raise InputError(f"an RGB picture is a uint8 array (h, w, 3); this one is {rgb.dtype} {rgb.shape}: convert it.")
    fitted = np.empty((recipe.size, recipe.size, 3), np.uint8)  # (size, size, 3)
    fit(fromarray(rgb), recipe, fitted.reshape(-1).data)
    return fitted


def resized(width: int, height: int, recipe: Recipe) -> tuple[passes.Pair, passes.Pair]:
    """Return the size (width, height) that a picture is resized to, and the corner (left, top) of the crop in it."""
    size = recipe.size
    short = math.floor(size / recipe.crop)
    if recipe.crop_mode == "squash":
        wide, high = short, short
    elif width <= height:
        wide, high = short, int(short * height / width)
    else:
        wide, high = int(short * width / height), short
    return (wide, high), (round((wide - size) / 2), round((high - size) / 2))  # half to even, as torchvision rounds


def fit(picture: Image, recipe: Recipe, rgb: bytearray | memoryview) -> None:
    """Fill `rgb`, size * size * 3 bytes, with what `recipe` makes of `picture` (`L` or `RGB`)."""
    from PIL.Image import Resampling

    resample = Resampling[recipe.interpolation.upper()]
    (width, height), size = picture.size, recipe.size
    (wide, high), (left, top) = resized(width, height, recipe)
    if wide * high > _MOST_RESIZED:  # a sliver: its centre alone, and torchvision would run out of memory
        across, down = width / wide, height / high
        right, bottom = min(width, (left + size) * across), min(height, (top + size) * down)
        fitted = picture.resize((size, size), resample, (left * across, top * down, right, bottom))
    elif kernel.crop_resized(rgb, picture, size, (wide, high), (left, top), resample):
        return
    else:
        fitted = passes.crop_resized(picture, size, (wide, high), (left, top), resample)
    rgb[:] = (fitted if fitted.mode == "RGB" else fitted.convert("RGB")).tobytes()

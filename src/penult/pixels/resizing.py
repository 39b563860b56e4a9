"""Bring a picture to a network's size, to the bit as Pillow and torchvision do.

In: an RGB array, or a Pillow image of mode `L` or `RGB`, and a `Recipe`. Out: uint8 pixels (size, size, 3).
Must not know: files, formats, mean and std (they are nodes of the network's graph).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from penult.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image, Resampling

    from penult.pixels.recipe import Recipe

_MOST_RESIZED = 50_000_000  # pixels of an intermediate picture; only beyond 1 : 800 is it reached


def prepare(rgb: NDArray[np.uint8], recipe: Recipe) -> NDArray[np.uint8]:
    """Resize and crop an RGB array (h, w, 3) as `recipe` says; returns a new array (size, size, 3).

    `fit="crop"` equals torchvision's `Resize(floor(size / crop))` and `CenterCrop(size)` on Pillow images,
    which is what timm evaluates with; `fit="squash"` equals `Image.resize((size, size))`. Raises InputError
    for other arrays.
    """
    import numpy as np
    from PIL.Image import fromarray

    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or 0 in rgb.shape:
        raise InputError(f"an RGB picture is a uint8 array (h, w, 3); this one is {rgb.dtype} {rgb.shape}.")
    return np.array(fit(fromarray(rgb), recipe))  # (size, size, 3)


def fit(picture: Image, recipe: Recipe) -> Image:
    """Return `picture` (`L` or `RGB`) as an RGB image of size x size."""
    from PIL.Image import Resampling

    resample = Resampling[recipe.interpolation.upper()]
    if recipe.fit == "squash":
        fitted = picture.resize((recipe.size, recipe.size), resample)
    else:
        fitted = _resize_and_crop(picture, recipe.size, math.floor(recipe.size / recipe.crop), resample)
    return fitted if fitted.mode == "RGB" else fitted.convert("RGB")


def _resize_and_crop(picture: Image, size: int, short: int, resample: Resampling) -> Image:
    """Resize the shorter side to `short`, keep the centre: the same bits as doing just that, for less work.

    Pillow resizes along x, rounds to 8 bits, then along y. Columns are independent along y and rows along x,
    so rows that no kept pixel looks at are dropped before the first pass, columns outside the crop between
    the two. (`resize(box=...)` would do less still, but computes other filter weights: half of the pictures
    differ.)
    """
    from PIL.Image import new

    width, height = picture.size
    if width <= height:
        wide, high = short, int(short * height / width)
    else:
        wide, high = int(short * width / height), short
    left, top = round((wide - size) / 2), round((high - size) / 2)  # half to even, as torchvision rounds
    if size * high > _MOST_RESIZED:
        scale = height / high
        return picture.resize((size, size), resample, (0, top * scale, width, (top + size) * scale))
    first, last = _rows_seen(height, high, top, size)
    if last - first < 0.8 * height:
        part = picture.crop((0, first, width, last)).resize((wide, last - first), resample)
        across = new(
            picture.mode, (size, height)
        )  # rows that were dropped stay black: no kept pixel looks at them
        across.paste(part.crop((left, 0, left + size, last - first)), (0, first))
    else:
        across = picture.resize((wide, height), resample).crop((left, 0, left + size, height))
    return across.resize((size, high), resample).crop((0, top, size, top + size))


def _rows_seen(height: int, high: int, top: int, size: int) -> tuple[int, int]:
    """Return the range of source rows that the kept rows are computed from (bicubic reaches 2 x scale)."""
    scale = height / high
    reach = 2 * max(scale, 1.0) + 2
    first = math.floor((top + 0.5) * scale - reach)
    last = math.ceil((top + size - 0.5) * scale + reach)
    return max(0, first), min(height, last)

"""Bring a picture to a network's size, to the bit as Pillow and torchvision do.

In: an RGB array, or a Pillow image of mode `L` or `RGB`, and a `Recipe`. Out: uint8 pixels (size, size, 3).
Must not know: files, formats, mean and std (they are nodes of the network's graph).
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

from penult.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image, Resampling

    from penult.pixels.recipe import Recipe

_MOST_RESIZED = 50_000_000  # pixels of the whole resized picture; only beyond 1 : 190 is it reached


def prepare(rgb: NDArray[np.uint8], recipe: Recipe) -> NDArray[np.uint8]:
    """Resize and crop an RGB array (h, w, 3) as `recipe` says; returns a new array (size, size, 3).

    `fit="crop"` equals torchvision's `Resize(floor(size / crop))` and `CenterCrop(size)` on Pillow images,
    which is what timm evaluates with; `fit="squash"` resizes both sides to floor(size / crop) and crops the
    same way. Raises InputError for other arrays.
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
        side = math.floor(recipe.size / recipe.crop)
        edge = round((side - recipe.size) / 2)
        squashed = picture.resize((side, side), resample)
        fitted = squashed.crop((edge, edge, edge + recipe.size, edge + recipe.size)) if side > recipe.size else squashed
    else:
        fitted = _resize_and_crop(picture, recipe.size, math.floor(recipe.size / recipe.crop), resample)
    return fitted if fitted.mode == "RGB" else fitted.convert("RGB")


def _resize_and_crop(picture: Image, size: int, short: int, resample: Resampling) -> Image:
    """Resize the shorter side to `short` and keep the centre, by the least work that gives the same bits."""
    width, height = picture.size
    if width <= height:
        wide, high = short, int(short * height / width)
    else:
        wide, high = int(short * width / height), short
    left, top = round((wide - size) / 2), round((high - size) / 2)  # half to even, as torchvision rounds
    if wide * high > _MOST_RESIZED:  # a sliver: its centre alone, and torchvision would run out of memory
        across, down = width / wide, height / high
        right, bottom = min(width, (left + size) * across), min(height, (top + size) * down)
        return picture.resize((size, size), resample, (left * across, top * down, right, bottom))
    if _x_first(picture.size, (wide, high)) and _passes_known():
        return _in_passes(picture, size, (wide, high), (left, top), resample)
    return picture.resize((wide, high), resample).crop((left, top, left + size, top + size))


def _in_passes(picture: Image, size: int, resized: tuple[int, int], corner: tuple[int, int], resample: Resampling) -> Image:
    """Do Pillow's two passes one by one, and only what the crop will show: a fifth less work.

    Pillow resizes along x, rounds to 8 bits, then along y. Rows do not mix along x, nor columns along y; so
    rows that no kept pixel looks at are dropped before the first pass, columns outside the crop between the
    two. (`resize(box=...)` would do less still, but its filter weights are others: most photos would differ.)
    """
    from PIL.Image import new

    (width, height), (wide, high), (left, top) = picture.size, resized, corner
    first, last = _rows_seen(height, high, top, size)
    if last - first < 0.8 * height:
        part = picture.crop((0, first, width, last)).resize((wide, last - first), resample)
        narrow = new(picture.mode, (size, height))  # dropped rows are black: no kept pixel looks at them
        narrow.paste(part.crop((left, 0, left + size, last - first)), (0, first))
    else:
        narrow = picture.resize((wide, height), resample).crop((left, 0, left + size, height))
    return narrow.resize((size, high), resample).crop((0, top, size, top + size))


def _rows_seen(height: int, high: int, top: int, size: int) -> tuple[int, int]:
    """Return the range of source rows that the kept rows are computed from (bicubic reaches 2 x scale)."""
    scale = height / high
    reach = 2 * max(scale, 1.0) + 2
    first = math.floor((top + 0.5) * scale - reach)
    last = math.ceil((top + size - 0.5) * scale + reach)
    return max(0, first), min(height, last)


def _x_first(size: tuple[int, int], resized: tuple[int, int]) -> bool:
    """Return whether Pillow begins with x; 13 begins with y where rows shrink much more (its PR 9549)."""
    columns, rows = size[0] - resized[0], size[1] - resized[1]
    return rows <= 0 or rows <= 2 * columns


@cache
def _passes_known() -> bool:
    """Return whether the Pillow at hand works in the passes that it is known for; a later one may not."""
    from PIL.Image import Resampling, frombytes

    noise = bytes(i * i * 7 % 251 for i in range(60 * 44))
    for size, resized in (((60, 44), (38, 28)), ((44, 60), (28, 38)), ((44, 60), (66, 90))):
        picture, corner = frombytes("L", size, noise), ((resized[0] - 20) // 2, (resized[1] - 20) // 2)
        whole = picture.resize(resized, Resampling.BICUBIC)
        kept = whole.crop((*corner, corner[0] + 20, corner[1] + 20))
        if _in_passes(picture, 20, resized, corner, Resampling.BICUBIC).tobytes() != kept.tobytes():
            return False
    return True

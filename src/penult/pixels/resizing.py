"""Bring a picture to a network's size, to the bit as Pillow and torchvision do.

In: an RGB array, or a Pillow image of mode `L` or `RGB`, and a `Recipe`. Out: uint8 pixels (size, size, 3).

The compiled `_resample` takes a tenth of Pillow's time: vector instructions that Pillow does not use, and only the rows and
columns that the crop is made of. Bicubic, 400 x 360 to 224, on one core with AVX2: 0.17 ms instead of 1.8. Whatever it does
not take is left to Pillow.
"""

from __future__ import annotations

import math
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from penult.errors import InputError
from penult.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image, Resampling

    from penult.pixels.recipe import Recipe

    Buffer = bytearray | memoryview

Pair = tuple[int, int]
Box = tuple[float, float, float, float]  # left, top, right, bottom, as shares of a photo's width and height

MOST_RESIZED = 50_000_000  # pixels of the whole resized picture; only beyond 1 : 190 is it reached
_LONGEST = 65_535  # pixels a side, for the compiled function
_COPIED = 1 << 22  # pixels: as many of RGB as Pillow keeps in one piece, as long as it is not told otherwise
_CASES = (  # picture, resized: smaller, larger, along y first, not at all
    ((61, 43), (39, 28)),
    ((43, 61), (67, 91)),
    ((29, 83), (27, 33)),
    ((61, 21), (61, 21)),
)


def prepare(rgb: NDArray[np.uint8], recipe: Recipe) -> NDArray[np.uint8]:
    """Resize and crop an RGB array (h, w, 3) as `recipe` says; returns a new array (size, size, 3).

    `crop_mode="crop"` equals torchvision's `Resize(floor(size / crop))` and `CenterCrop(size)` on Pillow images,
    which is what timm evaluates with; `crop_mode="squash"` resizes both sides to floor(size / crop) and crops the
    same way. Raises InputError for other arrays.
    """
    import numpy as np
    from PIL.Image import fromarray

    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or 0 in rgb.shape:
        raise InputError(
            _(
                "an RGB picture is a uint8 array (h, w, 3); this one is {dtype} {shape}: convert it.",
                dtype=rgb.dtype,
                shape=rgb.shape,
            )
        )
    fitted = np.empty((recipe.size, recipe.size, 3), np.uint8)  # (size, size, 3)
    resize_into(fromarray(rgb), recipe, fitted.reshape(-1).data)
    return fitted


def resized_box(width: int, height: int, recipe: Recipe) -> tuple[Pair, Pair]:
    """Return the size (width, height) that a picture is resized to, and the corner (left, top) of the crop in it."""
    recipe.check_one_view()
    size = recipe.size
    short = math.floor(size / recipe.crop)
    if recipe.crop_mode == "squash":
        wide, high = short, short
    elif width <= height:
        wide, high = short, int(short * height / width)
    else:
        wide, high = int(short * width / height), short
    rounded = math.floor if recipe.crop_rounding == "down" else round  # Python and torchvision round half to even
    return (wide, high), (rounded((wide - size) / 2), rounded((high - size) / 2))


def resize_into(picture: Image, recipe: Recipe, rgb: bytearray | memoryview) -> None:
    """Fill `rgb`, size * size * 3 bytes, with what `recipe` makes of `picture` (`L` or `RGB`)."""
    from PIL.Image import Resampling

    resample = Resampling[recipe.interpolation.upper()]
    (width, height), size = picture.size, recipe.size
    (wide, high), (left, top) = resized_box(width, height, recipe)
    if wide * high > MOST_RESIZED:  # a sliver: its centre alone, and torchvision would run out of memory
        across, down = width / wide, height / high
        right, bottom = min(width, (left + size) * across), min(height, (top + size) * down)
        fitted = picture.resize((size, size), resample, (left * across, top * down, right, bottom))
    elif resize_compiled(rgb, picture, size, (wide, high), (left, top), resample):
        return
    else:
        fitted = picture.resize((wide, high), resample).crop((left, top, left + size, top + size))
    rgb[:] = (fitted if fitted.mode == "RGB" else fitted.convert("RGB")).tobytes()


def visible_box(width: int, height: int, recipe: Recipe) -> Box:
    """Return the part of a photo of this size that a network with this recipe sees."""
    (wide, high), (left, top) = resized_box(width, height, recipe)
    return left / wide, top / high, (left + recipe.size) / wide, (top + recipe.size) / high


def resize_method() -> str:
    """Return how pictures are made smaller: "compiled", "absent" (never compiled), or "other" (not as this Pillow rounds)."""
    if find_spec("penult.pixels._resample") is None:
        return "absent"
    return "other" if compiled_resize() is None else "compiled"


def resize_compiled(rgb: Buffer, picture: Image, size: int, resized: Pair, corner: Pair, resample: Resampling) -> bool:
    """Fill `rgb` with the crop, `size` x `size` from `corner` (left, top), of `picture` (`L`, `RGB`) as it is when `resized`.

    Returns False where that is left to Pillow: without the compiled module, for another interpolation, for sides that
    it does not take, and for a large picture that does not lie in one piece, where a copy of it would cost as much.
    """
    resample_to = compiled_resize()
    if resample_to is None or resample.name not in ("BICUBIC", "BILINEAR") or max(*picture.size, size) > _LONGEST:
        return False
    return _call(resample_to, rgb, picture, size, resized, corner, resample)


def _call(
    resample_to: Callable[..., None], rgb: Buffer, picture: Image, size: int, resized: Pair, corner: Pair, resample: Resampling
) -> bool:
    pixels = _pixels(picture)
    if pixels is None:
        return False
    step = 4 if picture.mode == "RGB" else 1
    down_first = not _x_first(picture.size, resized)
    resample_to(rgb, pixels, step, picture.size, resized, corner, size, resample.name == "BICUBIC", down_first)
    return True


def _pixels(picture: Image) -> Any:
    """Return the pixels, without a copy if possible, else None if they are many."""
    if _shows_pixels():
        try:
            return picture.__arrow_c_array__()[1]
        except ValueError:  # not in one piece
            pass
    if picture.width * picture.height > _COPIED:
        return None
    return picture.tobytes("raw", "RGBX" if picture.mode == "RGB" else "L")  # how Pillow keeps RGB: twice as fast


@cache
def _shows_pixels() -> bool:
    """Return whether Pillow shows its pixels as Arrow arrays, and only those that lie in one piece."""
    from PIL import __version__

    return int(__version__.split(".")[0]) >= 13


@cache
def compiled_resize() -> Callable[..., None] | None:
    """Return the compiled function if it is there and agrees with the Pillow at hand; a later Pillow may round otherwise."""
    try:
        function: Callable[..., None] = import_module("penult.pixels._resample").resample
    except ImportError:  # no compiler where the package was installed
        return None
    return function if _agrees(function) else None


def _agrees(function: Callable[..., None]) -> bool:
    from PIL.Image import Resampling, frombytes

    for (size, resized), mode in ((case, mode) for case in _CASES for mode in ("L", "RGB")):
        length = size[0] * size[1] * len(mode)
        picture = frombytes(mode, size, bytes(i * i * 7 % 251 for i in range(length)))
        kept, rgb = min(resized) - 1, bytearray((min(resized) - 1) ** 2 * 3)
        for resample in (Resampling.BICUBIC, Resampling.BILINEAR):
            _call(function, rgb, picture, kept, resized, (resized[0] - kept, 1), resample)
            wanted = picture.resize(resized, resample).crop((resized[0] - kept, 1, resized[0], 1 + kept))
            if rgb != wanted.convert("RGB").tobytes():
                return False
    return True


def _x_first(size: Pair, resized: Pair) -> bool:
    """Return whether Pillow begins with x."""
    columns, rows = size[0] - resized[0], size[1] - resized[1]
    return rows <= 0 or rows <= 2 * columns or not may_begin_with_y()


def may_begin_with_y() -> bool:
    """Return whether this Pillow begins with y where rows shrink much more than columns, as it does from 13 on (PR 9549)."""
    from PIL import __version__

    return int(__version__.split(".")[0]) >= 13

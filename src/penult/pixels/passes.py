"""Resize and crop by Pillow alone, its two passes one by one: to the bit as in one go, and a fifth less work.

In: a Pillow image, the size of the resized picture, the crop in it. Out: the crop.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image, Resampling

Pair = tuple[int, int]


def x_first(size: Pair, resized: Pair) -> bool:
    """Return whether Pillow begins with x; from 13 on it begins with y where rows shrink much more (its PR 9549)."""
    from PIL import __version__

    columns, rows = size[0] - resized[0], size[1] - resized[1]
    return rows <= 0 or rows <= 2 * columns or int(__version__.split(".")[0]) < 13


def crop_resized(picture: Image, size: int, resized: Pair, corner: Pair, resample: Resampling) -> Image:
    """Return the crop, `size` x `size` from `corner` (left, top), of `picture` as it is when `resized`."""
    if x_first(picture.size, resized) and _passes_known():
        return _in_passes(picture, size, resized, corner, resample)
    return _in_one_go(picture, size, resized, corner, resample)


def _in_one_go(picture: Image, size: int, resized: Pair, corner: Pair, resample: Resampling) -> Image:
    left, top = corner
    return picture.resize(resized, resample).crop((left, top, left + size, top + size))


def _in_passes(picture: Image, size: int, resized: Pair, corner: Pair, resample: Resampling) -> Image:
    """Do only what the crop will show.

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


def _rows_seen(height: int, high: int, top: int, size: int) -> Pair:
    """Return the range of source rows that the kept rows are computed from (bicubic reaches 2 x scale)."""
    scale = height / high
    reach = 2 * max(scale, 1.0) + 2
    first = math.floor((top + 0.5) * scale - reach)
    last = math.ceil((top + size - 0.5) * scale + reach)
    return max(0, first), min(height, last)


@cache
def _passes_known() -> bool:
    """Return whether the Pillow at hand works in the passes that it is known for; a later one may not."""
    from PIL.Image import Resampling, frombytes

    noise = bytes(i * i * 7 % 251 for i in range(60 * 44))
    for size, resized in (((60, 44), (38, 28)), ((44, 60), (28, 38)), ((44, 60), (66, 90))):
        picture, corner = frombytes("L", size, noise), ((resized[0] - 20) // 2, (resized[1] - 20) // 2)
        job = picture, 20, resized, corner, Resampling.BICUBIC
        if _in_passes(*job).tobytes() != _in_one_go(*job).tobytes():
            return False
    return True

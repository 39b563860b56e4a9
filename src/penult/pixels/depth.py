"""Photos of 10, 12 or 14 bits that lie in 16-bit files: which files those are, what they hold, how many bits they use.

In: paths, bytes, loaded Pillow images. Out: yes or no, samples, counts of levels, a depth. A file with 16 bits a sample does
not say how many of them a camera or a scanner used, so the photos of a run are asked.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING, Any

from penult.pixels import tiff_tags
from penult.pixels.recipe import DEPTHS, FULL_DEPTH

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    Samples = NDArray[np.uint16]  # (h, w), or (h, w, channels) with alpha last

THRESHOLDS = (63, 255, 1023, 4095, 16383)  # levels above which samples are counted
_OUTLIERS = 1e-4  # share of samples that may lie above the range: hot pixels, letters that a scanner wrote in
_TAIL = 0.02  # and of those above a quarter of the range: else they are the end of a slope, as stars are, and no outliers
_HEAD = 512  # bytes in which a PNG or a PNM says its depth
_PNM = re.compile(rb"P([256])\s(?:\s|#[^\n]*\n)*\d+(?:\s|#[^\n]*\n)+\d+(?:\s|#[^\n]*\n)+65535\s")
_HOW = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_OTHER_BYTE = {";16L": ";16B", ";16B": ";16L", ";16N": ";16B" if sys.byteorder == "little" else ";16L"}
_DEEP = ("RGB;16", "RGBX;16", "RGBA;16")  # how Pillow unpacks 16-bit colors, of which it keeps the high bytes


def stores_sixteen(path: Any) -> bool:
    """Tell by its head whether a file stores unsigned 16-bit samples without saying how many bits they use; False if gone."""
    try:
        descriptor = os.open(path, _HOW)
    except (OSError, ValueError, TypeError):
        return False
    try:
        head = os.read(descriptor, _HEAD)  # of a folder it raises, of a pipe it gives nothing

        def read(place: int, size: int) -> bytes:
            os.lseek(descriptor, place, os.SEEK_SET)
            return os.read(descriptor, size)

        return _by_head(head) or (tiff_tags.is_tiff(head) and _by_tags(tiff_tags.read_directory(read)))
    except (OSError, OverflowError):
        return False
    finally:
        os.close(descriptor)


def _by_head(head: bytes) -> bool:
    if head.startswith(b"\x89PNG") and head[12:16] == b"IHDR":
        return head[24:25] == b"\x10"
    return _PNM.match(head) is not None


def _by_tags(tags: dict[int, tuple[int, ...]]) -> bool:
    return set(tags.get(tiff_tags.BITS, ())) == {16} and set(tags.get(tiff_tags.SAMPLE_FORMAT, (1,))) == {1}


def samples(image: Image, data: bytes) -> Samples | None:
    """Return the 16-bit samples of a loaded image, or None for one that stores others. `data` is its file, if it has one."""
    import numpy as np

    if not data:
        return np.asarray(image).astype(np.uint16) if image.mode.startswith("I;16") else None
    if not (_by_head(data[:_HEAD]) or _by_tags(tiff_tags.first_directory(data))):
        return None
    if image.mode.startswith("I;16") or image.mode == "I":
        return np.asarray(image).astype(np.uint16)
    return _colors(image, data)


def _colors(image: Image, data: bytes) -> Samples | None:
    """Return (h, w, channels): Pillow keeps the high bytes, so the low ones are unpacked once more, as if they were those."""
    import numpy as np
    from PIL import Image as pillow

    high = np.asarray(image).astype(np.uint16)  # (h, w, channels)
    if image.format == "PPM":
        plain = _PNM.match(data)
        if plain is None or plain[1] != b"6":
            return None
        return np.frombuffer(data, ">u2", image.height * image.width * 3, plain.end()).astype(np.uint16).reshape(high.shape)
    again = pillow.open(BytesIO(data), formats=[str(image.format)])
    tiles, gray = [], False
    for tile in getattr(again, "tile", ()):
        raw = tile.args if isinstance(tile.args, str) else tile.args[0]
        if raw == "LA;16B":  # two bytes of gray and two of alpha: four channels of a byte
            gray, other = True, "RGBA"
        elif raw.startswith(_DEEP) and raw[-4:] in _OTHER_BYTE:
            other = raw[:-4] + _OTHER_BYTE[raw[-4:]]
        else:
            return None
        tiles.append(tile._replace(args=other if isinstance(tile.args, str) else (other, *tile.args[1:])))
    if not tiles:
        return None
    again.tile = tiles
    again.load()
    low = np.asarray(again).astype(np.uint16)
    whole = low[..., 0::2] << 8 | low[..., 1::2] if gray else high << 8 | low
    return whole.astype(np.uint16)


def levels(values: Samples, alpha: bool) -> tuple[int, ...]:
    """Return how many samples of color there are, and how many above each of `THRESHOLDS`."""
    import numpy as np

    colors = values[..., :-1] if alpha else values
    counts = np.bincount(colors.ravel(), minlength=1 << 16)  # (65536,)
    return int(counts.sum()), *(int(counts[t + 1 :].sum()) for t in THRESHOLDS)


def chosen(found: Iterable[tuple[int, ...]]) -> int:
    """Return the bits that photos with these counts of levels use: the least of `DEPTHS` that holds all but outliers."""
    total = [sum(column) for column in zip(*found, strict=True)]
    if not total or not total[0]:
        return FULL_DEPTH
    for depth, quarter, above in zip(DEPTHS[:-1], total[1:], total[2:], strict=False):
        if above == 0 or (above <= _OUTLIERS * total[0] and above <= _TAIL * quarter):
            return depth
    return FULL_DEPTH


def look(data: bytes, **limits: int) -> Any:
    """Decode one picture as `decoding.open_picture` does, with the counts of its levels as a remark on it."""
    from penult.pixels.decoding import open_picture

    return open_picture(data, counting=True, **limits)


def told(depth: int) -> str:
    """Return the sentence for a run whose photos use `depth` bits of 16."""
    return (
        f"the photos in 16-bit files use {depth} bits of them, so {2**depth - 1:,} is white; "
        "the model keeps this depth for the photos that it will be asked about."
    )

"""A small color picture of a photo for people, as the bytes of a JPEG file, made where the photo is decoded anyway.

JPEG and not WebP: it takes a fifth of the time or less, and a third more room (`benchmarks/studio.py thumbnails`).
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from penult.pixels.resizing import resize_compiled

if TYPE_CHECKING:
    from PIL.Image import Image

LONGEST = 160  # pixels of the longer side
QUALITY = 80
_GAP = 1.5  # Pillow averages whole pixels first, down to so many times the size


def thumbnail_format() -> dict[str, str]:
    """Return what its bytes depend on beside the picture: a part of their key in the cache."""
    return {"side": str(LONGEST), "format": f"jpeg {QUALITY}"}


def encode_thumbnail(picture: Image, longest: int = LONGEST) -> bytes:
    """Return an upright picture (`L` or `RGB`) as a JPEG file whose longer side has at most `longest` pixels."""
    share = min(1.0, longest / max(picture.size))
    size = max(1, round(picture.width * share)), max(1, round(picture.height * share))
    file = BytesIO()
    # A copy, since Pillow asks for the working directory, which may be gone, where a picture is as it was opened.
    (picture.copy() if size == picture.size else _resized(picture, size)).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def _resized(picture: Image, size: tuple[int, int]) -> Image:
    """Return the picture made smaller, by the compiled function in squares side by side, since that makes squares only."""
    from PIL.Image import Resampling, frombytes, new

    short, long = min(size), max(size)
    whole, square = new("RGB", size), bytearray(short * short * 3)
    for start in (*range(0, long - short, short), long - short):
        corner = (start, 0) if size[0] == long else (0, start)
        if not resize_compiled(square, picture, short, size, corner, Resampling.BILINEAR):
            return picture.resize(size, Resampling.BILINEAR, reducing_gap=_GAP)
        whole.paste(frombytes("RGB", (short, short), bytes(square)), corner)
    return whole

"""Pictures for people: a photo upright and not too large, thumbnails, PNG and WebP files; and the size of a small picture.

In: a source, RGB arrays. Out: RGB arrays, the bytes of a file. Photos are decoded as for a network, so they stand upright.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from penult.pixels.decoding import MAX_PIXELS, decode, formats
from penult.pixels.preparing import prepare_all
from penult.pixels.recipe import FULL_DEPTH, Failure, Recipe
from penult.pixels.resizing import prepare
from penult.pixels.sources import FILE, loaded, read_file, read_picture
from penult.sources import FileContent, Member, reading_order

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from penult.pixels.sources import Source

    RGB = NDArray[np.uint8]  # (h, w, 3)

_WEBP_QUALITY = 70
_BEGINNING = 4096  # bytes that tell the format
_ORIENTATION, _QUARTER_TURNS = 0x0112, (5, 6, 7, 8)  # of EXIF
SMALL_FILE = 20_000  # bytes: a larger file is not opened, its picture is hardly tiny


def load_rgb(source: Source, depth: int = FULL_DEPTH, max_pixels: int = MAX_PIXELS) -> RGB | Failure:
    """Return a path, array or Pillow image as the upright photo (h, w, 3) that `prepare` takes, or why it cannot be seen.

    `depth` is that of the recipes, `max_pixels` the limit of a picture (see `decode`).

    Raises `InputError` for an argument that is no image at all.
    """
    import numpy as np

    one: Any = loaded(source)
    if isinstance(one, Failure):
        return one
    if isinstance(one, FILE):
        found = read_file(one)
        return found if isinstance(found, Failure) else decode(found[1], depth, max_pixels)
    picture = read_picture(one, depth, max_pixels)
    return picture if isinstance(picture, Failure) else np.array(picture[1].convert("RGB"))


def shrink(rgb: RGB, longest: int) -> RGB:
    """Return the photo with its longer side at most `longest`; a smaller one stays as it is."""
    import numpy as np
    from PIL.Image import Resampling, fromarray

    height, width = rgb.shape[:2]
    if max(height, width) <= longest:
        return rgb
    share = longest / max(height, width)
    size = max(1, round(width * share)), max(1, round(height * share))
    return np.array(fromarray(rgb).resize(size, Resampling.LANCZOS))


def encode_png(rgb: RGB) -> bytes:
    """Return a picture (h, w, 3) as the bytes of a PNG file; the same picture gives the same bytes."""
    from PIL.Image import fromarray

    file = BytesIO()
    fromarray(rgb).save(file, "PNG", compress_level=6)
    return file.getvalue()


def encode_jpeg(rgb: RGB) -> bytes:
    """Return a picture (h, w, 3) as the bytes of a JPEG file."""
    from PIL.Image import fromarray

    file = BytesIO()
    fromarray(rgb).save(file, "JPEG", quality=90)
    return file.getvalue()


def thumbnails(
    sources: Sequence[Any], side: int, workers: int | None = None, depth: int = FULL_DEPTH, max_pixels: int = MAX_PIXELS
) -> Iterator[bytes | Failure]:
    """Yield for each picture its square centre, `side` pixels wide, as a WebP file.

    `depth` is that of the run's recipes. A file that is gone or cannot be decoded gives a `Failure`.
    """
    if not sources:
        return
    recipe = Recipe(size=side, crop_mode="crop", crop=1.0, interpolation="bilinear", depth=depth)
    order = reading_order(sources) or range(len(sources))
    made: dict[int, bytes | Failure] = {}  # before their turn
    turn = 0
    with closing(prepare_all([sources[i] for i in order], [recipe], workers=workers, max_pixels=max_pixels)) as prepared:
        for one in prepared:
            pixels = one.pixels[0]
            made[order[one.index]] = (one.failure or Failure("damaged")) if pixels is None else encode_webp(pixels)
            while turn in made:
                yield made.pop(turn)
                turn += 1


def square_webp(data: bytes, side: int) -> bytes | None:
    """Return the square center of a picture of ours, such as a thumbnail, as a WebP file; None for one that is damaged."""
    rgb = decode(data)
    if isinstance(rgb, Failure):
        return None
    return encode_webp(prepare(rgb, Recipe(size=side, crop_mode="crop", crop=1.0, interpolation="bilinear")))


def encode_webp(rgb: RGB) -> bytes:
    """Return an RGB array (h, w, 3) as the bytes of a WebP file, without any metadata."""
    from PIL.Image import fromarray

    file = BytesIO()
    fromarray(rgb).save(file, "WEBP", quality=_WEBP_QUALITY, method=2)
    return file.getvalue()


def small_image_size(source: Any) -> tuple[int, int] | None:
    """Return width and height in pixels of a small file's picture; None for a large file, and for what cannot be read."""
    try:
        if isinstance(source, FileContent):
            size = len(source.data)
        else:
            size = source.size if isinstance(source, Member) else Path(source).stat().st_size
        return image_size(source) if size <= SMALL_FILE else None
    except (OSError, ValueError, TypeError):
        return None


def image_size(source: Any, upright: bool = False) -> tuple[int, int] | None:
    """Return width and height in pixels as the beginning of a file says, decoding nothing; None for what cannot be read.

    With `upright` they are those of the photo as it is shown, where a camera says how it was held.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings(), _opened(source) as file:
            warnings.simplefilter("ignore")
            which = formats(file.read(_BEGINNING))
            file.seek(0)
            with Image.open(file, formats=which) as picture:
                turned = upright and picture.getexif().get(_ORIENTATION) in _QUARTER_TURNS
                return (picture.height, picture.width) if turned else picture.size
    except (OSError, ValueError, TypeError, SyntaxError, Image.DecompressionBombError):
        return None


def _opened(source: Any) -> BinaryIO:
    if isinstance(source, FileContent):
        return BytesIO(source.data)
    if isinstance(source, Member):
        return Path(source.path).open("rb") if source.path else BytesIO(source.read())
    return Path(source).open("rb")

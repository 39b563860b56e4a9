"""Decode the bytes of one picture, wholly, into upright 8-bit RGB; or say why not.

In: bytes. Out: an RGB array, or a `Failure`; never an exception, never a half-decoded picture.
Must not know: paths, recipes, caches. Pillow is imported when the first picture is decoded.
"""

from __future__ import annotations

import importlib
import logging
import threading
import warnings
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING

from penult.pixels.failures import Refused, classify, is_heif
from penult.pixels.modes import to_rgb, upright
from penult.pixels.recipe import Failure

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

ROAD_VERSION = 1  # raise it whenever the mode table, the decoding or the resizing gives other pixels

MAX_BYTES = 200_000_000
MAX_PIXELS = 89_478_485  # above this Pillow warns of a decompression bomb, and that warning is an error here
MAX_SIDE = 65_500
MAX_SCANS = 200  # of a progressive JPEG: each goes over all pixels; encoders make a dozen

# Only these are opened, whatever the file is called: each further format is a further decoder to attack, and
# EPS would start Ghostscript. MPO is not in the list because Pillow has no opener of that name; JPEG covers
# it.
_PLUGINS = {
    "JPEG": "JpegImagePlugin",
    "PNG": "PngImagePlugin",
    "WEBP": "WebPImagePlugin",
    "GIF": "GifImagePlugin",
    "BMP": "BmpImagePlugin",
    "TIFF": "TiffImagePlugin",
    "AVIF": "AvifImagePlugin",
    "PPM": "PpmImagePlugin",
    "JPEG2000": "Jpeg2KImagePlugin",
}
_JPEG = b"\xff\xd8\xff"  # as Pillow tells one
_SCAN = b"\xff\xda"  # begins a scan; in the data of one a zero byte follows 0xFF


def road_version() -> str:
    """Return the version of everything between bytes and pixels; it is part of the key of cached features."""
    from PIL import __version__

    return f"{ROAD_VERSION}.pillow{__version__.split('.')[0]}"


def decode(data: bytes) -> NDArray[np.uint8] | Failure:
    """Decode one picture of any allowed format and colour mode into upright RGB, transparency on white.

    Returns a read-only array (h, w, 3), the first frame of an animation; or a `Failure` with a reason of
    `REASONS`. Content decides, not a name. It raises nothing, but a decoder that crashes takes the process
    along: `prepare_all` decodes in processes of its own.
    """
    import numpy as np

    picture = open_picture(data)
    if isinstance(picture, Failure):
        return picture
    return np.asarray(picture if picture.mode == "RGB" else picture.convert("RGB"))  # (h, w, 3)


def open_picture(data: bytes) -> Image | Failure:
    """Do what `decode` does, but return a Pillow image of mode `RGB` or (grey pictures) `L`."""
    if not data:
        return Failure("empty")
    if len(data) > MAX_BYTES:
        return Failure("too large", f"{len(data):,} bytes; at most {MAX_BYTES:,} are read")
    from PIL import Image

    return finish(lambda: Image.open(BytesIO(data), formats=formats(data)), data)


def finish(opened: Callable[[], Image], data: bytes = b"") -> Image | Failure:
    """Load what `opened` returns, within the limits, as upright `L` or `RGB`; exceptions become failures."""
    try:
        with _guard:
            image = opened()
            _check_size(*image.size)
            _check_scans(image, data)
            image.load()  # never verify(): it calls half a JPEG sound
            return upright(to_rgb(image), image)  # PNG may keep the tag behind the pixels: asked after load()
    except Exception as error:  # Pillow raises eight kinds of exception for damaged files, MemoryError too
        return classify(error, data)


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        limits = f"at most {MAX_PIXELS:,} pixels and {MAX_SIDE:,} a side are read"
        raise Refused("too large", f"{width} x {height} pixels; {limits}")
    if width * height == 0:
        raise Refused("damaged", f"{width} x {height} pixels")


def _check_scans(image: Image, data: bytes) -> None:
    if image.info.get("progressive") and (scans := data.count(_SCAN)) > MAX_SCANS:
        raise Refused("too large", f"{scans:,} scans; at most {MAX_SCANS} are read")


def formats(data: bytes) -> tuple[str, ...]:
    """Return what Pillow may try on these bytes: nothing but JPEG where they begin as one, which saves a worker the rest."""
    if data.startswith(_JPEG) and _opener("JPEG"):
        return ("JPEG",)
    heif = ("HEIF",) if is_heif(data) and _heif() else ()
    return (*(name for name in _PLUGINS if _opener(name)), *heif)


@cache
def _opener(name: str) -> bool:
    """Import one opener, and tell whether it is there; `Image.open` would import all forty."""
    from PIL import Image

    try:
        importlib.import_module(f"PIL.{_PLUGINS[name]}")
    except ImportError:  # AVIF came with Pillow 11.3
        return False
    return name in Image.OPEN


@cache
def _heif() -> bool:
    """Register the opener of the extra `heif` and nothing else of it; tell whether it is there."""
    from PIL import Image

    try:
        from pi_heif import HeifImageFile
    except ImportError:
        return False
    Image.register_open("HEIF", HeifImageFile, is_heif)
    return True


class _Guard:
    """Decode alike whatever the program around has set: silent, and strict about bombs and cut files.

    Warning filters and `LOAD_TRUNCATED_IMAGES` belong to the whole process; saved and restored by several
    threads at once they would stay changed for good. So the first thread in saves them, the last one out
    restores them.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = 0

    def __enter__(self) -> None:
        from PIL import Image, ImageFile

        with self.lock:
            if self.inside == 0:
                logging.getLogger("PIL").addHandler(_SILENCE)  # else its complaints go to standard error; added once
                self.filters, self.keeps_cut = warnings.catch_warnings(), ImageFile.LOAD_TRUNCATED_IMAGES
                self.filters.__enter__()
                warnings.simplefilter("ignore")
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                ImageFile.LOAD_TRUNCATED_IMAGES = False
            self.inside += 1

    def __exit__(self, *error: object) -> None:
        from PIL import ImageFile

        with self.lock:
            self.inside -= 1
            if self.inside == 0:
                ImageFile.LOAD_TRUNCATED_IMAGES = self.keeps_cut
                self.filters.__exit__(None, None, None)


_SILENCE = logging.NullHandler()
_guard = _Guard()

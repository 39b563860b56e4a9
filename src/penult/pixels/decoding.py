"""Decode the bytes of one picture, wholly, into upright 8-bit RGB; or say why not.

In: bytes. Out: an RGB array, or a `Failure`; never an exception, and never half a picture without a remark on it. Pillow is
imported when the first picture is decoded.
"""

from __future__ import annotations

import importlib
import logging
import threading
import warnings
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING

from penult.i18n import N_, _
from penult.pixels import headers, modes, repair
from penult.pixels.failures import classify, is_raw_with_preview
from penult.pixels.recipe import FULL_DEPTH, Failure, Refused, Remark
from penult.signatures import JPEG, RAW, is_heif
from penult.sources import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

PREPROCESSING_VERSION = 1  # raise it whenever the mode table, the decoding or the resizing gives other pixels

MAX_PIXELS = (
    89_478_485  # what Pillow allows before it warns of a decompression bomb; larger JPEGs are decoded at half the size
)
JPEG_SHARE = 4  # so many times the limit may a JPEG have: at half its sides it takes no more memory. Phones make 200 million
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
_REDUCED = ("JPEG", "MPO")  # formats that can be decoded at a part of their size
REMARK = "penult"
_SCAN = b"\xff\xda"  # begins a scan; in the data of one a zero byte follows 0xFF


def preprocessing_version() -> str:
    """Return the version of everything between bytes and pixels; it is part of the key of cached features."""
    from PIL import __version__

    return f"{PREPROCESSING_VERSION}.pillow{__version__.split('.')[0]}"


def decode(data: bytes, depth: int = FULL_DEPTH, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8] | Failure:
    """Decode one picture of any allowed format and colour mode into upright RGB, transparency on white.

    `depth`: how many bits are used of files that store 16; `max_pixels`: larger pictures are refused (JPEGs at four times
    as many; above 89,478,485 they are decoded at half their sides).

    Returns a read-only array (h, w, 3), the first frame of an animation; or a `Failure` with a reason of
    `REASONS`. Content decides, not a name. It raises nothing, but a decoder that crashes takes the process
    along: `prepare_all` decodes in processes of its own.
    """
    import numpy as np

    picture = open_picture(data, depth, max_pixels)
    if isinstance(picture, Failure):
        return picture
    return np.asarray(picture if picture.mode == "RGB" else picture.convert("RGB"))  # (h, w, 3)


def open_picture(
    data: bytes, depth: int = FULL_DEPTH, max_pixels: int = MAX_PIXELS, counting: bool = False
) -> Image | Failure:
    """Do what `decode` does, but return a Pillow image of mode `RGB` or (grey pictures) `L`.

    Its `info` holds a `Remark` as `REMARK` where there is one, and nothing else; with `counting` that of a 16-bit file
    has its levels.
    """
    if not data:
        return Failure("empty")
    if len(data) > MAX_BYTES:
        return Failure("too large", _("{size:,} bytes; at most {most:,} are read", size=len(data), most=MAX_BYTES))
    try:
        with _pillow.ours(max_pixels):
            image, remark = _read(data, max_pixels)
            if counting and (values := modes.samples(image, data)) is not None:
                remark = replace(remark, levels=modes.levels(values, values.ndim == 3 and values.shape[2] in (2, 4)))
            # After load(): a PNG may keep the tag behind the pixels.
            picture = modes.upright(modes.to_rgb(image, depth, data), image)
    except Exception as error:  # Pillow raises eight kinds of exception for damaged files, MemoryError too
        return classify(error, data)
    picture.info = {} if remark == Remark() else {REMARK: remark}
    return picture


def open_counting_levels(data: bytes, **limits: int) -> Image | Failure:
    """Decode one picture as `open_picture` does, with the counts of its levels as a remark on it."""
    return open_picture(data, counting=True, **limits)


def remark_on(picture: Image) -> Remark | None:
    """Return what was found out about a picture that `open_picture` returned; None for nothing."""
    found = picture.info.get(REMARK)
    return found if isinstance(found, Remark) else None


def finish(opened: Callable[[], Image], depth: int = FULL_DEPTH, max_pixels: int = MAX_PIXELS) -> Image | Failure:
    """Load what `opened` returns, a picture in memory, as upright `L` or `RGB`; exceptions become failures."""
    try:
        with _pillow.ours(max_pixels):
            image = opened()
            _check_size(image, max_pixels)
            image.load()
            return modes.upright(modes.to_rgb(image, depth), image)
    except Exception as error:
        return classify(error, b"")


def _read(data: bytes, max_pixels: int) -> tuple[Image, Remark]:
    """Return the picture as it is stored, all of it, and what it lacks; what Pillow alone refuses gets a second chance."""

    def load(content: bytes) -> Image:
        return _load(content, max_pixels)

    is_jpeg = data.startswith(JPEG)
    try:
        image = load(data)
        return repair.check_jpeg(data, image, load) if is_jpeg else (image, Remark())
    except Exception as error:
        if is_jpeg and not isinstance(error, Refused) and _may_lack_its_end(error, data):
            if (found := repair.recover_jpeg(data, load)) is not None:
                return found
        elif (slim := repair.slim_png(data)) is not None:
            return load(slim), Remark()
        raise


def _may_lack_its_end(error: Exception, data: bytes) -> bool:
    return classify(error, data).reason == "truncated" or headers.runs_into_another(data)


def _load(data: bytes, max_pixels: int) -> Image:
    from PIL import Image

    kinds = formats(data)
    try:
        image = Image.open(BytesIO(data), formats=kinds)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        _refuse_size(data, kinds, max_pixels)
        raise
    if is_raw_with_preview(data):
        raise Refused("unsupported format", RAW.name, RAW.cure)
    _check_size(image, max_pixels)
    _check_scans(image, data)
    _reduce(image)
    image.load()  # never verify(): it calls half a JPEG sound
    return image


def _refuse_size(data: bytes, kinds: tuple[str, ...], max_pixels: int) -> None:
    """Raise `Refused` with the size of a picture that Pillow would not open because of it."""
    from PIL import Image

    for kind in kinds:
        factory, accept = Image.OPEN[kind]
        if accept is None or accept(data[:16]) is True:
            _check_size(factory(BytesIO(data), ""), max_pixels)


def _check_size(image: Image, max_pixels: int) -> None:
    width, height = image.size
    share = JPEG_SHARE if image.format in _REDUCED else 1
    most = share * max_pixels
    if width * height > most or max(width, height) > MAX_SIDE:
        told = N_("{width} x {height} pixels; at most {most:,} pixels and {side:,} a side are read")
        cure = _("save it smaller")
        if max(width, height) <= MAX_SIDE:
            cure = _("save it smaller, or allow it with --max-pixels {n}", n=-(-width * height // share))
        raise Refused("too large", _(told, width=width, height=height, most=most, side=MAX_SIDE), cure)
    if width * height == 0:
        raise Refused("damaged", _("{width} x {height} pixels", width=width, height=height))


def _check_scans(image: Image, data: bytes) -> None:
    if image.info.get("progressive") and (scans := data.count(_SCAN)) > MAX_SCANS:
        raise Refused("too large", _("{n:,} scans; at most {most} are read", n=scans, most=MAX_SCANS))


def _reduce(image: Image) -> None:
    """Have a JPEG above `MAX_PIXELS` decoded at 1/2, 1/4 or 1/8 of its sides, whichever first is not above it.

    That depends on nothing but the picture's size, so neither other recipes nor the limit can touch its pixels.
    """
    width, height = image.size
    if image.format not in _REDUCED or width * height <= MAX_PIXELS:
        return
    for share in (2, 4, 8):
        if -(-width // share) * -(-height // share) <= MAX_PIXELS or share == 8:
            image.draft(None, (max(1, width // share), max(1, height // share)))
            return


def formats(data: bytes) -> tuple[str, ...]:
    """Return what Pillow may try on these bytes: nothing but JPEG where they begin as one, which saves a worker the rest."""
    if data.startswith(JPEG) and _opener("JPEG"):
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


def readable_formats() -> dict[str, bool]:
    """Return for each format that penult reads whether a small picture of it is read here; HEIC is always among them.

    Each is tried, not looked up: the library behind one may have been left out of this Pillow.
    """
    from PIL import Image

    found = {}
    for name in _PLUGINS:
        there, packed = _opener(name), BytesIO()
        if there and name in Image.SAVE:
            try:
                Image.new("RGB", (16, 16), (200, 90, 30)).save(packed, format=name)
            except (OSError, KeyError, ValueError, RuntimeError):
                there = False
            else:
                there = not isinstance(decode(packed.getvalue()), Failure)
        found[name] = there
    return {**found, "HEIC": _heif()}


class _PillowSettings:
    """Decode alike whatever the program around has set: silent, and strict about bombs and cut files.

    Warning filters, `LOAD_TRUNCATED_IMAGES` and `MAX_IMAGE_PIXELS` belong to the whole process; saved and restored by
    several threads at once they would stay changed for good. So the first thread in saves them, the last one out
    restores them. Pillow's own limit is that of the largest JPEG, since it looks at sizes before a reduction;
    `_check_size` holds the others to theirs.
    """

    def __init__(self) -> None:
        self.lock, self.inside = threading.Lock(), 0
        self.filters, self.keeps_cut = warnings.catch_warnings(), False  # as they were before the first thread came
        self.most: int | None = None

    @contextmanager
    def ours(self, max_pixels: int) -> Iterator[None]:
        from PIL import Image, ImageFile

        with self.lock:
            if self.inside == 0:
                logging.getLogger("PIL").addHandler(_SILENCE)  # else its complaints go to standard error; added once
                self.filters, self.keeps_cut = warnings.catch_warnings(), ImageFile.LOAD_TRUNCATED_IMAGES
                self.most, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, JPEG_SHARE * max_pixels
                self.filters.__enter__()
                warnings.simplefilter("ignore")
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                ImageFile.LOAD_TRUNCATED_IMAGES = False
            Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, JPEG_SHARE * max_pixels)
            self.inside += 1
        try:
            yield
        finally:
            with self.lock:
                self.inside -= 1
                if self.inside == 0:
                    ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = self.keeps_cut, self.most
                    self.filters.__exit__(None, None, None)


_SILENCE = logging.NullHandler()
_pillow = _PillowSettings()

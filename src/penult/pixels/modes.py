"""Turn every color mode and depth that a decoder gives into honest 8-bit grey or RGB, and set it upright.

In: a loaded Pillow image. Out: one of mode `L` or `RGB`.

| mode                                  | what is done                                                    |
|---------------------------------------|-----------------------------------------------------------------|
| L, RGB                                | nothing                                                         |
| 1                                     | grey                                                            |
| alpha of any kind, transparent colour | laid on white                                                   |
| I;16 of any byte order, I from PGM    | 65535 (4095 in 12-bit TIFF) becomes 255; Pillow alone would clip |
| 16 bits of any kind, at a lower depth | 2 ** depth - 1 becomes 255, what is above is white              |
| RGBA of a BMP that is all transparent | the alpha is junk: dropped                                      |
| I, F                                  | refused, `unsupported depth`: nobody knows where white is       |
| LAB                                   | through LittleCMS to sRGB                                       |
| P, CMYK, YCbCr, HSV, RGBX             | Pillow's `convert("RGB")`; colour profiles are not applied      |

Grey stays one band: Pillow resizes each band by itself, so grey is resized at a third of the cost to the same
bits.

A file with 16 bits a sample does not say how many of them a camera or a scanner used (10, 12, 14?), so the photos of a run are
asked: which files store 16 bits, what samples they hold, how many bits these use.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING, Any

from penult.i18n import N_, _
from penult.pixels import headers
from penult.pixels.recipe import DEPTHS, FULL_DEPTH, Refused
from penult.sources import FileContent, Member

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
_ORIENTATION = 274  # a tag of EXIF


def to_rgb(image: Image, depth: int = FULL_DEPTH, data: bytes = b"") -> Image:
    """Return the loaded `image` as 8-bit `L` or `RGB`; raise `Refused` for a depth without a known white.

    `depth` is how many bits photos use that store 16; `data` the file that `image` came from, empty for one in memory.
    """
    mode = image.mode
    if depth != FULL_DEPTH and (values := samples(image, data)) is not None:
        return _eight_bits(image, values, 2**depth - 1)
    if mode.startswith("I;16") or (mode == "I" and image.format in ("PNG", "PPM")):
        import numpy as np

        white = 4095 if _tags(image).get(headers.BITS) == (12,) else 65535
        return _eight_bits(image, np.asarray(image).astype(np.uint32), white)
    if mode in ("I", "F"):
        told = N_("32-bit numbers ({format}, mode {mode}): nobody knows where white is")
        if _tags(image).get(headers.BITS) == (16,):
            told = N_("signed 16-bit numbers ({format}, mode {mode}): nobody knows where white is")
        raise Refused("unsupported depth", _(told, format=image.format, mode=mode))
    if image.format == "BMP" and mode == "RGBA" and image.getchannel("A").getextrema() == (0, 0):
        return image.convert("RGB")
    if image.has_transparency_data:
        return _on_white(image.convert("RGBA"))
    if mode == "LAB":
        return _from_lab(image)
    if mode == "1":
        return image.convert("L")
    return image if mode in ("L", "RGB") else image.convert("RGB")


def upright(picture: Image, source: Image) -> Image:
    """Return `picture` turned as tag 274 of `source` says; a corrupt EXIF block says nothing.

    Only that tag is read: Pillow's `exif_transpose` also writes the block anew, where corrupt ones raise.
    """
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    try:
        turn = turns.get(int(source.getexif()[_ORIENTATION]))
    except Exception:  # no tag; or struct.error, SyntaxError, ...: whatever a corrupt block leads to
        return picture
    return picture if turn is None else picture.transpose(turn)


def _on_white(image: Image) -> Image:
    from PIL.Image import new

    canvas = new("RGB", image.size, "white")
    canvas.paste(image.convert("RGB"), mask=image.getchannel("A"))
    return canvas


def _tags(image: Image) -> Any:
    return getattr(image, "tag_v2", {})


def _eight_bits(image: Image, values: Any, white: int) -> Image:
    """Scale 16-bit samples (h, w) or (h, w, channels) to 8 with rounding: 0 to 0, `white` to 255; transparency on white."""
    import numpy as np
    from PIL.Image import fromarray

    clear = image.info.get("transparency")
    hidden = None
    if isinstance(clear, int) and values.ndim == 2:
        hidden = values == clear
    elif isinstance(clear, tuple) and values.ndim == 3 and len(clear) == 3:
        hidden = (values[..., :3] == np.array(clear)).all(axis=-1)
    wide = np.minimum(values, white).astype(np.uint32)
    if _tags(image).get(headers.PHOTOMETRIC) == 0:  # white is zero; Pillow inverts these at 8 bits only
        wide = white - wide
    if hidden is not None:
        wide[hidden] = white
    eight = ((wide * 255 + white // 2) // white).astype(np.uint8)
    if eight.ndim == 2 or eight.shape[2] == 3:
        return fromarray(eight)
    opaque = 65535 if int(values[..., -1].max()) > white else white  # alpha may use all 16 bits where colors do not
    eight[..., -1] = values[..., -1].astype(np.uint32) * 255 // opaque
    if eight.shape[2] == 2:  # gray and alpha
        eight = eight[..., [0, 0, 0, 1]]
    return _on_white(fromarray(np.ascontiguousarray(eight)))


def _from_lab(image: Image) -> Image:
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    picture = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    if picture is None:
        raise Refused("unsupported format", _("LAB colours cannot be converted by this Pillow"))
    return picture


def stores_sixteen(source: Any) -> bool:
    """Tell by its head whether a file stores unsigned 16-bit samples without saying how many bits they use; False if gone.

    `source` is a path, a `FileContent` or a `Member`; anything else is no file.
    """
    try:
        if isinstance(source, Member) and source.packing != "file":
            head = source.read(_HEAD)
            return _by_head(head) or (headers.is_tiff(head) and _by_tags(headers.first_directory(source.read())))
        if isinstance(source, FileContent):
            return _by_head(source.data[:_HEAD]) or _by_tags(headers.first_directory(source.data))
        path = source.path if isinstance(source, Member) else source
        return isinstance(path, str | bytes | os.PathLike) and _in_file(path)
    except (OSError, ValueError, TypeError, OverflowError):
        return False


def _in_file(path: str | bytes | os.PathLike[str]) -> bool:
    descriptor = os.open(path, _HOW)
    try:
        head = os.read(descriptor, _HEAD)  # of a folder it raises, of a pipe it gives nothing

        def read(place: int, size: int) -> bytes:
            os.lseek(descriptor, place, os.SEEK_SET)
            return os.read(descriptor, size)

        return _by_head(head) or (headers.is_tiff(head) and _by_tags(headers.read_directory(read)))
    finally:
        os.close(descriptor)


def _by_head(head: bytes) -> bool:
    if head.startswith(b"\x89PNG") and head[12:16] == b"IHDR":
        return head[24:25] == b"\x10"
    return _PNM.match(head) is not None


def _by_tags(tags: dict[int, tuple[int, ...]]) -> bool:
    return set(tags.get(headers.BITS, ())) == {16} and set(tags.get(headers.SAMPLE_FORMAT, (1,))) == {1}


def samples(image: Image, data: bytes) -> Samples | None:
    """Return the 16-bit samples of a loaded image, or None for one that stores others. `data` is its file, if it has one."""
    import numpy as np

    if not data:
        return np.asarray(image).astype(np.uint16) if image.mode.startswith("I;16") else None
    if not (_by_head(data[:_HEAD]) or _by_tags(headers.first_directory(data))):
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


def choose_depth(found: Iterable[tuple[int, ...]]) -> int:
    """Return the bits that photos with these counts of levels use: the least of `DEPTHS` that holds all but outliers."""
    total = [sum(column) for column in zip(*found, strict=True)]
    if not total or not total[0]:
        return FULL_DEPTH
    for depth, quarter, above in zip(DEPTHS[:-1], total[1:], total[2:], strict=False):
        if above == 0 or (above <= _OUTLIERS * total[0] and above <= _TAIL * quarter):
            return depth
    return FULL_DEPTH


def describe_depth(depth: int) -> str:
    """Return the sentence for a run whose photos use `depth` bits of 16."""
    return _(
        "the photos in 16-bit files use {depth} of the 16 bits, so {white:,} is taken as white; the model keeps this setting "
        "for its predictions.",
        depth=depth,
        white=2**depth - 1,
    )

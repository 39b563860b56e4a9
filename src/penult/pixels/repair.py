"""A second chance for files that Pillow refuses and every viewer opens: JPEGs without their end, PNGs with odd chunks.

A JPEG does not say how long it is. So the data is decoded twice, with two different endings after its last byte: where no
pixel depends on what the ending says, all of them are in the file. Otherwise the first row that differs is the first that
is not whole. From there on the picture is grey, as libjpeg leaves what it does not have.

Out of a PNG is taken what Pillow refuses and no picture needs: long texts, color profiles, damaged chunks on the side. That
never raises, takes time and memory in proportion to the file, and unpacks at most a megabyte of any chunk, so a text that
would unpack to gigabytes costs nothing.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from penult.i18n import _
from penult.pixels.headers import JPEG_END, JpegOutline, JpegScan, jpeg_outline
from penult.pixels.recipe import Refused, Remark

if TYPE_CHECKING:
    from PIL.Image import Image

    Load = Callable[[bytes], Image]

MOST_MISSING = 0.5  # of the rows; with fewer of them a photo is refused
_OTHER_END = bytes((0xFE, 0x6B, 0xD3, 0x9A, 0x35, 0xC6, 0x2D, 0xB1)) * 64 + JPEG_END  # whatever the codes, no run of zeros
_FEW = 4  # bytes of zeros or ones in the place of the end marker, which may as well be of the picture
_COEFFICIENTS = 64
_GREY = 128  # what libjpeg fills missing rows with; inks are the other way round
_CORNER = (4, 2)  # pixels of the last block that no color from above or beside reaches
_PNG = b"\x89PNG\r\n\x1a\n"
MOST_UNPACKED = 1 << 20  # bytes of a packed text; what Pillow unpacks of one
_MOST_CHUNKS = 1_000_000
_FRAME = 12  # bytes of a chunk beside its body: length, kind, checksum
_ANCILLARY = 0x20  # a small first letter: a decoder may do without the chunk
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_ANIMATION = (b"acTL", b"fcTL", b"fdAT")  # of the frames behind the first
_LEAST = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"pHYs": 9, b"tIME": 7}  # bytes; with fewer it says nothing
_LEAST_CLEAR = {0: 2, 2: 6, 3: 1}  # bytes of the transparent color, by the color type of the header
_XMP, _EXIF = b"XML:com.adobe.xmp\0", b"Raw profile type exif\0"  # texts that may say which side is up


def recover_jpeg(data: bytes, load: Load) -> tuple[Image, Remark] | None:
    """Return the picture of a JPEG that Pillow found too short, and what it lacks; None for one that has no pixels.

    Raises `Refused` where more than half of the rows are missing, or of a progressive one what makes it a picture.
    """
    about = jpeg_outline(data)
    if not about.scans:
        return None
    body = data[: about.end]
    bare = _without_padding(body)
    picture, first = _probed(bare, load)
    padding = len(body) - len(bare)
    if first is not None and padding:  # were they of the picture after all?
        whole, row = _probed(body.rstrip(b"\xff"), load)
        if row is None and (padding <= _FEW or _probed(body[: -2 * _FEW].rstrip(b"\xff"), load)[1] is not None):
            picture, first = whole, None
    return picture, _judged(about, first, picture.height)


def check_jpeg(data: bytes, picture: Image, load: Load) -> tuple[Image, Remark]:
    """Return a picture that Pillow found nothing wrong with, and what it lacks all the same; ordinary ones cost nothing.

    An end marker may stand behind what is left of the data (its last block is grey then), and what was never written may be
    zeros, which Pillow takes for data. Raises what `recover_jpeg` raises.
    """
    if not data.endswith(JPEG_END) and jpeg_outline(data).end == len(data):  # nothing but data, to the last byte
        return recover_jpeg(data, load) or (picture, Remark())
    if picture.info.get("progressive"):
        about = jpeg_outline(data)
        return picture, Remark(scans=bool(about.scans) and not _whole(about.scans, about.components))
    return picture, _missing_rows(data, picture, load)


def _missing_rows(data: bytes, picture: Image, load: Load) -> Remark:
    right, low = picture.size
    corner = (max(0, right - _CORNER[0]), max(0, low - _CORNER[1]), right, low)
    greys = {_GREY, 255 - _GREY} if picture.mode == "CMYK" else {_GREY}
    if picture.mode not in ("L", "RGB", "CMYK") or not greys.issuperset(_flat(picture.getpixel((right - 1, low - 1)))):
        return Remark()
    if not greys.issuperset(_flat(picture.crop(corner).getextrema())):
        return Remark()
    about = jpeg_outline(data)
    if len(about.scans) != 1:
        return Remark()
    first = _probed(data[: about.end], load)[1]
    return Remark() if first is None else Remark(rows=max(0.0, 1 - first / low))


def _flat(numbers: Any) -> list[int]:
    """Return a number, or pairs of them, as a list."""
    return [one for part in numbers for one in _flat(part)] if isinstance(numbers, tuple) else [numbers]


def _without_padding(body: bytes) -> bytes:
    """Return the data of a scan without the zeros and ones at its end; 0xFF 0x00 is a byte of the picture."""
    bare = body.rstrip(b"\0\xff")
    return bare + b"\xff\0" if body[len(bare) :].startswith(b"\xff\0") else bare


def _probed(body: bytes, load: Load) -> tuple[Image, int | None]:
    """Return the picture, and the first row that is not all in `body`, None where every one is."""
    from PIL import ImageChops

    picture = load(body + JPEG_END)
    differs = ImageChops.difference(picture, load(body + _OTHER_END)).getbbox(alpha_only=False)
    return picture, None if differs is None else differs[1]


def _judged(about: JpegOutline, first: int | None, height: int) -> Remark:
    if len(about.scans) == 1 and set(about.scans[0].components) == set(about.components):
        missing = 0.0 if first is None else max(1 - first / height, 1e-6)
        if missing > MOST_MISSING:
            raise Refused("truncated", _("the last {share:.0%} of the picture are missing", share=missing))
        return Remark(rows=missing)
    whole = about.scans if first is None else about.scans[:-1]
    if _whole(whole, about.components):
        return Remark()
    # Without some of its last scans a picture is less sharp; without those before it is a mosaic, or lacks its colors.
    told = [s for s in whole if s.first == 0]
    detail = [s for s in whole if s.last > 0 and about.components[:1] == s.components[:1]]
    if {c for s in told for c in s.components} < set(about.components) or not detail:
        raise Refused("truncated", _("so many scans of a progressive JPEG are missing that there is no picture yet"))
    return Remark(scans=True)


def _whole(scans: Sequence[JpegScan], components: Sequence[int]) -> bool:
    """Return whether every coefficient of every component is there, to its last bit."""
    there = {(c, k) for s in scans if not s.low for c in s.components for k in range(s.first, min(s.last, 63) + 1)}
    return len(there) >= len(set(components)) * _COEFFICIENTS


def slim_png(data: bytes) -> bytes | None:
    """Return `data`, a PNG, without long texts, color profiles, animation and ancillary chunks that are too short or whose
    checksum is wrong.

    Kept are all that decides the pixels and which side is up. None where nothing is to be taken out.
    """
    if not data.startswith(_PNG):
        return None
    kept, position, changed = [data[: len(_PNG)]], len(_PNG), False
    for _chunk in range(_MOST_CHUNKS):
        length = int.from_bytes(data[position : position + 4], "big")
        end = position + _FRAME + length
        if end > len(data):
            break
        kind = data[position + 4 : position + 8]
        piece: bytes | None = data[position:end]
        if kind[0] & _ANCILLARY:
            short = length < (_LEAST_CLEAR.get(data[25], 0) if kind == b"tRNS" else _LEAST.get(kind, 0))
            piece = None if short else _slimmed(kind, data[position + 8 : end - 4], data[position:end])
        if piece is None or len(piece) != end - position:
            changed = True
        if piece:
            kept.append(piece)
        position = end
    return b"".join([*kept, data[position:]]) if changed else None


def _slimmed(kind: bytes, body: bytes, chunk: bytes) -> bytes | None:
    """Return what is kept of an ancillary chunk: itself, a shorter one, or None."""
    if zlib.crc32(kind + body) != int.from_bytes(chunk[-4:], "big") or kind in (b"iCCP", *_ANIMATION):
        return None
    if kind not in _TEXTS:
        return chunk
    if kind == b"iTXt" and body.startswith(_XMP):
        return _xmp(body)
    if body.startswith(_EXIF) and (kind == b"tEXt" or _unpacked(body[len(_EXIF) + 1 :])[1]) and len(body) <= MOST_UNPACKED:
        return chunk
    return None


def _xmp(body: bytes) -> bytes | None:
    """Return an XMP block as an unpacked text of a megabyte at most: the orientation stands near its beginning."""
    packed, rest = body[len(_XMP) : len(_XMP) + 1] == b"\1", body[len(_XMP) + 2 :]
    _, _, rest = rest.partition(b"\0")  # the language
    _, _, text = rest.partition(b"\0")  # the keyword, translated
    if packed:
        text, _ = _unpacked(text)
    text = text[:MOST_UNPACKED].decode("utf-8", "ignore").encode()
    return _chunk(b"iTXt", _XMP + b"\0\0\0\0" + text) if text else None


def _unpacked(packed: bytes) -> tuple[bytes, bool]:
    """Return up to a megabyte of what `packed` holds, and whether that is all of it."""
    unpacker = zlib.decompressobj()
    try:
        return unpacker.decompress(packed, MOST_UNPACKED), not unpacker.unconsumed_tail
    except zlib.error:
        return b"", False


def _chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

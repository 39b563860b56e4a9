"""JPEGs whose end is missing: is every pixel there all the same, and if not, how many rows are?

In: the bytes, and what decodes such bytes. Out: the picture, and what it lacks.

A JPEG does not say how long it is. So the data is decoded twice, with two different endings after its last byte: where no
pixel depends on what the ending says, all of them are in the file. Otherwise the first row that differs is the first that
is not whole. From there on the picture is grey, as libjpeg leaves what it does not have.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penult.pixels.recipe import Refused, Remark

if TYPE_CHECKING:
    from PIL.Image import Image

    Load = Callable[[bytes], Image]

SIGNATURE = b"\xff\xd8\xff"  # as Pillow tells a JPEG
MOST_MISSING = 0.5  # of the rows; with fewer of them a photo is refused
_END = b"\xff\xd9"
_OTHER_END = bytes((0xFE, 0x6B, 0xD3, 0x9A, 0x35, 0xC6, 0x2D, 0xB1)) * 64 + _END  # whatever the codes, no run of zeros
_FEW = 4  # bytes of zeros or ones in the place of the end marker, which may as well be of the picture
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # in the data of a scan a zero follows 0xFF
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}  # the last is JPEG-LS
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers that nothing belongs to
_SOI, _SOS, _EOI = 0xD8, 0xDA, 0xD9
_MOST_SEGMENTS = 10_000
_COEFFICIENTS = 64
_GREY = 128  # what libjpeg fills missing rows with; inks are the other way round
_CORNER = (4, 2)  # pixels of the last block that no color from above or beside reaches


@dataclass(frozen=True, slots=True)
class Scan:
    """One pass over some components: the coefficients from `first` to `last`, down to the bit number `low`."""

    components: tuple[int, ...]
    first: int
    last: int
    low: int


@dataclass(frozen=True, slots=True)
class Outline:
    """What a JPEG's markers say: its kind (the number of the frame marker), bits a sample, components, scans.

    `end` is where the data of the last scan ends, `ended` whether the end marker stands there.
    """

    kind: int = 0
    bits: int = 0
    components: tuple[int, ...] = ()
    scans: tuple[Scan, ...] = ()
    end: int = 0
    ended: bool = False


def outline(data: bytes) -> Outline:
    """Return what the markers say, as far as they can be followed; it takes any bytes and never raises."""
    kind = bits = end = 0
    components: tuple[int, ...] = ()
    scans: list[Scan] = []
    position = 2
    for _ in range(_MOST_SEGMENTS):
        while data[position + 1 : position + 2] == b"\xff":  # fill bytes
            position += 1
        if position + 4 > len(data) or data[position] != 0xFF:
            break
        marker = data[position + 1]
        if marker == _SOI and scans:  # the next frame of a video, with no end marker between them
            break
        if marker in _BARE:
            position += 2
            continue
        if marker == _EOI:
            break
        after = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        segment = data[position + 4 : after]
        if after > len(data) or after < position + 4:
            break
        if marker in _FRAMES and len(segment) >= 6:
            kind, bits, components = marker, segment[0], tuple(segment[6 : 6 + 3 * segment[5] : 3])
        position = after
        if marker == _SOS:
            if (scan := _scan(segment)) is None:
                break
            scans.append(scan)
            found = _MARKER.search(data, position)
            position = end = len(data) if found is None else found.start()
    ended = data[end : end + 2] == _END and end > 0
    return Outline(kind, bits, components, tuple(scans), end, ended)


def _scan(segment: bytes) -> Scan | None:
    count = segment[0] if segment else 0
    rest = segment[1 + 2 * count :]
    return Scan(tuple(segment[1 : 1 + 2 * count : 2]), rest[0], rest[1], rest[2] & 15) if count and len(rest) >= 3 else None


def recovered(data: bytes, load: Load) -> tuple[Image, Remark] | None:
    """Return the picture of a JPEG that Pillow found too short, and what it lacks; None for one that has no pixels.

    Raises `Refused` where more than half of the rows are missing, or of a progressive one what makes it a picture.
    """
    about = outline(data)
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


def checked(data: bytes, picture: Image, load: Load) -> tuple[Image, Remark]:
    """Return a picture that Pillow found nothing wrong with, and what it lacks all the same; ordinary ones cost nothing.

    An end marker may stand behind what is left of the data (its last block is grey then), and what was never written may be
    zeros, which Pillow takes for data. Raises what `recovered` raises.
    """
    if not data.endswith(_END) and outline(data).end == len(data):  # nothing but data, to the last byte
        return recovered(data, load) or (picture, Remark())
    if picture.info.get("progressive"):
        about = outline(data)
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
    about = outline(data)
    if len(about.scans) != 1:
        return Remark()
    first = _probed(data[: about.end], load)[1]
    return Remark() if first is None else Remark(rows=max(0.0, 1 - first / low))


def _flat(numbers: Any) -> list[int]:
    """Return a number, or pairs of them, as a list."""
    return [one for part in numbers for one in _flat(part)] if isinstance(numbers, tuple) else [numbers]


def runs_into_another(data: bytes) -> bool:
    """Tell whether the data of a JPEG ends where the next one begins, as where frames of a video were cut apart badly."""
    about = outline(data)
    return about.end > 0 and data.startswith(SIGNATURE, about.end)


def _without_padding(body: bytes) -> bytes:
    """Return the data of a scan without the zeros and ones at its end; 0xFF 0x00 is a byte of the picture."""
    bare = body.rstrip(b"\0\xff")
    return bare + b"\xff\0" if body[len(bare) :].startswith(b"\xff\0") else bare


def _probed(body: bytes, load: Load) -> tuple[Image, int | None]:
    """Return the picture, and the first row that is not all in `body`, None where every one is."""
    from PIL import ImageChops

    picture = load(body + _END)
    differs = ImageChops.difference(picture, load(body + _OTHER_END)).getbbox(alpha_only=False)
    return picture, None if differs is None else differs[1]


def _judged(about: Outline, first: int | None, height: int) -> Remark:
    if len(about.scans) == 1 and set(about.scans[0].components) == set(about.components):
        missing = 0.0 if first is None else max(1 - first / height, 1e-6)
        if missing > MOST_MISSING:
            raise Refused("truncated", f"the last {missing:.0%} of the picture are missing")
        return Remark(rows=missing)
    whole = about.scans if first is None else about.scans[:-1]
    if _whole(whole, about.components):
        return Remark()
    # Without some of its last scans a picture is less sharp; without those before it is a mosaic, or lacks its colors.
    told = [s for s in whole if s.first == 0]
    detail = [s for s in whole if s.last > 0 and about.components[:1] == s.components[:1]]
    if {c for s in told for c in s.components} < set(about.components) or not detail:
        raise Refused("truncated", "so many scans of a progressive JPEG are missing that there is no picture yet")
    return Remark(scans=True)


def _whole(scans: Sequence[Scan], components: Sequence[int]) -> bool:
    """Return whether every coefficient of every component is there, to its last bit."""
    there = {(c, k) for s in scans if not s.low for c in s.components for k in range(s.first, min(s.last, 63) + 1)}
    return len(there) >= len(set(components)) * _COEFFICIENTS

"""What the heads of files say of their pixels: the first directory of a TIFF, the markers of a JPEG.

In: the bytes. Out: numbers by tag, an outline. Nothing is decoded, and nothing raises, whatever the bytes are.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

from penult.signatures import JPEG

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, STRIPS, SAMPLES = 256, 257, 258, 259, 262, 273, 277
TILES, SUB_DIRECTORIES, SAMPLE_FORMAT, DNG_VERSION, KIND = 324, 330, 339, 50706, 254
_HEADS = {b"II*\0": ("<", False), b"MM\0*": (">", False), b"II+\0": ("<", True), b"MM\0+": (">", True)}
_WIDTHS = {1: "B", 3: "H", 4: "I", 16: "Q"}  # types of whole numbers
_MOST_TAGS = 4096
_MOST_VALUES = 16  # of a tag: a pixel has no more samples that matter
JPEG_END = b"\xff\xd9"
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # in the data of a scan a zero follows 0xFF
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}  # the last is JPEG-LS
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers that nothing belongs to
_SOI, _SOS, _EOI = 0xD8, 0xDA, 0xD9
_MOST_SEGMENTS = 10_000


def is_tiff(data: bytes) -> bool:
    """Tell a TIFF, and all that is made like one, by its first four bytes."""
    return data[:4] in _HEADS


def first_directory(data: bytes) -> dict[int, tuple[int, ...]]:
    """Return the first values of each tag of whole numbers; an empty dict where there is no directory to be read."""
    return read_directory(lambda place, size: data[place : place + size])


def read_directory(read: Callable[[int, int], bytes]) -> dict[int, tuple[int, ...]]:
    """Do what `first_directory` does, but with `read(place, size)` for bytes; few are asked for."""
    if not is_tiff(head := read(0, 16)):
        return {}
    order, big = _HEADS[head[:4]]

    def numbers(letters: str, place: int) -> tuple[int, ...]:
        return struct.unpack(order + letters, read(place, struct.calcsize(order + letters)))

    count_letter, entry, word, offset = ("Q", "HHQ", 8, "Q") if big else ("H", "HHI", 4, "I")
    found: dict[int, tuple[int, ...]] = {}
    try:
        (place,) = numbers(offset, 8 if big else 4)
        (count,) = numbers(count_letter, place)
        place += struct.calcsize("=" + count_letter)
        for _ in range(min(count, _MOST_TAGS)):
            tag, kind, n = numbers(entry, place)
            place += struct.calcsize("=" + entry)
            if (letter := _WIDTHS.get(kind)) is not None and n > 0:
                inside = n * struct.calcsize("=" + letter) <= word
                found.setdefault(
                    tag, numbers(f"{min(n, _MOST_VALUES)}{letter}", place if inside else numbers(offset, place)[0])
                )
            place += word
    except (struct.error, OverflowError):  # cut short, or an offset beyond the end
        return {}
    return found


@dataclass(frozen=True, slots=True)
class JpegScan:
    """One pass over some components: the coefficients from `first` to `last`, down to the bit number `low`."""

    components: tuple[int, ...]
    first: int
    last: int
    low: int


@dataclass(frozen=True, slots=True)
class JpegOutline:
    """What a JPEG's markers say: its kind (the number of the frame marker), bits a sample, components, scans.

    `end` is where the data of the last scan ends, `ended` whether the end marker stands there.
    """

    kind: int = 0
    bits: int = 0
    components: tuple[int, ...] = ()
    scans: tuple[JpegScan, ...] = ()
    end: int = 0
    ended: bool = False


def jpeg_outline(data: bytes) -> JpegOutline:
    """Return what the markers say, as far as they can be followed; it takes any bytes and never raises."""
    kind = bits = end = 0
    components: tuple[int, ...] = ()
    scans: list[JpegScan] = []
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
    ended = data[end : end + 2] == JPEG_END and end > 0
    return JpegOutline(kind, bits, components, tuple(scans), end, ended)


def _scan(segment: bytes) -> JpegScan | None:
    count = segment[0] if segment else 0
    rest = segment[1 + 2 * count :]
    return (
        JpegScan(tuple(segment[1 : 1 + 2 * count : 2]), rest[0], rest[1], rest[2] & 15) if count and len(rest) >= 3 else None
    )


def runs_into_another(data: bytes) -> bool:
    """Tell whether the data of a JPEG ends where the next one begins, as where frames of a video were cut apart badly."""
    about = jpeg_outline(data)
    return about.end > 0 and data.startswith(JPEG, about.end)

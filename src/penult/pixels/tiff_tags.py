"""What the first directory of a TIFF says of its pixels.

In: the bytes. Out: numbers by tag. It decodes nothing and never raises.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, STRIPS, SAMPLES = 256, 257, 258, 259, 262, 273, 277
TILES, SUB_DIRECTORIES, SAMPLE_FORMAT, DNG_VERSION, KIND = 324, 330, 339, 50706, 254
_HEADS = {b"II*\0": ("<", False), b"MM\0*": (">", False), b"II+\0": ("<", True), b"MM\0+": (">", True)}
_WIDTHS = {1: "B", 3: "H", 4: "I", 16: "Q"}  # types of whole numbers
_MOST_TAGS = 4096
_MOST_VALUES = 16  # of a tag: a pixel has no more samples that matter


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

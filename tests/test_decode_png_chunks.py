"""PNGs with long texts, color profiles and damaged chunks beside the picture are read, and nothing long is unpacked."""

from __future__ import annotations

import struct
import zlib
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from badimages import photo, save
from penult.pixels import Failure, decode
from penult.pixels.repair import MOST_UNPACKED, slim_png

LONG = b'{"prompt": "a cat"}' * 200_000  # 3.8 MB
PACKED = zlib.compress(LONG, 9)
BULK = {
    "zTXt": (b"zTXt", b"workflow\0\0" + PACKED),
    "iTXt": (b"iTXt", b"workflow\0\1\0\0\0" + PACKED),
    "iCCP": (b"iCCP", b"profile\0\0" + PACKED),
    "XMP": (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + PACKED),
    "a checksum that is wrong": (b"tIME", None),
    **{f"a short {kind.decode()}": (kind, b"x") for kind in (b"gAMA", b"cHRM", b"pHYs", b"acTL", b"fcTL")},
    "an empty sRGB": (b"sRGB", b""),
    "frames out of order": (b"fcTL", bytes(25) + b"x"),
}


def chunk(kind: bytes, body: bytes | None) -> bytes:
    if body is None:
        return struct.pack(">I", 7) + kind + bytes(7) + b"\0\0\0\0"
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def put(data: bytes, added: bytes, behind: bool) -> bytes:
    at = data.index(b"IEND") - 4 if behind else data.index(b"IDAT") - 4
    return data[:at] + added + data[at:]


@pytest.mark.parametrize(("kind", "behind"), list(product(BULK, (False, True))))
def test_what_no_picture_needs_costs_no_picture(kind: str, behind: bool) -> None:
    for mode in ("RGB", "L", "P", "RGBA"):
        good = save(Image.fromarray(photo()).convert(mode), "PNG")
        found = decode(put(good, chunk(*BULK[kind]) * 3, behind))
        assert not isinstance(found, Failure), found
        assert (found == decode(good)).all()


@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
def test_a_transparent_color_that_is_cut_short_is_none(mode: str) -> None:
    good = save(Image.fromarray(photo()).convert(mode), "PNG")
    found = decode(put(good, chunk(b"tRNS", b"x" if mode != "P" else b""), behind=False))
    assert not isinstance(found, Failure), found
    assert (found == decode(good)).all()


def test_many_texts_that_are_too_much_together_are_left_out() -> None:
    half = chunk(b"zTXt", b"c\0\0" + zlib.compress(bytes(MOST_UNPACKED - 1), 9))
    found = decode(put(save(photo(), "PNG"), half * 80, behind=False))
    assert (found == photo()).all()


def test_transparency_and_orientation_beside_a_long_text_still_count() -> None:
    """Chunks that decide pixels are kept: a transparent color, EXIF, and the orientation in a long XMP block."""
    long = chunk(*BULK["zTXt"])
    clear = save(Image.new("RGB", (20, 20), (9, 8, 7)), "PNG", transparency=(9, 8, 7))
    assert (decode(put(clear, long, behind=False)) == 255).all()
    exif = Image.Exif()
    exif[274] = 6
    turned = save(photo(), "PNG", exif=exif.tobytes())
    assert (decode(put(turned, long, behind=False)) == np.rot90(photo(), -1)).all()
    xmp = b'<rdf:Description tiff:Orientation="6"/>' + LONG
    for packed in (b"\0\0\0\0" + xmp, b"\1\0\0\0" + zlib.compress(xmp)):
        block = chunk(b"iTXt", b"XML:com.adobe.xmp\0" + packed)
        assert (decode(put(save(photo(), "PNG"), block + long, behind=False)) == np.rot90(photo(), -1)).all()


def test_a_good_png_is_left_alone() -> None:
    exif = Image.Exif()
    exif[274] = 3
    for data in (save(photo(), "PNG"), save(photo(), "PNG", exif=exif.tobytes())):
        assert slim_png(data) is None


def test_damage_to_the_picture_itself_is_still_refused() -> None:
    good = save(photo(), "PNG")
    at = good.index(b"IDAT") + 40
    bad = good[:at] + bytes(b ^ 0x55 for b in good[at : at + 8]) + good[at + 8 :]
    for data in (bad, put(bad, chunk(*BULK["zTXt"]), behind=False), put(good, chunk(*BULK["zTXt"]), behind=False)[:-700]):
        assert isinstance(decode(data), Failure)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_the_walk_along_chunks_takes_any_bytes(data: st.DataObject) -> None:
    """It raises nothing, never makes a file longer than the blocks that it rewrites, and is through after one pass."""
    good = bytearray(put(save(photo(9, 9), "PNG"), chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + PACKED), behind=True))
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, len(good) - 1))
        good[at : at + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    slim = slim_png(bytes(good))
    if slim is not None:
        assert len(slim) <= len(good) + MOST_UNPACKED + 64
        assert slim_png(slim) in (None, slim)

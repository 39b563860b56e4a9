"""Decoding holds its limits and its promises whatever the program around it has set."""

import struct
import threading
import warnings

import numpy as np
import PIL
import pytest
from PIL import Image, ImageFile

from badimages import bomb, cases, photo, png, save
from penult.pixels import MAX_BYTES, MAX_SIDE, REASONS, Failure, decode, preprocessing_version


def reason(data: bytes) -> str:
    found = decode(data)
    return found.reason if isinstance(found, Failure) else "ok"


def test_more_bytes_than_the_limit_are_not_looked_at() -> None:
    assert reason(bytes(MAX_BYTES + 1)) == "too large"


def test_a_bomb_is_refused_even_where_the_program_has_switched_pillows_limit_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert reason(bomb(10_000)) == "too large"


def test_the_longest_side_allowed_is_decoded_and_one_more_is_not() -> None:
    assert reason(save(np.zeros((1, MAX_SIDE), np.uint8), "PNG")) == "ok"
    assert reason(save(np.zeros((1, MAX_SIDE + 1), np.uint8), "PNG")) == "too large"


def test_a_cut_file_is_truncated_even_where_the_program_loads_truncated_images(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Pillow would fill the rest with grey, and say nothing."""
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    data = save(photo(), "JPEG")
    assert reason(data[: len(data) // 2]) == "truncated"
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


def test_decoding_in_many_threads_gives_the_same_and_leaves_the_filters_as_they_were() -> None:
    files = [case.data for case in cases() if len(case.data) < 30_000][::3]
    alone = [reason(data) for data in files]
    before = list(warnings.filters)
    results: list[list[str]] = []
    threads = [threading.Thread(target=lambda: results.append([reason(d) for d in files])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [alone] * 4
    assert warnings.filters == before


def test_flipped_bits_and_cuts_never_raise() -> None:
    """1,500 mutations of small files of every format: each decodes or has a reason of the list."""
    random = np.random.default_rng(7)
    seeds = [c.data for c in cases() if c.expect == "ok" and 60 < len(c.data) < 8_000]
    seen = set()
    for _ in range(1_500):
        data = bytearray(seeds[random.integers(len(seeds))])
        for _ in range(random.integers(1, 4)):
            data[random.integers(len(data))] ^= 1 << random.integers(8)
        if random.random() < 0.3:
            del data[random.integers(len(data)) :]
        seen.add(reason(bytes(data)))
    assert seen <= {"ok", *REASONS}
    assert {"ok", "damaged", "truncated"} <= seen


def test_sixteen_bits_are_rounded_not_cut() -> None:
    """0, 128, 129, 385, 386 and 65535 are 0, 0, 1, 1, 2 and 255 in 255ths of 65535."""
    values = np.array([[0, 128, 129, 385, 386, 65535]], np.uint16)
    found = decode(save(Image.fromarray(values), "PNG"))
    assert not isinstance(found, Failure)
    assert found[0, :, 0].tolist() == [0, 0, 1, 1, 2, 255]


def tiff(values: bytes, width: int, bits: int, photometric: int) -> bytes:
    """Return an uncompressed grey TIFF of one row."""
    tags = {
        256: width,
        257: 1,
        258: bits,
        259: 1,
        262: photometric,
        273: 200,
        277: 1,
        278: 1,
        279: len(values),
    }
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)
    return head.ljust(200, b"\0") + values


def test_white_is_zero_is_turned_round_at_sixteen_bits() -> None:
    found = decode(tiff(struct.pack("<4H", 0, 257, 514, 65535), 4, 16, 0))
    assert not isinstance(found, Failure), found
    assert found[0, :, 0].tolist() == [255, 254, 253, 0]


def test_twelve_bits_reach_white() -> None:
    """Two values in three bytes: 0x000, 0xfff, 0x800, 0x7ff."""
    found = decode(tiff(bytes([0x00, 0x0F, 0xFF, 0x80, 0x07, 0xFF]), 4, 12, 1))
    assert not isinstance(found, Failure), found
    assert found[0, :, 0].tolist() == [0, 255, 128, 127]


def test_a_format_that_is_not_allowed_is_not_even_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """EPS would start Ghostscript."""
    Image.init()

    def open_eps(*_: object) -> None:
        raise AssertionError("EPS was opened")

    monkeypatch.setitem(Image.OPEN, "EPS", (open_eps, lambda prefix: True))
    assert reason(b"%!PS-Adobe-3.0 EPSF-3.0\n") == "unsupported format"


def test_a_header_without_pixels_is_truncated_not_black() -> None:
    assert reason(png(50, 50, 8, 2, b"")) == "truncated"


def test_the_version_of_the_road_names_pillows_major_version() -> None:
    assert preprocessing_version().endswith(f".pillow{PIL.__version__.split('.')[0]}")

"""A JPEG that lacks its end marker is read as with it; one that lacks rows is kept, and what it lacks is told."""

from __future__ import annotations

import io
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from badimages import cases, photo, save
from penult.pixels import Failure, Remark, decode
from penult.pixels.decoding import open_picture, remark_on
from penult.pixels.headers import jpeg_outline
from penult.pixels.repair import MOST_MISSING

KINDS: dict[str, dict[str, object]] = {
    "baseline": {},
    "no subsampling": {"subsampling": 0},
    "own codes": {"optimize": True},
    "progressive": {"progressive": True},
    "restart markers": {"restart_marker_rows": 1},
}
ENDS = {
    "nothing": b"", "0xFF": b"\xff", "zeros": b"\0\0", "a zero": b"\0", "many 0xFF": b"\xff" * 40, "a sector": bytes(4096),
    "both": b"\0\xff", "half a stuffed byte": b"\xff\0",
}  # fmt: skip


def jpeg(kind: str, gray: bool = False) -> bytes:
    picture = Image.fromarray(photo(120, 88, seed=5))
    return save(picture.convert("L") if gray else picture, "JPEG", quality=85, **KINDS[kind])


SEEDS = [jpeg("baseline"), jpeg("progressive"), b"\xff\xd8\xff"]


def seen(data: bytes) -> tuple[np.ndarray, Remark | None]:
    picture = open_picture(data)
    assert not isinstance(picture, Failure), picture
    return np.asarray(picture.convert("RGB")), remark_on(picture)


@pytest.mark.parametrize(("kind", "gray", "end"), list(product(KINDS, (False, True), ENDS)))
def test_without_its_end_marker_it_is_to_the_bit_what_it_is_with_it(kind: str, gray: bool, end: str) -> None:
    whole = jpeg(kind, gray)
    pixels, remark = seen(whole[:-2] + ENDS[end])
    assert (pixels == decode(whole)).all()
    assert remark is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_that_runs_into_the_next_one_is_read_and_the_next_one_is_not(kind: str) -> None:
    """Frames of a video that were cut apart badly: no end marker, and the next one begins."""
    whole = jpeg(kind)
    other = save(Image.fromarray(photo(64, 64, seed=9)), "JPEG")
    pixels, remark = seen(whole[:-2] + other)
    assert (pixels == decode(whole)).all()
    assert remark is None


def test_rows_that_a_jpeg_of_four_inks_lacks_are_told() -> None:
    whole = save(Image.fromarray(photo(120, 88, seed=5)).convert("CMYK"), "JPEG", quality=85)
    for end in (b"", b"\xff\xd9"):
        remark = seen(whole[: len(whole) * 4 // 5] + end)[1]
        assert remark is not None
        assert 0.1 < remark.rows < 0.5
    assert seen(whole)[1] is None


def test_a_flat_picture_whose_data_ends_in_zeros_is_whole() -> None:
    """Its last bytes are zeros that belong to it, as many as a filled-up sector could have."""
    flat = np.full((600, 600), 200, np.uint8)
    flat[0] = np.arange(600) % 256
    whole = save(flat, "JPEG", optimize=True)
    for end in ENDS.values():
        pixels, remark = seen(whole[:-2] + end)
        assert (pixels == decode(whole)).all()
        assert remark is None


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "progressive"])
@pytest.mark.parametrize("end", [b"", b"\0\0", bytes(5000), b"\xff\xd9"], ids=["cut", "zeros", "a sector", "an end marker"])
def test_rows_that_are_there_are_kept_and_the_missing_ones_told(kind: str, end: bytes) -> None:
    """Also where somebody has put an end marker behind what was left."""
    whole = jpeg(kind)
    start = jpeg_outline(whole).end - (jpeg_outline(whole).end - whole.index(b"\xff\xda"))
    full = decode(whole)
    assert not isinstance(full, Failure)
    for share in (0.97, 0.8, 0.65):
        pixels, remark = seen(whole[: start + int(share * (len(whole) - start))] + end)
        assert remark is not None
        assert 0 < remark.rows <= MOST_MISSING
        there = round(len(full) * (1 - remark.rows))
        assert (pixels[: max(0, there - 2)] == full[: max(0, there - 2)]).all()  # the border takes colors from below
        assert (pixels[there + 18 :] == 128).all()  # two rows of blocks at most are not all missing


@pytest.mark.parametrize("kind", ["baseline", "progressive"])
def test_a_jpeg_of_which_less_than_half_is_there_is_truncated(kind: str) -> None:
    whole = jpeg(kind)
    start = whole.index(b"\xff\xda")
    found = decode(whole[: start + (len(whole) - start) // 5])
    assert isinstance(found, Failure)
    assert found.reason == "truncated"
    assert "missing" in found.detail


def test_a_progressive_one_without_its_last_scans_is_less_sharp_and_told() -> None:
    whole = jpeg("progressive")
    scans = [i for i in range(len(whole)) if whole[i : i + 2] == b"\xff\xda"]
    full = decode(whole)
    assert not isinstance(full, Failure)
    for at in (scans[-1], scans[-2] + 30, scans[-3]):
        pixels, remark = seen(whole[:at])
        assert remark == Remark(scans=True)
        assert np.abs(pixels.astype(int) - full.astype(int)).mean() < 6


def test_an_honest_gray_corner_is_not_taken_for_missing_rows() -> None:
    picture = photo(64, 64)
    picture = np.where(np.arange(64)[:, None, None] >= 32, 128, picture).astype(np.uint8)
    pixels, remark = seen(save(picture, "JPEG", quality=95))
    assert remark is None
    assert (pixels[-1, -1] == 128).all()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_the_walk_along_markers_takes_any_bytes(data: st.DataObject) -> None:
    """Whatever the lengths say, it ends, raises nothing, and stays inside the file."""
    seed = bytearray(data.draw(st.sampled_from(SEEDS)))
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, min(len(seed), 700)))
        seed[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    about = jpeg_outline(bytes(seed) + data.draw(st.binary(max_size=20)))
    assert 0 <= about.end <= len(seed) + 20


def test_other_formats_that_are_cut_stay_refused() -> None:
    for case in cases():
        if case.name.startswith(("PNG cut", "WebP cut", "GIF cut", "BMP cut", "PGM cut")):
            assert isinstance(decode(case.data), Failure), case.name


def test_what_a_cut_jpeg_shows_is_what_viewers_show() -> None:
    """The rows that Pillow gives a program that asks for truncated images, and gray below."""
    whole = jpeg("baseline")
    pixels, remark = seen(whole[: len(whole) * 4 // 5])
    assert remark is not None
    with Image.open(io.BytesIO(whole)) as good:
        there = int(good.height * (1 - remark.rows)) - 2
        assert (pixels[:there] == np.asarray(good)[:there]).all()

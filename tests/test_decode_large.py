"""Pictures above the limit: JPEGs are decoded at a part of their size, others refused with the cure; an option moves it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from badimages import bomb, photo, save
from penult.embed import EmbedOptions, find_depth
from penult.errors import InputError
from penult.pixels import MAX_PIXELS, Failure, Recipe, advice, decode, decoding, prepare_all

LIMIT = 10_000  # pixels, in place of 89 million


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MAX_PIXELS", LIMIT)


@pytest.mark.parametrize(("width", "height", "share"), [(100, 100, 1), (101, 100, 2), (200, 199, 2), (330, 118, 2)])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_above_the_limit_is_decoded_at_the_first_part_that_is_below_it(
    small_limit: None, width: int, height: int, share: int, progressive: bool
) -> None:
    data = save(photo(height, width), "JPEG", quality=95, progressive=progressive)
    found = decode(data, max_pixels=LIMIT)
    assert not isinstance(found, Failure), found
    assert found.shape == (-(-height // share), -(-width // share), 3)
    small = np.asarray(Image.fromarray(photo(height, width)).resize((found.shape[1], found.shape[0]), Image.Resampling.BOX))
    assert np.abs(found.astype(int) - small.astype(int)).mean() < 4


@pytest.mark.parametrize(("side", "share"), [(380, 4), (790, 8), (1600, 8)])
def test_with_a_higher_limit_larger_jpegs_are_read_and_the_pixels_do_not_depend_on_it(
    small_limit: None, side: int, share: int
) -> None:
    data = save(photo(side, side), "JPEG")
    refused = decode(data, max_pixels=LIMIT)
    if side * side > 4 * LIMIT:
        assert isinstance(refused, Failure)
        assert advice(refused) == f"save it smaller, or allow it with --max-pixels {-(-side * side // 4)}"
    first, second = decode(data, max_pixels=-(-side * side // 4)), decode(data, max_pixels=10 * side * side)
    assert not isinstance(first, Failure) and not isinstance(second, Failure)
    assert len(first) == -(-side // share)
    assert (first == second).all()


def test_a_turned_jpeg_is_upright_and_one_without_its_end_is_read(small_limit: None) -> None:
    exif = Image.Exif()
    exif[274] = 6
    data = save(photo(150, 200), "JPEG", exif=exif.tobytes())
    found = decode(data, max_pixels=LIMIT)
    assert not isinstance(found, Failure)
    assert found.shape == (100, 75, 3)
    assert (decode(data[:-2], max_pixels=LIMIT) == found).all()


def test_other_formats_are_refused_with_size_limit_and_cure() -> None:
    found = decode(bomb(10_000))
    assert isinstance(found, Failure)
    assert found.reason == "too large"
    assert found.detail == "10000 x 10000 pixels; at most 89,478,485 pixels and 65,500 a side are read"
    assert advice(found) == "save it smaller, or allow it with --max-pixels 100000000"
    far = decode(bomb(20_000))
    assert isinstance(far, Failure)
    assert far.detail.startswith("20000 x 20000 pixels; at most 89,478,485 pixels")


@pytest.mark.parametrize("format", ["PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_the_limit_is_an_option_for_every_format(format: str, tmp_path: Path) -> None:
    path = tmp_path / "photo"
    path.write_bytes(save(photo(100, 101), format))
    assert isinstance(decode(path.read_bytes(), max_pixels=10_099), Failure)
    assert not isinstance(decode(path.read_bytes(), max_pixels=10_100), Failure)
    for workers in (0, 1):
        told = [
            next(iter(prepare_all([path], [Recipe(8)], workers=workers, max_pixels=most))).failure for most in (10_099, 10_100)
        ]
        assert told[0] is not None and told[0].reason == "too large"
        assert told[1] is None


def test_the_look_for_the_depth_of_a_run_keeps_to_the_limit_too(tmp_path: Path) -> None:
    deep = Image.fromarray(photo(30, 40)[..., 0].astype(np.uint16) * 4)
    deep.save(tmp_path / "deep.png")
    assert find_depth([tmp_path / "deep.png"], EmbedOptions(cache=False, workers=0, max_pixels=1200)) == 10
    assert find_depth([tmp_path / "deep.png"], EmbedOptions(cache=False, workers=0, max_pixels=1199)) == 16


def test_pillows_own_limit_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    for mine in (None, 1000):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", mine)
        assert not isinstance(decode(save(photo(), "PNG")), Failure)
        assert mine == Image.MAX_IMAGE_PIXELS
        assert ImageFile.LOAD_TRUNCATED_IMAGES is False


@pytest.mark.parametrize("limit", [0, -1, 65_500**2 + 1])
def test_a_limit_that_cannot_be_is_refused(limit: int) -> None:
    with pytest.raises(InputError, match="--max-pixels"):
        EmbedOptions(max_pixels=limit)


def test_the_command_line_knows_the_usual_limit() -> None:
    from penult.cli import build

    for words in (["train", "x"], ["predict", "m", "x"], ["evaluate", "m", "x"], ["audit", "x"], ["compare", "x"]):
        assert build().parse_args(words).max_pixels == MAX_PIXELS

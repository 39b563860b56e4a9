"""`prepare_all`: every source gives one result in its place, read once, decoded at most once."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from badimages import cases, photo, save
from penult.errors import InputError
from penult.pixels import (
    Failure,
    Prepared,
    Recipe,
    decode,
    decoding,
    prepare,
    prepare_all,
    preparing,
    sources,
)

SMALL = Recipe(16), Recipe(20, crop=0.9)


def sorted_rows(*digests: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(b"".join(sorted(digests)), np.uint8).reshape(-1, 32)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Twelve pictures, of which the fourth is cut short."""
    paths = []
    for i in range(12):
        data = save(photo(30 + i, 40, seed=i), "PNG")
        paths.append(tmp_path / f"{i}.png")
        paths[-1].write_bytes(data[:200] if i == 3 else data)
    return paths


@pytest.fixture(params=[0, 2], ids=["in this process", "two workers"])
def workers(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """The bytes of every decode in this process."""
    seen: list[bytes] = []
    real = decoding.open_picture

    def spy(data: bytes) -> Any:
        seen.append(data)
        return real(data)

    monkeypatch.setattr(decoding, "open_picture", spy)
    yield seen


def test_results_come_in_order_and_equal_decode_and_prepare(files: list[Path], workers: int) -> None:
    results = list(prepare_all(files, SMALL, workers=workers))
    assert [r.index for r in results] == list(range(12))
    for path, result in zip(files, results, strict=True):
        data = path.read_bytes()
        assert result.digest == hashlib.sha256(data).digest()
        picture = decode(data)
        if isinstance(picture, Failure):
            assert result == Prepared(result.index, result.digest, (None, None), picture)
            continue
        for recipe, pixels in zip(SMALL, result.pixels, strict=True):
            assert pixels is not None
            assert (pixels == prepare(picture, recipe)).all()
    assert [r.index for r in results if r.failure] == [3]


def test_pixels_stay_as_they_are_when_the_next_ones_come(files: list[Path], workers: int) -> None:
    kept = [r.pixels[0] for r in prepare_all(files, SMALL, workers=workers)]
    again = [r.pixels[0].copy() if r.pixels[0] is not None else None for r in prepare_all(files, SMALL, workers=0)]
    assert all((a is None and b is None) or (a == b).all() for a, b in zip(kept, again, strict=True))  # type: ignore[union-attr]


def test_what_every_recipe_knows_is_not_decoded(files: list[Path], decoded: list[bytes]) -> None:
    digests = [hashlib.sha256(p.read_bytes()).digest() for p in files]
    rows = sorted_rows(*digests)
    results = list(prepare_all(files, SMALL, [rows, rows], workers=0))
    assert decoded == []
    assert all(r.pixels == (None, None) and r.failure is None for r in results)
    assert [r.digest for r in results] == digests


def test_each_recipe_gets_what_it_does_not_know(files: list[Path], workers: int) -> None:
    digests = [hashlib.sha256(p.read_bytes()).digest() for p in files]
    known = [sorted_rows(*digests[::2]), sorted_rows(*digests[:6])]
    for i, result in enumerate(prepare_all(files, SMALL, known, workers=workers)):
        if i == 3:
            assert result.failure is None or result.failure.reason == "truncated"
            continue
        assert [p is None for p in result.pixels] == [i % 2 == 0, i < 6]


def test_a_known_digest_is_found_among_many() -> None:
    """First, last and every one between, and none that is not there."""
    from penult.pixels.pipeline import is_known

    digests = sorted(hashlib.sha256(bytes([i])).digest() for i in range(200))
    rows = memoryview(b"".join(digests[::2]))
    assert [is_known(d, rows) for d in digests] == [True, False] * 100
    assert not is_known(digests[0], memoryview(b""))


def test_recipes_of_one_geometry_are_fitted_once(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from penult.pixels import pipeline

    fitted: list[Recipe] = []
    real = pipeline.resize_into

    def counted(picture: Image.Image, recipe: Recipe, rgb: bytearray) -> None:
        fitted.append(recipe)
        real(picture, recipe, rgb)

    monkeypatch.setattr(pipeline, "resize_into", counted)
    twins = Recipe(16), Recipe(16, mean=(0.5, 0.5, 0.5))
    (result,) = prepare_all(files[:1], twins, workers=0)
    assert len(fitted) == 1
    assert result.pixels[0] is not None
    assert (result.pixels[0] == result.pixels[1]).all()


def test_what_cannot_be_read_is_a_failure_with_the_systems_words(tmp_path: Path, files: list[Path], workers: int) -> None:
    folder, pipe = tmp_path / "folder.jpg", tmp_path / "pipe.jpg"
    folder.mkdir()
    os.mkfifo(pipe)
    bad = [tmp_path / "gone.jpg", folder, pipe, "zero\0byte.jpg", "x" * 300]
    results = list(prepare_all([*files, *bad], SMALL, workers=workers))[12:]
    assert [r.failure and r.failure.reason for r in results] == ["unreadable file"] * 5
    assert [r.failure and r.failure.detail for r in results[:3]] == [
        "No such file or directory",
        "Is a directory",
        "it is not a plain file",
    ]
    assert all(r.digest is None for r in results)


def test_a_file_of_too_many_bytes_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_BYTES", 10)
    (tmp_path / "big.jpg").write_bytes(bytes(11))
    (result,) = prepare_all([tmp_path / "big.jpg"], SMALL)
    assert result.failure == Failure("too large", "11 bytes; at most 10 are read")


def test_names_that_are_not_utf8_are_opened(tmp_path: Path, files: list[Path], workers: int) -> None:
    odd = os.fsencode(tmp_path) + b"/caf\xe9\n.png"
    with open(odd, "wb") as file:
        file.write(save(photo(), "PNG"))
    results = list(prepare_all([*files, odd, os.fsdecode(odd)], SMALL, workers=workers))
    assert results[-1].failure is None
    assert results[-1].digest == results[-2].digest


def test_arrays_and_pillow_images_are_sources_too(files: list[Path], workers: int) -> None:
    rgb = photo()
    grey = rgb[..., 0]
    given = [
        rgb,
        Image.fromarray(rgb),
        grey,
        np.repeat(grey[..., None], 3, axis=2),
        Image.fromarray(rgb).convert("CMYK"),
    ]
    results = list(prepare_all([*given[:2], *files, *given[2:]], SMALL, workers=workers))
    assert [r.index for r in results] == list(range(17))
    array, picture, *_, one_band, three_bands, cmyk = results
    assert array.digest == picture.digest == hashlib.sha256(b"60,90,3:" + rgb.tobytes()).digest()
    assert one_band.digest == three_bands.digest
    assert cmyk.failure is None
    for a, b in ((array, picture), (one_band, three_bands)):
        assert all((x == y).all() for x, y in zip(a.pixels, b.pixels, strict=True))  # type: ignore[union-attr]
    assert (array.pixels[0] == prepare(rgb, SMALL[0])).all()


def test_a_pillow_image_that_fails_to_load_is_a_failure(files: list[Path]) -> None:
    (result,) = prepare_all([Image.new("F", (5, 5))], SMALL)
    assert result.failure is not None
    assert result.failure.reason == "unsupported depth"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (np.zeros((5, 5, 4), np.uint8), r"got an array uint8 \(5, 5, 4\)"),
        (np.zeros((5, 5, 3)), "got an array float64"),
        (17, r"got an int \(17\)"),
    ],
)
def test_what_is_no_image_at_all_is_refused_before_anything_is_done(files: list[Path], wrong: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        prepare_all([*files, wrong], SMALL)


def test_arguments_that_cannot_be_right_are_refused(files: list[Path]) -> None:
    with pytest.raises(InputError, match="no recipe"):
        prepare_all(files, [])
    with pytest.raises(InputError, match="known has 1 entries for 2 recipes"):
        prepare_all(files, SMALL, [None])
    with pytest.raises(InputError, match=r"uint8 array \(m, 32\)"):
        prepare_all(files, SMALL, [np.zeros((3, 31), np.uint8), None])


def test_nothing_in_nothing_out() -> None:
    assert list(prepare_all([], SMALL)) == []


def test_threads_give_the_same_in_the_same_order(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where descriptors cannot be inherited (Windows), and in a frozen program."""
    monkeypatch.setattr("sys.frozen", True, raising=False)
    many = files * 3
    threads, here = prepare_all(many, SMALL, workers=2), prepare_all(many, SMALL, workers=0)
    for a, b in zip(threads, here, strict=True):
        assert (a.index, a.digest, a.failure) == (b.index, b.digest, b.failure)
        assert all(x is y or (x == y).all() for x, y in zip(a.pixels, b.pixels, strict=True))  # type: ignore[union-attr]


def test_threads_stop_when_nobody_asks_any_more(files: list[Path], decoded: list[bytes]) -> None:
    from penult.pixels.pipeline import Pipeline

    pipeline = Pipeline(SMALL, (memoryview(b""),) * 2, decoding.open_picture)
    results = preparing._in_threads(iter(enumerate(files * 20)), pipeline, 1)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert len(decoded) < 40


def test_a_folder_of_every_bad_picture_gives_one_result_each(tmp_path: Path, workers: int) -> None:
    every = cases()
    for case in every:
        (tmp_path / case.filename).write_bytes(case.data)
    results = list(prepare_all([tmp_path / case.filename for case in every], SMALL, workers=workers))
    got = [r.failure.reason if r.failure else "ok" for r in results]
    assert dict(zip([c.name for c in every], got, strict=True)) == {c.name: c.expect for c in every}
    assert all((r.failure is None) == all(p is not None for p in r.pixels) for r in results)


def test_a_file_that_changes_its_length_while_it_is_read_is_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from penult.pixels import sources

    path, content = tmp_path / "file", bytes(range(256)) * 9_000
    path.write_bytes(content)
    real = os.fstat
    for said in (0, 5, len(content) - 1, len(content), len(content) + 1, 3 * len(content)):

        def wrong(descriptor: int, said: int = said) -> os.stat_result:
            values = list(real(descriptor))
            values[6] = said
            return os.stat_result(values)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fstat", wrong)
            found = sources.read_file(path)
        assert found == (hashlib.sha256(content).digest(), content)

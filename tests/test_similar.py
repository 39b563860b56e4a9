"""`penult similar`: exact, with an index or without, and the very photo is marked."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from finished import Finished, finish, lay_out
from penult import store
from penult.cli import main
from penult.errors import DamagedFile, InputError
from penult.similar import search, similar
from penult.similar.search import best
from penult.store import RowReader
from penult.training import TrainOptions, train_images

PARTS = (30, 20)


def cloud(n: int, seed: int = 0) -> np.ndarray:
    """Return n rows (n, 50) in clusters, as features are."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(5).normal(0, 1, (12, 50))
    return (centres[random.integers(0, 12, n)] + random.normal(0, 0.4, (n, 50))).astype(np.float32)


@pytest.fixture
def files(tmp_path: Path) -> Iterator[RowReader]:
    X = cloud(3000)
    for name, columns in (("data_a.h5", slice(0, 30)), ("data_b.h5", slice(30, 50))):
        store.write_h5(tmp_path / name, train=X[:2500, columns], test=X[2500:, columns], label=np.zeros(2500, int))
    with RowReader([tmp_path / "data_a.h5", tmp_path / "data_b.h5"]) as opened:
        yield opened


def naive(X: np.ndarray, q: np.ndarray, n: int) -> np.ndarray:
    """Return the n most similar rows by the definition, in double precision."""
    near = 0.0
    for part in (slice(0, 30), slice(30, 50)):
        a, b = X[:, part].astype(float), q[part].astype(float)
        near = near + a @ b / np.linalg.norm(a, axis=1) / np.linalg.norm(b) / 2
    return np.argsort(-near, kind="stable")[:n]


def test_rows_come_in_blocks_and_one_by_one(files: RowReader, monkeypatch: pytest.MonkeyPatch) -> None:
    X = cloud(3000)
    assert files.shape == (3000, 50)
    np.testing.assert_array_equal(np.concatenate(list(files.scan())), X)
    monkeypatch.setattr(store.h5read, "BLOCK", 20_000)
    assert len(list(files.scan())) == 30
    np.testing.assert_array_equal(np.concatenate(list(files.scan(2400, 2600))), X[2400:2600])
    some = np.array([2999, 0, 2499, 2500, 7, 7])
    np.testing.assert_array_equal(files.take(some), X[some])


@pytest.mark.parametrize("indexed", [False, True])
def test_the_most_similar_are_found_exactly(
    files: RowReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, indexed: bool
) -> None:
    monkeypatch.setattr(search, "MANY", 1 if indexed else 1 << 40)
    monkeypatch.setattr(search, "DIRECTIONS", 8)
    X, queries = cloud(3000), np.vstack([cloud(6, 9), cloud(3000)[[5, 2900]]])
    found = search.search(files, queries, 7, PARTS, tmp_path / "cache")
    for q, (numbers, near, same) in zip(queries, found, strict=True):
        assert numbers.tolist() == naive(X, q, 7).tolist()
        assert (np.diff(near) <= 0).all()
        assert near[0] <= 1 + 1e-9
        assert same.tolist() == [bool((X[i] == q).all()) for i in numbers]
    assert (tmp_path / "cache" / "similar").exists() == indexed


def test_an_index_leaves_most_rows_out_and_is_made_once(
    files: RowReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = search.open_index(files, PARTS, tmp_path, lambda *_: None)
    assert made is not None
    looked: list[int] = []
    real = search.SimilarityIndex.similarity
    monkeypatch.setattr(
        search.SimilarityIndex, "similarity", lambda self, rows, q: (looked.append(len(rows)), real(self, rows, q))[1]
    )
    monkeypatch.setattr(search, "MANY", 1)
    monkeypatch.setattr(search, "_made", lambda *_: pytest.fail("made again"))
    search.search(files, cloud(1, 9), 5, PARTS, tmp_path)
    assert 0 < sum(looked) < 1000


def test_bounds_are_never_too_low(files: RowReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "DIRECTIONS", 4)
    made = search.open_index(files, PARTS, tmp_path, lambda *_: None)
    assert made is not None
    for q in search.unit(cloud(5, 3), PARTS):
        exact = search.unit(cloud(3000), PARTS) @ q
        assert (made.bounds(q) >= exact - 1e-5).all()
        np.testing.assert_allclose(made.similarity(np.arange(3000), q), exact, atol=made.slack)


def test_a_damaged_index_is_made_again(files: RowReader, tmp_path: Path) -> None:
    search.open_index(files, PARTS, tmp_path, lambda *_: None)
    rows = next(tmp_path.rglob("rows.npy"))
    rows.write_bytes(rows.read_bytes()[:-100])
    again = search.open_index(files, PARTS, tmp_path, lambda *_: None)
    assert again is not None
    assert again.rows.shape == (3000, 50)


def test_the_first_of_equals_comes_first() -> None:
    assert best(np.array([0.5, 0.9, 0.9, 0.1, 0.9]), 2).tolist() == [1, 2]
    assert best(np.array([0.5, 0.9]), 5).tolist() == [1, 0]


def test_files_of_other_rows_are_refused(tmp_path: Path) -> None:
    store.write_h5(tmp_path / "data_a.h5", train=cloud(10))
    store.write_h5(tmp_path / "data_b.h5", train=cloud(11))
    with pytest.raises(InputError, match=r"data_b\.h5 has other rows than"):
        RowReader([tmp_path / "data_a.h5", tmp_path / "data_b.h5"])


def test_damage_is_found_where_it_is_read(tmp_path: Path) -> None:
    store.write_h5(tmp_path / "data_a.h5", train=cloud(4000))
    data = bytearray((tmp_path / "data_a.h5").read_bytes())
    data[len(data) // 2] ^= 0xFF
    (tmp_path / "data_a.h5").write_bytes(data)
    with RowReader([tmp_path / "data_a.h5"]) as files, pytest.raises(DamagedFile, match="damaged"):
        list(files.scan())


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos and a run on them; tests work on copies."""
    base = tmp_path_factory.mktemp("job")
    lay_out(base / "train", warm=8, cold=8)
    lay_out(base / "test", 50, warm=2)
    return finish(base).base


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Finished:
    return Finished(Path(shutil.copytree(trained, tmp_path, dirs_exist_ok=True)))


def test_a_training_photo_is_its_own_nearest_and_its_kind_follows(run: Finished, tmp_path: Path) -> None:
    found = similar(run.folder, [tmp_path / "train/warm/warm.3.png", tmp_path / "test/warm/warm.50.png"], 6)
    first = found[0].found[0]
    assert (first.file, first.part, first.label, first.same) == ("warm/warm.3.png", "train", "warm", True)
    assert first.similarity == pytest.approx(1)
    assert not any(one.same for one in found[0].found[1:])
    assert {one.label for one in found[0].found} <= {"warm", None}
    assert (found[1].found[0].file, found[1].found[0].part, found[1].found[0].label) == ("warm/warm.50.png", "test", None)


def test_the_command_prints_writes_and_gives_json(run: Finished, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = tmp_path / "a\n<b>.png"
    odd.write_bytes((tmp_path / "train/cold/cold.1.png").read_bytes())
    (tmp_path / "bad.png").write_bytes(b"\x89PNG")
    words = ["similar", str(run.folder), str(odd), str(tmp_path / "bad.png"), "-n", "3"]
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("a\\n<b>.png")
    assert lines[1] == "  1.000  cold  train  cold/cold.1.png  same photo"
    assert "(unreadable: " in lines[4]
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [len(one["similar"]) for one in told] == [3, 0]
    assert main([*words, "--csv", str(tmp_path / "s.csv")]) == 0
    with (tmp_path / "s.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert (rows[0]["rank"], rows[0]["file"], rows[0]["same_photo"]) == ("1", "cold/cold.1.png", "yes")
    assert rows[0]["photo"].endswith("a\n<b>.png")


def test_what_cannot_be_asked_is_one_sentence(run: Finished, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = str(tmp_path / "train/warm/warm.0.png")
    assert main(["similar", str(tmp_path / "train"), photo]) == 1
    assert "not a run folder" in capsys.readouterr().err
    assert main(["similar", str(run.folder), photo, "-n", "0"]) == 1
    assert main(["similar", str(run.folder), photo, "--precision", "int8"]) == 1
    assert "has no networks in int8" in capsys.readouterr().err
    (run.folder / "data_colour_histogram.h5").unlink()
    assert main(["similar", str(run.folder), photo]) == 1
    assert "has no data_colour_histogram.h5; train from images again" in capsys.readouterr().err


def test_a_real_photo_saved_again_finds_its_original_but_is_not_the_same(real_photos: Path, tmp_path: Path) -> None:
    from PIL import Image

    for kind in ("cat", "dog"):
        (tmp_path / "train" / kind).mkdir(parents=True)
        for path in sorted((real_photos / "train" / kind).iterdir())[:8]:
            shutil.copy(path, tmp_path / "train" / kind)
    done = train_images(str(tmp_path / "train"), None, TrainOptions(str(tmp_path / "run"), ("efficientnet_lite0",)))
    original = sorted((tmp_path / "train" / "cat").iterdir())[4]
    Image.open(original).save(tmp_path / "again.jpg", quality=80)
    again, itself = similar(done.folder, [tmp_path / "again.jpg", original], 3)
    assert again.found[0].file == itself.found[0].file == f"cat/{original.name}"
    assert (again.found[0].same, itself.found[0].same) == (False, True)

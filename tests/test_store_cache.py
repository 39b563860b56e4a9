"""The feature cache: what was added is read, by digest, in any order; damage is never a value."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penult import store
from penult.errors import DamagedFile, InputError, OutputError
from penult.store import shard_cache as cache_module
from penult.store.disk import Disk
from penult.store.shards import read_digests, read_shard, write_shard

pytestmark = pytest.mark.usefixtures("quick_disk")

WIDTH = 5
FACTS = {"backbone": "b1", "road": "1", "engine": "numpy", "precision": "f32", "width": str(WIDTH)}


def rows(numbers: list[int] | range) -> tuple[np.ndarray, np.ndarray]:
    """Digests (n, 32) and vectors (n, 5) that belong to numbers, so that a wrong value is seen."""
    digests = [np.frombuffer(hashlib.sha256(b"%d" % i).digest(), np.uint8) for i in numbers]
    vectors = [np.random.default_rng(i).standard_normal(WIDTH) for i in numbers]
    return np.array(digests, np.uint8).reshape(-1, 32), np.array(vectors, np.float32).reshape(-1, WIDTH)


def shards(cache: store.FeatureCache) -> list[Path]:
    return sorted(cache.folder.glob("shard-*.npz"))


def filled(folder: Path, count: int = 20, rows_per_shard: int = 6) -> store.FeatureCache:
    with store.FeatureCache(folder, FACTS, rows_per_shard=rows_per_shard) as cache:
        cache.add(*rows(range(count)))
    return cache


def assert_right(cache: store.FeatureCache, numbers: list[int] | range) -> np.ndarray:
    """Every row that is found is right; return which were found."""
    digests, vectors = rows(numbers)
    out, found = cache.read(digests)
    np.testing.assert_array_equal(out[found], vectors[found])
    assert not out[~found].any()
    return found


@given(
    added=st.lists(st.lists(st.integers(0, 40), max_size=8), max_size=8),
    asked=st.lists(st.integers(0, 45), max_size=30),
    per_shard=st.integers(1, 7),
    reopened=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_read_gives_what_was_added_in_the_order_asked(
    tmp_path_factory: pytest.TempPathFactory,
    added: list[list[int]],
    asked: list[int],
    per_shard: int,
    reopened: bool,
) -> None:
    folder = tmp_path_factory.mktemp("cache")
    with store.FeatureCache(folder, FACTS, rows_per_shard=per_shard) as cache:
        for numbers in added:
            cache.add(*rows(numbers))
            cache.read(rows([0])[0])
    if reopened:
        cache = store.FeatureCache(folder, FACTS)
    held = {i for numbers in added for i in numbers}
    assert assert_right(cache, asked).tolist() == [i in held for i in asked]
    known = [bytes(d) for d in cache.known()]
    assert known == sorted(bytes(d) for d in rows(sorted(held))[0])
    shutil.rmtree(folder)


def test_digests_that_end_in_zero_bytes_are_told_apart(tmp_path: Path) -> None:
    digests = np.zeros((3, 32), np.uint8)
    digests[1, 0] = digests[2, 0] = digests[2, 31] = 1
    cache = store.FeatureCache(tmp_path, FACTS)
    cache.add(digests[:2], rows(range(2))[1])
    assert cache.read(digests)[1].tolist() == [True, True, False]
    assert cache.known().tolist() == digests[:2].tolist()


def test_added_arrays_may_be_reused_by_the_caller(tmp_path: Path) -> None:
    cache = store.FeatureCache(tmp_path, FACTS)
    digests, vectors = rows(range(3))
    cache.add(digests, vectors)
    digests[:], vectors[:] = 0, 0
    assert assert_right(cache, range(3)).all()


def test_a_memory_map_can_be_filled(tmp_path: Path) -> None:
    cache = filled(tmp_path)
    out = np.memmap(tmp_path / "X", np.float32, "w+", shape=(12, WIDTH))
    digests, vectors = rows([*range(10, 20), 99, 3])
    found = cache.read_into(digests, out)
    assert found.tolist() == [True] * 10 + [False, True]
    np.testing.assert_array_equal(out[found], vectors[found])


def test_a_shard_is_written_when_it_is_full_or_ten_seconds_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(cache_module.time, "monotonic", lambda: now[0])
    cache = store.FeatureCache(tmp_path, FACTS, rows_per_shard=4)
    cache.add(*rows([0, 1, 2]))
    assert shards(cache) == []
    cache.add(*rows([3]))
    assert len(shards(cache)) == 1
    cache.add(*rows([4]))
    now[0] += 10
    cache.add(*rows([5]))
    assert len(shards(cache)) == 2
    cache.add(*rows(range(6, 20)))
    assert sorted(len(read_digests(p)) for p in shards(cache)) == [2, 4, 4, 5, 5]


def test_an_exception_in_the_with_block_keeps_what_was_computed(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), store.FeatureCache(tmp_path, FACTS) as cache:
        cache.add(*rows(range(3)))
        raise KeyboardInterrupt
    assert assert_right(store.FeatureCache(tmp_path, FACTS), range(3)).all()


def test_other_facts_never_share_rows(tmp_path: Path) -> None:
    filled(tmp_path)
    for name in FACTS:
        other = store.FeatureCache(tmp_path, {**FACTS, name: "7"})
        assert len(other.known()) == (20 if name == "backbone" else 0), name  # the name is for people


def test_the_facts_lie_beside_the_shards_for_people(tmp_path: Path) -> None:
    cache = filled(tmp_path)
    assert '"engine": "numpy"' in (cache.folder / "key.json").read_text()
    assert cache.folder.parent == tmp_path / "features"


def test_a_shard_is_a_plain_npz_and_equal_rows_give_equal_bytes(tmp_path: Path) -> None:
    first, second = filled(tmp_path / "a", 6), filled(tmp_path / "b", 6)
    assert [p.name for p in shards(first)] == [p.name for p in shards(second)]
    assert shards(first)[0].read_bytes() == shards(second)[0].read_bytes()
    with np.load(shards(first)[0], allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["digests"], rows(range(6))[0])
        np.testing.assert_array_equal(arrays["vectors"], rows(range(6))[1])


def test_no_flipped_bit_of_a_shard_becomes_a_value(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Every byte of a small shard, one bit each: the rows are right, or the shard is refused."""
    caplog.set_level(logging.CRITICAL)
    digests, vectors = rows(range(3))
    path = write_shard(tmp_path, digests, vectors, "")
    good = path.read_bytes()
    refused = 0
    for place in range(len(good)):
        bad = bytearray(good)
        bad[place] ^= 1 << (place % 8)
        path.write_bytes(bad)
        try:
            np.testing.assert_array_equal(read_digests(path), digests)
            got = read_shard(path, WIDTH)
            np.testing.assert_array_equal(got[0], digests)
            np.testing.assert_array_equal(got[1], vectors)
        except DamagedFile:
            refused += 1
    assert refused > len(vectors.tobytes()) + len(digests.tobytes())


def test_no_cut_shard_becomes_a_value(tmp_path: Path) -> None:
    path = write_shard(tmp_path, *rows(range(2)), "")
    good = path.read_bytes()
    for length in range(len(good)):
        path.write_bytes(good[:length])
        with pytest.raises(DamagedFile, match="computed again"):
            read_shard(path, WIDTH)


@pytest.mark.parametrize("spoil", ["digests", "vectors", "name", "empty", "junk", "nan", "width", "packed", "pickle"])
def test_a_damaged_shard_is_dropped_and_told_and_its_rows_are_unknown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, spoil: str
) -> None:
    cache = filled(tmp_path, 20, 5)
    path = shards(cache)[0]
    digests, vectors = read_shard(path, WIDTH)
    data = bytearray(path.read_bytes())
    if spoil in ("digests", "vectors"):
        data[data.index((digests if spoil == "digests" else vectors).tobytes()) + 3] ^= 4
        path.write_bytes(data)
    elif spoil == "name":
        other = shards(cache)[1]
        path.write_bytes(other.read_bytes())
    elif spoil in ("empty", "junk"):
        path.write_bytes(b"" if spoil == "empty" else os.urandom(500))
    elif spoil in ("nan", "width"):
        wrong = vectors * np.nan if spoil == "nan" else vectors[:, :3]
        made = write_shard(tmp_path, digests, wrong, "")
        path.unlink()
        path = made.rename(path.with_name(made.name))
    else:
        arrays = {"digests": digests, "vectors": vectors if spoil == "packed" else np.array([{}], object)}
        (np.savez_compressed if spoil == "packed" else np.savez)(path, **arrays)
    again = store.FeatureCache(tmp_path, FACTS)
    found = assert_right(again, range(20))
    assert found.sum() == 15
    assert "is damaged" in caplog.text
    assert not path.exists()
    assert len(again.known()) == 15
    again.add(*rows(range(20)))
    assert assert_right(again, range(20)).all()


def test_rows_of_a_damaged_shard_are_found_in_another_that_has_them(tmp_path: Path) -> None:
    cache = store.FeatureCache(tmp_path, FACTS)
    for numbers in (range(10), range(5, 15)):
        cache.add(*rows(numbers))
        cache.flush()
    for path in shards(cache):
        shutil.copytree(tmp_path, tmp_path / "copy")
        copy = store.FeatureCache(tmp_path / "copy", FACTS)
        damaged = copy.folder / path.name
        data = bytearray(damaged.read_bytes())
        data[-400] ^= 1
        damaged.write_bytes(data)
        assert assert_right(copy, range(15)).sum() == 10
        shutil.rmtree(tmp_path / "copy")


def test_a_good_file_that_replaced_a_damaged_one_meanwhile_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = filled(tmp_path, 4)
    path = shards(cache)[0]
    good = path.read_bytes()
    path.write_bytes(b"damaged")

    def healed(damaged: Path) -> np.ndarray:
        damaged.with_suffix(".new").write_bytes(good)
        damaged.with_suffix(".new").replace(damaged)
        raise DamagedFile("seen before it was healed")

    monkeypatch.setattr("penult.store.shards.read_digests", healed)
    assert len(store.FeatureCache(tmp_path, FACTS).known()) == 0
    assert path.read_bytes() == good


def test_hostile_shards_are_refused_before_they_are_unpacked(tmp_path: Path) -> None:
    """A zip whose directory claims far more than the file has is not believed."""
    path = tmp_path / "shard-0000000000000000.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("digests.npy", "vectors.npy"):
            archive.writestr(name, bytes(50 << 20))
    assert path.stat().st_size < 200_000
    with pytest.raises(DamagedFile, match="are compressed or encrypted"):
        read_digests(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../digests.npy", b"")
    with pytest.raises(DamagedFile, match="not the two arrays"):
        read_digests(path)


def test_what_is_no_shard_is_left_alone(tmp_path: Path) -> None:
    cache = filled(tmp_path, 4)
    for name in ("notes.txt", "shard-1.npz", ".tmp-otherhost-1-2"):
        (cache.folder / name).write_text("mine")
    assert len(store.FeatureCache(tmp_path, FACTS).known()) == 4
    assert (cache.folder / "notes.txt").read_text() == "mine"


def test_a_cache_deleted_under_a_run_is_made_again(tmp_path: Path) -> None:
    cache = filled(tmp_path / "c", 20)
    shutil.rmtree(tmp_path / "c")
    assert not assert_right(cache, range(20)).any()
    cache.add(*rows(range(20, 30)))
    cache.flush()
    assert (cache.folder / "key.json").is_file()
    assert assert_right(cache, range(30)).sum() == 10
    cache.add(*rows(range(20)))
    assert assert_right(store.FeatureCache(tmp_path / "c", FACTS), range(20, 30)).all()
    assert assert_right(cache, range(30)).all()


def test_shards_of_others_are_seen_by_the_next_read(tmp_path: Path) -> None:
    mine, other = store.FeatureCache(tmp_path, FACTS), store.FeatureCache(tmp_path, FACTS)
    other.add(*rows(range(3)))
    other.flush()
    assert assert_right(mine, range(3)).all()
    other.add(*rows(range(3, 5)))
    other.flush()
    assert len(mine.known()) == 5


def test_two_processes_that_write_the_same_rows_at_once_agree(tmp_path: Path) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import test_store_cache as t; from penult import store\n"
        "for i in range(0, 60, 3):\n"
        "    c = store.FeatureCache(sys.argv[2], t.FACTS, rows_per_shard=4)\n"
        "    c.add(*t.rows(range(i, i + 9))); c.flush()\n"
        "    assert t.assert_right(c, range(i + 9)).all()\n"
    )
    here = str(Path(__file__).parent)
    started = [subprocess.Popen([sys.executable, "-c", script, here, str(tmp_path)]) for _ in range(2)]
    assert [process.wait(60) for process in started] == [0, 0]
    cache = store.FeatureCache(tmp_path, FACTS)
    assert assert_right(cache, range(66)).all()
    assert not list(cache.folder.glob(".tmp-*"))


def test_vectors_that_are_not_finite_are_refused_whole(tmp_path: Path) -> None:
    cache = store.FeatureCache(tmp_path, FACTS)
    digests, vectors = rows(range(4))
    vectors[2, 1] = np.inf
    with pytest.raises(InputError, match=r"1 of 4 vectors of b1 are not finite; nothing was stored"):
        cache.add(digests, vectors)
    assert len(cache.known()) == 0


def test_wrong_shapes_are_refused(tmp_path: Path) -> None:
    cache = store.FeatureCache(tmp_path, FACTS)
    digests, vectors = rows(range(4))
    for bad in (lambda: cache.add(digests, vectors[:3]), lambda: cache.add(digests, vectors[:, :2])):
        with pytest.raises(ValueError, match="vectors must be"):
            bad()
    with pytest.raises(ValueError, match="digests must be uint8"):
        cache.read(digests[:, :20])
    with pytest.raises(ValueError, match="out must be"):
        cache.read_into(digests, np.zeros((4, 9), np.float32))


def test_a_cache_that_can_not_be_written_says_so_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"choose another cache folder with --cache DIR"):
        store.FeatureCache(tmp_path / "file", FACTS)


def test_a_read_only_cache_can_still_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Rows that can not be saved stay in memory; damage that can not be removed is left out."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    cache = filled(tmp_path, 20, 5)
    shards(cache)[0].write_bytes(b"damaged")
    with monkeypatch.context() as patch:
        for act in ("make", "create", "remove", "replace"):
            patch.setattr(Disk, act, refuse)
        again = store.FeatureCache(tmp_path, FACTS)
        assert assert_right(again, range(20)).sum() == 15
        again.add(*rows([20]))
        with pytest.raises(OutputError, match="read-only; choose another cache folder with --cache DIR"):
            again.flush()
        with pytest.raises(ZeroDivisionError), again:
            raise ZeroDivisionError
        assert "read-only" in caplog.text
    assert assert_right(again, range(21)).sum() == 16


def test_a_folder_that_can_not_be_listed_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    cache = filled(tmp_path)
    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(InputError, match="cannot be listed: Permission denied; choose another cache folder with --cache DIR"):
        cache.known()


def test_a_shard_that_can_not_be_read_now_is_left_out_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = shards(filled(tmp_path, 4))[0]

    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("penult.store.shards.read_digests", refuse)
    assert len(store.FeatureCache(tmp_path, FACTS).known()) == 0
    assert "can not be read now" in caplog.text
    assert path.exists()


@pytest.mark.parametrize(
    ("environment", "platform", "expected"),
    [
        ({"PENULT_CACHE": "/x/y", "XDG_CACHE_HOME": "/z"}, "linux", "/x/y"),
        ({"XDG_CACHE_HOME": "/z"}, "linux", "/z/penult"),
        ({"XDG_CACHE_HOME": "relative"}, "linux", "~/.cache/penult"),
        ({}, "linux", "~/.cache/penult"),
        ({}, "darwin", "~/Library/Caches/penult"),
        ({"LOCALAPPDATA": "/l"}, "win32", "/l/penult"),
        ({}, "win32", "~/.cache/penult"),
    ],
)
def test_the_default_place_is_the_systems_own(environment: dict[str, str], platform: str, expected: str) -> None:
    assert store.default_cache(environment, platform) == Path(expected).expanduser()


def test_without_a_folder_rows_stay_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PENULT_CACHE", str(tmp_path))
    with store.FeatureCache(None, FACTS, rows_per_shard=3) as cache:
        cache.add(*rows(range(7)))
        assert assert_right(cache, [9, 3, 6]).tolist() == [False, True, True]
        assert len(cache.known()) == 7
    assert cache.folder is None and list(tmp_path.iterdir()) == []

"""Feature files: the blog's second script reads ours, we read the blog's, and a file is whole or absent."""

from __future__ import annotations

import contextlib
import hashlib
import os
import resource
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penult import store, worker
from penult.errors import InputError, OutputError
from penult.store.disk import Disk

h5py = pytest.importorskip("h5py")

ODD = b"\xff\xfe.jpg".decode("utf-8", "surrogateescape")


def content(n: int = 6, m: int = 3, d: int = 4, seed: int = 0) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    return {
        "train": random.standard_normal((n, d)).astype(np.float32),
        "test": random.standard_normal((m, d)).astype(np.float32),
        "label": np.arange(n) % 2,
        "train_files": [f"cat/ä {i}.jpg" for i in range(n - 1)] + [ODD],
        "test_files": [f"{i}.jpg" for i in range(m)],
        "classes": ["cat", "dög\n"],
        "facts": {"recipe": {"size": 224, "mean": [0.5, 0.5, 0.5]}, "backbone": "b"},
    }


def assert_equal(got: store.FeatureFile, wanted: dict[str, Any]) -> None:
    for name in ("train", "test", "label"):
        if wanted.get(name) is None:
            assert getattr(got, name) is None
        else:
            np.testing.assert_array_equal(getattr(got, name), wanted[name])
    for name in ("train_files", "test_files", "classes"):
        assert getattr(got, name) == (tuple(wanted[name]) if wanted.get(name) else None)
    assert dict(got.facts) == (wanted.get("facts") or {})


@contextlib.contextmanager
def in_this_process() -> Iterator[None]:
    """Read and write in a thread: starting processes takes most of the time where they are not the subject."""

    def start(*_: Any, **__: Any) -> Any:
        raise worker.NoInterpreter("none is wanted")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker, "start", start)
        yield


@pytest.fixture
def no_processes() -> Iterator[None]:
    with in_this_process():
        yield


def temporaries(folder: Path) -> list[Path]:
    return list(folder.glob(".tmp-*"))


def test_what_was_written_is_read(tmp_path: Path) -> None:
    wanted = content()
    written = store.write_h5(tmp_path / "data_b.h5", **wanted)
    got = store.read_h5(tmp_path / "data_b.h5")
    assert_equal(got, wanted)
    assert (got.train.dtype, got.label.dtype, got.name) == (np.float32, np.int64, "b")  # type: ignore[union-attr]
    data = (tmp_path / "data_b.h5").read_bytes()
    assert (written.sha256, written.size) == (hashlib.sha256(data).hexdigest(), len(data))
    assert [p.name for p in tmp_path.iterdir()] == ["data_b.h5"]


TEXT = st.binary(min_size=1, max_size=12).map(lambda b: b.replace(b"\0", b"0").decode("utf-8", "surrogateescape"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("h5")


@given(
    n=st.integers(1, 9),
    m=st.none() | st.integers(0, 5),
    d=st.integers(1, 5),
    kind=st.sampled_from(["f2", "<f4", ">f4", "f8"]),
    names=st.booleans(),
    text=st.lists(TEXT, min_size=9, max_size=9),
)
@settings(max_examples=8, deadline=None)
def test_any_shape_and_any_names_come_back(
    folder: Path, n: int, m: int | None, d: int, kind: str, names: bool, text: list[str]
) -> None:
    random = np.random.default_rng(n)
    wanted: dict[str, Any] = {
        "train": random.standard_normal((n, d)).astype(kind),
        "test": None if m is None else random.standard_normal((m, d)).astype(kind),
        "train_files": text[:n] if names else None,
    }
    with in_this_process():
        store.write_h5(folder / "x.h5", **wanted)
        got = store.read_h5(folder / "x.h5")
    assert_equal(
        got,
        {k: v.astype(np.float32) if k in ("train", "test") and v is not None else v for k, v in wanted.items()},
    )


def test_the_blogs_second_script_reads_our_file(tmp_path: Path) -> None:
    wanted = content()
    store.write_h5(tmp_path / "data_ResNet50.h5", **wanted)
    with h5py.File(tmp_path / "data_ResNet50.h5", "r") as h:
        np.testing.assert_array_equal(np.array(h["train"]), wanted["train"])
        np.testing.assert_array_equal(np.array(h["test"]), wanted["test"])
        np.testing.assert_array_equal(np.array(h["label"]), wanted["label"])
        assert h["test_files"].asstr()[0] == "0.jpg"
        assert h["train"].fletcher32
    data = (tmp_path / "data_ResNet50.h5").read_bytes()
    assert data[8] == 0, "superblock 0: the oldest readers know it"


@pytest.mark.parametrize("kind", ["<f4", "<f8", ">f4"])
@pytest.mark.parametrize("label", ["i4", "u1", "f4", "i8"])
def test_files_of_the_blog_and_its_kin_are_read(tmp_path: Path, no_processes: None, kind: str, label: str) -> None:
    """Written as the blog's first script does: plain create_dataset, nothing else."""
    wanted = content()
    with h5py.File(tmp_path / "gap_ResNet50.h5", "w") as h:
        h.create_dataset("train", data=wanted["train"].astype(kind))
        h.create_dataset("test", data=wanted["test"].astype(kind))
        h.create_dataset("label", data=wanted["label"].astype(label).reshape(-1, 1 if label == "i8" else 6).squeeze())
        h.create_dataset("unknown", data=np.arange(3))
    got = store.read_h5(tmp_path / "gap_ResNet50.h5")
    assert_equal(got, {k: wanted[k] for k in ("train", "test", "label")})
    assert got.name == "ResNet50"


@pytest.mark.parametrize("dtype", ["i1", "<i8", ">i4", "<f4", "f8"])
@pytest.mark.parametrize(
    ("values", "classes"),
    [([1, 2], ("1", "2")), ([3, 7], ("3", "7")), ([-1, 1], ("-1", "1")), ([0, 2], ("0", "2")), ([100, 20], ("20", "100"))],
)
def test_labels_of_any_whole_numbers_are_classes_of_these_names(
    tmp_path: Path, no_processes: None, values: list[int], classes: tuple[str, ...], dtype: str
) -> None:
    """Labels that do not count from 0 (MATLAB's 1 and 2, -1 and 1) are taken, in the order of the numbers, and it is said."""
    numbers = np.tile(np.array(values), 3).astype(dtype)
    with h5py.File(tmp_path / "m.h5", "w") as h:
        h["train"] = content()["train"]
        h["label"] = numbers[:, None]
    got = store.read_h5(tmp_path / "m.h5")
    assert got.classes == classes
    assert got.label is not None
    assert [got.classes[code] for code in got.label] == [str(int(v)) for v in numbers]
    assert f"m.h5 are numbers ({', '.join(classes)}), which name the classes" in got.note
    assert store.read_features([tmp_path / "m.h5"]).notes == (got.note,)


@pytest.mark.parametrize("variable", [False, True])
def test_labels_that_are_texts_are_the_names_of_the_classes(tmp_path: Path, no_processes: None, variable: bool) -> None:
    words = ["dög", "cat", "cat", "dög", "cat", "dög"]
    with h5py.File(tmp_path / "m.h5", "w") as h:
        h["train"] = content()["train"]
        h["label"] = words if variable else np.array([word.encode() for word in words])
    got = store.read_h5(tmp_path / "m.h5")
    assert got.classes == ("cat", "dög")
    assert got.label is not None and got.label.tolist() == [1, 0, 0, 1, 0, 1]
    assert "are texts (cat, dög), which name the classes" in got.note


def test_labels_from_1_number_the_classes_that_the_file_names(tmp_path: Path, no_processes: None) -> None:
    wanted = content()
    with h5py.File(tmp_path / "m.h5", "w") as h:
        h["train"], h["label"], h["classes"] = wanted["train"], wanted["label"] + 1, [b"cat", b"dog"]
    got = store.read_h5(tmp_path / "m.h5")
    assert (got.classes, got.label is not None and got.label.tolist()) == (("cat", "dog"), wanted["label"].tolist())
    assert "count from 1" in got.note
    with h5py.File(tmp_path / "m.h5", "a") as h:
        h["label"][...] = wanted["label"]
    assert store.read_h5(tmp_path / "m.h5").note == ""


def test_names_in_strings_of_variable_length_are_read(tmp_path: Path, no_processes: None) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as h:
        h["train"] = np.ones((2, 3))
        h["train_files"] = ["ä.jpg", "b.jpg"]
    assert store.read_h5(tmp_path / "x.h5").train_files == ("ä.jpg", "b.jpg")


@pytest.mark.parametrize("packing", [{"compression": "gzip", "shuffle": True}, {"compression": "lzf"}, {"chunks": (3, 2)}])
def test_packed_files_are_read(tmp_path: Path, no_processes: None, packing: dict[str, Any]) -> None:
    wanted = content(50)["train"]
    with h5py.File(tmp_path / "x.h5", "w") as h:
        h.create_dataset("train", data=wanted, **packing)
    np.testing.assert_array_equal(store.read_h5(tmp_path / "x.h5").train, wanted)


def test_equal_content_gives_equal_bytes(tmp_path: Path, no_processes: None) -> None:
    """At any time: no date of ours gets into the file, nor of HDF5's, which knows seconds and has its own clock."""
    first = store.write_h5(tmp_path / "a.h5", **content())
    assert store.write_h5(tmp_path / "b.h5", **content()).sha256 == first.sha256
    with h5py.File(tmp_path / "a.h5") as file:
        assert all(h5py.h5o.get_info(file[name].id).mtime == 0 for name in file)


def test_rows_can_come_in_blocks_of_any_size_that_are_never_in_memory_at_once(tmp_path: Path) -> None:
    wanted = np.arange(30_000 * 20, dtype=np.float32).reshape(30_000, 20)
    blocks = (wanted[i : i + 777] for i in range(0, 30_000, 777))
    store.write_h5(tmp_path / "x.h5", train=store.RowBlocks(wanted.shape, blocks))
    np.testing.assert_array_equal(store.read_h5(tmp_path / "x.h5").train, wanted)


def test_several_files_are_written_while_the_caller_goes_on(tmp_path: Path) -> None:
    wanted = [content(seed=i) for i in range(3)]
    with store.H5Writer() as writer:
        for i, one in enumerate(wanted):
            writer.write(tmp_path / f"data_{i}.h5", **one)
    for i, one in enumerate(wanted):
        assert_equal(store.read_h5(tmp_path / f"data_{i}.h5"), one)
    assert [w.path.name for w in writer.finish()] == [f"data_{i}.h5" for i in range(3)]


def test_an_exception_in_the_with_block_leaves_no_temporary_file(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), store.H5Writer() as writer:
        writer.write(tmp_path / "x.h5", train=store.RowBlocks((10**6, 50), endless()))
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def endless() -> Any:
    while True:
        yield np.zeros((1000, 50), np.float32)


@pytest.mark.parametrize(
    ("blocks", "error", "said"),
    [
        ([np.ones((2, 3))], ValueError, "should have 4 rows, its blocks have 2"),
        ([np.ones((9, 3))], ValueError, "should have 4 rows, its blocks have 9"),
        ([np.ones((4, 2))], ValueError, r"a block of train is \(4, 2\)"),
        ([np.full((4, 3), np.nan)], InputError, "train of .*x.h5 has NaN or infinite values"),
    ],
)
def test_blocks_that_do_not_fit_leave_the_old_file(
    tmp_path: Path, no_processes: None, blocks: list[np.ndarray], error: type[Exception], said: str
) -> None:
    (tmp_path / "x.h5").write_text("old")
    with pytest.raises(error, match=said):
        store.write_h5(tmp_path / "x.h5", train=store.RowBlocks((4, 3), blocks))
    assert (tmp_path / "x.h5").read_text() == "old"
    assert not temporaries(tmp_path)


def test_arrays_of_objects_and_huge_facts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="array of numbers"):
        store.write_h5(tmp_path / "x.h5", train=np.array([[{}]]))
    with pytest.raises(ValueError, match="larger than"):
        store.write_h5(tmp_path / "x.h5", **{**content(), "facts": {"a": "x" * 70_000}})
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_inside_hdf5_is_one_sentence_and_the_parent_lives(tmp_path: Path) -> None:
    """The limit on file size is inherited by the writing process; HDF5 meets it while it closes its file."""
    store.write_h5(tmp_path / "x.h5", **content())
    old = (tmp_path / "x.h5").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(OutputError, match=r"could not write .*x.h5: the file would be larger .*--out"):
            store.write_h5(tmp_path / "x.h5", train=np.ones((500, 100), np.float32))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / "x.h5").read_bytes() == old
    assert not temporaries(tmp_path)


@pytest.fixture
def full_disk(tmp_path: Path) -> Any:
    """A file system of 2 MB."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if not mounted or mounted.returncode:
        pytest.skip("mounting a small file system needs root; the limit on file size is tested in any case")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_is_really_full_is_told_and_the_rerun_completes(full_disk: Path) -> None:
    filler = full_disk / "filler"
    filler.write_bytes(bytes(1_500_000))
    big = np.random.default_rng(0).random((1000, 250), np.float32)
    with pytest.raises(OutputError, match="the disk is full; free some space"):
        store.write_h5(full_disk / "x.h5", train=big)
    cache = store.FeatureCache(full_disk / "cache", {"width": "250"}, rows_per_shard=1000)
    digests = store.row_digests(big)
    with pytest.raises(OutputError, match="the disk is full; free some space or choose another cache folder"):
        cache.add(digests, big)
    with pytest.raises(OutputError, match="the disk is full"), store.atomic_write(full_disk / "y") as file:
        file.write(big.tobytes())
    assert sorted(p.name for p in full_disk.iterdir()) == ["cache", "filler"]
    filler.unlink()
    cache.flush()
    cache_size = sum(p.stat().st_size for p in cache.folder.iterdir())
    assert cache_size < 1_100_000
    assert cache.read(digests)[1].all()
    (next(cache.folder.glob("shard*"))).unlink()
    store.write_h5(full_disk / "x.h5", train=big)
    np.testing.assert_array_equal(store.read_h5(full_disk / "x.h5").train, big)


@pytest.mark.parametrize("act", ["create", "sync", "replace", "sync_folder"])
def test_each_act_of_the_parent_that_fails_is_told(
    tmp_path: Path, no_processes: None, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Disk, act, refuse)
    with pytest.raises(OutputError, match="the disk is full; free some space or choose another place"):
        store.write_h5(tmp_path / "x.h5", **content())
    assert not temporaries(tmp_path)


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSEGV])
def test_a_writing_process_that_dies_is_one_sentence(tmp_path: Path, sent: signal.Signals) -> None:
    with (
        pytest.raises(OutputError, match=rf"could not write .*x.h5: the process .* ended with exit code -{sent.value}; "),
        store.H5Writer() as writer,
    ):
        writer.write(tmp_path / "x.h5", train=store.RowBlocks((10**9, 50), endless()))
        writer.write(tmp_path / "y.h5", **content())
        os.kill(writer._worker._child.pid, sent)
        writer.finish()
    assert list(tmp_path.iterdir()) == []


def test_a_killed_parent_leaves_no_half_file_and_its_child_ends(tmp_path: Path) -> None:
    script = (
        "import sys, threading, numpy as np; from penult import store\n"
        "def blocks():\n"
        "    for i in range(51):\n"
        "        print(i, flush=True); yield np.zeros((1000, 50), 'f4')\n"
        "    threading.Event().wait()\n"
        "w = store.H5Writer(); print(w._worker._child.pid)\n"
        "w.write(sys.argv[1], train=store.RowBlocks((10**9, 50), blocks())); w.finish()\n"
    )
    target = tmp_path / "x.h5"
    parent = subprocess.Popen([sys.executable, "-c", script, str(target)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = os.pidfd_open(int(parent.stdout.readline()))
    while parent.stdout.readline() != b"50\n":
        pass
    assert not target.exists()
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert select.select([child], [], [], 60)[0], "the child goes on without its parent"
    os.close(child)
    assert list(tmp_path.iterdir()) == [], "the child removes what it had begun when its parent is gone"


def test_a_parent_that_ends_without_finish_leaves_nothing(tmp_path: Path) -> None:
    script = (
        "import itertools, sys, numpy as np; from penult import store\n"
        "blocks = itertools.repeat(np.zeros((1000, 5), 'f4'))\n"
        "w = store.H5Writer(); w.write(sys.argv[1], train=store.RowBlocks((10**9, 5), blocks))\n"
        "raise SystemExit(7)"
    )
    run = subprocess.run([sys.executable, "-c", script, str(tmp_path / "x.h5")], timeout=20, check=False)
    assert run.returncode == 7
    assert list(tmp_path.iterdir()) == []


def test_reading_and_writing_load_no_h5py_into_the_callers_process(tmp_path: Path) -> None:
    script = (
        "import sys, numpy as np; from penult import store\n"
        "store.write_h5(sys.argv[1], train=np.ones((2, 2))); store.read_h5(sys.argv[1])\n"
        "assert 'h5py' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "x.h5")], check=True)


def test_several_files_stand_side_by_side(tmp_path: Path, no_processes: None) -> None:
    a, b = content(d=4), content(d=3, seed=1)
    store.write_h5(tmp_path / "data_a.h5", **a)
    store.write_h5(tmp_path / "gap_b.h5", train=b["train"], test=b["test"])
    got = store.read_features([tmp_path / "data_a.h5", tmp_path / "gap_b.h5"])
    np.testing.assert_array_equal(got.X, np.hstack([a["train"], b["train"]]))
    np.testing.assert_array_equal(got.X_test, np.hstack([a["test"], b["test"]]))  # type: ignore[arg-type]
    np.testing.assert_array_equal(got.y, a["label"])  # type: ignore[arg-type]
    assert (got.names, got.widths, got.files) == (("a", "b"), (4, 3), tuple(a["train_files"]))
    assert got.facts == (a["facts"], {})


def test_all_files_that_disagree_are_named(tmp_path: Path, no_processes: None) -> None:
    good = content()
    others = {
        "rows": content(n=5),
        "label": {**good, "label": 1 - good["label"]},
        "names": {**good, "train_files": [f"{i}" for i in range(6)]},
        "tests": {**good, "test": None, "test_files": None},
        "m": content(m=2),
        "classes": {**good, "classes": ["a", "b"]},
    }
    for name, one in {"good": good, **others}.items():
        store.write_h5(tmp_path / f"{name}.h5", **one)
    with pytest.raises(InputError) as caught:
        store.read_features([tmp_path / f"{name}.h5" for name in ["good", *others]])
    said = str(caught.value)
    for part in (
        "rows.h5 has 5 training rows and",
        "label differs between " + str(tmp_path / "label.h5"),
        "train_files differs between " + str(tmp_path / "names.h5"),
        "tests.h5 and " + str(tmp_path / "good.h5") + " has test rows",
        "m.h5 has 2 test rows and",
        "classes differs between",
    ):
        assert part in said
    with pytest.raises(InputError, match="no feature file"):
        store.read_features([])


def test_row_digests_stand_for_the_rows(tmp_path: Path) -> None:
    X = content()["train"]
    digests = store.row_digests(X)
    assert digests.shape == (6, 32)
    assert bytes(digests[2]) == hashlib.sha256(X[2].tobytes()).digest()

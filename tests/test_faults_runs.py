"""Two runs at once, a folder that is taken, a full disk, a cache that goes away: one sentence, and nothing wrong is kept."""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from faulty import draw_photos
from penult import store, zoo
from penult.embed import Embedding, EmbedOptions, embed, write_features
from penult.errors import InputError, OutputError
from penult.runs import RunFolder
from penult.store import atomic, shard_index
from penult.store.disk import Disk, machine_id
from penult.training import TrainOptions, train_images

SAME = ("data_colour_histogram.h5", "model.penult", "oof.csv", "predictions.csv")


def command(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "penult", *map(str, words), "-b", "colour_histogram", "--quiet"]


def started(*words: str | Path, **how: object) -> subprocess.Popen[str]:
    return subprocess.Popen(command(*words), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **how)  # type: ignore[call-overload, no-any-return]


def digests(run: Path, names: tuple[str, ...] = SAME) -> dict[str, str]:
    return {name: hashlib.sha256((run / name).read_bytes()).hexdigest() for name in names}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, str]]:
    """Lay out photos and return them, the test photos, and what an undisturbed run makes of them."""
    place = tmp_path_factory.mktemp("alone")
    job = draw_photos(place)
    settings = EmbedOptions(cache=str(place / "cache"), workers=0)
    train_images(
        str(job.photos),
        str(job.test),
        TrainOptions(str(place / "whole"), ("colour_histogram",), head="centroid", settings=settings),
    )
    return job.photos, job.test, digests(place / "whole")


def test_three_runs_on_one_cold_cache_at_once_agree_with_one_alone(
    alone: tuple[Path, Path, dict[str, str]], tmp_path: Path
) -> None:
    folder, test, wanted = alone
    cache = tmp_path / "cache"
    words = ("train", folder, "--test", test, "--head", "centroid", "--cache", cache)
    runs = [started(*words, "--out", tmp_path / f"run{i}") for i in range(2)]
    runs += [started("embed", folder, "--out", tmp_path / "x.h5", "--cache", cache)]
    assert [(run.communicate(timeout=120)[1], run.returncode) for run in runs] == [("", 0)] * 3
    assert [digests(tmp_path / f"run{i}") for i in range(2)] == [wanted] * 2
    train_rows = store.read_h5(tmp_path / "run0" / "data_colour_histogram.h5").train
    np.testing.assert_array_equal(store.read_h5(tmp_path / "x.h5").train, train_rows)
    assert not list((tmp_path / "cache").rglob(".tmp-*"))


HOLDER = """
import sys, time
from penult.runs import RunFolder
run = RunFolder(sys.argv[1])
print("mine", flush=True)
time.sleep(600)
"""


@contextmanager
def held(out: Path) -> Iterator[subprocess.Popen[str]]:
    """Let another process have a run folder."""
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(out)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "mine\n"
        yield holder
    finally:
        holder.kill()
        holder.communicate()


def test_a_second_run_into_the_same_folder_is_refused_until_the_first_is_gone(
    photos: Callable[..., Path], tmp_path: Path
) -> None:
    folder, out = photos("train", warm=6, cold=6), tmp_path / "run"
    with held(out) as holder:
        before = (out / "metrics.json").stat()
        second = started("train", folder, "--out", out, "--cache", tmp_path / "cache")
        said = second.communicate(timeout=60)[1]
        assert second.returncode not in (0, 2)
        assert said.count("\n") == 1
        assert f"{out} is in use: another run of penult is writing to it. Nothing was touched; wait until that has" in said
        assert (out / "metrics.json").stat() == before
        assert [p.name for p in out.iterdir()] == ["metrics.json"]
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with RunFolder(out) as run:
            assert run.finish({})["status"] == "done"
        assert [p.name for p in out.iterdir()] == ["metrics.json"], "the lock has left nothing"


def test_a_run_that_failed_lets_go_of_its_folder_even_where_its_error_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a" / "x").mkdir(parents=True)
    (tmp_path / "a" / "y").mkdir()
    kept = []
    for _ in range(2):
        with pytest.raises(InputError) as caught, RunFolder(tmp_path / "run") as run:
            raise InputError(str(run.path))
        kept.append(caught)
    first = RunFolder(tmp_path / "run")
    with pytest.raises(OutputError, match="is in use"):
        RunFolder(tmp_path / "run")
    first.close()
    RunFolder(tmp_path / "run").close()


def test_a_page_is_not_written_while_a_run_is(tmp_path: Path) -> None:
    from penult import report

    with RunFolder(tmp_path / "run"), pytest.raises(OutputError, match="a run of penult is writing to it"):
        report.rebuild(tmp_path / "run")


def test_what_looks_like_a_lock_or_is_left_of_the_first_moment_of_a_run_is_in_nobodys_way(tmp_path: Path) -> None:
    """Killed while the very first file was written, a run leaves a folder that has nothing but a temporary file."""
    (tmp_path / f".tmp-{machine_id()}-{2**22 + 1}-ab").write_bytes(b"{")
    with RunFolder(tmp_path) as run:
        for name in ("lock", ".lock", "penult.lock"):
            (tmp_path / name).write_text("4194305")
        (tmp_path / "figures").mkdir()
        (tmp_path / "figures" / f".tmp-{machine_id()}-{2**22 + 1}-cd").write_bytes(b"")
        run.finish({})
    RunFolder(tmp_path).close()
    assert not list(tmp_path.rglob(".tmp-*"))
    assert (tmp_path / ".lock").read_text() == "4194305"


def test_what_killed_runs_left_anywhere_in_the_cache_goes_with_the_next_run(
    photos: Callable[..., Path], tmp_path: Path
) -> None:
    folder, cache = photos("train", warm=2, cold=2), tmp_path / "cache"
    for place in ("features/key", "speeds", "compiled", "int8/network", "backbones/network", "similar/key"):
        (cache / place).mkdir(parents=True)
        (cache / place / f".tmp-{machine_id()}-{2**22 + 1}-ab").write_bytes(b"")
    (cache / "mine").mkdir()
    (cache / "mine" / f".tmp-{machine_id()}-{2**22 + 1}-ab").write_bytes(b"")
    embedded(folder, cache)
    assert [path.parent.name for path in cache.rglob(".tmp-*")] == ["mine"], "only the rooms of the cache are looked into"


@pytest.mark.parametrize("days", [-1000, 1000])
def test_a_clock_that_jumps_takes_no_file_from_a_living_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    now = time.time
    with store.atomic_write(tmp_path / "a") as file:
        file.write(b"1")
        monkeypatch.setattr(atomic.time, "time", lambda: now() + days * 86_400)
        assert store.sweep(tmp_path) == 0
        # Another process with our number, long ago: nobody holds what it left.
        old = tmp_path / f".tmp-{machine_id()}-{os.getpid()}-0"
        old.write_bytes(b"")
        assert store.sweep(tmp_path) == (days > 0)
    assert (tmp_path / "a").read_bytes() == b"1"


def test_a_clock_that_jumps_makes_no_index_wrong(photos: Callable[..., Path], tmp_path: Path) -> None:
    folder = photos("train", warm=4, cold=4)
    first = embedded(folder, tmp_path / "cache")
    for path in (tmp_path / "cache").rglob("*"):
        os.utime(path, (4e9, 4e9))
    again = embedded(folder, tmp_path / "cache")
    assert again.embedded == 0
    np.testing.assert_array_equal(again.features(), first.features())


def embedded(folder: Path, cache: Path) -> Embedding:
    return embed(
        sorted(folder.rglob("*.png")), [zoo.find_backbone("colour_histogram")], EmbedOptions(cache=str(cache), workers=0)
    )


def test_a_cache_that_is_deleted_under_a_run_costs_time_only(photos: Callable[..., Path], tmp_path: Path) -> None:
    """Again and again while images are embedded, and between embedding and reading."""
    folder, cache = photos("train", warm=20, cold=20), tmp_path / "cache"
    right = embedded(folder, tmp_path / "other").features()
    count = 0

    def progress(*_: object) -> None:
        nonlocal count
        count += 1
        if count % 4 == 0:
            shutil.rmtree(cache, ignore_errors=True)

    network = zoo.find_backbone("colour_histogram")
    done = embed(sorted(folder.rglob("*.png")), [network], EmbedOptions(cache=str(cache), workers=0), progress)
    np.testing.assert_array_equal(done.features(), right)
    shutil.rmtree(cache)
    np.testing.assert_array_equal(done.features(), right)


def test_a_damaged_shard_that_can_not_be_removed_is_passed_over(
    photos: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shared cache: the file is of another user, and the folder lets nobody remove files of others."""
    folder, cache = photos("train", warm=4, cold=4), tmp_path / "cache"
    right = embedded(folder, cache).features()
    (shard,) = cache.rglob("shard-*.npz")
    damaged = bytearray(shard.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    shard.write_bytes(damaged)
    monkeypatch.setattr(shard_index, "remove", lambda _: False)
    photos("train", first=50, warm=1)
    done = embedded(folder, cache)
    assert (done.embedded, done.reused) == (1, 8)
    rows = done.features()
    assert len(rows) == 9
    np.testing.assert_array_equal(rows[:8], right)  # "cold" has not changed, and the new one is the last of "warm"
    np.testing.assert_array_equal(embedded(folder, cache).features(), rows)


@pytest.mark.parametrize("change", ["vanish", "grow", "other", "folder", "empty"])
def test_a_photo_that_changes_between_scan_and_read_is_told_or_seen_as_it_is(
    photos: Callable[..., Path], tmp_path: Path, change: str
) -> None:
    folder = photos("train", warm=3, cold=3)
    paths = sorted(folder.rglob("*.png"))
    paths[0].unlink()
    if change == "grow":
        paths[0].write_bytes(paths[1].read_bytes() + bytes(10_000))
    elif change == "other":
        paths[0].write_bytes(paths[5].read_bytes())
    elif change == "folder":
        paths[0].mkdir()
    elif change == "empty":
        paths[0].write_bytes(b"")
    done = embed(paths, [zoo.find_backbone("colour_histogram")], EmbedOptions(cache=str(tmp_path / "cache"), workers=0))
    assert done.ok[1:].all()
    assert done.ok[0] == (change in ("grow", "other"))
    assert set(done.failures) == (set() if done.ok[0] else {0})
    rows = done.features()
    if done.ok[0]:
        np.testing.assert_array_equal(rows[0], rows[1 if change == "grow" else 5])


def test_photos_that_change_after_their_rows_vanished_are_told(photos: Callable[..., Path], tmp_path: Path) -> None:
    folder = photos("train", warm=3, cold=3)
    done = embedded(folder, tmp_path / "cache")
    shutil.rmtree(tmp_path / "cache")
    shutil.copy(folder / "warm" / "warm.0.png", folder / "cold" / "cold.0.png")
    with pytest.raises(Exception, match=r"1 feature rows of colour_histogram are lost: .* run the same command again"):
        done.features()


@pytest.mark.usefixtures("real_figures")
@pytest.mark.parametrize("obstacle", ["figures", "oof.csv"])
def test_something_in_the_way_is_one_sentence(photos: Callable[..., Path], tmp_path: Path, obstacle: str) -> None:
    """A file where a folder should be, or a folder where a file should be: also what permissions would refuse."""
    folder, out = photos("train", warm=4, cold=4), tmp_path / "run"
    RunFolder(out).close()
    if obstacle == "figures":
        (out / obstacle).write_text("")
    else:
        (out / obstacle / "inside").mkdir(parents=True)
    settings = EmbedOptions(cache=str(tmp_path / "cache"), workers=0)
    with pytest.raises(OutputError) as caught:
        train_images(str(folder), None, TrainOptions(str(out), ("colour_histogram",), head="centroid", settings=settings))
    said = str(caught.value)
    assert str(out / obstacle) in said
    assert "--out" in said or "give the name of a file that may be replaced" in said


@pytest.mark.parametrize("name", ["run", "run/metrics.json"])
def test_a_result_that_can_not_be_removed_or_listed_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    run = RunFolder(tmp_path / "run")
    if name == "run":
        run.close()
        monkeypatch.setattr(Path, "iterdir", refuse)
        with pytest.raises(OutputError, match=r"could not look into .*run: there is no permission"):
            RunFolder(tmp_path / "run")
    else:
        monkeypatch.setattr(Disk, "remove", refuse)
        with pytest.raises(OutputError, match=r"could not remove .*metrics\.json: there is no permission .* --out DIR\.$"):
            run.drop("metrics.json")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, which can be made read-only; permissions mean nothing to root."""
    place = tmp_path / "disk"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system needs root; EROFS is injected in test_store_files.py in any case")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def read_only(place: Path, yes: bool) -> None:
    subprocess.run(["mount", "-o", f"remount,{'ro' if yes else 'rw'}", str(place)], check=True)


def test_a_disk_that_becomes_read_only_under_a_run_is_one_sentence(photos: Callable[..., Path], small_disk: Path) -> None:
    folder, cache = photos("train", warm=12, cold=12), small_disk / "cache"

    def progress(_: str, done: int, n: int) -> None:
        if done == n:
            read_only(small_disk, True)

    network, settings = zoo.find_backbone("colour_histogram"), EmbedOptions(cache=str(cache), workers=0)
    with pytest.raises(OutputError, match=r"the file system is read-only; choose another cache folder with --cache DIR"):
        embed(sorted(folder.rglob("*.png")), [network], settings, progress)
    with pytest.raises(OutputError, match="the file system is read-only; choose another place for the results with --out DIR"):
        RunFolder(small_disk / "run")
    read_only(small_disk, False)
    RunFolder(small_disk / "run").close()
    done = embedded(folder, cache)
    read_only(small_disk, True)
    with pytest.raises(OutputError, match="the file system is read-only"):
        RunFolder(small_disk / "run")
    again = embedded(folder, cache)  # what is there can be read
    assert again.embedded == 0
    np.testing.assert_array_equal(again.features(), done.features())
    assert not list(small_disk.rglob(".tmp-*"))


def test_a_folder_with_odd_metrics_is_no_run(tmp_path: Path) -> None:
    for text in ("5", '["penult_run"]', '"penult_run"', "[" * 100_000):
        (tmp_path / "metrics.json").write_text(text)
        with pytest.raises(InputError, match="is not a run of penult's; nothing was touched"):
            RunFolder(tmp_path)


def test_what_a_killed_run_left_beside_a_feature_file_goes_with_the_next_run(
    photos: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = photos("train", warm=3, cold=3), tmp_path / "here"
    out.mkdir()
    (out / f".tmp-{machine_id()}-{2**22 + 1}-ab").write_bytes(b"")
    (out / ".tmp-of-another-program").write_bytes(b"")
    write_features(
        str(folder),
        out / "x.h5",
        [zoo.find_backbone("colour_histogram")],
        EmbedOptions(cache=str(tmp_path / "cache"), workers=0),
    )
    assert sorted(p.name for p in out.iterdir()) == [".tmp-of-another-program", "x.h5"]


def test_a_disk_that_is_full_at_some_moment_is_one_line_and_the_rerun_is_equal(
    alone: tuple[Path, Path, dict[str, str]], tmp_path: Path
) -> None:
    """The limit on file size is how a full disk feels to each file in turn; benchmarks/faults.py fills a real one."""
    folder, test, wanted = alone
    out, cache = tmp_path / "run", tmp_path / "cache"
    words = ("train", folder, "--test", test, "--head", "centroid", "--out", out, "--cache", cache)
    run = started(*words, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000)))
    said = run.communicate(timeout=120)[1]
    assert run.returncode > 0, said
    assert "Traceback" not in said
    last = said.splitlines()[-1]
    assert last.startswith("penult: could not write"), said
    assert "choose another" in last
    assert not [p for p in [*out.rglob("*"), *cache.rglob("*")] if ".tmp-" in p.name]
    settings = EmbedOptions(cache=str(cache), workers=0)
    train_images(str(folder), str(test), TrainOptions(str(out), ("colour_histogram",), head="centroid", settings=settings))
    assert digests(out) == wanted

"""Where a command runs must not stop it: no cache folder, no streams, no Python to start, a notebook, little memory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from penult import progress, store, worker
from penult.cli import main, process
from penult.embed import EmbedOptions
from penult.errors import OutputError
from penult.store import cache_folder

Photos = Callable[..., Path]
Monkey = pytest.MonkeyPatch
TOLERATED = (store.is_permanent, lambda error: True)  # where the cache is needed, and where it only helps
FACTS = {"width": "3", "backbone": "b", "backbone_digest": "d"}


@pytest.fixture(autouse=True)
def untold(monkeypatch: Monkey) -> None:
    """Each test hears the line that a process says once."""
    monkeypatch.setattr(cache_folder, "_warned", [])
    worker._tell.cache_clear()


def rows(count: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(count)
    return random.integers(0, 256, (count, 32), dtype=np.uint8), random.normal(size=(count, 3)).astype(np.float32)


@pytest.mark.parametrize("tolerate", TOLERATED)
@pytest.mark.parametrize("place", ["/proc/none", "a file/cache", "x" * 300])
def test_rows_stay_in_memory_where_no_cache_folder_can_be_written(
    place: str, tolerate: Callable[[OutputError], bool], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Two caches of such a folder keep their rows, and one line says why."""
    (tmp_path / "a file").write_bytes(b"")
    digests, vectors = rows(5)
    for _ in range(2):
        cache = store.FeatureCache(tmp_path / place, FACTS, tolerate)
        cache.add(digests, vectors)
        cache.flush()
        found, there = cache.read(digests[::-1])
        assert there.all() and np.array_equal(found, vectors[::-1])
        assert len(cache.known()) == 5
    assert caplog.text.count("features are kept in memory for this run; give --cache DIR or set PENULT_CACHE") == 1


def test_a_disk_that_becomes_full_stops_only_what_needs_the_cache(tmp_path: Path, monkeypatch: Monkey) -> None:
    """Rows written before, that waited and that come later are all there; where the cache is needed it is an error."""
    from penult.store.disk import Disk

    digests, vectors = rows(9)
    caches = [store.FeatureCache(tmp_path / str(i), FACTS, tolerate) for i, tolerate in enumerate(TOLERATED)]
    for cache in caches:
        cache.add(digests[:3], vectors[:3])
        cache.flush()

    def full(self: Disk, path: Path) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Disk, "create", full)
    for cache in caches:
        cache.add(digests[3:6], vectors[3:6])
    with pytest.raises(OutputError, match="disk is full"):
        caches[0].flush()
    caches[1].flush()
    caches[1].add(digests[6:], vectors[6:])
    found, there = caches[1].read(digests)
    assert there.all() and np.array_equal(found, vectors) and len(caches[1].known()) == 9


def test_without_a_home_folder_features_stay_in_memory(monkeypatch: Monkey, caplog: pytest.LogCaptureFixture) -> None:
    """No HOME and no entry in passwd: nothing is kept, one line says so; PENULT_CACHE in such a home is an error."""

    def expanduser(self: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("PENULT_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "expanduser", expanduser)
    assert EmbedOptions().folder is None and EmbedOptions().rows(FACTS).folder is None
    assert "this user has no home folder: features are kept in memory" in caplog.text
    monkeypatch.setenv("PENULT_CACHE", "~/cache")
    with pytest.raises(OutputError, match="give --cache DIR or set PENULT_CACHE"):
        EmbedOptions().rows(FACTS)
    assert EmbedOptions(cache_optional=True).rows(FACTS).folder is None


def test_no_cache_keeps_nothing(photos: Photos, tmp_path: Path, monkeypatch: Monkey) -> None:
    """With --no-cache no cache folder is made, and a prediction goes on where the folder asked for cannot be written."""
    monkeypatch.setenv("PENULT_CACHE", str(tmp_path / "untouched"))
    folder = photos("train", warm=4, cold=4)
    run = str(tmp_path / "run")
    assert main(["train", str(folder), "-b", "colour_histogram", "--out", run, "-q", "--no-cache"]) == 0
    assert not (tmp_path / "untouched").exists()
    assert main(["predict", run, str(folder), "-q", "--cache", "/proc/none"]) == 0
    assert main(["embed", str(folder), "-b", "colour_histogram", "--out", f"{run}.h5", "-q", "--cache", "/proc/none"]) == 4


def test_a_class_that_is_absent_or_never_predicted_has_a_dash(
    photos: Photos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`penult evaluate` on one class, on one photo, and where a class is never predicted."""
    run = str(tmp_path / "run")
    assert main(["train", str(photos("train", warm=5, cold=5)), "-b", "colour_histogram", "--out", run, "-q"]) == 0
    one = photos("one", 20, warm=1)
    bad = tmp_path / "bad" / "cold"
    bad.mkdir(parents=True)
    (bad / "x.jpg").write_bytes(b"\xff\xd8\xff")
    assert main(["evaluate", run, str(bad.parent), "-q"]) == 1  # none can be read
    for folder in (one, photos("absent", 20, warm=3)):
        capsys.readouterr()
        assert main(["evaluate", run, str(folder)]) == 0
        table = capsys.readouterr().out.splitlines()
        assert any(line.split()[:1] == ["cold"] and "–" in line.split() for line in table), table


@pytest.mark.parametrize("closed", [(1,), (2,), (1, 2), (0, 1, 2)])
def test_closed_streams_stop_nothing(closed: tuple[int, ...], photos: Photos, tmp_path: Path) -> None:
    """With standard streams closed a command does its work, exits with 0, and no file gets what was meant for a stream."""
    folder, out = photos("train", warm=3, cold=3), tmp_path / "x.h5"
    code = (
        f"import os, sys\nfor number in {closed}:\n    os.close(number)\n"
        f"os.execv(sys.executable, [sys.executable, '-m', 'penult', 'embed', {str(folder)!r}, '-b', 'colour_histogram', "
        f"'--out', {str(out)!r}, '--no-cache'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert store.read_h5(out).train.shape[0] == 6


def test_streams_that_are_none_are_completed(monkeypatch: Monkey) -> None:
    """Under pythonw the streams are None: they become streams that drop what is written."""
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    process.complete()
    print("dropped")
    assert sys.stdin.read() == "" and not progress.is_terminal(None)
    process.error_line("dropped")
    for name in ("stdin", "stdout", "stderr"):
        getattr(sys, name).close()


@pytest.mark.parametrize("executable", [None, "", "/bin/true", "/nowhere/python3"])
def test_a_python_is_found_where_sys_executable_is_none(executable: str | None, monkeypatch: Monkey) -> None:
    """Inside another program the Python that this one belongs to is started."""
    monkeypatch.setattr(sys, "executable", executable)
    assert worker._same_version(worker.interpreter())


@pytest.mark.parametrize("frozen", [False, True])
def test_without_any_python_the_work_is_done_here(
    frozen: bool, photos: Photos, tmp_path: Path, monkeypatch: Monkey, caplog: pytest.LogCaptureFixture
) -> None:
    """HDF5 is written and read, photos are decoded and figures drawn in this process, and one line says so."""
    monkeypatch.setattr(sys, "executable", None)
    monkeypatch.setattr(sys, "_base_executable", None, raising=False)
    monkeypatch.setattr(sys, "prefix", "/nowhere")
    monkeypatch.setattr(sys, "base_prefix", "/nowhere")
    if frozen:
        monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(worker.NoInterpreter, match="no Python can be started beside this process"):
        worker.interpreter()
    folder, out = photos("train", warm=3, cold=3), tmp_path / "x.h5"
    assert main(["embed", str(folder), "-b", "colour_histogram", "--out", str(out), "--no-cache"]) == 0
    assert store.read_h5(out).train.shape[0] == 6
    assert caplog.text.count("all work is done in this process") == 1


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(), RuntimeError("std::bad_alloc"), RuntimeError("can't start new thread"), OSError(12, "Cannot allocate"),
        ImportError("libx.so: failed to map segment from shared object"),
    ],
)  # fmt: skip
def test_little_memory_is_one_line(error: Exception, monkeypatch: Monkey, capsys: pytest.CaptureFixture[str]) -> None:
    """However a library says it, also behind an exception of its own."""
    outer = ImportError("a long text")
    outer.__cause__ = error
    for raised in (error, outer):
        code, err = _raising(raised, monkeypatch, capsys)
        assert code == 1 and err.startswith("penult: there is not enough memory for this.") and err.count("\n") == 1


def test_a_bug_is_one_line_that_asks_to_be_reported(monkeypatch: Monkey, capsys: pytest.CaptureFixture[str]) -> None:
    """It names the place, and the variable that shows the traceback."""
    code, err = _raising(TypeError("a\nb"), monkeypatch, capsys)
    assert code == 1 and err.count("\n") == 1
    assert err.startswith("penult: internal error: TypeError: a b (at ") and "This is a bug in penult" in err
    monkeypatch.setenv("PENULT_DEBUG", "1")
    with pytest.raises(TypeError):
        _raising(TypeError("a"), monkeypatch, capsys)


def test_a_library_that_cannot_be_imported_is_one_line(monkeypatch: Monkey, capsys: pytest.CaptureFixture[str]) -> None:
    """It names the library and `penult doctor`."""
    code, err = _raising(ImportError("no symbol", name="numpy"), monkeypatch, capsys)
    assert code == 1 and err.startswith("penult: numpy cannot be imported (no symbol); `penult doctor` says")


def _raising(error: Exception, monkeypatch: Monkey, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    from penult.cli import cache

    def run(*_: object) -> int:
        raise error

    monkeypatch.setattr(cache, "run", run)
    return main(["cache"]), capsys.readouterr().err


class Terminal:
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "where"),
    [
        ({}, "terminal"), ({"TERM": "dumb"}, "log"), ({"CI": "true"}, "log"), ({"JPY_PARENT_PID": "1"}, "notebook"),
        ({"COLAB_RELEASE_TAG": "x"}, "notebook"), ({"KAGGLE_KERNEL_RUN_TYPE": "x"}, "notebook"),
    ],
)  # fmt: skip
def test_where_progress_is_seen(environment: dict[str, str], where: str) -> None:
    """A bar in a terminal, one line in a notebook, lines in a log."""
    assert progress.place(Terminal(), environment) == where  # type: ignore[arg-type]
    assert progress.place(None, environment) == "log"


def test_a_notebook_has_one_line_that_changes(capsys: pytest.CaptureFixture[str]) -> None:
    """At most one state in three seconds, each over the last, and nothing is left of it at the end."""
    now = 0.0
    line = progress.ChangingLine(lambda: now)
    for done in range(1000):
        now = done / 100
        line("features", done, 1000)
    line.end()
    err = capsys.readouterr().err
    assert "\n" not in err and err.count("features: ") == 3 and err.endswith("\r")
    assert "features: 600 of 1,000, 100/s, about 4 s left" in err


@pytest.mark.parametrize("kind", ["raise", "warn"])
def test_numpy_that_raises_stops_nothing(kind: str, photos: Photos, tmp_path: Path) -> None:
    """`np.seterr(all="raise")` in the user's process."""
    run = str(tmp_path / "run")
    folder = str(photos("train", warm=4, cold=4))
    with np.errstate(all=kind):  # type: ignore[call-overload]
        assert main(["train", folder, "-b", "colour_histogram", "--out", run, "-q"]) == 0
        for words in (["predict", run, folder], ["similar", run, folder], ["report", run], ["evaluate", run, folder]):
            assert main([*words, "-q"]) == 0


@pytest.mark.skipif(sys.version_info[:3] == (3, 13, 0), reason="there Python's own modules fail to import in a removed folder")
def test_a_removed_folder_and_a_backend_that_is_none_stop_no_training(photos: Photos, tmp_path: Path) -> None:
    """The folder we are in is gone, and MPLBACKEND names what this matplotlib does not know."""
    folder, out, gone = photos("train", warm=4, cold=4), tmp_path / "run", tmp_path / "gone"
    gone.mkdir()
    code = (
        f"import os, shutil, sys\nos.chdir({str(gone)!r})\nshutil.rmtree({str(gone)!r})\nfrom penult.cli import main\n"
        f"sys.exit(main(['train', {str(folder)!r}, '-b', 'colour_histogram', '--out', {str(out)!r}, '-q']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False, env={**os.environ, "MPLBACKEND": "nonsense"}
    )
    assert done.returncode == 0, done.stderr
    assert (out / "model.penult").is_file()
    assert list((out / "figures").iterdir())


def test_memory_is_told_from_other_trouble() -> None:
    """An error that speaks of something else is no lack of memory."""
    assert not process.is_memory(ValueError("x")) and not process.is_memory(OSError(2, "No such file"))
    assert os.environ.get("PENULT_DEBUG") is None


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit there")
@pytest.mark.parametrize("megabytes", [150, 300, 390])
def test_a_limit_on_memory_that_is_too_low_to_begin_with_is_one_line(tmp_path: Path, megabytes: int) -> None:
    """Below it OpenBLAS may wait for ever for what it does not get, so nothing is loaded."""
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({megabytes} << 20,) * 2); "
    code = f"{limit}from penult.cli import main; raise SystemExit(main(['predict', 'model', 'photo.jpg']))"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("penult: there is not enough memory for this.")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("words", ["--version", "--help"])
def test_a_reader_that_is_gone_before_the_version_is_written_is_no_odd_exit_code(words: str) -> None:
    """Python's own attempt at the end would exit with 120."""
    reader, writer = os.pipe()
    os.close(reader)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    code = "import sys; from penult.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, words], check=False, stdout=writer, stderr=subprocess.PIPE, env=environment
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")

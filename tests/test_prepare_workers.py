"""A decoder may crash, hang, eat the memory or be killed: it costs one picture, and nothing is left over."""

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from badimages import bomb, photo, save
from penult.pixels import Recipe, prepare_all, preparing, worker_pool
from penult.pixels.pipeline import WorkerConfig
from penult.pixels.worker_pool import WorkerPool

SMALL = (Recipe(16),)

LIMIT = 1000.0  # seconds for a picture; no test waits for them, the stand-in turns the clock forward

STAND_IN = """
import ctypes, os, signal, time
from penult.pixels.decoding import open_picture

PARENT = os.getppid()

def spin(left):
    signal.setitimer(signal.ITIMER_REAL, left)
    sum(range(10**15))  # in C, with the interpreter's lock

def decode(data):
    word, _, rest = data.partition(b":")
    left, _ = signal.getitimer(signal.ITIMER_REAL)
    if word == b"SEGV":
        ctypes.string_at(0)
    if word == b"EXIT":
        os._exit(3)
    if word == b"RAISE":
        raise RuntimeError("a decoder of a bad sort")
    if word == b"SPIN":
        spin(0.01 if 0 < left <= 1000 else 0)
    if word == b"HALF":  # of the time is gone when this picture is done
        if left < 990:
            os._exit(4)
        signal.setitimer(signal.ITIMER_REAL, 500)
    if word == b"ORPHAN":
        with open(rest + b".part", "w") as mark:
            mark.write("armed" if left > 0 else "unarmed")
        os.rename(rest + b".part", rest)
        while os.getppid() == PARENT:
            time.sleep(0.01)
        spin(0.01)
    while word == b"HOLD" and os.getppid() == PARENT:
        time.sleep(0.01)
    if word == b"EAT":
        return open_picture(bytearray(8 << 30))
    if word == b"ONCE" and not os.path.exists(rest):
        open(rest, "w").close()
        os.kill(os.getpid(), 9)
    return open_picture(data if word[:4] == b"\\x89PNG" else GOOD)

def fail():
    raise SystemExit(1)
"""


@pytest.fixture(autouse=True)
def decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A decoder that does what the file says."""
    good = f"GOOD = {save(photo(20, 30), 'PNG')!r}\n"
    (tmp_path / "stand_in.py").write_text(good + STAND_IN)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "stand_in:decode"


@pytest.fixture(scope="module", autouse=True)
def few_objects_to_collect() -> Iterator[None]:
    """What is there before the first test need not be looked at by each `gc.collect`."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def nothing_left_over(decoder: str) -> Iterator[None]:
    """No child, no zombie, no descriptor and no shared memory more than before."""
    import stand_in  # type: ignore[import-not-found]  # noqa: F401 - opened before the count

    me = psutil.Process()
    before, others = me.num_fds(), me.children()  # such as the server of a fixture
    yield
    gc.collect()
    assert set(me.children()) <= set(others)
    assert me.num_fds() == before
    assert shared_memory() == 0


def shared_memory() -> int:
    """Return how many mappings of workers' pixels this process has, as far as the system tells."""
    maps = Path("/proc/self/maps")
    return maps.read_text(encoding="utf-8").count("penult-pixels") if maps.exists() else 0


def pool(recipes: tuple[Recipe, ...], count: int) -> WorkerPool:
    return WorkerPool(WorkerConfig(recipes, LIMIT, 1 << 30, "stand_in:decode"), (memoryview(b""),), count)


def lay_out(folder: Path, *words: bytes) -> list[Path]:
    """Write one file per word: `ok` is a picture, any other a command for the stand-in."""
    paths = []
    for i, word in enumerate(words):
        paths.append(folder / f"{i}.png")
        paths[-1].write_bytes(save(photo(20, 30, seed=i), "PNG") if word == b"ok" else word + b":")
    return paths


def reasons(results: Any) -> list[str]:
    return [r.failure.reason if r.failure else "ok" for r in results]


def test_a_crash_costs_one_picture(tmp_path: Path, decoder: str) -> None:
    words = [b"ok"] * 30
    words[4], words[5], words[17] = b"SEGV", b"EXIT", b"RAISE"
    paths = lay_out(tmp_path, *words)
    results = list(prepare_all(paths, SMALL, workers=2, decoder=decoder))
    expected = ["ok" if w == b"ok" else "decoder crashed" for w in words]
    assert reasons(results) == expected
    assert [r.index for r in results] == list(range(30))
    assert [r.failure.detail for r in results if r.failure] == [
        "signal SIGSEGV, twice",
        "exit code 3, twice",
        "exit code 1, twice",
    ]
    alone = list(prepare_all(paths, SMALL, workers=0))
    for result, wanted in zip(results, alone, strict=True):
        if result.failure is None:
            assert result.digest == wanted.digest
            assert np.array_equal(result.pixels[0], wanted.pixels[0])  # type: ignore[arg-type]


def test_every_picture_may_crash_and_the_run_ends_all_the_same(
    tmp_path: Path, decoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "_HANDFUL", 0)
    paths = lay_out(tmp_path, *[b"EXIT"] * 4)
    assert reasons(prepare_all(paths, SMALL, workers=2, decoder=decoder)) == ["decoder crashed"] * 4


def test_a_picture_that_takes_too_long_is_given_up(tmp_path: Path, decoder: str) -> None:
    """Even in a loop in C that never lets the interpreter run."""
    paths = lay_out(tmp_path, *[b"ok"] * 5, b"SPIN", *[b"ok"] * 6)
    results = list(prepare_all(paths, SMALL, workers=2, seconds=LIMIT, decoder=decoder))
    assert reasons(results) == ["ok"] * 5 + ["decoder hung"] + ["ok"] * 6
    assert results[5].failure is not None
    assert results[5].failure.detail == "no answer in 1000 s"


def test_many_quick_pictures_may_take_longer_together_than_one_may(tmp_path: Path, decoder: str) -> None:
    paths = lay_out(tmp_path, *[b"HALF"] * 6)
    assert reasons(prepare_all(paths, SMALL, workers=1, seconds=LIMIT, decoder=decoder)) == ["ok"] * 6


def test_more_memory_than_allowed_is_too_large(tmp_path: Path, decoder: str) -> None:
    paths = lay_out(tmp_path, *[b"ok"] * 8, b"EAT", b"ok")
    results = list(prepare_all(paths, SMALL, workers=1, memory=1 << 30, decoder=decoder))
    assert reasons(results)[:8] == ["ok"] * 8
    assert reasons(results)[8] in ("too large", "decoder crashed")


def test_the_real_decoder_out_of_memory_says_too_large(tmp_path: Path) -> None:
    paths = lay_out(tmp_path, *[b"ok"] * 9)
    (tmp_path / "big.png").write_bytes(bomb(9_000))
    results = list(prepare_all([*paths, tmp_path / "big.png"], SMALL, workers=1, memory=150 << 20))
    assert reasons(results) == ["ok"] * 9 + ["too large"]
    (whole,) = prepare_all([tmp_path / "big.png"], SMALL)
    assert whole.failure is None


def test_a_worker_killed_from_outside_costs_nothing(tmp_path: Path, decoder: str) -> None:
    """As the kernel does when some other program has eaten the memory."""
    paths = lay_out(tmp_path, *[b"ok"] * 12)
    mark = tmp_path / "mark"
    paths[6].write_bytes(b"ONCE:" + os.fsencode(mark))
    assert reasons(prepare_all(paths, SMALL, workers=2, decoder=decoder)) == ["ok"] * 12
    assert mark.exists()


def test_idle_workers_may_be_killed_too(tmp_path: Path) -> None:
    paths = [(i, os.fsencode(path)) for i, path in enumerate(lay_out(tmp_path, *[b"ok"] * 12) * 10)]
    with pool(SMALL, 2) as workers:
        results = workers.run(paths, len(paths))
        first = next(results)
        while any(worker.tasks for worker in workers.workers):
            workers._collect(wait=True)
        for worker in workers.workers:
            worker.process.kill()
        assert reasons([first, *results]) == ["ok"] * 120


def test_pictures_that_waited_behind_a_killed_one_are_not_blamed(tmp_path: Path, decoder: str) -> None:
    """All workers die at once, again and again, each time in the middle of a different picture."""
    paths = lay_out(tmp_path, *[b"ok"] * 12)
    for i in range(0, 12, 2):
        paths[i].write_bytes(b"ONCE:" + os.fsencode(tmp_path / f"mark{i}"))
    assert reasons(prepare_all(paths, SMALL, workers=2, decoder=decoder)) == ["ok"] * 12


def test_closing_the_iterator_ends_the_workers_at_once(tmp_path: Path, decoder: str) -> None:
    """They hold their pictures as long as this process lives, and are killed all the same."""
    paths = lay_out(tmp_path, b"ok", *[b"HOLD"] * 11)
    others = psutil.Process().children()
    results = prepare_all(paths, SMALL, workers=2, seconds=LIMIT, decoder=decoder)
    next(results)
    workers = set(psutil.Process().children()) - set(others)
    assert len(workers) == 2
    results.close()
    assert not any(worker.is_running() for worker in workers)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not say what memory is shared")
def test_an_iterator_that_is_forgotten_leaves_nothing(tmp_path: Path) -> None:
    others = psutil.Process().children()
    results = prepare_all(lay_out(tmp_path, *[b"ok"] * 12), SMALL, workers=2)
    next(results)
    workers = set(psutil.Process().children()) - set(others)
    assert len(workers) == 2
    assert shared_memory() > 0
    del results
    gc.collect()
    assert not any(worker.is_running() for worker in workers)
    assert shared_memory() == 0


def test_pictures_in_flight_are_bounded_when_nobody_takes_them(tmp_path: Path) -> None:
    """Huge recipes get few slots, small ones no more than are good for anything."""
    with pool((Recipe(1000),), 2) as few:
        assert len(few.free) * 3_000_000 <= 128 << 20
    with pool(SMALL, 8) as many:
        assert len(many.free) <= 96
        assert many.queued >= 4
    with pool(SMALL, 32) as most:
        assert most.count == 32
        assert most.queued >= 4
    with pool((Recipe(1000),), 32) as huge:
        assert huge.count < 32
        assert len(huge.free) * 3_000_000 <= 128 << 20


@pytest.mark.parametrize(
    ("cores", "gigabytes", "cpu", "memory", "wanted"),
    [
        (2, 24, None, None, 2),
        (16, 64, "max 100000", "max", 16),
        (16, 64, "200000 100000", "max", 2),
        (16, 64, "150000 100000", "max", 2),
        (16, 64, "50000 100000", "max", 1),
        (16, 4, None, None, 8),
        (16, 64, "max 100000", str(2 << 30), 4),
        (4, 64, "max 100000", str(100 << 20), 1),
        (128, 512, None, None, 32),
        (8, 64, "nonsense", "nonsense", 8),
    ],
)
@pytest.mark.usefixtures("real_workers")
def test_workers_are_as_many_as_cores_and_memory_allow(
    cores: int,
    gigabytes: int,
    cpu: str | None,
    memory: str | None,
    wanted: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, text in (("cpu.max", cpu), ("memory.max", memory)):
        if text is not None:
            (tmp_path / name).write_text(f"{text}\n")
    monkeypatch.setattr(preparing, "_CONTAINER", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    monkeypatch.setattr(os, "sysconf", {"SC_PHYS_PAGES": gigabytes << 18, "SC_PAGE_SIZE": 4096}.__getitem__)
    assert preparing.worker_count() == wanted


def test_without_a_way_to_start_workers_the_run_goes_on_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    paths = lay_out(tmp_path, *[b"ok"] * 12)
    monkeypatch.setattr(worker_pool, "interpreter", lambda: str(tmp_path / "no-python"))
    assert reasons(prepare_all(paths, SMALL, workers=2)) == ["ok"] * 12
    assert "worker processes cannot be started" in caplog.text


def test_workers_that_die_before_they_are_ready_are_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    paths = lay_out(tmp_path, *[b"ok"] * 12)
    monkeypatch.setattr(worker_pool, "_BOOT", "raise SystemExit(7)")
    assert reasons(prepare_all(paths, SMALL, workers=2)) == ["ok"] * 12
    assert "before they began a picture, the last with code 7" in caplog.text


SCRIPT = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background starts without
import sys
from penult.pixels import Recipe, prepare_all
print("main runs", flush=True)
folder, decoder, count = sys.argv[1:]
paths = [f"{folder}/{i}.png" for i in range(int(count))]
for result in prepare_all(paths, [Recipe(16)], workers=2, decoder=decoder):
    print(result.index, result.failure.reason if result.failure else "ok", flush=True)
print("end", flush=True)
"""


def script(folder: Path, decoder: str, *words: bytes) -> "subprocess.Popen[str]":
    """Start a program that prepares such files, read from standard input as by `python - <<EOF`."""
    lay_out(folder, *words)
    line = [sys.executable, "-W", "error", "-", str(folder), decoder, str(len(words))]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    pipe = subprocess.PIPE
    program = subprocess.Popen(line, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment)
    assert program.stdin is not None
    program.stdin.write(SCRIPT)
    program.stdin.close()
    program.stdin = None
    return program


def test_a_script_without_a_main_guard_runs_once_and_works(tmp_path: Path, decoder: str) -> None:
    with script(tmp_path, decoder, *[b"ok"] * 12) as program:
        out, errors = program.communicate(timeout=60)
    assert errors == ""
    assert out.splitlines() == ["main runs", *[f"{i} ok" for i in range(12)], "end"]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_their_parent(tmp_path: Path, decoder: str, how: signal.Signals) -> None:
    with script(tmp_path, decoder, *[b"ok"] * 10, *[b"HOLD"] * 10) as program:
        assert program.stdout is not None
        for line in program.stdout:
            if line.startswith("9 "):
                break
        workers = psutil.Process(program.pid).children()
        program.send_signal(how)
        _, errors = program.communicate(timeout=60)
        assert program.returncode in (-signal.SIGINT, -signal.SIGKILL)
        assert how == signal.SIGKILL or errors.rstrip().endswith("KeyboardInterrupt")
        assert len(workers) == 2
        _, alive = psutil.wait_procs(workers, timeout=60)
        assert alive == []


def test_a_spinning_orphan_ends_when_its_time_is_up(tmp_path: Path, decoder: str) -> None:
    """It cannot see that its parent is gone; the kernel's alarm needs no help from it."""
    (path,), mark = lay_out(tmp_path, b"ok"), tmp_path / "mark"
    path.write_bytes(b"ORPHAN:" + os.fsencode(mark))
    code = (
        "import sys; from penult.pixels import Recipe, prepare_all\n"
        f"list(prepare_all(sys.argv[2:], [Recipe(16)], workers=1, seconds={LIMIT}, decoder=sys.argv[1]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", code, decoder, str(path)], env=environment) as program:
        while not mark.exists():
            assert program.poll() is None
            time.sleep(0.01)
        workers = psutil.Process(program.pid).children()
        assert (len(workers), mark.read_text()) == (1, "armed")
        program.kill()
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert alive == []

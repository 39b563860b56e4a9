"""Kill it at any moment, or let any act fail: saved rows are there, no file is half, every value is right."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penult import store
from penult.errors import OutputError
from penult.store.disk import Disk
from penult.store.shards import read_shard

pytestmark = pytest.mark.usefixtures("quick_disk")

WIDTH = 300
FACTS = {"backbone": "b", "width": str(WIDTH)}
ACTS = ("make", "create", "write", "sync", "replace", "sync_folder", "remove")


def row(i: int) -> tuple[np.ndarray, np.ndarray]:
    """The digest (1, 32) and the vector (1, d) of row i."""
    digest = np.frombuffer(hashlib.sha256(b"%d" % i).digest(), np.uint8)
    return digest[None], np.random.default_rng(i).random((1, WIDTH), np.float32)


def write_for_ever(folder: str, first: int) -> None:
    """Write shards of three rows; say each row on stdout once it is saved."""
    cache = store.FeatureCache(folder, FACTS, rows_per_shard=1000)
    for start in range(first, 10**9, 3):
        for i in range(start, start + 3):
            cache.add(*row(i))
        cache.flush()
        os.write(1, b"%d %d %d\n" % (start, start + 1, start + 2))  # one act, so a kill can not split it


def check_folder(folder: Path) -> int:
    """Every file under a final name is whole and right; return how many rows there are."""
    count = 0
    for path in folder.rglob("shard-*.npz"):
        digests, vectors = read_shard(path, WIDTH)
        assert len(digests) == len(vectors)
        count += len(digests)
    for path in folder.rglob("key.json"):
        assert path.read_text().endswith("}\n")
    return count


KILLER = """
import sys
sys.path.insert(0, sys.argv[1])
import test_resume_store as this
this.fork_and_kill(sys.argv[2], 40)
"""


def test_forty_kills_lose_no_saved_row_and_leave_no_half_file(tmp_path: Path) -> None:
    """A process forks forty writers one after another, so that the kills cost no forty starts of Python."""
    run = subprocess.run(
        [sys.executable, "-c", KILLER, str(Path(__file__).parent), str(tmp_path)],
        capture_output=True,
        timeout=100,
        check=True,
    )
    said = [int(word) for word in run.stdout.split()]
    assert len(said) > 20
    cache = store.FeatureCache(tmp_path, FACTS)
    digests = np.concatenate([row(i)[0] for i in said])
    vectors, found = cache.read(digests)
    assert found.all(), f"{(~found).sum()} saved rows are lost"
    np.testing.assert_array_equal(vectors, np.concatenate([row(i)[1] for i in said]))
    assert check_folder(tmp_path) >= len(said)
    assert not list(cache.folder.glob(".tmp-*")), "the next opening swept what the killed left"


def fork_and_kill(folder: str, kills: int) -> None:
    """Start a writer, kill it after a random moment, and start the next where it might have been."""
    moments = random.Random(0)
    for attempt in range(kills):
        child = os.fork()
        if child == 0:
            write_for_ever(folder, attempt * 10_000)
        time.sleep(moments.uniform(0.0, 0.1))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def scenario(folder: Path) -> list[int]:
    """A short life of a cache and a result; return the rows that were saved before something failed."""
    saved: list[int] = []
    cache = store.FeatureCache(folder / "cache", FACTS, rows_per_shard=1000)
    for start in (0, 2, 4):
        for i in (start, start + 1):
            cache.add(*row(i))
        cache.flush()
        saved += [start, start + 1]
        _saved_so_far[:] = saved
    store.write_json(folder / "run" / "metrics.json", {"rows": saved})
    return saved


_saved_so_far: list[int] = []


def at_act(number: int, then: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the `number`-th act on the disk be replaced by `then`; return the list of acts as they happen."""
    happened: list[str] = []

    def guarded(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def act(*arguments: Any) -> Any:
            happened.append(name)
            if len(happened) == number:
                if name == "write":  # half of it reaches the disk
                    original(arguments[0], arguments[1], bytes(arguments[2])[: len(arguments[2]) // 2])
                then()
            return original(*arguments)

        return act

    for name in ACTS:
        monkeypatch.setattr(Disk, name, guarded(name, getattr(Disk, name)))
    return happened


def acts_in_all(folder: Path) -> int:
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        happened = at_act(0, lambda: None, patch)
        scenario(folder)
    return len(happened)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_each_act_that_fails_in_turn_is_an_output_error_and_the_rerun_completes(tmp_path: Path, number: int) -> None:
    count = acts_in_all(tmp_path / "whole")
    assert count > 25
    for n in range(1, count + 1):
        folder = tmp_path / str(n)
        folder.mkdir()

        def fail() -> None:
            raise OSError(number, os.strerror(number))

        _saved_so_far.clear()
        with pytest.MonkeyPatch.context() as patch:
            at_act(n, fail, patch)
            with pytest.raises(OutputError, match="could not write"):
                scenario(folder)
        assert not list(folder.rglob(".tmp-*")), n
        assert_nothing_lost(folder, _saved_so_far)


def test_a_death_at_each_act_in_turn_loses_nothing_saved(tmp_path: Path) -> None:
    count = acts_in_all(tmp_path / "whole")
    for n in range(1, count + 1):
        folder = tmp_path / str(n)
        folder.mkdir()
        child = os.fork()
        if child == 0:
            _saved_so_far.clear()
            with pytest.MonkeyPatch.context() as patch:
                at_act(n, lambda: os._exit(100 + len(_saved_so_far)), patch)
                scenario(folder)
            os._exit(1)
        saved = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) - 100
        assert saved >= 0, "the process died at the act, not later"
        assert_nothing_lost(folder, list(range(saved)))


def assert_nothing_lost(folder: Path, saved: list[int]) -> None:
    """What was saved is there and right, no final name is half, and a rerun gets to the end."""
    check_folder(folder)
    metrics = folder / "run" / "metrics.json"
    assert not metrics.exists() or metrics.read_text().endswith("}\n")
    for numbers in (saved, scenario(folder)):
        if numbers:
            vectors, found = store.FeatureCache(folder / "cache", FACTS).read(np.concatenate([row(i)[0] for i in numbers]))
            assert found.all()
            np.testing.assert_array_equal(vectors, np.concatenate([row(i)[1] for i in numbers]))
    assert not list(folder.rglob("cache/**/.tmp-*"))

"""Kill -9 at any moment: the rerun finishes, its files equal an uninterrupted run's, and nothing half is left."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import h5py


def start(folder: Path, out: Path, cache: Path) -> subprocess.Popen[bytes]:
    words = [
        sys.executable,
        "-m",
        "penult",
        "train",
        str(folder),
        "-b",
        "colour_histogram",
        "--head",
        "centroid",
        "--out",
        str(out),
        "--cache",
        str(cache),
    ]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_reruns_after_kills_equal_an_uninterrupted_run(photos: Callable[..., Path], tmp_path: Path) -> None:
    folder = photos("train", warm=20, cold=20)
    began = time.monotonic()
    assert start(folder, tmp_path / "whole", tmp_path / "cache0").wait() == 0
    length = time.monotonic() - began
    names = ("data_colour_histogram.h5", "model.penult", "oof.csv")
    wanted = {n: digest(tmp_path / "whole" / n) for n in names}
    dice = random.Random(7)
    out, cache = tmp_path / "run", tmp_path / "cache"
    for _ in range(3):  # benchmarks/faults.py does it two hundred times
        child = start(folder, out, cache)
        time.sleep(dice.uniform(0.1, 1.0) * length)
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        for path in out.glob("*.h5"):  # under a final name there is only what can be read
            with h5py.File(path) as h:
                assert h["train"][:].any(axis=1).all()
    last = start(folder, out, cache)
    assert last.wait() == 0
    assert {n: digest(out / n) for n in names} == wanted
    left = [p for p in [*out.rglob("*"), *cache.rglob("*")] if ".tmp-" in p.name]
    assert left == []

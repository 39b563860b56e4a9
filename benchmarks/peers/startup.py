"""How long a person waits for the first sign of life: `penult --help`, and the prediction of one photo by a fresh process.

In: a working folder and photos. Out: seconds, wall clock of the whole process. The program's files are in the system's
memory.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

PENULT = (sys.executable, "-m", "penult")
NETWORK = "efficientnet_lite0"


def train(photos: Path, work: Path) -> None:
    """Make the run folder whose model predicts, once."""
    if not (work / "lite0" / "model.penult").exists():
        command = ["train", photos, "-b", NETWORK, "--out", work / "lite0", "--cache", work / "cache", "-q"]
        seconds(*command)


def measure(photo: Path, other: Path, work: Path) -> dict[str, float]:
    """Return the seconds of help, of a prediction with an empty cache folder, and of another one after it."""
    cache = work / "cold"
    shutil.rmtree(cache, ignore_errors=True)
    predict = ("predict", work / "lite0", "--cache", cache)
    return {
        "help": seconds("--help"),
        "predict, cache empty": seconds(*predict, photo),
        "predict, cache of an earlier one": seconds(*predict, other),
    }


def seconds(*words: object) -> float:
    """Return how long a command of penult takes from start to end; raises `SystemExit` with its own words."""
    began = time.perf_counter()
    done = subprocess.run([*PENULT, *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"penult {words[0]}: {done.stderr.strip()}")
    return time.perf_counter() - began

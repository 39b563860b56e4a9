"""Run one contestant in a process of its own, and note what else the machine did meanwhile.

In: an environment's Python, a module of this folder, its words. Out: what it told, with `noise`: the share of the machine
that others took (the host below, other programs here). It must not know what is measured.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from peers.clock import BEGAN

HERE = Path(__file__).resolve().parents[1]
LIMIT = 900.0  # s
NOISY = 0.06  # of the machine: runs with more are marked

Facts = dict[str, Any]


def run(python: str, module: str, *words: object, work: Path, limit: float = LIMIT) -> Facts:
    """Return what a module told, or `error` with the last line that it wrote."""
    command = [python, "-m", f"peers.{module}", *map(str, words)]
    folders = {"PENULT_CACHE": "cache", "TORCHINDUCTOR_CACHE_DIR": "inductor", "KERAS_HOME": "keras"}
    kept = {name: str(work / folder) for name, folder in folders.items()}

    def child() -> Facts:
        env = {**os.environ, **kept, BEGAN: repr(time.time())}
        try:
            done = subprocess.run(command, cwd=HERE, env=env, capture_output=True, text=True, timeout=limit, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            return {"error": str(error)}
        told = [line.strip() for line in (done.stderr if done.returncode else done.stdout).splitlines() if line.strip()]
        if done.returncode:
            return {"error": told[-1] if told else f"exit status {done.returncode}"}
        return dict(json.loads(told[-1])) if told else {}  # nothing: it only made something

    return watched(child)


def watched(work: Callable[[], Facts]) -> Facts:
    """Return what `work` returns, and `noise`."""
    busy, stolen, own, began = *machine(), mine(), time.perf_counter()
    facts = work()
    capacity = (time.perf_counter() - began) * (os.cpu_count() or 1)
    busy_then, stolen_then = machine()
    foreign = max(0.0, busy_then - busy - (mine() - own))
    return {**facts, "noise": (foreign + stolen_then - stolen) / capacity}


def machine() -> tuple[float, float]:
    """Return the processor seconds that all programs here used so far, and those that the host kept for others."""
    import psutil

    times = psutil.cpu_times()
    used = sum(getattr(times, kind, 0.0) for kind in ("user", "nice", "system", "irq", "softirq"))
    return used, getattr(times, "steal", 0.0)


def mine() -> float:
    """Return the processor seconds of this process and of its children that ended."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in spent)

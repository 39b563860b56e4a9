"""Cores for the processes that Ray starts on one machine: each has its own, until it ends.

Ray only counts processors; without this, each of several actors would compute with threads for the whole machine.
"""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from penult import system
from penult.pixels.preparing import core_count

_POLL = 0.01
PATIENCE = 3.0  # seconds: a process that was killed is replaced before the system has let go of its locks
_held: list[IO[bytes]] = []  # the locks of this process, which end with it


def take_cores(count: float) -> list[int]:
    """Keep this process, and what it starts, on `count` cores that no other process of this user has taken.

    Returns their numbers; an empty list where all cores are asked for, or the system has no such thing, or a container has
    the time of fewer cores than it sees, whose numbers then say nothing.
    """
    if not hasattr(os, "sched_setaffinity") or _held:
        return []
    every = sorted(os.sched_getaffinity(0))
    wanted = max(1, int(count))
    if wanted >= len(every) or core_count() < len(every):
        return []
    try:
        taken = _locked(every, wanted)
    except OSError:  # no folder for the locks
        return []
    for thread in _threads() if taken else ():
        with suppress(ProcessLookupError):  # it ended meanwhile
            os.sched_setaffinity(thread, taken)
    return taken


def _locked(cores: list[int], wanted: int) -> list[int]:
    """Return the first cores whose lock nobody holds, holding theirs from now on; none where there stay too few."""
    folder = Path(tempfile.gettempdir()) / f"penult-cores-{system.user()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    deadline = time.monotonic() + PATIENCE
    while not (found := _lock_now(folder, cores, wanted)) and time.monotonic() < deadline:
        time.sleep(_POLL)
    return found


def _lock_now(folder: Path, cores: list[int], wanted: int) -> list[int]:
    turn = _turn(folder / "all")  # so that two who come at once do not each get a half
    found: dict[int, IO[bytes]] = {}
    for core in cores:
        file: IO[bytes] = (folder / str(core)).open("wb")
        if system.lock(file.fileno()):
            found[core] = file
        else:
            file.close()
        if len(found) == wanted:
            break
    if len(found) == wanted:
        _held.extend(found.values())
    else:
        for held in found.values():
            held.close()
    turn.close()
    return list(found) if len(found) == wanted else []


def _turn(path: Path) -> IO[bytes]:
    """Return a file that this process alone has locked, after waiting for it."""
    file = path.open("wb")
    while not system.lock(file.fileno()):
        time.sleep(_POLL)
    return file


def _threads() -> list[int]:
    """Return the threads that there are already: an affinity is that of a thread, and of what it starts."""
    try:
        return [int(name) for name in os.listdir("/proc/self/task")]  # noqa: PTH208
    except OSError:
        return [0]

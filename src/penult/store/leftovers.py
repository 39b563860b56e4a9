"""Clear away what killed processes left.

In: a folder. Out: the number of temporary files that were removed. It must not touch any name that is not ours.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from pathlib import Path

from penult.store.disk import disk, here
from penult.store.locks import is_free
from penult.store.refusals import refused

_OURS = re.compile(r"\.tmp-([0-9a-f]{8})-([0-9]+)-[0-9a-f]+")  # machine, process and a random number
_DAY = 86_400.0


def temporary(folder: Path) -> Path:
    """Return a new name for a file of this process that is not whole yet."""
    return folder / f".tmp-{here()}-{os.getpid()}-{secrets.token_hex(4)}"


def is_temporary(name: str) -> bool:
    """Return whether a file of this name is one that is, or was, being written."""
    return _OURS.fullmatch(name) is not None


def is_empty(folder: Path) -> bool:
    """Return whether a folder has nothing in it but what a process that was killed at its very beginning leaves.

    Raises `OutputError` where it can not be listed.
    """
    try:
        return all(is_temporary(entry.name) for entry in folder.iterdir())
    except OSError as error:
        raise refused(error, folder, deed="look into") from error


def sweep(folder: Path | str, below: int = 0) -> int:
    """Remove the temporary files that killed processes left in a folder, `below` levels deep, and return how many.

    A file is stale when its process ran on this machine and is gone. Otherwise it must be older than a day and not held by a
    writer: other machines may be writing to the same folder, and their processes can not be asked. A clock that jumps
    takes no file away from a process of this machine.
    """
    swept = 0
    for path in stale(folder, below):
        with contextlib.suppress(OSError):
            disk.remove(path)
            swept += 1
    return swept


def stale(folder: Path | str, below: int = 0) -> list[Path]:
    """Return the temporary files that `sweep` would remove."""
    found: list[Path] = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if below and entry.is_dir(follow_symlinks=False):
                found += stale(entry.path, below - 1)
            elif _stale(entry):
                found.append(Path(entry.path))
    return found


def _stale(entry: os.DirEntry[str]) -> bool:
    ours = _OURS.fullmatch(entry.name)
    try:
        if ours is None or not entry.is_file(follow_symlinks=False):
            return False
        if ours[1] == here() and not _alive(int(ours[2])):
            return True
        # The number of a process that is gone may have been given to another one, hence the lock.
        return time.time() - entry.stat(follow_symlinks=False).st_mtime > _DAY and is_free(Path(entry.path))
    except OSError:  # it went away meanwhile
        return False


def _alive(process: int) -> bool:
    if os.name == "nt":  # os.kill(pid, 0) would end the process there; a day is waited instead
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True

"""Clear away what killed processes left.

In: a folder. Out: the number of temporary files that were removed. It must not touch any other name.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from pathlib import Path

from penult.store.disk import here
from penult.store.files import PREFIX, remove

_OURS = re.compile(r"\.tmp-([0-9a-f]{8})-([0-9]+)-[0-9a-f]+")  # machine, process and a random number
_DAY = 86_400.0


def is_temporary(name: str) -> bool:
    """Return whether a file of this name is one that is, or was, being written."""
    return _OURS.fullmatch(name) is not None


def sweep(folder: Path | str) -> int:
    """Remove the temporary files that killed processes left in a folder, and return how many.

    A file is stale when its process ran on this machine and is gone, or when it is older than a day:
    other machines may be writing to the same folder, and their processes can not be asked.
    """
    return sum(remove(path) for path in stale(folder))


def stale(folder: Path | str) -> list[Path]:
    """Return the temporary files that `sweep` would remove."""
    found = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        found = [Path(entry.path) for entry in entries if entry.name.startswith(PREFIX) and _stale(entry)]
    return found


def _stale(entry: os.DirEntry[str]) -> bool:
    parts = entry.name.split("-")
    try:
        if not entry.is_file(follow_symlinks=False):
            return False
        if len(parts) == 4 and parts[1] == here() and parts[2].isdigit() and not _alive(int(parts[2])):
            return True
        return time.time() - entry.stat(follow_symlinks=False).st_mtime > _DAY
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

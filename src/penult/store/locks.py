"""Locks that end with the process that holds them, however it ends.

In: a folder, or an open file. Out: whether it is ours now. Nothing is written: the lock is the system's (flock) on the
folder itself, so no stale lock can be left behind.

Where the system or the file system has no such lock (Windows, some network file systems) nothing is locked.
"""

from __future__ import annotations

import contextlib
import os
import sys
import weakref
from pathlib import Path
from types import TracebackType
from typing import Self

from penult.errors import OutputError
from penult.store.refusals import shown


class Claim:
    """A folder that only one has at a time: until `release`, the end of a `with` block, or the death of the process.

    Raises `OutputError` where another one has it; `what` says what that is doing there, `cure` what to do.
    """

    def __init__(self, folder: Path, what: str, cure: str) -> None:
        descriptor = -1 if sys.platform == "win32" else _opened(folder)
        if descriptor >= 0 and not hold(descriptor):
            os.close(descriptor)
            raise OutputError(f"{shown(folder)} is in use: {what}. Nothing was touched; {cure}.")
        self._end = weakref.finalize(self, _close, descriptor)

    def release(self) -> None:
        """Let others have it."""
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()


def hold(descriptor: int) -> bool:
    """Lock an open file or folder until it is closed; False only where another one has it locked."""
    if sys.platform != "win32":
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # this file system has no locks
            return True
    return True


def is_free(path: Path) -> bool:
    """Return whether nobody holds a file; True where there are no locks."""
    if sys.platform == "win32":
        return True
    descriptor = _opened(path)
    try:
        return descriptor < 0 or hold(descriptor)
    finally:
        _close(descriptor)


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError:  # it may be written but not read, or it is gone
        return -1


def _close(descriptor: int) -> None:
    if descriptor >= 0:
        with contextlib.suppress(OSError):
            os.close(descriptor)

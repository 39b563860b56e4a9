"""Every operation that changes a disk, so that a test can let the n-th of them fail or be the last; and locks.

A lock ends with the process that holds it, however it ends: it is the system's own (`penult.system.lock`), so no stale lock
can be left behind. Where the file system has no locks (some network file systems) nothing is locked.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import weakref
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from penult import system
from penult.errors import OutputError
from penult.i18n import _
from penult.texts import printable


class Disk:
    """The operations that change a disk, one method each."""

    def make(self, folder: Path) -> None:
        """Make one folder."""
        folder.mkdir(exist_ok=True)

    def create(self, path: Path) -> int:
        """Create a new file and return its descriptor."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        return os.open(path, flags, 0o666)

    def write(self, descriptor: int, data: Any) -> int:
        """Write some or all of the data and return how many bytes it was."""
        return os.write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        """Return when the file's bytes are on the disk."""
        os.fsync(descriptor)

    def replace(self, source: Path, target: Path) -> None:
        """Rename, in one step, over whatever stands there."""
        source.replace(target)

    def link(self, source: Path, target: Path) -> None:
        """Give a file a second name, which must be new."""
        os.link(source, target, follow_symlinks=False)

    def sync_folder(self, folder: Path) -> None:
        """Return when the names in the folder are on the disk."""
        system.sync_folder(folder)

    def remove(self, path: Path) -> None:
        """Remove a file."""
        path.unlink()


disk = Disk()


def machine_id() -> str:
    """Return eight digits for the machine, or the container, in which this process has its number."""
    try:
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        space = ""
    return hashlib.sha256(f"{platform.node()} {space}".encode()).hexdigest()[:8]


class FolderLock:
    """A folder that only one has at a time: until `release`, the end of a `with` block, or the death of the process.

    Raises `OutputError` where another one has it; `what` says what that is doing there, `cure` what to do.
    """

    def __init__(self, folder: Path, what: str, cure: str) -> None:
        descriptor = system.open_to_lock(folder)
        if descriptor >= 0 and not system.lock(descriptor):
            os.close(descriptor)
            raise OutputError(
                _(
                    "{folder} is in use: {what}. Nothing was touched; {cure}.",
                    folder=printable(folder),
                    what=_(what),
                    cure=_(cure),
                )
            )
        self._end = weakref.finalize(self, _close, descriptor)

    def release(self) -> None:
        """Let others have it."""
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()


def is_free(path: Path) -> bool:
    """Return whether nobody holds a file; True where there are no locks."""
    descriptor = system.open_to_lock(path)
    try:
        return descriptor < 0 or system.lock(descriptor)
    finally:
        _close(descriptor)


def _close(descriptor: int) -> None:
    if descriptor >= 0:
        with contextlib.suppress(OSError):
            os.close(descriptor)

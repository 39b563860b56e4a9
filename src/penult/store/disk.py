"""Every act of the room that changes a disk, so that a test can let the n-th of them fail or be the last.

In: paths, descriptors, bytes. Out: nothing but `OSError`.
"""

from __future__ import annotations

import errno
import hashlib
import os
import platform
from pathlib import Path
from typing import Any


class Disk:
    """The acts that change a disk, one method each, so that a test can let the n-th of them fail."""

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

    def sync_folder(self, folder: Path) -> None:
        """Return when the names in the folder are on the disk."""
        if os.name == "nt":  # Windows can not open a folder; its file systems journal the names themselves.
            return
        try:
            descriptor = os.open(folder, os.O_RDONLY)
        except PermissionError:  # a folder that may be written but not listed
            return
        try:
            os.fsync(descriptor)
        except OSError as error:  # some network file systems have no such act
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):
                raise
        finally:
            os.close(descriptor)

    def remove(self, path: Path) -> None:
        """Remove a file."""
        path.unlink()


disk = Disk()


def here() -> str:
    """Return eight digits for the machine, or the container, in which this process has its number."""
    try:
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        space = ""
    return hashlib.sha256(f"{platform.node()} {space}".encode()).hexdigest()[:8]

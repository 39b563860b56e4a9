"""Open a file by a name from anywhere; a pipe or device, at which a reader would wait for ever, is refused.

In: a path. Out: an open file, its bytes, or their sha256.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
from pathlib import Path

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def opened(path: Path | str) -> io.BufferedReader:
    """Return a regular file, open for reading. Raises `OSError`, also for what is no regular file."""
    return os.fdopen(_regular(os.fspath(path)), "rb")


def content(path: Path | str, most: int | None = None) -> bytes:
    """Return the bytes of a regular file. Raises `OSError`, also for more than `most` bytes."""
    with opened(path) as file:
        if most is None:
            return file.read()
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it is too large, more than {most:,} bytes", str(path))
    return data


def sha256(path: Path | str) -> str:
    """Return the sha256 of a regular file, 64 hex digits. Raises `OSError`."""
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _regular(path: str) -> int:
    """Look, open without waiting, and look again: what stands under a name may change in between."""
    kind = Path(path).stat().st_mode
    if stat.S_ISREG(kind):
        descriptor = os.open(path, _FLAGS)
        kind = os.fstat(descriptor).st_mode
        if stat.S_ISREG(kind):
            return descriptor
        os.close(descriptor)
    if stat.S_ISDIR(kind):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    raise OSError(errno.ENODEV, "it is a device or a pipe, not a file", path)

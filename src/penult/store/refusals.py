"""What the system says when it refuses to write, as one sentence for people.

In: the `OSError`, the path that was wanted and the cure that fits it. Out: an `OutputError` to raise.
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from penult.errors import OutputError

ELSEWHERE = "choose another place for the results with --out DIR"

# What happened, by error number; every other number is told in the system's own words.
_WHAT = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "your disk quota is used up",
    errno.EFBIG: "the file would be larger than this system allows",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "there is no permission to write there",
    errno.EPERM: "there is no permission to write there",
    errno.ENOTDIR: "a part of that path is a file, not a folder",
    errno.EISDIR: "that is a folder",
    errno.ENAMETOOLONG: "the name is too long",
    errno.EIO: "the disk reports an error",
}
_ROOM = {errno.ENOSPC, errno.EDQUOT}

# A write through an open file fails with one of these and has no file name; a failed `open` has one.
WRITE_FAILURES = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO})


def refused(error: OSError, path: Path, cure: str = ELSEWHERE, deed: str = "write") -> OutputError:
    """Return the error to raise because `path` could not be written (or what the `deed` is);

    `cure` says where else to write.
    """
    number = error.errno or 0
    what = _WHAT.get(number) or (os.strerror(number) if number else str(error))
    first = "free some space or " if number in _ROOM else ""
    left = " Nothing half-written was left." if deed == "write" else ""
    return OutputError(f"could not {deed} {shown(path)}: {what}; {first}{cure}.{left}")


def is_folder(path: Path) -> bool:
    """Return whether there is a folder; False, too, where a folder above it is closed to this user (`is_dir` raises then)."""
    with contextlib.suppress(OSError):
        return path.is_dir()
    return False


def is_file(path: Path) -> bool:
    """Return whether there is a file, False where that cannot be seen; see `is_folder`."""
    with contextlib.suppress(OSError):
        return path.is_file()
    return False


def reason(error: OutputError) -> str:
    """Return why something could not be written, without the place and the cure."""
    cause = error.__cause__
    if not isinstance(cause, OSError):
        return str(error).partition("; ")[0]
    return _WHAT.get(cause.errno or 0) or cause.strerror or str(cause)


def shown(path: Path | str) -> str:
    """Return a path as printable text: bytes that are no UTF-8 and control characters become escapes."""
    return "".join(c if c.isprintable() else _escaped(c) for c in str(path))


def _escaped(char: str) -> str:
    odd = "\udc80" <= char <= "\udcff"  # a byte that is no UTF-8
    return f"\\x{ord(char) - 0xDC00:02x}" if odd else char.encode("unicode_escape").decode("ascii")

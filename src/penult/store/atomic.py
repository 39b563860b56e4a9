"""Atomic files: complete and synced under their final name, or not there (an `OutputError`, and the old file untouched).

Everything is written under a temporary name in the same folder and renamed. `sweep` removes the temporary files that killed
processes left, and no name that is not ours.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from penult import system
from penult.errors import OutputError
from penult.i18n import _
from penult.store.disk import disk, is_free, machine_id
from penult.store.paths import ELSEWHERE, WRITE_FAILURES, is_folder, output_error
from penult.texts import printable

Identity = tuple[int, int, int]  # what a file is, so that another one under its name is told from it

_TRIES = 5  # somebody may be deleting the folder while we write
_NO_LINKS = {errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS}
_tidied: set[Path] = set()  # folders that were cleared of what killed processes left


class _Raw(io.FileIO):
    """A file whose writes go through `disk`."""

    def write(self, data: Any, /) -> int:
        return disk.write(self.fileno(), data)


class AtomicFile:
    """A file under its temporary name: `commit` gives it the final one, `discard` removes it.

    Raises `OutputError` at once where the folder can not be written.
    """

    def __init__(self, path: Path | str, cure: str = ELSEWHERE) -> None:
        self.path = Path(path)
        with contextlib.suppress(OSError):  # a folder that is closed to this user; told when the file is made
            self.path = self.path.resolve() if self.path.is_symlink() else self.path  # a link stays, its target is replaced
        self.cure = cure
        self.temporary = temporary(self.path.parent)
        self.descriptor = -1
        for left in reversed(range(_TRIES)):
            try:
                self._create()
                break
            except OutputError as error:
                if not left or not isinstance(error.__cause__, FileNotFoundError):
                    raise
        _tidy(self.path.parent)

    def _create(self) -> None:
        try:
            _only_plain(self.path)
            make_folder(self.path.parent, self.cure)
            self.descriptor = disk.create(self.temporary)
        except OutputError:
            raise
        except OSError as error:
            raise output_error(error, self.path, self.cure) from error
        system.lock(self.descriptor)  # so that it is seen to be alive whatever the clock says

    def commit(self) -> None:
        """Sync the written file, close it, give it its final name and sync the folder."""
        try:
            disk.sync(self.descriptor)
            if not system.renames_open_files():  # elsewhere it is held until it has its name
                self._close()
            disk.replace(self.temporary, self.path)
            self._close()
            disk.sync_folder(self.path.parent)
        except OSError as error:
            self.discard()
            raise output_error(error, self.path, self.cure) from error
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Remove the temporary file; the final name keeps what it had."""
        self._close()
        with contextlib.suppress(OSError):
            disk.remove(self.temporary)

    def _close(self) -> None:
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


@contextlib.contextmanager
def atomic_write(path: Path | str, *, cure: str = ELSEWHERE) -> Iterator[IO[bytes]]:
    """Yield a binary file that appears under `path`, complete and synced, only if the block ends well.

    `cure` ends the message of the `OutputError` that a full disk or a missing permission raises.
    """
    draft = AtomicFile(path, cure)
    file = io.BufferedWriter(_Raw(draft.descriptor, "wb", closefd=False), 1 << 16)
    try:
        yield file
        if not file.closed:
            file.flush()
    except BaseException as error:
        with contextlib.suppress(OSError):  # closing flushes again what could not be written
            file.close()
        draft.discard()
        if isinstance(error, OSError) and error.errno in WRITE_FAILURES and error.filename is None:
            raise output_error(error, draft.path, cure) from error
        raise
    file.close()  # the descriptor stays open: it is synced first
    draft.commit()


@contextlib.contextmanager
def atomic_write_text(path: Path | str, *, cure: str = ELSEWHERE) -> Iterator[IO[str]]:
    """Yield a UTF-8 text file that appears whole or not at all, see `whole`.

    Odd bytes of file names pass through (surrogateescape), and line ends stay as they are written.
    """
    with atomic_write(path, cure=cure) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", errors="surrogateescape", newline="")
        try:
            yield text
            text.flush()
        finally:
            with contextlib.suppress(OSError):  # what could not be written was said by the flush above
                text.detach()


def write_text(path: Path | str, text: str, *, cure: str = ELSEWHERE) -> None:
    """Write UTF-8 text, whole or not at all."""
    with atomic_write_text(path, cure=cure) as file:
        file.write(text)


def write_json(path: Path | str, values: Any, *, cure: str = ELSEWHERE) -> None:
    """Write indented JSON, whole or not at all; NaN is refused, because JSON has none."""
    write_text(path, json.dumps(values, indent=2, ensure_ascii=True, allow_nan=False) + "\n", cure=cure)


def make_folder(folder: Path, cure: str = ELSEWHERE) -> None:
    """Make a folder and its parents, and sync the names of those that are new."""
    missing = [p for p in (folder, *folder.parents) if not is_folder(p)]
    for part in reversed(missing):
        try:
            disk.make(part)
            disk.sync_folder(part.parent)
        except OSError as error:
            raise output_error(error, part, cure) from error


def link_file(source: Path, target: Path, cure: str = ELSEWHERE) -> None:
    """Give a file that is never opened for writing again a second name, at once; a copy where the system has no such names.

    Raises `OutputError`.
    """
    draft = temporary(target.parent)
    try:
        disk.link(source, draft)
        disk.replace(draft, target)
        remove(draft)  # it is still there where both were names of one file already
    except OSError as error:
        remove(draft)
        if error.errno not in _NO_LINKS:
            raise output_error(error, target, cure) from error
        with atomic_write(target, cure=cure) as copy, source.open("rb") as file:
            shutil.copyfileobj(file, copy, 1 << 20)


def remove(path: Path) -> bool:
    """Remove a file if that is possible, and say whether it was."""
    try:
        disk.remove(path)
    except OSError:
        return False
    return True


def identity(path: Path) -> Identity:
    """Return device, inode and time of a file. Raises `OSError`."""
    state = path.stat()
    return state.st_dev, state.st_ino, state.st_mtime_ns


def drop(path: Path, cure: str = ELSEWHERE) -> None:
    """Remove a file that must not stay, if it is there. Raises `OutputError` where it cannot be removed."""
    try:
        disk.remove(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise output_error(error, path, cure, "remove") from error


def _tidy(folder: Path) -> None:
    """Sweep a folder the first time that this process writes to it."""
    if folder.absolute() not in _tidied:
        _tidied.add(folder.absolute())
        sweep(folder)


def _only_plain(path: Path) -> None:
    """Refuse a target that a rename would destroy: a device, a pipe, a folder."""
    try:
        kind = path.stat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(kind):
        if stat.S_ISDIR(kind):
            raise OutputError(
                _("{path} is a folder, not a file; give the name of a file that may be replaced.", path=printable(path))
            )
        raise OutputError(
            _("{path} is a device or pipe, not a file; give the name of a file that may be replaced.", path=printable(path))
        )


_OURS = re.compile(r"\.tmp-([0-9a-f]{8})-([0-9]+)-[0-9a-f]+")  # machine, process and a random number
_DAY = 86_400.0


def temporary(folder: Path) -> Path:
    """Return a new name for a file of this process that is not whole yet."""
    return folder / f".tmp-{machine_id()}-{os.getpid()}-{secrets.token_hex(4)}"


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
        raise output_error(error, folder, action="look into") from error


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
        if ours[1] == machine_id() and not system.has_process(int(ours[2])):
            return True
        # The number of a process that is gone may have been given to another one, hence the lock.
        return time.time() - entry.stat(follow_symlinks=False).st_mtime > _DAY and is_free(Path(entry.path))
    except OSError:  # it went away meanwhile
        return False

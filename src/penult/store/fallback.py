"""Where rows go when no cache folder can be written: into memory, and one line says so.

In: a cache folder that nobody asked for by name, or one that is only a help. Out: `Rows`.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from penult.errors import OutputError
from penult.store.cache import FeatureCache, default_cache
from penult.store.paths import reason
from penult.texts import printable

log = logging.getLogger(__name__)

CURE = "give --cache DIR or set PENULT_CACHE"
_NEVER = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG,
}  # fmt: skip
_told: list[str] = []  # once in a process is enough


def was_chosen() -> bool:
    """Return whether the user's cache folder is one that the variable PENULT_CACHE names."""
    return bool(os.environ.get("PENULT_CACHE"))


def user_cache(optional: bool = False) -> Path | None:
    """Return the user's cache folder, None where none is known.

    Raises `OutputError` where PENULT_CACHE names one in a home that is not there, unless that is only `optional`.
    """
    try:
        return default_cache()
    except OutputError:
        if was_chosen() and not optional:
            raise
        return None


def warn_not_cached(why: str) -> None:
    """Say, once, that nothing is kept."""
    if not _told:
        _told.append(why)
        log.warning("%s: features are kept in memory for this run; %s", why, CURE)


def is_permanent(error: OutputError) -> bool:
    """Return whether no later try would mend it: no permission, a read-only disk. A full disk may have room later."""
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno in _NEVER


def can_be_written(folder: Path) -> bool:
    """Return whether this user may write in a folder, or make it; nothing is tried."""
    there = next((part for part in (folder.absolute(), *folder.absolute().parents) if _is_there(part)), None)
    return there is not None and there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _is_there(path: Path) -> bool:
    try:
        return os.path.lexists(path)
    except ValueError:  # a name that no system has
        return False


class FallbackCache:
    """The rows of a cache folder as long as that can be written; rows that it does not take are kept in memory.

    With `always` whatever goes wrong is got over so; without, only what no later try would mend, and anything else raises
    `OutputError`, as from `FeatureCache`.
    """

    def __init__(self, root: Path, facts: Mapping[str, str], always: bool) -> None:
        self._root, self._always = root, always
        self._memory = MemoryCache(int(facts["width"]))
        self._disk: FeatureCache | None = None
        self._writes = True
        try:
            self._disk = FeatureCache(root, facts)
        except OutputError as error:
            self._give_up(error)

    def known(self) -> NDArray[np.uint8]:
        """Return the digests that are here, sorted: (m, 32)."""
        self.flush()
        here = self._memory.known()
        if self._disk is None:
            return here
        stored = self._disk.known()
        return np.unique(np.concatenate([stored, here]), axis=0) if len(here) else stored

    def add(self, digests: NDArray[np.uint8], vectors: NDArray[np.float32]) -> None:
        """Take rows (m, d) and their digests (m, 32)."""
        if self._disk is None or not self._writes:
            self._memory.add(digests, vectors)
            return
        try:
            self._disk.add(digests, vectors)
        except OutputError as error:
            self._give_up(error)

    def flush(self) -> None:
        """Keep for good what was added, as far as it can be."""
        if self._disk is not None and self._writes:
            try:
                self._disk.flush()
            except OutputError as error:
                self._give_up(error)

    def read(self, digests: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the rows (n, d) in the order of the digests (n, 32), and which were found (n,)."""
        self.flush()
        rows, found = self._memory.read(digests)
        if self._disk is not None and not found.all():
            found |= self._disk.read_into(digests, rows)
        return rows, found

    def _give_up(self, error: OutputError) -> None:
        """Write nothing more to the disk and take its waiting rows into memory; raise where that would be wrong."""
        if not (self._always or is_permanent(error)):
            raise error
        self._writes = False
        for digests, vectors in self._disk.take_back() if self._disk is not None else []:
            self._memory.add(digests, vectors)
        warn_not_cached(f"no cache folder can be written at {printable(self._root)} ({reason(error)})")


class RowCache(Protocol):
    """Where feature rows are kept, by the digest of their image."""

    def known(self) -> NDArray[np.uint8]:
        """Return the digests that are here, sorted: (m, 32)."""

    def add(self, digests: NDArray[np.uint8], vectors: NDArray[np.float32]) -> None:
        """Take rows (m, d) and their digests (m, 32)."""

    def flush(self) -> None:
        """Keep for good what was added."""

    def read(self, digests: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the rows (n, d) in the order of the digests (n, 32), and which were found (n,)."""


class MemoryCache:
    """Rows that are gone with the process."""

    def __init__(self, width: int):
        self._width = width
        self._rows: dict[bytes, NDArray[np.float32]] = {}

    def known(self) -> NDArray[np.uint8]:
        """Return the digests that are here, sorted: (m, 32)."""
        return np.frombuffer(b"".join(sorted(self._rows)), np.uint8).reshape(-1, 32)

    def add(self, digests: NDArray[np.uint8], vectors: NDArray[np.float32]) -> None:
        """Take rows (m, d) and their digests (m, 32)."""
        for digest, row in zip(digests, vectors, strict=True):
            self._rows[digest.tobytes()] = np.array(row, np.float32)

    def flush(self) -> None:
        """Keep what was added; in memory there is nothing to do."""

    def read(self, digests: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the rows (n, d) in the order of the digests (n, 32), and which were found (n,)."""
        out = np.zeros((len(digests), self._width), np.float32)
        found = np.zeros(len(digests), bool)
        for i, digest in enumerate(digests):
            row = self._rows.get(digest.tobytes())
            if row is not None:
                out[i], found[i] = row, True
        return out, found

"""Where each digest stands in a folder of shards: files of rows that are written whole, named by their content, never changed.

In: a folder that other processes write to and remove from. Out: for digests the shard and the row. A damaged shard is removed
with a logged warning, and its digests are unknown again.
"""

from __future__ import annotations

import contextlib
import logging
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt

from penult.errors import DamagedFile, InputError, OutputError
from penult.i18n import _
from penult.store.atomic import Identity, atomic_write, identity, remove
from penult.store.cache_folder import CURE
from penult.texts import printable, system_words

log = logging.getLogger(__name__)

Digests = npt.NDArray[np.uint8]  # (n, 32)
Numbers = npt.NDArray[np.int32]  # (n,)
Places = npt.NDArray[np.intp]  # (n,)
T = TypeVar("T")

_TRIES = 5  # somebody may be deleting the folder while we write
_SHARD = re.compile(r"shard-[0-9a-f]{16}")
# Damaged files that could not be removed (a folder that may not be written, or a file of another user): (device, inode, time).
# Every index of this process passes them over, else their rows would be promised again and never computed.
_refused: set[Identity] = set()


def write_whole(path: Path, parts: Iterable[Any], cure: str) -> None:
    """Write one shard, whole or not at all; a folder that was deleted meanwhile is made again. Raises `OutputError`."""
    pieces = tuple(parts)
    for left in reversed(range(_TRIES)):
        try:
            with atomic_write(path, cure=cure) as file:
                for piece in pieces:
                    file.write(piece)
            return
        except OutputError as error:
            if not left or not isinstance(error.__cause__, FileNotFoundError):
                raise


class ShardIndex(ABC):
    """Where the digests of a folder of shards stand, as it was at the last `refresh`; each kind of shard derives from it."""

    suffix: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._names: list[str] = []
        self._seen: set[str] = set()  # every name that was tried, so that a damaged one is told once
        self._new: list[tuple[int, Digests]] = []  # (shard number, its digests): not sorted in yet
        self._keys = np.empty(0, "S32")  # sorted, each once
        self._shards = np.empty(0, np.int32)
        self._rows = np.empty(0, np.int32)
        self.refresh()

    @abstractmethod
    def read_digests(self, path: Path) -> Digests:
        """Return the digests of one shard, (m, 32). Raises `DamagedFile`, or `OSError` where it cannot be read now."""

    def refresh(self) -> None:
        """Take in the shards that others have written since."""
        try:
            names = [path.name for path in self.folder.iterdir()]
        except FileNotFoundError:
            return
        except OSError as error:
            raise InputError(
                _(
                    "the cache folder {folder} cannot be listed: {reason}; {cure}.",
                    folder=printable(self.folder),
                    reason=system_words(error),
                    cure=_(CURE),
                )
            ) from error
        for name in sorted(names):
            if name not in self._seen and self._is_shard(name):
                self._seen.add(name)
                digests = self.checked(name, self.read_digests)
                if digests is not None:
                    self.append(name, digests)

    def append(self, name: str, digests: Digests) -> None:
        """Take in one shard whose digests (m, 32) are known already."""
        self._seen.add(name)
        self._new.append((len(self._names), digests))
        self._names.append(name)

    def digests(self) -> Digests:
        """Return all digests, sorted, each once, (m, 32)."""
        self._sort()
        first = np.ones(len(self._keys), np.bool_)
        first[1:] = self._keys[1:] != self._keys[:-1]
        return self._keys[first].view(np.uint8).reshape(-1, 32)

    def find(self, digests: Digests) -> tuple[Numbers, Numbers]:
        """Return the shard number (-1: unknown) and the row of each digest (n, 32): two arrays (n,)."""
        self._sort()
        if len(self._keys) == 0:
            return np.full(len(digests), -1, np.int32), np.zeros(len(digests), np.int32)
        keys = _keys(digests)
        at = np.searchsorted(self._keys, keys)
        at[at == len(self._keys)] = 0
        there = self._keys[at] == keys
        return np.where(there, self._shards[at], np.int32(-1)), self._rows[at]

    def checked(self, name: str, read: Callable[[Path], T]) -> T | None:
        """Return what `read` makes of a shard, or None; a damaged one is removed."""
        path = self.folder / name
        try:
            before = identity(path)
            if before not in _refused:
                return read(path)
            self._seen.discard(name)
        except DamagedFile as error:
            log.warning("%s", error)
            self._seen.discard(name)
            # Another process may have put a good file there meanwhile: only the very file that was read goes.
            with contextlib.suppress(OSError):
                if identity(path) == before and not remove(path):
                    _refused.add(before)
        except FileNotFoundError:  # the cache was cleared under us
            log.info(_("the cache file {path} is gone; its images are computed again.", path=printable(path)))
            self._seen.discard(name)
        except OSError as error:
            log.warning(
                _("the cache file {path} can not be read now ({error}); it is left out.", path=printable(path), error=error)
            )
        return None

    def name_of(self, number: int) -> str:
        """Return the file name of a shard."""
        return self._names[number]

    def forget(self, number: int) -> None:
        """Leave the rows of one shard out from now on: it is damaged, or gone."""
        self._sort()
        keep = self._shards != number
        self._keys, self._shards, self._rows = self._keys[keep], self._shards[keep], self._rows[keep]

    def _is_shard(self, name: str) -> bool:
        return name.endswith(self.suffix) and _SHARD.fullmatch(name.removesuffix(self.suffix)) is not None

    def _sort(self) -> None:
        """Merge the shards that came since into the sorted arrays; digests that occur twice stay twice."""
        if not self._new:
            return
        new, self._new = self._new, []
        keys = np.concatenate([self._keys, *(_keys(digests) for _, digests in new)])
        shards = [np.full(len(digests), number, np.int32) for number, digests in new]
        rows = [np.arange(len(digests), dtype=np.int32) for _, digests in new]
        order = np.argsort(keys, kind="stable")
        self._keys = keys[order]
        self._shards = np.concatenate([self._shards, *shards])[order]
        self._rows = np.concatenate([self._rows, *rows])[order]


def by_shard(shards: Numbers) -> Iterator[tuple[int, Places]]:
    """Yield each shard number that is asked for and the places that ask for it."""
    order = np.argsort(shards, kind="stable")
    order = order[shards[order] >= 0]
    for part in np.split(order, np.flatnonzero(np.diff(shards[order])) + 1):
        if len(part):
            yield int(shards[part[0]]), part


def _keys(digests: Digests) -> npt.NDArray[np.bytes_]:
    # numpy pads S32 with zero bytes, so order and equality are those of the 32 bytes.
    return np.ascontiguousarray(digests).view("S32").reshape(-1)

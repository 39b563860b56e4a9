"""Which shard of a folder holds the row of a digest.

In: the shards' digests. Out: (shard, row) for digests in any order, and the rows themselves, shard by shard. Memory is 40
bytes a row; the shards' vectors stay on disk.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from penult.errors import DamagedFile, InputError
from penult.store.files import Identity, identity, remove
from penult.store.refusals import shown
from penult.store.shards import Digests, read_digests, read_shard

log = logging.getLogger(__name__)

_SHARD = re.compile(r"shard-[0-9a-f]{16}\.npz")
T = TypeVar("T")
# Damaged files that could not be removed (a folder that may not be written, or a file of another user): (device, inode, time).
# Every index of this process passes them over, else their rows would be promised again and never computed.
_refused: set[Identity] = set()
Numbers = npt.NDArray[np.int32]  # (n,)
Places = npt.NDArray[np.intp]  # (n,)


class Index:
    """The rows of a folder of shards, as it was at the last `refresh`."""

    def __init__(self, folder: Path, width: int) -> None:
        self.folder = folder
        self.width = width
        self._names: list[str] = []
        self._seen: set[str] = set()  # every name that was tried, so that a damaged one is told once
        self._new: list[tuple[int, Digests]] = []  # (shard number, its digests): not sorted in yet
        self._keys = np.empty(0, "S32")  # sorted, each once
        self._shards = np.empty(0, np.int32)
        self._rows = np.empty(0, np.int32)
        self.refresh()

    def refresh(self) -> None:
        """Take in the shards that others have written since."""
        try:
            names = [path.name for path in self.folder.iterdir()]
        except FileNotFoundError:
            return
        except OSError as error:
            raise InputError(
                f"the cache folder {shown(self.folder)} can not be listed: {error.strerror}; choose another with --cache DIR."
            ) from error
        for name in sorted(names):
            if name not in self._seen and _SHARD.fullmatch(name):
                self._seen.add(name)
                digests = self._checked(name, read_digests)
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

    def fill(self, digests: Digests, out: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
        """Fill the rows of `out` (n, d) that the shards hold, and return which were found, (n,)."""
        found = np.zeros(len(digests), np.bool_)
        wanted = np.arange(len(digests))
        while len(wanted):  # again only for rows of a dropped shard: another shard may hold them too
            shards, rows = self.find(digests[wanted])
            for number, part in _by_shard(shards):
                places = wanted[part]
                found[places] = self._copy(number, rows[part], digests[places], out, places)
            wanted = wanted[(shards >= 0) & ~found[wanted]]
        return found

    def _copy(self, number: int, rows: Numbers, digests: Digests, out: npt.NDArray[np.floating], places: Places) -> bool:
        """Copy rows of one shard to their places, or drop the shard and say False."""
        content = self._checked(self._names[number], lambda path: read_shard(path, self.width))
        if content is not None:
            stored, vectors = content
            if rows.max() < len(stored) and np.array_equal(stored[rows], digests):
                out[places] = vectors[rows]
                return True
        self._sort()
        keep = self._shards != number
        self._keys, self._shards, self._rows = self._keys[keep], self._shards[keep], self._rows[keep]
        return False

    def _checked(self, name: str, read: Callable[[Path], T]) -> T | None:
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
            log.info("the cache file %s is gone; its images are computed again.", shown(path))
            self._seen.discard(name)
        except OSError as error:
            log.warning("the cache file %s can not be read now (%s); it is left out.", shown(path), error)
        return None

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


def _by_shard(shards: Numbers) -> Iterator[tuple[int, Places]]:
    """Yield each shard number that is asked for and the places that ask for it."""
    order = np.argsort(shards, kind="stable")
    order = order[shards[order] >= 0]
    for part in np.split(order, np.flatnonzero(np.diff(shards[order])) + 1):
        if len(part):
            yield int(shards[part[0]]), part


def _keys(digests: Digests) -> npt.NDArray[np.bytes_]:
    # numpy pads S32 with zero bytes, so order and equality are those of the 32 bytes.
    return np.ascontiguousarray(digests).view("S32").reshape(-1)

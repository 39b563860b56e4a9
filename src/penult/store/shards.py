"""One shard: rows of (digest, vector) in a zip of two arrays that numpy can load, named by its content.

In: digests (m, 32) and vectors (m, d). Out: `shard-<16 hex digits>.npz`, whole or absent; and back again, with every byte
checked: zip's CRC for the digests, the name (sha256 of the content) for digests and vectors. A shard is never opened for
writing twice.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import logging
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from penult import untrusted
from penult.errors import DamagedFile, InputError, OutputError
from penult.store.atomic import Identity, atomic_write, identity, remove
from penult.store.cache_folder import CURE
from penult.texts import printable

Digests = npt.NDArray[np.uint8]  # (n, 32)
Vectors = npt.NDArray[np.float32]  # (n, d)

_TRIES = 5  # somebody may be deleting the folder while we write
_MEMBERS = ("digests.npy", "vectors.npy")
_AROUND = 22 + sum(30 + 46 + 2 * len(name) + 128 for name in _MEMBERS)  # bytes of a shard that are no rows


def write_shard(folder: Path, digests: Digests, vectors: Vectors, cure: str) -> Path:
    """Write one shard and return its path; the same rows always give the same file.

    Raises `OutputError`. A folder that was deleted meanwhile is made again.
    """
    members = (
        _npy("|u1", digests.shape, digests),
        _npy("<f4", vectors.shape, vectors.astype("<f4", copy=False)),
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, data in zip(_MEMBERS, members, strict=True):
            archive.writestr(zipfile.ZipInfo(name), data)  # ZipInfo's own date is fixed: same rows, same bytes
    path = folder / f"{_name(*members)}.npz"
    for left in reversed(range(_TRIES)):
        try:
            with atomic_write(path, cure=cure) as file:
                file.write(packed.getbuffer())
            break
        except OutputError as error:
            if not left or not isinstance(error.__cause__, FileNotFoundError):
                raise
    return path


def read_digests(path: Path) -> Digests:
    """Return the digests of one shard, (m, 32), without its vectors.

    Raises `DamagedFile` for a shard that fails its checks and `OSError` for one that can not be read now.
    """
    with _opened(path) as archive:
        return _digests(archive.read(_MEMBERS[0]))


def rows_by_size(size: int, width: int) -> int | None:
    """Return the rows of a shard of `size` bytes, without opening it; None where no whole shard has that size."""
    rows, rest = divmod(size - _AROUND, 32 + 4 * width)
    return rows if rest == 0 and rows > 0 else None


def width_of(path: Path) -> int:
    """Return the width of one shard's vectors. Raises as `read_digests` does."""
    with _opened(path) as archive:
        rows = len(_digests(archive.read(_MEMBERS[0])))
        width, rest = divmod(archive.size(_MEMBERS[1]) - 128, 4 * rows)
        if rest or width < 1:
            raise ValueError("vectors of no whole width")
        return width


def read_shard(path: Path, width: int) -> tuple[Digests, Vectors]:
    """Return the digests (m, 32) and vectors (m, `width`) of one shard, after every check.

    Raises `DamagedFile` for a shard that fails its checks and `OSError` for one that can not be read now.
    """
    with _opened(path) as archive:
        members = archive.read(_MEMBERS[0]), archive.read(_MEMBERS[1])
        if _name(*members) != path.stem:
            raise ValueError("the content does not fit the name")
        digests = _digests(members[0])
        vectors = _array(members[1], "<f4", (len(digests), width)).astype(np.float32, copy=False)
        if not np.isfinite(vectors).all():
            raise ValueError("vectors that are not finite")
        return digests, vectors


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[untrusted.StoredZip]:
    """Yield the zip of a shard; whatever its bytes make go wrong is said as `DamagedFile`."""
    with untrusted.open_file(path) as file:
        try:
            archive = untrusted.StoredZip(file, len(_MEMBERS))
            if tuple(archive.names) != _MEMBERS:
                raise ValueError("not the two arrays of a shard")
            yield archive
        except (*untrusted.ZIP_ERRORS, OSError) as error:
            if isinstance(error, OSError) and error.errno != errno.EINVAL:  # EINVAL: an offset that can not be
                raise
            raise DamagedFile(
                f"the cache file {printable(path)} is damaged ({error}); leave it: its images are computed again."
            ) from error


def _name(digests: bytes, vectors: bytes) -> str:
    content = hashlib.sha256(digests)
    content.update(vectors)
    return f"shard-{content.hexdigest()[:16]}"


def _digests(member: bytes) -> Digests:
    return _array(member, "|u1", ((len(member) - len(_header("|u1", (1, 32)))) // 32, 32)).astype(np.uint8)


def _array(member: bytes, kind: str, shape: tuple[int, int]) -> npt.NDArray[np.generic]:
    """Return the array of a member whose header must be, byte for byte, the one that we write for this shape.

    So nothing is parsed that could lie, and pickled objects are no question at all.
    """
    header = _header(kind, shape)
    size = np.dtype(kind).itemsize * shape[0] * shape[1]
    if min(shape) < 1 or len(member) != len(header) + size or not member.startswith(header):
        raise ValueError(f"not an array {shape} of {kind}")
    return np.frombuffer(member, kind, offset=len(header)).reshape(shape)


def _npy(kind: str, shape: tuple[int, ...], rows: npt.NDArray[np.generic]) -> bytes:
    return _header(kind, shape) + np.ascontiguousarray(rows).tobytes()


def _header(kind: str, shape: tuple[int, ...]) -> bytes:
    """Return the header of numpy's file format 1.0, padded to 128 bytes."""
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {tuple(shape)!r}, }}"
    return b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + text.ljust(117).encode("ascii") + b"\n"


log = logging.getLogger(__name__)

_SHARD = re.compile(r"shard-[0-9a-f]{16}\.npz")
T = TypeVar("T")
# Damaged files that could not be removed (a folder that may not be written, or a file of another user): (device, inode, time).
# Every index of this process passes them over, else their rows would be promised again and never computed.
_refused: set[Identity] = set()
Numbers = npt.NDArray[np.int32]  # (n,)
Places = npt.NDArray[np.intp]  # (n,)


class ShardIndex:
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
                f"the cache folder {printable(self.folder)} cannot be listed: {error.strerror}; {CURE}."
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
            log.info("the cache file %s is gone; its images are computed again.", printable(path))
            self._seen.discard(name)
        except OSError as error:
            log.warning("the cache file %s can not be read now (%s); it is left out.", printable(path), error)
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

"""Small files, such as thumbnails, by the digest of the picture that they come from; one of many thousands is read at once.

In: digests and bytes. Out: the bytes again, checked. On disk: `<cache>/<kind>/<key>/shard-<16 hex digits>.bin`: a header, a
row a file (digest, place, length, checksum), then the files; the name is the sha256 of header and rows, so of everything.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from penult import untrusted
from penult.errors import DamagedFile
from penult.i18n import _
from penult.store.cache_folder import CURE
from penult.store.shard_cache import ShardCache, checked_digests
from penult.store.shard_index import Digests, ShardIndex, write_whole
from penult.texts import printable

MOST = 1 << 20  # bytes of one file
_MAGIC = b"penult small files 1".ljust(56, b"\n")
_HEADER = 64  # bytes: the magic, and the number of rows
_ROW = np.dtype([("digest", "u1", 32), ("start", "<u8"), ("length", "<u4"), ("sum", "u1", 20)])  # 64 bytes; sum: of the sha256
_SHARD_BYTES = 2 << 20

Table = npt.NDArray[np.void]  # (m,) of _ROW


class BlobCache(ShardCache["BlobShards", Sequence[bytes]]):
    """Small files by the digest of their picture, see `ShardCache`."""

    kind = "thumbnails"

    def add(self, digest: bytes, blob: bytes) -> None:
        """Take one file of at most `MOST` bytes. Raises `OutputError` when a shard cannot be written; the next tries again."""
        if len(digest) != 32 or not 0 < len(blob) <= MOST:
            raise ValueError(f"a digest of {len(digest)} bytes with a file of {len(blob):,}")
        self._take(np.frombuffer(digest, np.uint8).reshape(1, 32), (blob,))

    def read(self, digests: Digests) -> list[bytes | None]:
        """Return the files of the digests (n, 32) in their order, None where there is none."""
        digests = checked_digests(digests)
        if self._waiting:
            self.flush()
        found = [self._memory.get(bytes(digest)) for digest in digests]
        if self._index is not None:
            for refresh in (False, True):  # to list the folder takes longer than to read a file
                missing = [i for i, blob in enumerate(found) if blob is None]
                if missing and refresh:
                    self._index.refresh()
                for i, blob in zip(missing, self._index.fetch(digests[missing]), strict=True):
                    found[i] = blob
        return found

    def _open_index(self, folder: Path) -> BlobShards:
        return BlobShards(folder)

    def _is_enough(self) -> bool:
        return sum(len(blob) for _, blobs in self._waiting for blob in blobs) >= _SHARD_BYTES

    def _write(self, folder: Path) -> None:
        digests = np.concatenate([d for d, _ in self._waiting])  # (m, 32)
        path = write_blobs(folder, digests, [blob for _, blobs in self._waiting for blob in blobs], CURE)
        if self._index is not None:
            self._index.append(path.name, digests)


class BlobShards(ShardIndex):
    """A folder of shards of small files."""

    suffix = ".bin"

    def read_digests(self, path: Path) -> Digests:
        """Return the digests of one shard, (m, 32)."""
        return np.ascontiguousarray(read_blob_table(path)["digest"])

    def fetch(self, digests: Digests) -> list[bytes | None]:
        """Return the files of the digests (n, 32), None where no shard holds one that is sound."""
        out: list[bytes | None] = [None] * len(digests)
        wanted = list(range(len(digests)))
        while wanted:  # again only for rows of a dropped shard: another shard may hold them too
            shards, rows = (numbers.tolist() for numbers in self.find(digests[wanted]))
            lost = []
            for i, number, row in zip(wanted, shards, rows, strict=True):
                if number >= 0:
                    out[i] = self._one(number, row, bytes(digests[i]))
                    lost += [i] if out[i] is None else []
            wanted = lost
        return out

    def _one(self, number: int, row: int, digest: bytes) -> bytes | None:
        """Return one file, or drop its shard."""
        blob = self.checked(self.name_of(number), lambda path: read_blob(path, row, digest))
        if blob is None:
            self.forget(number)
        return blob


def write_blobs(folder: Path, digests: Digests, blobs: Sequence[bytes], cure: str) -> Path:
    """Write one shard and return its path; the same rows always give the same file. Raises `OutputError`."""
    table = np.zeros(len(blobs), _ROW)
    lengths = np.array([len(blob) for blob in blobs], np.uint64)
    table["digest"], table["length"] = digests, lengths
    table["start"] = _HEADER + table.nbytes + np.cumsum(lengths) - lengths
    table["sum"] = np.frombuffer(b"".join(map(_sum, blobs)), np.uint8).reshape(-1, 20)
    head = _MAGIC + len(table).to_bytes(8, "little") + table.tobytes()
    path = folder / f"{_name(head)}{BlobShards.suffix}"
    write_whole(path, (head, *blobs), cure)
    return path


def read_blob_table(path: Path, whole: bool = False) -> Table:
    """Return the rows of one shard (m,), compared with its name and size; with `whole` each file is compared, too.

    Raises `DamagedFile` for a shard that fails its checks and `OSError` for one that cannot be read now.
    """
    with untrusted.open_file(path) as file:
        try:
            table = _table(file, path)
            for row in range(len(table)) if whole else ():
                _blob(file, table[row : row + 1])
            return table
        except (ValueError, OverflowError) as error:
            raise _damaged(path, error) from error


def blobs_by_head(path: Path) -> int | None:
    """Return how many files a shard has, as its first bytes say; None where they are no shard's, or it is gone."""
    with contextlib.suppress(OSError), untrusted.open_file(path) as file:
        return _count(file.read(_HEADER), path.stat().st_size)
    return None


def read_blob(path: Path, row: int, digest: bytes) -> bytes:
    """Return the file in one row of a shard, which must be that of `digest`. Raises as `read_blob_table` does."""
    with untrusted.open_file(path) as file:
        try:
            file.seek(_HEADER + row * _ROW.itemsize)
            table = np.frombuffer(file.read(_ROW.itemsize), _ROW)
            if len(table) != 1 or table["digest"].tobytes() != digest:
                raise ValueError(_("another row than was written"))
            return _blob(file, table)
        except (ValueError, OverflowError) as error:
            raise _damaged(path, error) from error


def _table(file: IO[bytes], path: Path) -> Table:
    size = path.stat().st_size
    head = file.read(_HEADER)
    count = _count(head, size)
    if count is None:
        raise ValueError(_("not a shard of small files"))
    rows = file.read(count * _ROW.itemsize)
    if _name(head + rows) != path.stem:
        raise ValueError(_("the content does not fit the name"))
    table = np.frombuffer(rows, _ROW)
    if int(table["start"][-1]) + int(table["length"][-1]) != size:
        raise ValueError(_("not of the size that was written"))
    return table


def _count(head: bytes, size: int) -> int | None:
    """Return how many files a shard of `size` bytes has, by its header; None for what cannot be one."""
    count = int.from_bytes(head[len(_MAGIC) :], "little")
    return count if head.startswith(_MAGIC) and 0 < count <= (size - _HEADER) // (_ROW.itemsize + 1) else None


def _blob(file: IO[bytes], row: Table) -> bytes:
    """Return the file of one row (1,), checked."""
    length = int(row["length"][0])
    if length > MOST:
        raise ValueError(_("a file that is too long"))
    file.seek(int(row["start"][0]))
    blob = file.read(length)
    if len(blob) != length or _sum(blob) != row["sum"].tobytes():
        raise ValueError(_("a checksum differs"))
    return blob


def _sum(blob: bytes) -> bytes:
    return hashlib.sha256(blob).digest()[:20]


def _name(head: bytes) -> str:
    return f"shard-{hashlib.sha256(head).hexdigest()[:16]}"


def _damaged(path: Path, error: Exception) -> DamagedFile:
    return DamagedFile(
        _(
            "the cache file {path} is damaged ({error}); leave it: its thumbnails are made again.",
            path=printable(path),
            error=error,
        )
    )

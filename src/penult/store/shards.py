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
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from penult import untrusted
from penult.errors import DamagedFile
from penult.i18n import _
from penult.store.shard_index import Digests, Numbers, Places, ShardIndex, by_shard, write_whole
from penult.texts import printable

Vectors = npt.NDArray[np.float32]  # (n, d)

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
    with packed.getbuffer() as view:  # where writing fails, the error would keep it, and the file could not be closed
        write_whole(path, (view,), cure)
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
            raise ValueError(_("vectors of no whole width"))
        return width


def read_shard(path: Path, width: int) -> tuple[Digests, Vectors]:
    """Return the digests (m, 32) and vectors (m, `width`) of one shard, after every check.

    Raises `DamagedFile` for a shard that fails its checks and `OSError` for one that can not be read now.
    """
    with _opened(path) as archive:
        members = archive.read(_MEMBERS[0]), archive.read(_MEMBERS[1])
        if _name(*members) != path.stem:
            raise ValueError(_("the content does not fit the name"))
        digests = _digests(members[0])
        vectors = _array(members[1], "<f4", (len(digests), width)).astype(np.float32, copy=False)
        if not np.isfinite(vectors).all():
            raise ValueError(_("vectors that are not finite"))
        return digests, vectors


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[untrusted.StoredZip]:
    """Yield the zip of a shard; whatever its bytes make go wrong is said as `DamagedFile`."""
    with untrusted.open_file(path) as file:
        try:
            archive = untrusted.StoredZip(file, len(_MEMBERS))
            if tuple(archive.names) != _MEMBERS:
                raise ValueError(_("not the two arrays of a shard"))
            yield archive
        except (*untrusted.ZIP_ERRORS, OSError) as error:
            if isinstance(error, OSError) and error.errno != errno.EINVAL:  # EINVAL: an offset that can not be
                raise
            raise DamagedFile(
                _(
                    "the cache file {path} is damaged ({error}); leave it: its images are computed again.",
                    path=printable(path),
                    error=error,
                )
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
        raise ValueError(_("not an array {shape} of {kind}", shape=shape, kind=kind))
    return np.frombuffer(member, kind, offset=len(header)).reshape(shape)


def _npy(kind: str, shape: tuple[int, ...], rows: npt.NDArray[np.generic]) -> bytes:
    return _header(kind, shape) + np.ascontiguousarray(rows).tobytes()


def _header(kind: str, shape: tuple[int, ...]) -> bytes:
    """Return the header of numpy's file format 1.0, padded to 128 bytes."""
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {tuple(shape)!r}, }}"
    return b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + text.ljust(117).encode("ascii") + b"\n"


class VectorShards(ShardIndex):
    """A folder of shards of vectors."""

    suffix = ".npz"

    def __init__(self, folder: Path, width: int) -> None:
        self.width = width
        super().__init__(folder)

    def read_digests(self, path: Path) -> Digests:
        """Return the digests of one shard, (m, 32)."""
        return read_digests(path)

    def fill(self, digests: Digests, out: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
        """Fill the rows of `out` (n, d) that the shards hold, and return which were found, (n,)."""
        found = np.zeros(len(digests), np.bool_)
        wanted = np.arange(len(digests))
        while len(wanted):  # again only for rows of a dropped shard: another shard may hold them too
            shards, rows = self.find(digests[wanted])
            for number, part in by_shard(shards):
                places = wanted[part]
                found[places] = self._copy(number, rows[part], digests[places], out, places)
            wanted = wanted[(shards >= 0) & ~found[wanted]]
        return found

    def _copy(self, number: int, rows: Numbers, digests: Digests, out: npt.NDArray[np.floating], places: Places) -> bool:
        """Copy rows of one shard to their places, or drop the shard and say False."""
        content = self.checked(self.name_of(number), lambda path: read_shard(path, self.width))
        if content is not None:
            stored, vectors = content
            if rows.max() < len(stored) and np.array_equal(stored[rows], digests):
                out[places] = vectors[rows]
                return True
        self.forget(number)
        return False

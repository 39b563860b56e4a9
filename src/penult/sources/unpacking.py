"""The bytes of members of one container: a tar, zip or Parquet file.

In: members, best in the order in which they lie there. Out: at most as many bytes as each is said to have, or an OSError.
"""

from __future__ import annotations

import errno
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO

from penult.errors import DamagedFile
from penult.i18n import _
from penult.sources.gzip_stream import Unpacked
from penult.sources.remote_file import current_tag, open_binary, tag_of
from penult.texts import is_url

if TYPE_CHECKING:
    from penult.sources.member import Member

_LOCAL = struct.Struct("<4s5H3I2H")
_DEFLATED = 8
_SLACK = 64 << 10  # bytes that a packed entry may have beyond what it unpacks to
MAX_BYTES = 200_000_000  # of one encoded image: more is refused before it is read
_ROWS = 16  # of a Parquet file at a time,
_MOST_AT_ONCE = 64 << 20  # and bytes: a value that stands in a dictionary once may come in every row
_MOST_RATIO = 200  # to so many times its own size a large column may unpack: images hardly do


def too_large(size: int) -> OSError:
    """Return the error for an image of so many bytes."""
    return OSError(errno.EFBIG, _("{size:,} bytes; at most {most:,} are read", size=size, most=MAX_BYTES))


class Container:
    """An open container, which keeps its place: members that follow one another cost nothing but themselves."""

    def __init__(self, path: str) -> None:
        self._path, self._file = path, open_binary(path)
        self._tag = tag_of(self._file)
        self._stream: Unpacked | None = None
        self._cells: ParquetCells | None = None

    def read(self, member: Member, most: int) -> bytes:
        """Return the bytes of a member, or about the first `most` of them.

        Raises OSError, also where this is no longer the container in which the member was found: other photos lie there.
        """
        if member.tag and member.tag != self._tag:
            raise OSError(errno.ESTALE, _("the archive changed after its photos were listed"))
        if member.packing == "zip":
            return read_entry(self._file, member, most)
        if member.packing == "gzip":
            self._stream = self._stream or Unpacked(self._file)
            return read_stored(self._stream, member, most)
        if member.packing == "parquet":
            self._cells = self._cells or ParquetCells(self._file if is_url(self._path) else self._path, self._path)
            return self._cells.read(member.key)
        return read_stored(self._file, member, most)

    @property
    def has_place(self) -> bool:
        """Whether it is read from front to back alone, so that to go on is cheaper than to open it anew."""
        return self._stream is not None or self._cells is not None

    def is_still(self, path: str) -> bool:
        """Whether it is the file at this path or address, as it is now."""
        with suppress(OSError):
            return path == self._path and current_tag(path) == self._tag
        return False

    def close(self) -> None:
        """Close the file."""
        self._cells = self._stream = None
        self._file.close()


def read_stored(file: BinaryIO | Unpacked, member: Member, most: int) -> bytes:
    """Return the bytes at the member's offset, at most `most`. Raises OSError where the file ends before."""
    wanted = min(member.size, most)
    file.seek(member.offset)
    data = file.read(wanted)
    if len(data) < wanted:
        raise OSError(errno.EIO, _("the archive ends, or is damaged, before the end of it"))
    return data


def read_entry(file: BinaryIO, member: Member, most: int) -> bytes:
    """Return what an entry of a zip file unpacks to, or about the first `most` bytes, which are not checked.

    Raises OSError where it is damaged.
    """
    method, packed, crc = map(int, member.key.split(":"))
    file.seek(member.offset)
    header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size or header[:4] != b"PK\3\4":
        raise OSError(errno.EIO, _("the zip file is damaged: there is no file where its directory says"))
    name, extra = _LOCAL.unpack(header)[-2:]
    file.seek(member.offset + _LOCAL.size + name + extra)
    wanted = min(member.size, most)
    data = file.read(min(packed, wanted + wanted // 8 + _SLACK))
    if method == _DEFLATED:
        try:
            data = zlib.decompressobj(-15).decompress(data, wanted + 1)
        except zlib.error as error:
            raise OSError(errno.EIO, _("the zip file is damaged: it cannot be unpacked")) from error
    if wanted == member.size and (len(data) != member.size or zlib.crc32(data) != crc):
        raise OSError(errno.EIO, _("the zip file is damaged: it has other bytes than its directory says"))
    return data


class ParquetCells:
    """Cells of a Parquet file by "row group:row:column"; those that follow one another are read a few rows at a time."""

    def __init__(self, file: BinaryIO | str, name: str) -> None:
        from penult.parquet import ParquetReader  # numpy, which no decoding process needs

        self._reader = ParquetReader(file, name, by_page=True)
        self._place = ("", -1)  # column and row group that are read
        self._batches: Iterator[dict[str, list[Any]]] = iter(())
        self._start, self._values = 0, list[Any]()

    def read(self, key: str) -> bytes:
        """Return the bytes of a cell. Raises OSError where it is empty, or the file damaged."""
        group, row, column = key.split(":", 2)
        value = self._value(int(group), int(row), column)
        if not isinstance(value, bytes):
            raise OSError(errno.ENODATA, _("its row has nothing in the column {name}", name=column))
        if len(value) > MAX_BYTES:
            raise too_large(len(value))
        return value

    def _rows(self, column: str, group: int) -> int:
        """Return how many rows of a row group may be read at once. Raises OSError where it is a bomb."""
        packed, size, dictionary = self._reader.sizes(column, group)
        if size > max(MAX_BYTES, _MOST_RATIO * packed):
            raise too_large(size)
        return max(1, min(_ROWS, _MOST_AT_ONCE // max(1, size))) if dictionary else _ROWS

    def _value(self, group: int, row: int, column: str) -> Any:
        try:
            if self._place != (column, group) or row < self._start:
                self._batches = self._reader.batches([column], group, self._rows(column, group))
                self._place, self._start, self._values = (column, group), 0, []
            while row >= self._start + len(self._values):
                self._start += len(self._values)
                self._values = next(self._batches)[column]
        except (DamagedFile, StopIteration) as error:
            self._place = ("", -1)
            raise OSError(errno.EIO, _("the Parquet file is damaged in this row group")) from error
        return self._values[row - self._start]

"""Zips put together byte by byte, so that every field of them can lie."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """A member: what is given replaces what would be true."""

    name: str
    data: bytes
    local_name: str | None = None
    method: int = 0
    flags: int = 0
    crc: int | None = None
    packed: int | None = None
    size: int | None = None
    offset: int | None = None
    mode: int = 0
    extra: bytes = b""

    def local(self) -> bytes:
        name = (self.name if self.local_name is None else self.local_name).encode()
        sizes = (self._crc, len(self.data), len(self.data) if self.size is None or self.size >= 1 << 32 else self.size)
        return struct.pack("<4s5H3I2H", b"PK\3\4", 20, self.flags, self.method, 0, 33, *sizes, len(name), 0) + name + self.data

    def central(self, offset: int) -> bytes:
        name = self.name.encode()
        packed = len(self.data) if self.packed is None else self.packed
        size = len(self.data) if self.size is None else self.size
        at = offset if self.offset is None else self.offset
        head = (20, 20, self.flags, self.method, 0, 33, self._crc, packed, size, len(name), len(self.extra), 0, 0, 0)
        return struct.pack("<4s6H3I5H2I", b"PK\1\2", *head, self.mode << 16, at) + name + self.extra

    @property
    def _crc(self) -> int:
        return zlib.crc32(self.data) if self.crc is None else self.crc


def put(entries: Sequence[Entry], count: int | None = None, tail: bytes = b"") -> bytes:
    """Return the zip; `count` is what the end says of how many there are."""
    body, directory = b"", b""
    for entry in entries:
        directory += entry.central(len(body))
        body += entry.local()
    many = len(entries) if count is None else count
    return body + directory + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, many, many, len(directory), len(body), len(tail)) + tail


def zip64(size: int, packed: int) -> tuple[int, int, bytes]:
    """Return the two sizes to write into the directory, and the extra field that has the true ones."""
    return 0xFFFFFFFF, 0xFFFFFFFF, struct.pack("<2H2Q", 1, 16, size, packed)

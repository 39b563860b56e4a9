"""What a gzip file unpacks to (RFC 1952), as a file that is read from front to back, in bounded memory and time."""

from __future__ import annotations

import zlib
from typing import BinaryIO

GZIP = b"\x1f\x8b"  # how it begins
_PIECE = 256 << 10
_MOST_RATIO, _FREE = 200, 1 << 30  # a file may unpack to so many times its own size, and to this in any case


class Unpacked:
    """What a gzip file unpacks to, read from front to back: to go back is to begin anew.

    It ends where the file is cut or damaged, and where it grows beyond all measure.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._most = max(_FREE, _MOST_RATIO * file.seek(0, 2))
        self._begin()

    def _begin(self) -> None:
        self._file.seek(0)
        self._at = self._made = 0
        self._ready = memoryview(b"")
        self._ended = False
        self.whole = False  # once it has ended: whether as it was packed
        self._unpacker = zlib.decompressobj(31)

    def tell(self) -> int:
        """Return where the next byte is read."""
        return self._at

    def seek(self, offset: int) -> int:
        """Go to a place, or to the end if that comes before; return where that is."""
        if offset < self._at:
            self._begin()
        while self._at < offset and (part := self._some(offset - self._at)):
            self._at += len(part)
        return self._at

    def read(self, size: int) -> bytes:
        """Return `size` bytes, fewer only at the end."""
        parts = []
        while size > 0 and (part := self._some(size)):
            parts.append(part)
            size -= len(part)
            self._at += len(part)
        return b"".join(parts)

    def _some(self, most: int) -> memoryview:
        while not self._ready and not self._ended:
            packed = self._unpacker.unconsumed_tail or self._file.read(_PIECE)
            try:
                self._ready = memoryview(self._unpacker.decompress(packed, _PIECE))
            except zlib.error:
                packed = b""
            self._made += len(self._ready)
            if self._unpacker.eof:  # another gzip member may follow
                rest = self._unpacker.unused_data
                if len(rest) < len(GZIP):
                    rest += self._file.read(_PIECE)
                self._unpacker = zlib.decompressobj(31)
                self._file.seek(-len(rest), 1)
                self._ended = not rest.startswith(GZIP)
                self.whole = not rest.strip(b"\0")  # some fill up with zeros
            self._ended = self._ended or (not packed and not self._ready) or self._made > self._most
        part, self._ready = self._ready[:most], self._ready[most:]
        return part

"""A zip whose members are stored, as penult writes them; whatever could make a reader allocate or unpack is refused.

In: an open file. Out: its members by name, each compared with its CRC. Refused: compression, encryption, two members of one
name or in one place, sizes that the file cannot hold, long directories.
"""

from __future__ import annotations

import struct
import zipfile
from typing import IO

_LONGEST_DIRECTORY = 1 << 20  # bytes; a member needs about a hundred of it, and half a kilobyte of memory
_HEAD = 30  # bytes before the name of a member
# What `zipfile` raises for one damaged byte or another; RuntimeError includes NotImplementedError.
WRONG_ZIP = (zipfile.BadZipFile, ValueError, EOFError, KeyError, RuntimeError, OverflowError, struct.error)


class _Sparing:
    """The file as `zipfile` sees it while it looks for the directory: no read is long."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.most: int | None = _LONGEST_DIRECTORY
        self.seek, self.tell, self.seekable, self.close = file.seek, file.tell, file.seekable, file.close

    def read(self, count: int = -1) -> bytes:
        if self.most is None:
            return self._file.read(count)
        data = self._file.read(self.most + 1 if count < 0 else min(count, self.most + 1))
        if len(data) > self.most:
            raise zipfile.BadZipFile("its directory is longer than one of penult's can be")
        return data


def directory(file: IO[bytes]) -> zipfile.ZipFile:
    """Return a zip of any kind, its directory read if it is not long. Raises one of `WRONG_ZIP`, or `OSError`."""
    source = _Sparing(file)
    archive = zipfile.ZipFile(source)
    source.most = None
    return archive


class StoredZip:
    """The members of a zip, looked at before any is read. Raises one of `WRONG_ZIP`, or `OSError`."""

    def __init__(self, file: IO[bytes], most: int) -> None:
        """`most` is how many members there may be."""
        size = file.seek(0, 2)
        self._archive = directory(file)
        entries = self._archive.infolist()
        self.names = [entry.filename for entry in entries]
        if len(entries) > most:
            raise ValueError(f"it has {len(entries)} members, and {most} are the most")
        if len(set(self.names)) != len(self.names):
            raise ValueError("a name is twice in it")
        if any(entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 for entry in entries):
            raise ValueError("its members are compressed or encrypted")
        end = 0
        for entry in sorted(entries, key=lambda entry: entry.header_offset):
            if entry.header_offset < end or entry.compress_size != entry.file_size:
                raise ValueError("its members lie in each other; it was made to deceive")
            end = entry.header_offset + _HEAD + len(entry.orig_filename) + entry.file_size
        if end > size:
            raise ValueError(f"it claims to hold more than its own {size} bytes; it was made to deceive")

    def size(self, name: str) -> int:
        """Return how long a member is."""
        return self._archive.getinfo(name).file_size

    def read(self, name: str) -> bytes:
        """Return a member, to its end, so that its CRC is compared."""
        return self._archive.read(name)

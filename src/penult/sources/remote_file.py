"""Files that are read by parts, on a disk or in an object store.

In: a path or an address. Out: a seekable binary file.
"""

from __future__ import annotations

import io
import os
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from penult.i18n import _
from penult.texts import is_url

if TYPE_CHECKING:
    from concurrent.futures import Future

_BLOCK = 4 << 20  # bytes that are asked for at once
_KEPT = 6  # blocks in memory
_AHEAD = 3  # blocks that are fetched before they are asked for, where a file is read on


def open_binary(source: str) -> BinaryIO:
    """Open a file, or an object of a store, for reading with `seek`. Raises OSError, or InputError for a store."""
    return cast(BinaryIO, RemoteFile(source) if is_url(source) else open(source, "rb", 0))  # noqa: PTH123 - surrogates


def tag_of(file: BinaryIO) -> str:
    """Return what changes with an open file: the tag of an object, else size and time."""
    if (tag := getattr(file, "tag", None)) is not None:
        return str(tag)
    return tag_of_stat(os.fstat(file.fileno()))


def current_tag(source: str) -> str:
    """Return the tag of the file that is at a path or an address now. Raises OSError."""
    if not is_url(source):
        return tag_of_stat(os.stat(source))  # noqa: PTH116 - surrogates
    from penult.objects import open_store

    above, _, name = source.rpartition("/")
    known = open_store(above).head(name)
    return "" if known is None else known.tag


def tag_of_stat(found: os.stat_result) -> str:
    """Return the tag of a file on a disk."""
    return f"{found.st_size}-{found.st_mtime_ns}"


class RemoteFile(io.RawIOBase):
    """One object of a store as a file: read by blocks, the next ones ahead where it is read on. One thread at a time.

    Raises FileNotFoundError where there is none.
    """

    def __init__(self, url: str) -> None:
        from concurrent.futures import ThreadPoolExecutor  # which takes as long as the start of Python, as do requests

        from penult.objects import open_store

        self._pool = ThreadPoolExecutor(_AHEAD + 1, "penult-blocks")  # no thread yet; `close` asks for it, also of half a file
        self._blocks: OrderedDict[int, Future[bytes]] = OrderedDict()
        above, _slash, self._key = url.rpartition("/")
        self.name = url
        self._store = open_store(above)
        known = self._store.head(self._key)
        if known is None:
            raise FileNotFoundError(2, _("there is no such object"), url)
        self.size, self.tag = known.size, known.tag
        self._at = 0
        self._last = -2
        self._whole = b""  # of an object whose server sends no parts

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Return where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place; beyond the end there is nothing to read."""
        self._at = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence])
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with what one block has."""
        number, inside = divmod(self._at, _BLOCK)
        if self._at >= self.size or not len(buffer):
            return 0
        data = self._block(number)[inside : inside + len(buffer)]
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def read(self, size: int = -1) -> bytes:
        """Return `size` bytes, fewer only at the end of the file."""
        left = max(0, self.size - self._at)
        left = left if size < 0 else min(size, left)
        parts = []
        while left:
            number, inside = divmod(self._at, _BLOCK)
            part = self._block(number)[inside : inside + left]
            if not part:  # the object became shorter
                break
            parts.append(part)
            self._at += len(part)
            left -= len(part)
        return b"".join(parts)

    def _block(self, number: int) -> bytes:
        if not self._store.ranges:
            self._whole = self._whole or self._store.get(self._key)
            return self._whole[number * _BLOCK : (number + 1) * _BLOCK]
        ahead = range(number, number + _AHEAD + 1) if number in (self._last, self._last + 1) else (number,)
        for one in ahead:
            if one not in self._blocks and one * _BLOCK < self.size:
                start = one * _BLOCK
                size = min(_BLOCK, self.size - start)
                self._blocks[one] = self._pool.submit(self._store.get_range, self._key, start, size, self.tag)
        self._last = number
        self._blocks.move_to_end(number)
        while len(self._blocks) > _KEPT:
            self._blocks.popitem(last=False)[1].cancel()
        try:
            return self._blocks[number].result()
        except BaseException:  # whoever asks again may get it
            self._blocks.pop(number, None)
            raise

    def close(self) -> None:
        """Let go of what was read."""
        if not self.closed:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._blocks.clear()
        super().close()

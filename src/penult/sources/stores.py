"""Images in object stores: the objects below an address, and files there that are read by parts.

In: `s3://`, `gs://`, `az://` addresses. Out: members in the order in which a folder of the same content is walked, and
seekable binary files. What is listed but lost by the time it is read is one image that cannot be read.
"""

from __future__ import annotations

import io
import os
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, BinaryIO, cast

from penult import signatures
from penult.objects import ObjectStore, StoredObject, is_url, open_store
from penult.sources.member import Member
from penult.sources.names import is_system_file
from penult.sources.ordering import in_folder_order

_BLOCK = 4 << 20  # bytes that are asked for at once
_KEPT = 6  # blocks in memory
_AHEAD = 3  # blocks that are fetched before they are asked for, where a file is read on
HIDDEN, NOT_IMAGE = "hidden or system files", "files that are not images"


def stored_members(url: str, on_skip: Callable[[str, str], None] = lambda kind, name: None) -> Iterator[Member]:
    """Yield the images below an address, or the one that it names, in the order of a folder with the same content.

    An object is an image by its name, or by its first bytes where the name tells nothing, as in a folder.
    Raises InputError where nothing can be listed.
    """
    url = url.rstrip("/")
    store = open_store(url)
    found = False
    for key, size, tag in in_folder_order((one.key, str(one.size), one.tag) for one in _images(store, on_skip)):
        found = True
        yield Member(key, url, key, size=int(size), packing="object", tag=tag)
    if not found and (single := _single(url)) is not None:
        yield single


def _single(url: str) -> Member | None:
    above, _, name = url.rpartition("/")
    if not is_url(above + "/x") or not name:
        return None
    known = open_store(above).head(name)
    return None if known is None else Member(name, above, name, size=known.size, packing="object", tag=known.tag)


def _images(store: ObjectStore, on_skip: Callable[[str, str], None]) -> Iterator[StoredObject]:
    with ThreadPoolExecutor(16, "penult-heads") as pool:
        untold: list[StoredObject] = []
        for one in store.list():
            parts = one.key.split("/")
            told = signatures.named_like_image(parts[-1])
            if any(map(is_system_file, parts)):
                on_skip(HIDDEN, one.key)
            elif told:
                yield one
            elif told is None and one.size:
                untold.append(one)
                if len(untold) == 1000:
                    yield from _by_heads(store, untold, pool, on_skip)
                    untold = []
            else:
                on_skip(NOT_IMAGE, one.key)
        yield from _by_heads(store, untold, pool, on_skip)


def _by_heads(
    store: ObjectStore, untold: list[StoredObject], pool: ThreadPoolExecutor, on_skip: Callable[[str, str], None]
) -> Iterator[StoredObject]:
    """Yield those of the objects that begin like an image."""
    heads = pool.map(lambda one: _head(store, one.key), untold)
    for one, head in zip(untold, heads, strict=True):
        if signatures.looks_like_image(head):
            yield one
        else:
            on_skip(NOT_IMAGE, one.key)


def _head(store: ObjectStore, key: str) -> bytes:
    try:
        return store.get_range(key, 0, signatures.HEAD)
    except FileNotFoundError:
        return b""


def open_binary(source: str) -> BinaryIO:
    """Open a file, or an object of a store, for reading with `seek`. Raises OSError, or InputError for a store."""
    return cast(BinaryIO, RemoteFile(source)) if is_url(source) else open(source, "rb")  # noqa: PTH123 - surrogates


class RemoteFile(io.RawIOBase):
    """One object of a store as a file: read by blocks, the next ones ahead where it is read on. One thread at a time.

    Raises FileNotFoundError where there is none.
    """

    def __init__(self, url: str) -> None:
        above, _, self._key = url.rpartition("/")
        self.name = url
        self._store = open_store(above)
        known = self._store.head(self._key)
        if known is None:
            raise FileNotFoundError(2, "there is no such object", url)
        self.size, self.tag = known.size, known.tag
        self._at = 0
        self._blocks: OrderedDict[int, Future[bytes]] = OrderedDict()
        self._last = -2
        self._whole = b""  # of an object whose server sends no parts
        self._pool = ThreadPoolExecutor(_AHEAD + 1, "penult-blocks")

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
                self._blocks[one] = self._pool.submit(self._store.get_range, self._key, start, size)
        self._last = number
        self._blocks.move_to_end(number)
        while len(self._blocks) > _KEPT:
            self._blocks.popitem(last=False)[1].cancel()
        return self._blocks[number].result()

    def close(self) -> None:
        """Let go of what was read."""
        if not self.closed:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._blocks.clear()
        super().close()

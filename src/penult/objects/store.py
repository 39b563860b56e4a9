"""One object store: a listing, and objects that are read and written whole or by parts; and many that are read at once.

In: an address. Out: what lies there; what fails in passing is tried again.
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import IO, Any, TypeVar

from penult.errors import InputError, MissingExtra, PenultError
from penult.i18n import _
from penult.objects.reasons import NO_ANSWER, Explained, NoRanges, endpoint, is_busy
from penult.texts import printable

T = TypeVar("T")

_URL = re.compile(r"(s3|gs|az)://([^/]+)(?:/(.*))?$", re.DOTALL)
_PAGE = 1_000  # objects of a listing at a time, as many as the stores send
_AT_ONCE = 32  # requests
_AHEAD = 64 << 20  # bytes that are fetched and not yet taken
_UNKNOWN_SIZE = 1 << 20  # what an object counts whose size is not known
_PATIENCE = timedelta(minutes=3)  # with a store that does not answer, or answers that it is busy
_SILENCE = timedelta(seconds=30)  # after which a connection is given up
_LISTINGS = 5  # times that a listing goes on where it was cut off
_SINGLE_PUT = 256 << 20  # bytes; above, in parts


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object of a listing: its key below the address of the store, its size in bytes, and a tag that changes with it."""

    key: str
    size: int
    tag: str


def join_url(url: str, key: str) -> str:
    """Return the address of what lies below an address."""
    return f"{url.rstrip('/')}/{key}" if key else url


@lru_cache(maxsize=64)
def open_store(url: str) -> ObjectStore:
    """Return what lies below an address: `s3://bucket`, `gs://bucket/prefix`, `az://container/prefix`; one a process.

    No request is made yet. Raises InputError where it is no such address, MissingExtra without obstore.
    """
    match = _URL.match(url)
    if match is None:
        raise InputError(
            _(
                "'{url}' is no address of an object store; write s3://BUCKET/PATH, gs://BUCKET/PATH or az://CONTAINER/PATH",
                url=printable(url),
            )
        )
    scheme, bucket, prefix = match.groups()
    return ObjectStore(scheme, bucket, (prefix or "").strip("/"))


class ObjectStore:
    """The objects below one address; keys are relative to it. Any thread may use it."""

    def __init__(self, scheme: str, bucket: str, prefix: str) -> None:
        self.scheme = scheme
        self.bucket = bucket
        self.url = f"{scheme}://{bucket}/{prefix}".rstrip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._api = _import_obstore()
        # Until one request is answered it is the address, the credentials or the network that is wrong: say so in seconds.
        self._hasty = self._connect(retries=3)
        self._patient = self._connect(retries=10)
        self._answered = False
        self.ranges = True  # whether the server sends parts of objects

    def _connect(self, retries: int) -> Any:
        stores = self._api.store
        options: dict[str, Any] = {
            "client_options": {
                "connect_timeout": timedelta(seconds=10),
                "read_timeout": _SILENCE,
                "timeout": timedelta(minutes=10),  # of the whole answer
                "allow_http": endpoint(self.scheme).startswith("http://"),
            },
            "retry_config": {"max_retries": retries, "retry_timeout": _PATIENCE},
        }
        kind = {"s3": stores.S3Store, "gs": stores.GCSStore, "az": stores.AzureStore}[self.scheme]
        with self._explained(""):
            return kind(self.bucket, **options)

    def _explained(self, key: str, writing: bool = False) -> Explained:
        return Explained(f"{self.scheme}://{self.bucket}", join_url(self.url, key), writing)

    @property
    def _store(self) -> Any:
        return self._patient if self._answered else self._hasty

    def list(self, prefix: str = "", after: str | None = None) -> Iterator[StoredObject]:
        """Yield the objects below a folder in the order of the store (by the bytes of their keys), a page at a time.

        Raises InputError if they cannot be listed.
        """
        cut = len(self._prefix)
        below = (self._prefix + prefix).rstrip("/") or None
        last = None if after is None else self._prefix + after
        failed = 0
        while True:
            try:
                for page in self._api.list(self._store, below, offset=last, chunk_size=_PAGE):
                    self._answered, failed = True, 0
                    for one in page:
                        last = one["path"]
                        yield StoredObject(one["path"][cut:], one["size"], _tag(one))
                return
            except Exception as error:
                failed += 1
                if failed > (_LISTINGS if self._answered else 1) or not (is_busy(error) or NO_ANSWER in str(error)):
                    with self._explained(prefix):
                        raise
                self._answered = self._answered or is_busy(error)
                time.sleep(0.2 * 2**failed)  # a listing that was cut off goes on behind its last object

    def head(self, key: str) -> StoredObject | None:
        """Return what is known of one object, None where there is none."""
        try:
            found = self._ask(self._api.head, key)
        except FileNotFoundError:
            return None
        return StoredObject(key, found["size"], _tag(found))

    def get(self, key: str) -> bytes:
        """Return the bytes of an object. Raises FileNotFoundError, or InputError where it is not about this object alone."""
        return bytes(self._ask(lambda store, path: self._api.get(store, path).bytes(), key))

    def get_range(self, key: str, start: int, size: int, tag: str = "") -> bytes:
        """Return `size` bytes from `start` on, fewer at the end of the object.

        Errors as `get`; where a `tag` is given, and the object has another one now, OSError.
        """
        if size <= 0:
            return b""
        if self.ranges:
            try:
                part = {"range": (start, start + size)}
                found, data = self._ask(lambda store, path: _read(self._api.get(store, path, options=part)), key)
                if tag and found != tag:
                    raise OSError(errno.EIO, _("the object changed while it was read; run it again"), join_url(self.url, key))
                return bytes(data)
            except NoRanges:
                self.ranges = False
        return self.get(key)[start : start + size]

    def put(self, key: str, data: bytes | IO[bytes]) -> None:
        """Write an object: the whole of it appears at once, or nothing; a file from its beginning on. Raises OutputError."""

        def act(store: Any, path: str) -> None:
            if not isinstance(data, bytes):
                data.seek(0)
            self._api.put(store, path, data, use_multipart=_length(data) > _SINGLE_PUT)

        self._ask(act, key, writing=True)

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no mistake. Raises OutputError."""
        with suppress(FileNotFoundError):
            self._ask(self._api.delete, key, writing=True)

    def _ask(self, act: Callable[[Any, str], Any], key: str, writing: bool = False) -> Any:
        with self._explained(key, writing):
            try:
                result = act(self._store, self._prefix + key)
            except Exception as error:
                if self._answered or not is_busy(error):
                    raise
                self._answered = True  # it is there, and busy: from now on with patience
                result = act(self._store, self._prefix + key)
        self._answered = True
        return result


def fetch_ahead(
    wanted: Iterable[T],
    read: Callable[[T], bytes],
    size: Callable[[T], int] = lambda _: -1,
    at_once: int = _AT_ONCE,
    ahead: int = _AHEAD,
) -> Generator[tuple[T, bytes | OSError], None, None]:
    """Yield each of `wanted` with its bytes, in their order; `at_once` are read at the same time, ahead of what is taken.

    `size` says how large one is (-1: unknown): at most `ahead` bytes, and one object, are held. An OSError of `read`, which is
    about one alone, takes the place of the bytes; what is about all, such as wrong credentials, is raised.
    """
    waiting: deque[tuple[T, int, Future[bytes | OSError]]] = deque()
    held = 0
    pool = ThreadPoolExecutor(at_once, "penult-fetch")
    try:
        for one in wanted:
            weight = size(one)
            weight = _UNKNOWN_SIZE if weight < 0 else weight
            while waiting and (len(waiting) >= 2 * at_once or held + weight > ahead):
                first, its, future = waiting.popleft()
                yield first, future.result()
                held -= its
            waiting.append((one, weight, pool.submit(_bytes_or_error, read, one)))
            held += weight
        while waiting:
            first, _, future = waiting.popleft()
            yield first, future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _bytes_or_error(read: Callable[[T], bytes], one: T) -> bytes | OSError:
    try:
        return read(one)
    except PenultError:
        raise
    except OSError as error:
        return error


def _length(data: bytes | IO[bytes]) -> int:
    return len(data) if isinstance(data, bytes) else os.fstat(data.fileno()).st_size


def _import_obstore() -> Any:
    try:
        import obstore
        import obstore.store
    except ImportError as error:
        raise MissingExtra(_("object stores need obstore, which is not installed: pip install 'penult[cloud]'")) from error
    return obstore


def _read(answer: Any) -> tuple[str, bytes]:
    """Return the tag and the bytes of an answer."""
    return _tag(answer.meta), bytes(answer.bytes())


def _tag(found: Any) -> str:
    """Return the entity tag without quotation marks (listings and single answers write it differently), else the time."""
    return str(found["e_tag"] or found["last_modified"]).removeprefix("W/").strip('"')

"""Object stores (`s3://`, `gs://`, `az://`) by obstore, its only user.

In: an address such as `s3://bucket/photos`, and the environment variables that the stores' own tools read (AWS_ACCESS_KEY_ID,
AWS_ENDPOINT_URL, GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_ACCOUNT_NAME, ...). Out: listings and bytes.

What fails in passing (5xx, throttling, lost connections, timeouts) is tried again with growing pauses. What is left says
something of one object (`OSError`: it is gone) or of all of them (`InputError`, `OutputError`: credentials, bucket, network).
"""

from __future__ import annotations

import errno
import os
import re
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import IO, Any, NoReturn, TypeVar

from penult.errors import InputError, MissingExtra, OutputError, PenultError
from penult.texts import printable

T = TypeVar("T")

_URL = re.compile(r"(s3|gs|az)://([^/]+)(?:/(.*))?$", re.DOTALL)
_PAGE = 1_000  # objects of a listing at a time, as many as the stores send
_AT_ONCE = 32  # requests
_AHEAD = 64 << 20  # bytes that are fetched and not yet taken
_UNKNOWN_SIZE = 1 << 20  # what an object counts whose size is not known
_SINGLE_PUT = 256 << 20  # bytes; above, in parts
_STATUS, _CODE = re.compile(r"status code: (\d{3})"), re.compile(r"<Code>(\w+)</Code>")
_NO_STORE = ("NoSuchBucket", "ContainerNotFound", "InvalidBucketName", "The specified bucket does not exist")
# What is asked for credentials where none are given.
_NO_CREDENTIALS = ("169.254.169.254", "metadata.google.internal", "169.254.170.2", "Account must be specified")
_FULL = ("QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "status code: 507")
_CREDENTIALS = {
    "s3": 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (`eval "$(aws configure export-credentials --format env)"`), '
    "or AWS_SKIP_SIGNATURE=true for a public bucket",
    "gs": "set GOOGLE_APPLICATION_CREDENTIALS to a key file (`gcloud auth application-default login` makes one), "
    "or GOOGLE_SKIP_SIGNATURE=true for a public bucket",
    "az": "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY (or AZURE_STORAGE_SAS_KEY)",
}


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object of a listing: its key below the address of the store, its size in bytes, and a tag that changes with it."""

    key: str
    size: int
    tag: str


def is_url(text: str) -> bool:
    """Tell whether a text is the address of something in an object store."""
    return text.startswith(("s3://", "gs://", "az://"))


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
            f"'{printable(url)}' is no address of an object store; write s3://BUCKET/PATH, gs://BUCKET/PATH or az://CONTAINER/PATH"
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
                "read_timeout": timedelta(seconds=30),  # of silence
                "timeout": timedelta(minutes=10),  # of the whole answer
                "allow_http": _endpoint(self.scheme).startswith("http://"),
            },
            "retry_config": {"max_retries": retries, "retry_timeout": timedelta(minutes=3)},
        }
        kind = {"s3": stores.S3Store, "gs": stores.GCSStore, "az": stores.AzureStore}[self.scheme]
        with _Explained(self, ""):
            return kind(self.bucket, **options)

    @property
    def _store(self) -> Any:
        return self._patient if self._answered else self._hasty

    def list(self, prefix: str = "", after: str | None = None) -> Iterator[StoredObject]:
        """Yield the objects below a folder in the order of the store (by the bytes of their keys), a page at a time.

        Raises InputError if they cannot be listed.
        """
        cut = len(self._prefix)
        below = (self._prefix + prefix).rstrip("/") or None
        with _Explained(self, prefix):
            offset = None if after is None else self._prefix + after
            for page in self._api.list(self._store, below, offset=offset, chunk_size=_PAGE):
                self._answered = True
                for one in page:
                    yield StoredObject(one["path"][cut:], one["size"], _tag(one))

    def head(self, key: str) -> StoredObject | None:
        """Return what is known of one object, None where there is none."""
        try:
            found = self._call(self._api.head, key)
        except FileNotFoundError:
            return None
        return StoredObject(key, found["size"], _tag(found))

    def get(self, key: str) -> bytes:
        """Return the bytes of an object. Raises FileNotFoundError, or InputError where it is not about this object alone."""
        return bytes(self._call(lambda store, path: self._api.get(store, path).bytes(), key))

    def get_range(self, key: str, start: int, size: int) -> bytes:
        """Return `size` bytes from `start` on, fewer at the end of the object. Errors as `get`."""
        if size <= 0:
            return b""
        if self.ranges:
            try:
                return bytes(self._call(lambda store, path: self._api.get_range(store, path, start=start, length=size), key))
            except _NoRanges:
                self.ranges = False
        return self.get(key)[start : start + size]

    def put(self, key: str, data: bytes | IO[bytes]) -> None:
        """Write an object: the whole of it appears at once, or nothing; a file from where it stands. Raises OutputError."""
        with _Explained(self, key, writing=True):
            self._api.put(self._store, self._prefix + key, data, use_multipart=_length(data) > _SINGLE_PUT)
            self._answered = True

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no mistake. Raises OutputError."""
        try:
            with _Explained(self, key, writing=True):
                self._api.delete(self._store, self._prefix + key)
        except FileNotFoundError:
            return

    def _call(self, act: Callable[[Any, str], Any], key: str) -> Any:
        with _Explained(self, key):
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


class _NoRanges(OSError):
    """The server does not send parts of an object."""


class _Explained:
    """Turns what obstore raises into what the user can act on."""

    def __init__(self, store: ObjectStore, key: str, writing: bool = False) -> None:
        self._store = store
        self._key = key
        self._writing = writing

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, PenultError):
            self._raise(error)

    def _raise(self, error: Exception) -> NoReturn:
        store, text = self._store, str(error)
        status, code = (found.group(1) if (found := pattern.search(text)) else "" for pattern in (_STATUS, _CODE))
        address = join_url(store.url, self._key)
        if "NotPartial" in text:
            raise _NoRanges(errno.ENOTSUP, "the server sends no parts of objects", address) from error
        if code == "InvalidObjectState":
            raise OSError(errno.EACCES, "it is archived, and has to be restored first", address) from error
        if isinstance(error, FileNotFoundError) and not self._writing and not any(sign in text for sign in _NO_STORE):
            raise FileNotFoundError(errno.ENOENT, "there is no such object", address) from error
        why, cure = _reason(text, status, f" ({code or status})" if code or status else "", store)
        act, refused = ("written", OutputError) if self._writing else ("read", InputError)
        raise refused(f"'{printable(address)}' cannot be {act}: {why}; {cure}") from error


def _reason(text: str, status: str, said: str, store: ObjectStore) -> tuple[str, str]:
    """Return what is wrong with all requests like this one, and what to do."""
    scheme, server = store.scheme, _endpoint(store.scheme)
    if any(sign in text for sign in _NO_STORE):
        also = f", and whether '{printable(server)}' is its server" if server else ""
        return f"there is no bucket '{scheme}://{printable(store.bucket)}'", f"check its name{also}"
    if any(sign in text for sign in _NO_CREDENTIALS):
        return "no credentials were found", _CREDENTIALS[scheme]
    if any(sign in text for sign in _FULL):
        return f"the store is full{said}", "make room, and run it again"
    if status in ("401", "403"):
        return f"the store refuses these credentials{said}", _CREDENTIALS[scheme]
    if scheme == "s3" and "redirect" in text.lower():
        return "the bucket is in another region", "set AWS_REGION to its region"
    if status:
        return f"the store answers with an error{said}, also after several tries", "run it again later"
    if "HTTP error" in text:
        where = f"'{printable(server)}'" if server else "the store"
        return f"no answer from {where}", "check the network and the address, and run it again"
    return text.split("\n", 1)[0][:200], "check the address and the environment variables of the store"


def _length(data: bytes | IO[bytes]) -> int:
    return len(data) if isinstance(data, bytes) else os.fstat(data.fileno()).st_size


def _import_obstore() -> Any:
    try:
        import obstore
        import obstore.store
    except ImportError as error:
        raise MissingExtra("object stores need obstore, which is not installed: pip install 'penult[cloud]'") from error
    return obstore


def _endpoint(scheme: str) -> str:
    """Return the address of a server that is not the provider's own, where the environment names one."""
    names = {
        "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
        "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
        "gs": ("GOOGLE_BASE_URL",),
    }[scheme]
    return next((os.environ[name] for name in names if os.environ.get(name)), "")


def _tag(found: Any) -> str:
    """Return the entity tag without quotation marks (listings and single answers write it differently), else the time."""
    return str(found["e_tag"] or found["last_modified"]).removeprefix("W/").strip('"')

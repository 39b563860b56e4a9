"""Where shards go: a folder, or an address in an object store; both look the same from above.

In: names below it (`shards/NAME.parquet`) and bytes. Out: files that are whole under their name, or not there. It must not
know what stands in them.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Protocol

from penult import objects, store, untrusted
from penult.errors import InputError, OutputError
from penult.i18n import N_, _
from penult.sources.remote_file import open_binary
from penult.store.paths import output_error
from penult.texts import printable

PLAN = "plan.parquet"
MODEL = "model.penult"  # beside the shards where these are a model's answers
_BLOCK = 1 << 22  # bytes that are read at a time
_SMALL = 1024  # bytes that a file of `read_many` has, or so
_CURE = N_("choose another place with --out, or run the same command again once it can be written: what is done is kept")


class Output(Protocol):
    """A place for shards; names have `/` between their parts."""

    address: str

    def exists(self, name: str) -> bool:
        """Tell whether there is a file of this name."""

    def list(self, folder: str) -> Iterator[str]:
        """Yield the names of the files in a folder, in no order, without the folder; what is being written is left out."""

    def write(self, name: str, data: bytes) -> None:
        """Write a file, whole or not at all, over one that is there. Raises `OutputError`."""

    def read(self, name: str) -> bytes:
        """Return the bytes of a file. Raises `FileNotFoundError`, or another `OSError` or `InputError`."""

    def read_many(self, names: Iterable[str]) -> Iterator[tuple[str, bytes | OSError]]:
        """Yield names with the bytes of their files, in order; small files, several at the same time where that is faster."""

    def delete(self, name: str) -> None:
        """Remove a file, or a folder without files, if it is there. Raises `OutputError`."""


class FolderOutput:
    """A folder; it is made when the first file is written."""

    def __init__(self, address: str | Path) -> None:
        self.address = str(address)
        self._folder = Path(address)

    def exists(self, name: str) -> bool:
        """Tell whether there is a file of this name."""
        return store.is_file(self._folder / name)

    def list(self, folder: str) -> Iterator[str]:
        """Yield the names of the files in a folder, see `Output`."""
        try:
            with os.scandir(self._folder / folder) as entries:
                yield from (entry.name for entry in entries if not store.is_temporary(entry.name))
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise output_error(error, self._folder / folder, _CURE, "look into") from error

    def write(self, name: str, data: bytes) -> None:
        """Write a file, whole or not at all."""
        with store.atomic_write(self._folder / name, cure=_CURE) as file:
            file.write(data)

    def read(self, name: str) -> bytes:
        """Return the bytes of a file."""
        return untrusted.read_bytes(self._folder / name)

    def read_many(self, names: Iterable[str]) -> Iterator[tuple[str, bytes | OSError]]:
        """Yield names with the bytes of their files, in order."""
        for name in names:
            try:
                yield name, self.read(name)
            except OSError as error:
                yield name, error

    def delete(self, name: str) -> None:
        """Remove a file, or a folder without files, if it is there."""
        path = self._folder / name
        if not store.is_folder(path):
            store.drop(path, _CURE)
            return
        with suppress(OSError):  # somebody else writes to it, or has removed it
            path.rmdir()


class ObjectOutput:
    """What lies below an address of an object store."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self._store = objects.open_store(self.address)

    def exists(self, name: str) -> bool:
        """Tell whether there is a file of this name."""
        return self._store.head(name) is not None

    def list(self, folder: str) -> Iterator[str]:
        """Yield the names of the files in a folder, see `Output`."""
        cut = len(folder) + 1
        return (one.key[cut:] for one in self._store.list(folder))

    def write(self, name: str, data: bytes) -> None:
        """Write a file, whole or not at all."""
        self._store.put(name, data)

    def read(self, name: str) -> bytes:
        """Return the bytes of a file."""
        return self._store.get(name)

    def read_many(self, names: Iterable[str]) -> Iterator[tuple[str, bytes | OSError]]:
        """Yield names with the bytes of their files, in order."""
        return objects.fetch_ahead(names, self._store.get, lambda _: _SMALL)

    def delete(self, name: str) -> None:
        """Remove a file, if it is there."""
        self._store.delete(name)


def open_output(address: str | Path) -> Output:
    """Return the place of an address or path; nothing is made or asked yet. Raises `InputError`."""
    text = str(address)
    if objects.is_url(text):
        return ObjectOutput(text)
    if "://" in text:
        raise InputError(
            _("{text} is no place for shards; give a folder, or an address such as s3://BUCKET/PATH.", text=printable(text))
        )
    return FolderOutput(text)


def check_place(address: str, source: str, option: str = "--out") -> None:
    """Raise `InputError` for a place that is called like a file, or is in the source, `OutputError` for a file in the way."""
    remote = objects.is_url(address)
    if not remote and "://" in address:
        open_output(address)
    name = address.rstrip("/").partition("://")[2].partition("/")[2] if remote else address
    end = Path(name).suffix
    if end and (remote or not store.is_folder(Path(address))):
        base = address.rstrip("/").removesuffix(end)
        raise InputError(
            _(
                "{option} {address} has the ending of a file of another kind; features go into one file, {name}.h5, "
                "or as shards into a folder or address without ending, {base}.",
                option=option,
                address=printable(address),
                name=printable(Path(base).name),
                base=printable(base),
            )
        )
    if _is_in(address, source):
        raise InputError(
            _(
                "{option} {address} is in {source}, where the images are; choose a folder or address outside of it.",
                option=option,
                address=printable(address),
                source=printable(source),
            )
        )
    if not remote and store.is_file(Path(address)):
        raise OutputError(
            _(
                "{address} is a file, not a folder; name a folder for the shards with {option}.",
                address=printable(address),
                option=option,
            )
        )


def _is_in(address: str, source: str) -> bool:
    """Tell whether a place is a source, or lies below it."""
    if objects.is_url(address) or objects.is_url(source):
        return f"{address.rstrip('/')}/".startswith(f"{source.rstrip('/')}/")
    return Path(address).resolve().is_relative_to(Path(source).resolve())


@contextmanager
def whole_file(address: str) -> Iterator[IO[bytes]]:
    """Yield a file that stands at a path or an address as a whole, once the block has ended well."""
    if not objects.is_url(address):
        with store.atomic_write(address, cure=_CURE) as file:
            yield file
        return
    above, _, name = address.rpartition("/")
    with tempfile.TemporaryFile(prefix="penult-") as file:
        yield file
        objects.open_store(above).put(name, file)


def sha256_at(address: str) -> str:
    """Return the sha256 of the file at a path or an address, which may be larger than memory. Raises `OSError`."""
    if not objects.is_url(address):
        return untrusted.sha256(address)
    made = hashlib.sha256()
    with open_binary(address) as file:
        while block := file.read(_BLOCK):
            made.update(block)
    return made.hexdigest()


def name_below(address: str, name: str) -> str:
    """Return the path or address of a file in a place."""
    return objects.join_url(address, name) if objects.is_url(address) else str(Path(address, name))

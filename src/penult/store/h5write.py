"""Write feature files: HDF5 with `train`, `test`, `label` and names, complete or absent, with their sha256.

In: arrays or blocks of rows, names, facts. Out: HDF5 files. A process of its own writes them: a full disk inside HDF5 ends the
interpreter. Rows are streamed to it, about a megabyte at a time, so memory stays bounded.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import queue
import re
import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from errno import ENOSPC
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from penult.arrays import Array
from penult.errors import InputError, OutputError
from penult.i18n import _
from penult.store.atomic import AtomicFile
from penult.store.paths import ELSEWHERE, output_error
from penult.texts import printable
from penult.worker import Crashed, Worker

FORMAT = 1
_BLOCK = 1 << 20  # bytes that are in memory at once; also HDF5's own chunk cache, so a chunk is at most that
_MOST_FACTS = 60_000  # bytes; HDF5 1.8 keeps an attribute in a header of 64 KB


@dataclass(frozen=True, slots=True)
class RowBlocks:
    """A matrix (n, d) float32 that is not in memory: its shape, and the blocks of rows that make it up."""

    shape: tuple[int, int]
    blocks: Iterable[npt.NDArray[np.floating]]


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file that stands under its final name."""

    path: Path
    sha256: str
    size: int


class H5Writer:
    """Feature files written in a process of their own while the caller goes on; see `write` and `finish`.

    As a `with` block: finished at its end, cancelled by an exception. One process writes all files.
    """

    def __init__(self, *, cure: str = ELSEWHERE) -> None:
        self._cure = cure
        self._worker = Worker(f"{__name__}:write_files")
        self._asked: queue.SimpleQueue[tuple[_Content, AtomicFile] | None] = queue.SimpleQueue()
        self._drafts: list[AtomicFile] = []
        self._written: list[WrittenFile] = []
        self._error: BaseException | None = None
        # A daemon: a caller that dies in between leaves no file half-written and is not kept alive for it.
        self._thread = threading.Thread(target=self._run, name="penult-h5", daemon=True)
        self._thread.start()
        atexit.register(self.cancel)

    def write(
        self,
        path: Path | str,
        *,
        train: Array | RowBlocks,  # (n, d)
        test: Array | RowBlocks | None = None,  # (m, d)
        label: Array | None = None,  # (n,)
        train_files: Sequence[str] | None = None,
        test_files: Sequence[str] | None = None,
        classes: Sequence[str] | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        """Take one file to write and return at once; the arrays must stay unchanged until `finish`.

        What is None or has no names is left out. `facts` are plain JSON values, the recipe among them.
        Raises `OutputError` where the folder cannot be written.
        """
        arrays = {"train": train, "test": test, "label": label}
        names = {"train_files": train_files, "test_files": test_files, "classes": classes}
        content = _Content(Path(path), arrays, names, facts or {})
        draft = AtomicFile(path, self._cure)
        self._drafts.append(draft)
        self._asked.put((content, draft))

    def finish(self) -> list[WrittenFile]:
        """Wait until every file stands, and return them in order.

        Raises what stopped the first that does not: `OutputError` (disk full, no permission; an old file
        stays), `InputError` (features that are not finite). It and those after it leave nothing behind.
        """
        self._asked.put(None)
        self._end()
        if self._error is not None:
            raise self._error
        return self._written

    def cancel(self) -> None:
        """Stop; files that are not finished leave nothing behind."""
        self._worker.kill()
        self._asked.put(None)
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self.finish()
        else:
            self.cancel()

    def _end(self) -> None:
        self._thread.join()
        atexit.unregister(self.cancel)
        for draft in self._drafts:
            draft.discard()
        self._drafts.clear()

    def _run(self) -> None:
        """Write what is asked for, file after file, until there is no more or one fails."""
        try:
            with self._worker:
                while (asked := self._asked.get()) is not None:
                    content, draft = asked
                    sha256, size = self._one(content, draft)
                    draft.commit()
                    self._drafts.remove(draft)
                    self._written.append(WrittenFile(content.path, sha256, size))
        except BaseException as error:  # the caller gets it from `finish`
            self._error = error

    def _one(self, content: _Content, draft: AtomicFile) -> tuple[str, int]:
        """Send one file; return its sha256 and size."""
        self._worker.send(content.header(draft, self._cure))
        for data in content.rows():
            if not self._worker.is_alive():  # it gave up; its answer says why
                break
            self._worker.send(data)
        try:
            answer: tuple[str, int] = self._worker.answer()
        except Crashed as error:
            with suppress(OSError):
                if shutil.disk_usage(draft.path.parent).free < content.size:
                    raise output_error(OSError(ENOSPC, "no space"), draft.path, self._cure) from error
            raise _unwritten(
                draft.path, _("the process that writes it ended with {error}", error=error), self._cure
            ) from error
        return answer


def write_h5(path: Path | str, *, cure: str = ELSEWHERE, **content: Any) -> WrittenFile:
    """Write one file, complete or not at all; `content` is what `H5Writer.write` takes."""
    with H5Writer(cure=cure) as writer:
        writer.write(path, **content)
        return writer.finish()[0]


class _Content:
    """What one file will hold: float arrays as float32, integers as int64, names as their very bytes."""

    def __init__(
        self,
        path: Path,
        arrays: Mapping[str, Array | RowBlocks | None],
        names: Mapping[str, Sequence[str] | None],
        facts: Mapping[str, Any],
    ) -> None:
        self.path, self.facts = path, dict(facts)
        self.sources: dict[str, Array | RowBlocks] = {k: v for k, v in arrays.items() if v is not None}
        # Names are the bytes that the file system has, whatever they mean; all of one width.
        texts = {k: [name.encode("utf-8", "surrogateescape") for name in v] for k, v in names.items() if v}
        self.sources |= {k: np.array(v) for k, v in texts.items()}
        self.kinds = {name: _kind(name, source) for name, source in self.sources.items()}
        self.size = sum(self.kinds[name].itemsize * int(np.prod(source.shape)) for name, source in self.sources.items())
        if len(json.dumps(self.facts, allow_nan=False)) > _MOST_FACTS:
            raise ValueError(f"the facts of {path} are larger than {_MOST_FACTS} bytes of JSON")

    def header(self, draft: AtomicFile, cure: str) -> dict[str, Any]:
        """Return what the writing process must know before the rows come."""
        arrays = {name: (self.kinds[name].str, tuple(source.shape)) for name, source in self.sources.items()}
        return {
            "temporary": draft.temporary.absolute(),
            "path": draft.path,
            "cure": cure,
            "arrays": arrays,
            "facts": self.facts,
        }

    def rows(self) -> Iterator[bytes]:
        """Yield the bytes of all arrays in the header's order.

        Raises `InputError` for features that are not finite, `ValueError` for blocks that do not fit.
        """
        for name, source in self.sources.items():
            count = 0
            for block in source.blocks if isinstance(source, RowBlocks) else _blocks(source):
                data = np.ascontiguousarray(block, self.kinds[name])
                if data.shape[1:] != tuple(source.shape[1:]):
                    raise ValueError(f"a block of {name} is {data.shape}, not rows of {source.shape[1:]}")
                if data.dtype.kind == "f" and not np.isfinite(data).all():
                    raise InputError(
                        _(
                            "{name} of {path} has NaN or infinite values and was not written; correct its source.",
                            name=name,
                            path=printable(self.path),
                        )
                    )
                count += len(data)
                yield data.tobytes()
            if count != source.shape[0]:
                raise ValueError(f"{name} should have {source.shape[0]} rows, its blocks have {count}")


def _blocks(array: Array) -> Iterator[Array]:
    step = max(1, _BLOCK * len(array) // max(array.nbytes, 1))
    for start in range(0, len(array), step):
        yield array[start : start + step]


def _kind(name: str, source: Array | RowBlocks) -> np.dtype[Any]:
    if isinstance(source, RowBlocks) or source.dtype.kind == "f":
        return np.dtype("<f4")
    if source.dtype.kind in "iub":
        return np.dtype("<i8")
    if source.dtype.kind == "S":
        return np.dtype(f"S{max(source.dtype.itemsize, 1)}")
    raise ValueError(f"{name} must be an array of numbers, not of {source.dtype}")


def _unwritten(path: Path, why: str, cure: str) -> OutputError:
    return OutputError(
        _("could not write {path}: {why}; {cure}. Nothing half-written was left.", path=printable(path), why=why, cure=_(cure))
    )


# --- the writing process ---


def write_files(sent: Iterator[Any]) -> Iterator[tuple[str, int]]:
    """Write file after file: a header, then the bytes of its arrays; yield the sha256 and size of each.

    What was begun is removed when something fails, or when the other process is gone. Nothing is renamed here.
    """
    for header in sent:
        path: Path = header["temporary"]
        try:
            _verify(path, _write(path, header, sent))
            with path.open("rb") as file:
                answer = hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
        except BaseException as error:
            path.unlink(missing_ok=True)
            if not isinstance(error, Exception):
                raise
            number = _number(error)
            if not number:
                raise _unwritten(header["path"], f"{type(error).__name__}: {error}", header["cure"]) from error
            raise output_error(OSError(number, str(error)), header["path"], header["cure"]) from error
        yield answer


def _write(path: Path, header: Mapping[str, Any], sent: Iterator[bytes]) -> dict[str, str]:
    """Write one file and return the sha256 of each array."""
    import h5py

    digests, buffer = {}, bytearray()
    # The oldest layout: HDF5 1.8 reads it. Without time stamps equal rows give equal bytes.
    with h5py.File(os.fsencode(path), "w", libver=("earliest", "v108"), locking=False) as file:
        for name, (dtype, shape) in header["arrays"].items():
            kind = np.dtype(dtype)
            row = kind.itemsize * int(np.prod(shape[1:], dtype=np.int64))
            step = max(1, _BLOCK // max(row, 1))
            chunks = {"chunks": (min(step, shape[0]), *shape[1:]), "fletcher32": True} if 0 not in shape else {}
            stored = h5py.string_dtype("utf-8", kind.itemsize) if kind.kind == "S" else kind
            dataset = file.create_dataset(name, shape, stored, track_times=False, **chunks)
            content = begin(kind.str, shape)
            for start in range(0, shape[0] if row else 0, step):
                stop = min(start + step, shape[0])
                data = _exactly(row * (stop - start), buffer, sent)
                content.update(data)
                dataset[start:stop] = np.frombuffer(data, stored).reshape(stop - start, *shape[1:])
            digests[name] = content.hexdigest()
        text = json.dumps({"format": FORMAT, "sha256": digests, "facts": header["facts"]}, sort_keys=True)
        file.attrs["penult"] = np.bytes_(text.encode("ascii"))
        file.attrs["penult_sha256"] = np.bytes_(hashlib.sha256(text.encode("ascii")).hexdigest())
    return digests


def _exactly(size: int, buffer: bytearray, sent: Iterator[bytes]) -> bytes:
    """Return so many bytes of those that are sent, whatever the blocks they come in; `buffer` keeps the rest."""
    while len(buffer) < size:
        data = next(sent, None)
        if data is None:
            raise EOFError("the parent process has gone")
        buffer += data
    found = bytes(buffer[:size])
    del buffer[:size]
    return found


def begin(kind: str, shape: tuple[int, ...]) -> Any:
    """Return the sha256 to add an array's bytes to: the same bytes of another type are another array."""
    return hashlib.sha256(f"{kind} {list(shape)} ".encode())


def _verify(path: Path, digests: Mapping[str, str]) -> None:
    """Read every array back through HDF5's checksums and compare it with what was sent."""
    import h5py

    with h5py.File(os.fsencode(path), "r", locking=False) as file:
        for name, expected in digests.items():
            dataset = file[name]
            content = begin(dataset.dtype.str, dataset.shape)
            step = dataset.chunks[0] if dataset.chunks else 1
            for start in range(0, dataset.shape[0] if dataset.size else 0, step):
                content.update(dataset[start : start + step].tobytes())
            if content.hexdigest() != expected:
                raise OSError(f"{name} reads back different from what was written")


def _number(error: Exception) -> int:
    """Return the system's error number; HDF5 has it only in its text."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    found = re.search(r"errno = (\d+)", str(error))
    return int(found[1]) if found else 0

"""Write feature files that the seed's second script reads as they are: `train`, `test`, `label` and names.

In: arrays or blocks of rows, names, facts. Out: HDF5 files, whole or absent, with their sha256.
It must not load h5py: the writing is done by `h5child`, and rows are streamed to it, so memory stays bounded.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from penult.errors import InputError, OutputError
from penult.store.files import Draft
from penult.store.refusals import ELSEWHERE, refused, shown

_BLOCK = 1 << 20
_MOST_FACTS = 60_000  # bytes; HDF5 1.8 keeps an attribute in a header of 64 KB
Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class RowBlocks:
    """A matrix (n, d) float32 that is not in memory: its shape, and the blocks of rows that make it up."""

    shape: tuple[int, int]
    blocks: Iterable[npt.NDArray[np.floating]]


@dataclass(frozen=True)
class H5File:
    """One file to write: float arrays become float32, integers int64; names keep bytes that are no UTF-8."""

    path: Path
    arrays: Mapping[str, Array | RowBlocks]  # train (n, d), test (m, d), label (n,)
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)  # train_files, test_files, classes
    facts: Mapping[str, Any] = field(default_factory=dict)  # recipe and the like, as plain JSON values


@dataclass(frozen=True, slots=True)
class Written:
    """A file that stands under its final name."""

    path: Path
    sha256: str
    size: int


def write_h5(file: H5File, *, cure: str = ELSEWHERE) -> Written:
    """Write one file, whole or not at all.

    Raises `OutputError` (disk full, no permission; an old file stays) and `InputError` (rows not finite).
    """
    return start_h5([file], cure=cure).finish()[0]


def start_h5(files: Sequence[H5File], *, cure: str = ELSEWHERE) -> H5Job:
    """Start to write several files in a process of their own and return at once; see `H5Job.finish`.

    Raises `OutputError` where a folder can not be written. The arrays must stay unchanged until `finish`.
    """
    return H5Job(files, cure)


class H5Job:
    """Files that are being written. As a `with` block: finished at its end, cancelled by an exception."""

    def __init__(self, files: Sequence[H5File], cure: str) -> None:
        self._plans = [_Plan(file) for file in files]
        self._written: list[Written] = []
        self._error: BaseException | None = None
        self._drafts: list[Draft] = []
        try:
            for file in files:
                self._drafts.append(Draft(file.path, cure))
            self._child = _start_child()
        except BaseException:
            self._discard()
            raise
        self._thread = threading.Thread(target=self._run, name="penult-h5")
        self._thread.start()

    def finish(self) -> list[Written]:
        """Wait until every file stands, and return them in order; raise what stopped the first that fails."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._written

    def cancel(self) -> None:
        """Stop; files that are not finished leave nothing behind."""
        self._child.kill()
        self._thread.join()

    def __enter__(self) -> H5Job:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.finish()
        else:
            self.cancel()

    def _run(self) -> None:
        try:
            for plan, draft in zip(self._plans, list(self._drafts), strict=True):
                answer = self._one(plan, draft)
                draft.commit()
                self._drafts.remove(draft)
                self._written.append(Written(Path(plan.file.path), answer["sha256"], answer["size"]))
            with suppress(OSError):
                self._stdin.write(bytes(8))
                self._stdin.close()
        except BaseException as error:  # the caller gets it from `finish`
            self._error = error
            self._child.kill()
        finally:
            with suppress(OSError):
                self._stdin.close()
            self._child.wait()
            if self._child.stdout:
                self._child.stdout.close()
            self._discard()

    @property
    def _stdin(self) -> Any:
        return self._child.stdin

    def _one(self, plan: _Plan, draft: Draft) -> dict[str, Any]:
        """Send one file and return the child's answer."""
        try:
            header = plan.header(draft.temporary)
            self._stdin.write(len(header).to_bytes(8, "little") + header)
            for data in plan.rows():
                self._stdin.write(data)
            self._stdin.flush()
        except BrokenPipeError:  # the child gave up; its answer says why
            pass
        line = self._child.stdout.readline() if self._child.stdout else b""
        answer: dict[str, Any] = json.loads(line) if line else {"error": "", "errno": 0}
        if "error" not in answer:
            return answer
        raise self._failure(plan, draft, answer)

    def _failure(self, plan: _Plan, draft: Draft, answer: dict[str, Any]) -> OutputError:
        if answer["errno"]:
            return refused(OSError(answer["errno"], answer["error"]), draft.path, draft.cure)
        code = self._child.wait()
        if shutil.disk_usage(draft.path.parent).free < plan.size:
            return refused(OSError(28, "No space left on device"), draft.path, draft.cure)
        why = answer["error"] or f"the process that writes it ended with code {code}"
        return OutputError(
            f"could not write {shown(draft.path)}: {why}; {draft.cure}. Nothing half-written was left."
        )

    def _discard(self) -> None:
        while self._drafts:
            self._drafts.pop().discard()


class _Plan:
    """One file as the stream wants it: a header, then bytes."""

    def __init__(self, file: H5File) -> None:
        self.file = file
        self.sources: dict[str, Array | RowBlocks] = {
            **file.arrays,
            **{k: _text(v) for k, v in file.names.items()},
        }
        self.kinds = {name: _kind(name, source) for name, source in self.sources.items()}
        self.size = sum(
            self.kinds[name].itemsize * int(np.prod(source.shape)) for name, source in self.sources.items()
        )
        if len(json.dumps(dict(file.facts))) > _MOST_FACTS:
            raise ValueError(f"the facts of {file.path} are larger than {_MOST_FACTS} bytes of JSON")

    def header(self, path: Path) -> bytes:
        """Return what the child must know before the rows come."""
        arrays = [
            {"name": name, "dtype": self.kinds[name].str, "shape": list(source.shape)}
            for name, source in self.sources.items()
        ]
        return json.dumps(
            {"path": str(path.absolute()), "arrays": arrays, "facts": dict(self.file.facts)},
            allow_nan=False,
        ).encode()

    def rows(self) -> Iterator[bytes]:
        """Yield the bytes of all arrays, about a megabyte at a time."""
        for name, source in self.sources.items():
            count = 0
            for block in source.blocks if isinstance(source, RowBlocks) else _blocks(source):
                data = np.ascontiguousarray(block, self.kinds[name])
                if data.shape[1:] != tuple(source.shape[1:]):
                    raise ValueError(
                        f"a block of {name} is {data.shape}, its rows should be {source.shape[1:]}"
                    )
                if data.dtype.kind == "f" and not np.isfinite(data).all():
                    raise InputError(
                        f"{name} of {shown(self.file.path)} is not finite everywhere; it is not written."
                    )
                count += len(data)
                yield data.tobytes()
            if count != source.shape[0]:
                raise ValueError(f"{name} should have {source.shape[0]} rows, its blocks have {count}")


def _blocks(array: Array) -> Iterator[Array]:
    step = max(1, _BLOCK * len(array) // max(array.nbytes, 1))
    for start in range(0, len(array), step):
        yield array[start : start + step]


def _text(names: Sequence[str]) -> npt.NDArray[np.bytes_]:
    """Return names as bytes of one width: those the file system has, whatever they mean."""
    return np.array([name.encode("utf-8", "surrogateescape") for name in names] or np.empty(0, "S1"))


def _kind(name: str, source: Array | RowBlocks) -> np.dtype[Any]:
    if isinstance(source, RowBlocks) or source.dtype.kind == "f":
        return np.dtype("<f4")
    if source.dtype.kind in "iub":
        return np.dtype("<i8")
    if source.dtype.kind == "S":
        return np.dtype(f"S{max(source.dtype.itemsize, 1)}")
    raise ValueError(f"{name} must be an array of numbers, not of {source.dtype}")


def _start_child() -> subprocess.Popen[bytes]:
    """Start the child with this interpreter and this search path, deaf to the terminal's Ctrl-C."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        "OMP_NUM_THREADS": "1",
    }
    group: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    script = Path(__file__).with_name("h5child.py")
    try:
        return subprocess.Popen(
            [sys.executable, "-P", str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            **group,
        )
    except OSError as error:
        raise OutputError(
            f"could not start a process that writes HDF5 files: {error}; free some memory."
        ) from error

"""Rows of feature files that need not fit into memory: all of them in turn, or some by their number.

In: the files of one set of images. Out: rows (b, d), the files' columns side by side, training rows first, then test rows. A
process of its own reads, as for `read_h5`; HDF5's checksums are compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from penult.errors import DamagedFile, InputError
from penult.store.h5guard import Guarded, opened
from penult.store.h5read import text_of
from penult.store.h5reader import NAMES, content, raw
from penult.store.refusals import shown
from penult.worker import Crashed, Worker

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]
BLOCK = 1 << 24  # bytes of one answer


@dataclass(frozen=True, slots=True)
class Head:
    """What one file says beside its rows; `test` is 0 where it has none."""

    train: int
    test: int
    width: int
    label: npt.NDArray[np.int64] | None  # (n,)
    train_files: tuple[str, ...] | None
    test_files: tuple[str, ...] | None
    classes: tuple[str, ...] | None
    facts: dict[str, Any]
    digest: str  # of all rows; empty for a file of another hand


class RowFiles:
    """Feature files held open for reading, as a `with` block; `heads` has one for each, in the order of the paths.

    Raises `InputError` for files that do not belong together, and what `read_h5` raises.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)
        self._aside = Worker(f"{__name__}:work")
        try:
            self.heads: tuple[Head, ...] = tuple(self._ask(path.absolute()) for path in paths)
            self._agree()
        except BaseException:
            self._aside.__exit__(None, None, None)
            raise

    @property
    def shape(self) -> tuple[int, int]:
        """The number of rows, training and test, and of columns."""
        return self.heads[0].train + self.heads[0].test, sum(head.width for head in self.heads)

    def scan(self, start: int = 0, stop: int | None = None) -> Iterator[Floats]:
        """Yield the rows from `start` to `stop` in blocks (b, d) of some megabytes; read to the end before anything else."""
        n, width = self.shape
        step = max(1, BLOCK // (4 * width))
        edges = [*range(start, n if stop is None else stop, step), n if stop is None else stop]
        self._aside.send(np.array(edges))
        for _ in edges[1:]:
            yield self._answer()

    def take(self, numbers: npt.NDArray[np.intp]) -> Floats:
        """Return the rows (m, d) of these numbers (m,), in their order."""
        order = np.argsort(numbers, kind="stable")
        width = self.shape[1]
        out = np.empty((len(numbers), width), np.float32)  # (m, d)
        step = max(1, BLOCK // (4 * width))
        for start in range(0, len(order), step):
            part = order[start : start + step]
            out[part] = self._ask([int(i) for i in numbers[part]])
        return out

    def _ask(self, thing: Any) -> Any:
        self._aside.send(thing)
        return self._answer()

    def _answer(self) -> Any:
        try:
            return self._aside.answer()
        except Crashed as error:
            names = ", ".join(shown(path) for path in self.paths)
            raise DamagedFile(f"{names}: HDF5 crashed while it read this; train again, or get a fresh copy.") from error

    def _agree(self) -> None:
        first = self.heads[0]
        for path, head in zip(self.paths, self.heads, strict=True):
            same = (head.train, head.test) == (first.train, first.test) and head.train_files == first.train_files
            if not same or head.test_files != first.test_files:
                raise InputError(f"{shown(path)} has other rows than {shown(self.paths[0])}; give files of one set of images.")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._aside.__exit__(kind, error, trace)


def work(sent: Iterator[Any]) -> Iterator[Any]:
    """Be the reading process: a path opens a file, an array of edges asks for blocks, a list for single rows."""
    with ExitStack() as stack:
        files: list[Guarded] = []
        for asked in sent:
            if isinstance(asked, Path):
                files.append(stack.enter_context(opened(asked)))
                yield _head(files[-1])
            elif isinstance(asked, np.ndarray):
                for start, stop in zip(asked[:-1].tolist(), asked[1:].tolist(), strict=True):
                    yield _between(files, start, stop)
            else:
                yield np.hstack([_single(file, asked) for file in files])


def _head(file: Guarded) -> Head:
    told = content(file)
    names = {name: text_of(raw(file, name)) if file.has(name) else None for name in NAMES}
    train = file.data("train", (2,), "f").shape
    test = file.data("test", (2,), "f").shape if file.has("test") else (0, train[1])
    label = file.read("label", (1, 2), "iubf").reshape(-1).astype(np.int64) if file.has("label") else None
    lengths = [("train_files", train[0]), ("test_files", test[0])]
    wrong = [name for name, n in lengths if names[name] is not None and len(names[name] or ()) != n]
    wrong += ["label"] if label is not None and len(label) != train[0] else []
    if wrong or test[1] != train[1] or not train[0]:
        raise InputError(f"{shown(file.path)} does not agree with itself ({', '.join(wrong) or 'train, test'}); train again.")
    facts, sums = ({}, {}) if told is None else (told["facts"], told["sha256"])
    digest = " ".join(str(sums[name]) for name in ("train", "test") if name in sums)
    return Head(train[0], test[0], train[1], label, **names, facts=facts, digest=digest)


def _between(files: Sequence[Guarded], start: int, stop: int) -> Floats:
    return np.hstack([np.concatenate(list(_pieces(file, start, stop))) for file in files])


def _pieces(file: Guarded, start: int, stop: int) -> Iterator[Floats]:
    """Yield the rows from `start` to `stop` of one file: training rows, then test rows."""
    n = file.data("train", (2,), "f").shape[0]
    for name, first, last in (("train", start, min(stop, n)), ("test", max(start - n, 0), stop - n)):
        if first < last:
            yield np.asarray(file.data(name, (2,), "f")[first:last], np.float32)


def _single(file: Guarded, numbers: Sequence[int]) -> Floats:
    """Return rows of ascending numbers, one HDF5 chunk at a time: it is read and checked as a whole in any case."""
    data = file.data("train", (2,), "f")
    chunk = data.chunks[0] if data.chunks else 1
    out: list[Floats] = []
    at = 0
    while at < len(numbers):
        start = numbers[at]
        upto = at
        while upto < len(numbers) and numbers[upto] < (start // chunk + 1) * chunk:
            upto += 1
        rows = np.concatenate(list(_pieces(file, start, numbers[upto - 1] + 1)))
        out.append(rows[np.array(numbers[at:upto]) - start])
        at = upto
    return np.concatenate(out)

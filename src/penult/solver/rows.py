"""Sums over rows that are larger than memory, or lie in several processes: all that a solver must know of them.

A `Partition` reads its rows chunk by chunk and returns tuples of arrays; `PartitionedRows` adds them up, one partition after
the other. Where partitions begin depends on the shape of the rows alone, so it does not matter for any bit who sums which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from penult.arrays import FLOAT16_END, NARROW, Array, block_slices, random_places, unit_blocks
from penult.errors import InputError
from penult.i18n import _
from penult.solver.losses import LogisticLoss, Loss, SoftmaxLoss
from penult.solver.reading import chunk_length, chunk_rows, read_rows

PARTITION_ENTRIES = 1 << 25  # numbers: 134 MB of float32; more where there would be more than
PARTITIONS = 256  # whose sums come together in one place
SMALLEST, LARGEST = 1e-15, 1e15  # lengths whose squares float32 holds
LEARNT = -1  # the part of rows that every problem learns
IGNORED = -2  # and of those that none does
FEW_CLASSES = 64  # in a chunk, whose rows a product adds up faster than sorting does
MARGINS = 6  # numbers a row and column that are in memory beside the row

Sums = tuple[Array, ...]


@dataclass(frozen=True)
class RowScaling:
    """What becomes of a row: its `blocks` get length 1, or it loses `shift` (d,) and is multiplied by `factor` (d,); then it
    loses the `centre` (d,). None leaves a step out.
    """

    blocks: tuple[int, ...] | None = None
    shift: Array | None = None
    factor: Array | None = None
    centre: Array | None = None

    def apply(self, x: Array) -> None:
        """Scale rows x (m, d) where they lie."""
        if self.blocks is not None:
            self._to_length_one(x, self.blocks)
        if self.shift is not None:
            x -= self.shift.astype(x.dtype)
        if self.factor is not None:
            x *= self.factor.astype(x.dtype)
        if self.centre is not None:
            x -= self.centre.astype(x.dtype)

    def _to_length_one(self, x: Array, blocks: tuple[int, ...]) -> None:
        for columns in block_slices(blocks):
            if columns.stop - columns.start < NARROW:
                continue
            part = x[:, columns]
            length = np.sqrt(np.einsum("nd,nd->n", part, part))
            if ((length < SMALLEST) & (length > 0)).any() or not (length < LARGEST).all():
                x[:, columns] = unit_blocks(part, (part.shape[1],))
                continue
            part *= np.divide(1, length, out=np.zeros_like(length), where=length > 0)[:, None]


@dataclass(frozen=True)
class LossTerms:
    """The losses of p problems: C times the class's weight times the log loss, of all rows but those of the part left out."""

    C: Array  # (p,)
    left_out: Array  # (p,) the part, `LEARNT` where none is
    class_weight: Array  # (k,)

    @property
    def columns(self) -> int:
        """Return the margins per row: one of two classes."""
        return 1 if len(self.class_weight) == 2 else len(self.class_weight)

    def select(self, which: Array) -> LossTerms:
        """Return some of the problems."""
        return LossTerms(self.C[which], self.left_out[which], self.class_weight)

    def loss(self, codes: Array, dtype: Any) -> Loss:
        """Return the loss of rows with class numbers (m,)."""
        k = len(self.class_weight)
        return LogisticLoss(codes, dtype) if k == 2 else SoftmaxLoss(codes, k, dtype)

    def weights(self, codes: Array, part: Array, dtype: Any) -> Array:
        """Return the weight of each row in each problem, (p, m)."""
        counts = np.where(part == IGNORED, 0.0, self.class_weight[codes])  # (m,)
        learnt = (part != self.left_out[:, None]) | (self.left_out == LEARNT)[:, None]  # (p, m)
        return np.asarray(learnt * counts * self.C[:, None], dtype)


@dataclass(frozen=True)
class HessianLook:
    """By which rows a Hessian is estimated: each with a chance of `rate` times what it bends the losses, at most 1.

    A row that is drawn counts for those like it, so that the mean is right (Horvitz & Thompson 1952).
    """

    basis: Array  # (q, d) directions
    rate: float

    def add(self, numbers: Array, x: Array, bent: Array, seen: Sums) -> None:
        """Add the rows x (m, d) with these numbers (m,), that bend the losses by `bent` (m,), to Hessian and total."""
        H, total = seen
        total += bent.sum(dtype=float)
        drawn = np.flatnonzero(random_places(numbers, 0) < bent * self.rate)
        rows = np.hstack([x[drawn] @ self.basis.T.astype(x.dtype), np.ones((len(drawn), 1), x.dtype)])
        rows *= np.sqrt(np.maximum(bent[drawn], 1 / self.rate))[:, None].astype(x.dtype)
        H += rows.T @ rows


@dataclass(frozen=True)
class Partition:
    """Some rows of a source, with their class numbers and the part that each is in.

    All methods are functions of these and of their arguments alone. It can be sent to another process if its source can.
    """

    source: Any  # (n, d)
    offset: int  # where its rows begin in the source
    first: int  # the number of its first row among all
    codes: Array  # (m,) its rows' classes
    part: Array  # (m,) the fold that holds a row out, `LEARNT` or `IGNORED`
    scaling: RowScaling
    chunk_entries: int  # numbers that are read at a time
    chunk_length: int  # rows of a chunk of the data set

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return the type of products."""
        return np.dtype(np.float64 if self.source.dtype == np.float64 else np.float32)

    def load(self) -> Partition:
        """Return the same with its rows in memory, as they are in the source; sums are equal to the bit."""
        rows = np.asarray(self.source[self.offset : self.offset + len(self.codes)])
        return replace(self, source=rows, offset=0)

    def chunks(self, columns: int = 1, check: bool = False) -> Iterator[tuple[slice, Array]]:
        """Yield which rows of the partition, and these scaled (m, d); fewer where each of them takes many `columns` more.

        With `check`: raises InputError for numbers that are not finite.
        """
        most = max(1, self.chunk_entries // max(self.source.shape[1], MARGINS * columns))
        parts = chunk_rows(self.first, self.first + len(self.codes), most, self.chunk_length)
        ahead = self.offset - self.first
        places = [slice(at.start + ahead, at.stop + ahead) for at in parts]
        for at, (_other, x) in zip(parts, read_rows(self.source, places, self.dtype), strict=True):
            if check:
                self._check(at, x)
            self.scaling.apply(x)
            yield slice(at.start - self.first, at.stop - self.first), x

    def _check(self, at: slice, x: Array) -> None:
        odd = not np.isfinite(np.vdot(x, x)) and not np.isfinite(x).all()  # a square may overflow where no number is odd
        if odd or (self.source.dtype == np.float16 and np.abs(x).max() >= FLOAT16_END):
            raise InputError(
                _(
                    "Input X contains NaN or infinity in rows {start} to {stop}; leave out the rows that could not be "
                    "computed.",
                    start=at.start,
                    stop=at.stop - 1,
                )
            )

    def spread(self, pivot: Array) -> Sums:
        """Return the number of rows that are learnt by all, and the sums of x - pivot and of its square over them, (d,)."""
        count, total, squares = np.zeros(()), np.zeros(len(pivot)), np.zeros(len(pivot))
        for at, every in self.chunks():
            x = (every - pivot.astype(self.dtype))[self.part[at] == LEARNT]
            count += len(x)
            total += x.sum(axis=0, dtype=float)
            squares += np.einsum("nd,nd->d", x, x, dtype=float)
        return count, total, squares

    def totals(self, k: int) -> Sums:
        """Return the number (k,) and the sum (k, d) of the rows of each class, and the sum of all squares.

        Raises InputError for numbers that are not finite.
        """
        counts, sums, squares = np.zeros(k), np.zeros((k, self.source.shape[1])), np.zeros(())
        for at, x in self.chunks(k, check=True):
            squares += np.einsum("nd,nd->n", x, x).sum(dtype=float)
            _add_by_class(self.codes[at], x, counts, sums)
        return counts, sums, squares

    def moments(self, k: int, basis: Array | None, folds: int = 0) -> Sums:
        """Return counts (f + 1, k), sums (f + 1, k, q) and second moments (f + 1, q, q) on a `basis` (q, d).

        First those of the rows that all problems learn, then those of so many folds.
        """
        q, parts = self.source.shape[1] if basis is None else len(basis), (LEARNT, *range(folds))
        counts, sums, second = np.zeros((len(parts), k)), np.zeros((len(parts), k, q)), np.zeros((len(parts), q, q))
        for at, every in self.chunks(k):
            for i, part in enumerate(parts):
                here = self.part[at] == part
                if not here.any():
                    continue
                x = every if here.all() else every[here]
                placed = x if basis is None else x @ basis.T.astype(x.dtype)
                second[i] += placed.T @ placed
                _add_by_class(self.codes[at][here], placed, counts[i], sums[i])
        return counts, sums, second

    def gram(self, V: Array) -> Sums:
        """Return X^T X v of each row v of V (m, d)."""
        out, columns = np.zeros(V.shape), np.ascontiguousarray(V.T, self.dtype)
        for _other, x in self.chunks(len(V)):
            out += (x @ columns).T @ x
        return (out,)

    def losses(self, W: Array, terms: LossTerms, look: HessianLook | None = None) -> Sums:
        """Return value (p,) and gradient (p, c * (d + 1)) of the losses, without the penalty, at coefficients W like that.

        With a `look`: and their Hessian on its directions and the intercept (q + 1, q + 1), the mean of the problems and
        margins, estimated by a part of the rows; and the sum of what rows bend the losses.
        """
        p, c = len(W), terms.columns
        flat = W.reshape(p * c, -1)
        columns, intercepts = np.ascontiguousarray(flat[:, :-1].T, self.dtype), flat[:, -1:].astype(self.dtype)
        value, G = np.zeros(p), np.zeros(flat.shape)
        seen = () if look is None else (np.zeros((len(look.basis) + 1,) * 2), np.zeros(()))
        for at, x in self.chunks(p * c):
            Z = ((x @ columns).T + intercepts).reshape(p, c, -1)
            loss = terms.loss(self.codes[at], self.dtype)
            weight = terms.weights(self.codes[at], self.part[at], self.dtype)
            value += (weight * loss.value(Z)).sum(axis=1, dtype=float)
            S = loss.gradient(Z)
            R = (S * weight[:, None]).reshape(p * c, -1)
            G[:, :-1] += R @ x
            G[:, -1] += R.sum(axis=1, dtype=float)
            if look is not None:
                bent = (weight * loss.hessian_diagonal(S)).mean(axis=0)
                look.add(self.first + np.arange(at.start, at.stop), x, bent, seen)
        return (value, G.reshape(W.shape), *seen)


def _add_by_class(codes: Array, x: Array, counts: Array, sums: Array) -> None:
    """Add rows x (m, q) and their number to those of their class."""
    if not len(codes):
        return
    found = np.bincount(codes, minlength=len(counts))
    counts += found
    present = np.flatnonzero(found)
    if len(present) <= FEW_CLASSES:
        sums[present] += (codes == present[:, None]).astype(x.dtype) @ x
        return
    order = np.argsort(codes, kind="stable")
    sums[present] += np.add.reduceat(x[order], np.cumsum(found[present]) - found[present], axis=0)


@dataclass
class PartitionedRows:
    """Rows in partitions, in this process; `answers` is all that another place for them must define."""

    partitions: Sequence[Partition]
    passes: int = 0  # over all rows, so far

    def answers(self, method: str, args: tuple[Any, ...]) -> Iterator[Sums]:
        """Yield what a method of each partition returns, in the order of the partitions."""
        for one in self.partitions:
            yield getattr(one, method)(*args)

    def sum(self, method: str, *args: Any) -> Sums:
        """Return the sums over all rows of what a method of the partitions returns."""
        self.passes += 1
        total: Sums | None = None
        for found in self.answers(method, args):
            total = found if total is None else tuple(a + b for a, b in zip(total, found, strict=True))
        if total is None:
            raise InputError(_("there are no rows to learn from; give some."))
        return total


def partition(source: Any, codes: Array, part: Array, scaling: RowScaling, chunk_entries: int) -> list[Partition]:
    """Return the partitions of the rows of a source (n, d) with class numbers and parts (n,)."""
    n, d = source.shape
    length = chunk_length(source)
    return [
        Partition(source, at.start, at.start, codes[at], part[at], scaling, chunk_entries, length)
        for at in chunk_rows(0, n, max(1, PARTITION_ENTRIES // max(d, 1), -(-n // PARTITIONS)), length)
    ]


_placement: ContextVar[Callable[[Sequence[Partition]], PartitionedRows]] = ContextVar("placement", default=PartitionedRows)


def placed_rows(partitions: Sequence[Partition]) -> PartitionedRows:
    """Return partitions where they are summed: in this process, or as `placement` says."""
    return _placement.get()(partitions)


def placed_elsewhere() -> bool:
    """Tell whether rows are summed in other processes, which read them from where they are."""
    return _placement.get() is not PartitionedRows


@contextmanager
def placement(place: Callable[[Sequence[Partition]], PartitionedRows]) -> Iterator[None]:
    """Have `place(partitions)` say where rows are summed that do not fit in memory, while the block lasts."""
    token = _placement.set(place)
    try:
        yield
    finally:
        _placement.reset(token)

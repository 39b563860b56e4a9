"""Design matrices that are only known by their products, as in scipy's `LinearOperator`, for many vectors at once.

A batch of vectors stands in the rows of an array: `matvec` of W (m, r) is W X^T (m, n), `rmatvec` of R (m, n) is R X (m, r).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from penult.arrays import Array, block_slices, row_chunks, unit_blocks

READ_ENTRIES = 1 << 23  # of the rows that are read, or scaled, at a time: 32 MiB of float32
SUM_ENTRIES = 1 << 25  # the same for sums over rows that lie in memory, which are faster in long runs
ROW_MAJOR = 256  # vectors from which products stand in memory row by row, as they come


class DesignMatrix(Protocol):
    """Rows X (n, r) that can be multiplied."""

    @property
    def shape(self) -> tuple[int, int]:
        """Return (n, r)."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return the type of products."""

    def matvec(self, W: Array) -> Array:
        """Return W X^T, (m, n), of vectors W (m, r)."""

    def rmatvec(self, R: Array) -> Array:
        """Return R X, (m, r), of vectors R (m, n)."""

    def take(self, rows: Array, out: Array | None = None) -> DesignMatrix:
        """Return the rows with these numbers (ascending), copied, into `out` (at least as many rows) if it is given."""

    def dense(self, rows: Array) -> Array:
        """Return the rows with these numbers (ascending) as an array (m, r)."""

    def squared_norms(self) -> Array:
        """Return the squared length of each row, (n,)."""


@dataclass(frozen=True)
class DenseMatrix:
    """Rows that lie in memory as they are needed."""

    X: Array  # (n, r)

    @property
    def shape(self) -> tuple[int, int]:
        """Return (n, r)."""
        return self.X.shape[0], self.X.shape[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return the type of the rows."""
        return self.X.dtype

    def matvec(self, W: Array) -> Array:
        """Return W X^T, (m, n)."""
        out = np.empty((len(W), len(self.X)), self.X.dtype)
        columns = _padded_columns(W)
        for at in entry_chunks(self.X):
            out[:, at] = (self.X[at] @ columns)[:, : len(W)].T
        return out

    def rmatvec(self, R: Array) -> Array:
        """Return R X, (m, r)."""
        return np.asarray(R @ self.X)

    def take(self, rows: Array, out: Array | None = None) -> DenseMatrix:
        """Return a copy of some rows."""
        return DenseMatrix(np.take(self.X, rows, axis=0, out=None if out is None else out[: len(rows)], mode="clip"))

    def dense(self, rows: Array) -> Array:
        """Return a copy of some rows."""
        return np.asarray(self.X[rows])

    def squared_norms(self) -> Array:
        """Return the squared length of each row, (n,)."""
        return np.asarray(np.einsum("nr,nr->n", self.X, self.X, dtype=float))


@dataclass(frozen=True)
class ScaledMatrix:
    """Rows column_factors * row_factors * x - offset of a source that is neither copied nor changed.

    The scaling is done on the vectors, so a product costs what it costs unscaled. `source` needs a shape and slices of rows:
    an array, a memory map, a data set on disk. `exact`: scale each chunk before it is multiplied, for offsets so large, or
    lengths so odd, that rounding would tell.
    """

    source: Any  # (n, d)
    dtype: np.dtype[Any]
    column_factors: Array | None  # (d,)
    row_factors: Array | None  # (n, b) one over the length of each row's blocks
    blocks: tuple[int, ...]
    offset: Array  # (d,) of the scaled rows
    exact: bool

    @property
    def shape(self) -> tuple[int, int]:
        """Return (n, d)."""
        return int(self.source.shape[0]), int(self.source.shape[1])

    def matvec(self, W: Array) -> Array:
        """Return W X^T, (m, n)."""
        m, n = len(W), self.shape[0]
        out = np.empty((m, n), self.dtype) if m < ROW_MAJOR else np.empty((n, m), self.dtype).T
        columns = _padded_columns(W if self.exact or self.column_factors is None else W * self.column_factors)
        shift = np.zeros(columns.shape[1])
        if not self.exact:
            shift[: len(W)] = W.astype(float) @ self.offset
        for at, x in self._chunks():
            if self.exact or self.row_factors is None:
                z = x @ columns  # (rows, m)
            else:
                blocks = zip(self.row_factors[at].T, block_slices(self.blocks), strict=True)
                z = sum(factor[:, None] * (x[:, block] @ columns[block]) for factor, block in blocks)
            out[:, at] = (z - shift.astype(self.dtype))[:, : len(W)].T
        return out

    def rmatvec(self, R: Array) -> Array:
        """Return R X, (m, d), summed over chunks in double precision."""
        total = np.zeros((len(R), self.shape[1]))
        in_memory = isinstance(self.source, np.ndarray) and not self.exact
        for at, x in self._chunks(SUM_ENTRIES if in_memory else READ_ENTRIES):
            if self.exact or self.row_factors is None:
                total += R[:, at] @ x
                continue
            for factor, block in zip(self.row_factors[at].T, block_slices(self.blocks), strict=True):
                total[:, block] += (R[:, at] * factor) @ x[:, block]
        if self.exact:
            return total.astype(self.dtype)
        if self.column_factors is not None:
            total *= self.column_factors
        total -= R.sum(axis=1, dtype=float)[:, None] * self.offset
        return total.astype(self.dtype)

    def take(self, rows: Array, out: Array | None = None) -> ScaledMatrix:
        """Return some rows, of which the source is copied."""
        own = np.empty((len(rows), self.shape[1]), self.dtype) if out is None else out[: len(rows)]
        if isinstance(self.source, np.ndarray):
            np.take(self.source, rows, axis=0, out=own, mode="clip")  # other modes take a detour
        else:
            slices = entry_chunks(self.source)
            edges = np.searchsorted(rows, [at.start for at in slices] + [len(self.source)])
            for at, start, stop in zip(slices, edges[:-1], edges[1:], strict=True):
                own[start:stop] = np.asarray(self.source[at])[rows[start:stop] - at.start]
        return replace(self, source=own, row_factors=None if self.row_factors is None else self.row_factors[rows])

    def dense(self, rows: Array) -> Array:
        """Return a scaled copy of some rows."""
        return self._scaled(np.asarray(self.take(rows).source))

    def squared_norms(self) -> Array:
        """Return the squared length of each row, (n,)."""
        scaled = replace(self, exact=True)
        return np.concatenate([np.einsum("nd,nd->n", x, x, dtype=float) for _, x in scaled._chunks()])

    def _chunks(self, entries: int = READ_ENTRIES) -> Iterator[tuple[slice, Array]]:
        for at in entry_chunks(self.source, entries):
            x = np.asarray(self.source[at], self.dtype)
            yield at, self._scaled(x) if self.exact else x

    def _scaled(self, x: Array) -> Array:
        """Return a scaled copy of rows x."""
        if self.column_factors is not None:
            # the difference first: a product of a large number would be rounded before it
            still = self.column_factors == 0
            x = x - np.where(still, 0, self.offset / np.where(still, 1, self.column_factors)).astype(self.dtype)
            return np.asarray(x * self.column_factors)
        if self.row_factors is not None:
            x = unit_blocks(x, self.blocks)
        return np.asarray(x - self.offset.astype(self.dtype))


def _padded_columns(W: Array) -> Array:
    """Return W^T (d, m), with up to two columns of zeros more: 15 columns cost a product a third more than 16."""
    m, d = W.shape
    more = -m % 16
    out = np.zeros((d, m + more if more <= 2 else m), W.dtype)
    out[:, :m] = W.T
    return out


def on_disk(X: Any) -> bool:
    """Return whether X is a memory map, or a data set that only gives slices of its rows."""
    while isinstance(X, np.ndarray):
        if isinstance(X, np.memmap):
            return True
        X = X.base
    return X is not None and not isinstance(X, memoryview | bytes | bytearray) and hasattr(X, "chunks")


def entry_chunks(source: Any, entries: int = READ_ENTRIES) -> list[slice]:
    """Return slices of the rows of `source` (n, d), each of about `entries` numbers at most."""
    n, d = source.shape
    return row_chunks(n, max(1, entries // max(d, 1)))

"""Scaled and centred rows, as the solvers see them: only through products.

In: features in memory, in a memory map or in a data set on disk, and what a scaling has learnt. Out: `Dense`, or `Lazy`, which
never holds a second copy: the scaling is done on the coefficients, chunk by chunk where the rows are read from disk. It must
not know labels, losses or folds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from penult.arrays import Array
from penult.heads import scaling

CHUNK = 1 << 23  # numbers in the rows that are read, or scaled, at a time: 32 MiB of float32
TALL = 256  # coefficients from which margins stand in memory row by row, as they come
LONG = 1 << 25  # the same for sums over rows that lie in memory, which are faster in long runs


class Rows(Protocol):
    """Rows (n, r) that can be multiplied."""

    @property
    def shape(self) -> tuple[int, int]:
        """Return (n, r)."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return the type of products."""

    def margins(self, W: Array) -> Array:
        """Return W X^T, (m, n), of coefficients W (m, r)."""

    def pull(self, R: Array) -> Array:
        """Return R X, (m, r), of forces R (m, n)."""

    def take(self, which: Array, room: Array | None = None) -> Rows:
        """Return the rows with the numbers `which` (ascending), copied, into `room` (at least as many rows) if it is given."""

    def squares(self) -> Array:
        """Return the squared length of each row, (n,)."""


@dataclass(frozen=True)
class Dense:
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

    def margins(self, W: Array) -> Array:
        """Return W X^T, (m, n)."""
        out = np.empty((len(W), len(self.X)), self.X.dtype)
        columns = _columns(W)
        for at in chunks(self.X):
            out[:, at] = (self.X[at] @ columns)[:, : len(W)].T
        return out

    def pull(self, R: Array) -> Array:
        """Return R X, (m, r)."""
        return np.asarray(R @ self.X)

    def take(self, which: Array, room: Array | None = None) -> Dense:
        """Return a copy of some rows."""
        return Dense(np.take(self.X, which, axis=0, out=None if room is None else room[: len(which)], mode="clip"))

    def squares(self) -> Array:
        """Return the squared length of each row, (n,)."""
        return np.asarray(np.einsum("nr,nr->n", self.X, self.X, dtype=float))


@dataclass(frozen=True)
class Lazy:
    """Rows factor * length * x - offset of a source that is neither copied nor changed.

    `source` needs a shape and slices of rows. `exact`: scale each chunk before it is multiplied, for offsets so large, or
    lengths so odd, that rounding would tell.
    """

    source: Any  # (n, d)
    kind: np.dtype[Any]
    factor: Array | None  # (d,)
    lengths: Array | None  # (n, b) one over the length of each row's blocks
    blocks: tuple[int, ...]
    offset: Array  # (d,) of the scaled rows
    exact: bool

    @property
    def shape(self) -> tuple[int, int]:
        """Return (n, d)."""
        return int(self.source.shape[0]), int(self.source.shape[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return the type of products."""
        return self.kind

    def margins(self, W: Array) -> Array:
        """Return W X^T, (m, n)."""
        m, n = len(W), self.shape[0]
        out = np.empty((m, n), self.kind) if m < TALL else np.empty((n, m), self.kind).T
        columns = _columns(W if self.exact or self.factor is None else W * self.factor)  # (d, m or a little more)
        below = np.zeros(columns.shape[1])
        if not self.exact:
            below[: len(W)] = W.astype(float) @ self.offset
        for at, x in self._chunks():
            if self.exact or self.lengths is None:
                z = x @ columns  # (rows, m)
            else:
                parts = zip(self.lengths[at].T, self._edges(), strict=True)
                z = sum(length[:, None] * (x[:, a:b] @ columns[a:b]) for length, (a, b) in parts)
            out[:, at] = (z - below.astype(self.kind))[:, : len(W)].T
        return out

    def pull(self, R: Array) -> Array:
        """Return R X, (m, d), summed over chunks in double precision."""
        total = np.zeros((len(R), self.shape[1]))
        for at, x in self._chunks(CHUNK if self.exact or not isinstance(self.source, np.ndarray) else LONG):
            if self.exact or self.lengths is None:
                total += R[:, at] @ x
                continue
            for length, (a, b) in zip(self.lengths[at].T, self._edges(), strict=True):
                total[:, a:b] += (R[:, at] * length) @ x[:, a:b]
        if self.exact:
            return total.astype(self.kind)
        if self.factor is not None:
            total *= self.factor
        total -= R.sum(axis=1, dtype=float)[:, None] * self.offset
        return total.astype(self.kind)

    def take(self, which: Array, room: Array | None = None) -> Lazy:
        """Return some rows, of which the source is copied."""
        own = np.empty((len(which), self.shape[1]), self.kind) if room is None else room[: len(which)]
        if isinstance(self.source, np.ndarray):
            np.take(self.source, which, axis=0, out=own, mode="clip")  # other modes take a detour
        else:
            edges = np.searchsorted(which, [at.start for at in chunks(self.source)] + [len(self.source)])
            for at, start, stop in zip(chunks(self.source), edges[:-1], edges[1:], strict=True):
                own[start:stop] = np.asarray(self.source[at])[which[start:stop] - at.start]
        return replace(self, source=own, lengths=None if self.lengths is None else self.lengths[which])

    def squares(self) -> Array:
        """Return the squared length of each row, (n,)."""
        whole = replace(self, exact=True)
        return np.concatenate([np.einsum("nd,nd->n", x, x, dtype=float) for _, x in whole._chunks()])

    def _edges(self) -> list[tuple[int, int]]:
        return list(pairwise(int(edge) for edge in np.cumsum((0, *self.blocks))))

    def _chunks(self, size: int = CHUNK) -> Any:
        for at in chunks(self.source, size):
            x = np.asarray(self.source[at], self.kind)
            yield at, self._scaled(x, at) if self.exact else x

    def _scaled(self, x: Array, which: Any) -> Array:
        """Return a scaled copy of rows x, whose numbers are `which`."""
        if self.factor is not None:
            # the difference first: a product of a large number would be rounded before it
            still = self.factor == 0
            x = x - np.where(still, 0, self.offset / np.where(still, 1, self.factor)).astype(self.kind)
            return np.asarray(x * self.factor)
        if self.lengths is not None:
            x = scaling.apply("unit", x, self.blocks, {})
        return np.asarray(x - self.offset.astype(self.kind))


def _columns(W: Array) -> Array:
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


def chunks(source: Any, size: int = CHUNK) -> list[slice]:
    """Return slices of the rows of `source`, each of at most `size` entries."""
    n, d = source.shape
    step = max(1, size // max(d, 1))
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]

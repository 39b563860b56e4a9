"""The nearest neighbors of every row, and pairs of rows.

In: unit vectors (n, d). Out: `Neighbors`, `Pairs`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.intp]

CELLS = 16_000_000  # similarities held in memory at a time


@dataclass(frozen=True, slots=True)
class Pairs:
    """Near copies: row numbers `first` < `second` (m,), and how alike they are (m,), most alike first."""

    first: Ints
    second: Ints
    similarity: Floats

    @classmethod
    def none(cls) -> Self:
        """Return no pair at all."""
        return cls(np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0, np.float32))

    def __len__(self) -> int:
        return len(self.first)

    def taken(self, rows: NDArray[np.bool_]) -> Pairs:
        """Return some of the pairs: `rows` (m,)."""
        return Pairs(self.first[rows], self.second[rows], self.similarity[rows])


def joined(*several: Pairs) -> Pairs:
    """Return each pair once, the smaller number first, the most alike pairs at the beginning."""
    one = np.concatenate([pairs.first for pairs in several])
    other = np.concatenate([pairs.second for pairs in several])
    similarity = np.concatenate([pairs.similarity for pairs in several])
    first, second = np.minimum(one, other), np.maximum(one, other)
    order = np.lexsort((second, first, -similarity))
    name = first[order] * (second.max(initial=0) + 1) + second[order]
    keep = order[np.sort(np.unique(name, return_index=True)[1])]
    return Pairs(first[keep], second[keep], np.minimum(similarity[keep], np.float32(1)))


@dataclass(frozen=True, slots=True)
class Neighbors:
    """For each of n rows its nearest others, the nearest first: `rows` (n, k), their cosines `similarity` (n, k)."""

    rows: Ints
    similarity: Floats

    def first(self, count: int) -> Neighbors:
        """Return only the `count` nearest of each."""
        return Neighbors(self.rows[:, :count], self.similarity[:, :count])


def nearest(Z: Floats, count: int) -> Neighbors:
    """Return the `count` nearest (at most n - 1) of every unit vector of Z (n, d); some 300 MB of memory at most."""
    n = len(Z)
    count = max(0, min(count, n - 1))
    near = np.empty((n, count), dtype=np.intp)
    alike = np.empty((n, count), dtype=np.float32)
    if not count:
        return Neighbors(near, alike)
    step = max(1, CELLS // n)
    for start in range(0, n, step):
        part = Z[start : start + step] @ Z.T  # (b, n)
        rows = np.arange(len(part))
        part[rows, start + rows] = -2  # not its own neighbor
        found = np.argpartition(part, n - count, axis=1)[:, n - count :]
        cosine = np.take_along_axis(part, found, axis=1)
        order = np.argsort(-cosine, axis=1, kind="stable")
        near[start : start + step] = np.take_along_axis(found, order, axis=1)
        alike[start : start + step] = np.take_along_axis(cosine, order, axis=1)
    return Neighbors(near, alike)

"""Pairs of rows that look alike, the nearest neighbors that they are found among, and what hangs together by them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from penult.arrays import nearest_rows

Floats = NDArray[np.float32]
Ints = NDArray[np.intp]


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

    def select(self, rows: NDArray[np.bool_]) -> Pairs:
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
class NearestRows:
    """For each of n rows its nearest others, the nearest first: `rows` (n, k), their cosines `similarity` (n, k)."""

    rows: Ints
    similarity: Floats

    def first(self, count: int) -> NearestRows:
        """Return only the `count` nearest of each."""
        return NearestRows(self.rows[:, :count], self.similarity[:, :count])


def nearest(Z: Floats, count: int) -> NearestRows:
    """Return the `count` nearest (at most n - 1) of every unit vector of Z (n, d)."""
    return NearestRows(*nearest_rows(Z, Z, max(0, min(count, len(Z) - 1)), own=True))


@dataclass(frozen=True, slots=True)
class Links:
    """Which pairs (m,) joined two groups, and which were left out because the group would have been too large."""

    joined: NDArray[np.bool_]
    dropped: NDArray[np.bool_]


class UnionFind:
    """Union-find that knows how large each group is."""

    def __init__(self, n: int) -> None:
        self.parent = list(range(n))
        self.size = [1] * n

    def root(self, i: int) -> int:
        """Return the row that stands for the group of row i."""
        while self.parent[i] != i:
            self.parent[i] = self.parent[self.parent[i]]
            i = self.parent[i]
        return i

    def join(self, i: int, j: int) -> None:
        """Make one group of those of the rows i and j."""
        i, j = self.root(i), self.root(j)
        if i != j:
            large, small = (i, j) if self.size[i] >= self.size[j] else (j, i)
            self.parent[small] = large
            self.size[large] += self.size[small]

    def tie(self, names: NDArray[Any]) -> None:
        """Join all images of one name."""
        first, member = np.unique(names, return_index=True, return_inverse=True)[1:]
        for i, anchor in enumerate(first[member].tolist()):
            self.join(i, anchor)

    def link(self, pairs: Pairs, limit: int | None = None) -> Links:
        """Join the pairs in order, but to no group of more than `limit`; return which pairs joined and which were left out."""
        joined, dropped = np.zeros(len(pairs), bool), np.zeros(len(pairs), bool)
        for at, (i, j) in enumerate(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)):
            one, other = self.root(i), self.root(j)
            if one == other:
                continue
            if limit is not None and self.size[one] + self.size[other] > limit:
                dropped[at] = True
            else:
                self.join(one, other)
                joined[at] = True
        return Links(joined, dropped)

    def numbers(self) -> Ints:
        """Return group numbers (n,), from 0 in the order of their first image."""
        roots = np.array([self.root(i) for i in range(len(self.parent))], dtype=np.intp)
        first, number = np.unique(roots, return_index=True, return_inverse=True)[1:]
        rank = np.empty(len(first), dtype=np.intp)
        rank[np.argsort(first)] = np.arange(len(first))
        return rank[number]

"""Union-find: what hangs together by pairs.

In: names, `Pairs`. Out: group numbers (n,).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.audit.neighbors import Ints, Pairs


@dataclass(frozen=True, slots=True)
class Links:
    """Which pairs (m,) joined two groups, and which were left out because the group would have been too large."""

    joined: NDArray[np.bool_]
    dropped: NDArray[np.bool_]


class Forest:
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

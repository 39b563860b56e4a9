"""Tie together what must stay on one side of a fold.

Comes in: copies, near copies, the user's groups. Goes out: `Grouping`. Must not know: how near copies are
found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.audit.copies import Ints, Pairs, copy_groups, joined, near_copies, near_pictures
from penult.errors import InputError
from penult.floats import default_errors


@dataclass(frozen=True, slots=True)
class Grouping:
    """Group numbers (n,), the near copies found, and sentences on what was tied together."""

    groups: Ints
    pairs: Pairs
    notes: tuple[str, ...]


@default_errors
def group(
    digests: NDArray[np.uint8],
    X: NDArray[Any],
    blocks: Sequence[int] | None = None,
    user_groups: NDArray[Any] | None = None,
    thumbnails: NDArray[Any] | None = None,
) -> Grouping:
    """Return one group an image: copies, near copies, the user's groups, and what hangs together by them.

    Near copies never tie more than a twentieth of the images (10 at least) into one group: the most alike are
    tied first, a link that would make a larger group is dropped and a note says so. Copies and the user's
    groups are always kept whole. Raises InputError where the lengths differ.
    """
    n = len(digests)
    lengths = {"features": len(X), "groups": n if user_groups is None else len(user_groups)}
    lengths["thumbnails"] = n if thumbnails is None else len(thumbnails)
    if wrong := {name: length for name, length in lengths.items() if length != n}:
        raise InputError(f"{n} digests, but {wrong}; give one row an image.")
    same = copy_groups(digests)  # (n,)
    once = np.sort(np.unique(same, return_index=True)[1])  # the first image of each digest
    pairs = near_copies(np.asarray(X)[once], blocks)
    if thumbnails is not None:
        pairs = joined(pairs, near_pictures(np.asarray(thumbnails)[once]))
    pairs = Pairs(once[pairs.first], once[pairs.second], pairs.similarity)
    forest = _Forest(n)
    for tie in (same, user_groups):
        if tie is not None:
            forest.tie(np.asarray(tie))
    dropped = forest.link(pairs, limit=max(10, n // 20))
    return Grouping(forest.numbers(), pairs, _notes(n - len(once), len(pairs), dropped))


def _notes(copies: int, near: int, dropped: int) -> tuple[str, ...]:
    notes = []
    if copies:
        notes.append(f"{copies} images are exact copies of others; copies are never on both sides of a fold.")
    if near:
        notes.append(f"{near} pairs of images look like the same photo; they are never on both sides of a fold.")
    if dropped:
        notes.append(
            f"{dropped} of these pairs were not tied, as too many images would hang together; "
            "if your photos come in series, name them with --groups."
        )
    return tuple(notes)


class _Forest:
    """Union-find that knows how large each group is."""

    def __init__(self, n: int) -> None:
        self.parent = list(range(n))
        self.size = [1] * n

    def root(self, i: int) -> int:
        while self.parent[i] != i:
            self.parent[i] = self.parent[self.parent[i]]
            i = self.parent[i]
        return i

    def join(self, i: int, j: int) -> None:
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

    def link(self, pairs: Pairs, limit: int) -> int:
        """Join the pairs in order, but to no group of more than `limit`; return how many were left out."""
        dropped = 0
        for i, j in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True):
            one, other = self.root(i), self.root(j)
            if one == other:
                continue
            if self.size[one] + self.size[other] > limit:
                dropped += 1
            else:
                self.join(one, other)
        return dropped

    def numbers(self) -> Ints:
        """Return group numbers (n,), from 0 in the order of their first image."""
        roots = np.array([self.root(i) for i in range(len(self.parent))], dtype=np.intp)
        first, number = np.unique(roots, return_index=True, return_inverse=True)[1:]
        rank = np.empty(len(first), dtype=np.intp)
        rank[np.argsort(first)] = np.arange(len(first))
        return rank[number]

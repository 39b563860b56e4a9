"""Pairs of rows that look alike: features as unit vectors, the nearest rows, and what hangs together by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from penult.arrays import check_blocks, row_chunks, unit_rows
from penult.neighbors import PROBES, float_rows, nearest_neighbors

Floats = NDArray[np.float32]
Ints = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Near-duplicates: row numbers `first` < `second` (m,), and how alike they are (m,), most alike first.

    `one_picture` (m,) says which are one picture twice, and not two that look alike; None where nobody has looked.
    """

    first: Ints
    second: Ints
    similarity: Floats
    one_picture: NDArray[np.bool_] | None = None

    @classmethod
    def none(cls) -> Self:
        """Return no pair at all."""
        return cls(np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0, np.float32))

    def __len__(self) -> int:
        return len(self.first)

    def select(self, rows: NDArray[np.bool_]) -> Pairs:
        """Return some of the pairs: `rows` (m,)."""
        told = None if self.one_picture is None else self.one_picture[rows]
        return Pairs(self.first[rows], self.second[rows], self.similarity[rows], told)


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
    """For each of n rows its nearest others, the nearest first: `rows` (n, k), their cosines `similarity` (n, k).

    Those of the first `since` rows of all are left out.
    """

    rows: Ints
    similarity: Floats
    since: int = 0

    def first(self, count: int) -> NearestRows:
        """Return only the `count` nearest of each."""
        return NearestRows(self.rows[:, :count], self.similarity[:, :count], self.since)

    def pairs(self, chosen: NDArray[np.bool_]) -> tuple[Ints, Ints, Floats]:
        """Return the row, its neighbor and their cosine, (p,) each, of the `chosen` neighbors (n, k)."""
        one, place = np.nonzero(chosen)
        return one + self.since, self.rows[one, place], self.similarity[one, place]


def nearest(Z: Floats, count: int, probes: int = PROBES, since: int = 0) -> NearestRows:
    """Return the `count` nearest (at most n - 1) of the unit vectors of Z (n, d) from row `since` on (`nearest_neighbors`)."""
    return NearestRows(*nearest_neighbors(Z, count, probes, since), since)


def cosines(Z: Floats, one: Ints, other: Ints) -> Floats:
    """Return the cosines (p,) of pairs of rows of the unit vectors Z (n, d)."""
    if Z.dtype == np.float32:
        return np.asarray(np.einsum("ij,ij->i", Z[one], Z[other]))
    parts = [np.einsum("ij,ij->i", float_rows(Z[one[at]]), float_rows(Z[other[at]])) for at in row_chunks(len(one), 16 * STEP)]
    return np.concatenate([np.zeros(0, np.float32), *parts])


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


NARROW = 512  # columns kept of a network's above WIDE images, so that 20,000 take seconds
WIDE = 3000
HUGE = 1e15  # numbers whose squares may not fit float32
STEP = 2048  # rows worked on at a time
HASHED = 128  # ... where they are narrowed: what they need fits into the processor's cache
COMPONENTS = 50  # as van der Maaten & Hinton did before t-SNE: noise goes, neighbors stay
COPY_PROBES = 16  # cells of the inverted file that are looked into where only near-identical rows matter
HALF = 50_000  # rows above which directions are kept in float16: half the memory, and cosines to 1e-5
CHUNK = 4_000_000  # numbers copied at a time, few enough for the processor's cache; X itself is never copied whole


@dataclass(frozen=True, slots=True)
class Scaling:
    """Center and spread of the columns of each block, as some rows X have them.

    Of many rows the directions are `narrowed`, of very many kept as `halves` (float16).
    """

    runs: tuple[int, ...]
    moments: tuple[tuple[Floats, Floats], ...]  # (width,), (width,) of each block
    narrowed: bool
    halves: bool = False

    @classmethod
    def of(cls, X: NDArray[Any], widths: Sequence[int] | None = None) -> Self:
        """Return that of X (n, d), in memory or not. Raises InputError for widths that are not its columns."""
        runs, n = check_blocks(X.shape[1], widths), len(X)
        step = 1 + n // (2 * WIDE)
        some = np.asarray(X[np.arange(0, n, step)]) if hasattr(X, "chunks") else X[::step]
        return cls(runs, tuple(_scaling(some, *place) for place in _places(runs)), n > WIDE, n > HALF)

    def directions(self, X: NDArray[Any]) -> Floats:
        """Return directions (n, d') of rows X (n, d), which are read once, in order.

        Every column is centred and scaled: what all images have in common says nothing about which two are one photo.
        """
        return _made(X, self)


def directions(X: NDArray[Any], widths: Sequence[int] | None = None) -> Floats:
    """Return directions (n, d') of X (n, d), measured by its own center and spread, see `Scaling`."""
    return Scaling.of(X, widths).directions(X)


def bare_directions(X: NDArray[Any], blocks: Sequence[int] | None = None) -> Floats:
    """Return directions (n, d') of X as it is, each block with the same weight.

    What all images have in common is left in: a picture of something else lacks it, which is how it is told.
    """
    runs = check_blocks(X.shape[1], blocks)
    nothing = [(np.zeros(w, np.float32), np.full(w, _size(X[:, at : at + w]), np.float32)) for at, w in _places(runs)]
    return _made(X, Scaling(runs, tuple(nothing), len(X) > WIDE, len(X) > HALF))


def principal_directions(X: Floats, blocks: Sequence[int], landmarks: NDArray[np.intp], seed: int) -> Floats:
    """Return the leading principal components of the rows of X as unit vectors (n, c), c at most 50.

    What is centred, scaled and turned is learnt from the rows `landmarks` (l,) and holds for all. `blocks` are the widths of
    the runs of columns that count the same, whatever their width.
    """
    from sklearn.utils.extmath import randomized_svd

    some = np.asarray(X[landmarks], np.float32)  # (l, d)
    mean, spread = some.mean(axis=0), some.std(axis=0, dtype=np.float64).astype(np.float32)  # (d,)
    weight = np.repeat([1 / width**0.5 for width in blocks], blocks).astype(np.float32)  # (d,)
    scale = weight / np.maximum(spread, 1e-3 * spread.max() + 1e-12)  # a constant column is rounding errors
    unit = unit_rows((some - mean) * scale)  # (l, d)
    centre = unit.mean(axis=0)  # (d,)
    count = min(COMPONENTS, len(some) - 1, X.shape[1])
    axes = randomized_svd(unit - centre, count, n_iter=2, random_state=seed)[2]  # (c, d)
    axes = axes.T.astype(np.float32)
    step = max(1, CHUNK // X.shape[1])
    rows = [unit_rows((np.asarray(X[at], np.float32) - mean) * scale) @ axes for at in row_chunks(len(X), step)]
    return unit_rows(np.concatenate(rows) - centre @ axes)


def _size(part: NDArray[Any]) -> float:
    """Return 1, or where float32 has no room for the squares of these columns their largest number."""
    largest = max((float(np.abs(part[i : i + STEP]).max()) for i in range(0, len(part), STEP)), default=0.0)
    return largest if largest > HUGE else 1.0


def _places(widths: Sequence[int]) -> list[tuple[int, int]]:
    """Return where each block begins, and its width."""
    return [(sum(widths[:i]), width) for i, width in enumerate(widths)]


def _scaling(X: NDArray[Any], start: int, width: int) -> tuple[Floats, Floats]:
    """Return mean and standard deviation (width,) of a block's columns over the rows of X."""
    n = max(1, len(X))
    pieces = [X[i : i + STEP, start : start + width] for i in range(0, len(X), STEP)]
    centre = np.sum([p.sum(axis=0, dtype=np.float64) for p in pieces], axis=0) / n if pieces else np.zeros(width)
    squares = [((p - centre) ** 2).sum(axis=0) for p in pieces]  # in float64, where the largest float32 has a square
    spread = np.sqrt(np.sum(squares, axis=0) / n) if pieces else np.ones(width)
    spread = np.asarray(spread, np.float32)
    # a constant column is rounding errors
    return np.asarray(centre, np.float32), np.maximum(spread, 1e-3 * spread.max()) + np.float32(1e-12)


def _made(X: NDArray[Any], by: Scaling) -> Floats:
    rng = np.random.default_rng(0)
    # Feature hashing (Weinberger et al. 2009): columns with random signs are added up. It keeps angles as random directions
    # do, to about 0.02 for vectors that are 0.8 alike, closer ones better, and costs no product of matrices.
    signs = [rng.choice(np.array([-1, 1], np.float32), w) if by.narrowed and w > NARROW else None for w in by.runs]
    kept = sum(w if sign is None else NARROW for w, sign in zip(by.runs, signs, strict=True))
    out = np.empty((len(X), kept), np.float16 if by.halves else np.float32)
    for read in row_chunks(len(X), STEP):
        some = X[read]
        for rows in row_chunks(len(some), HASHED if by.narrowed else STEP):
            pieces = []
            for (start, width), (centre, spread), sign in zip(_places(by.runs), by.moments, signs, strict=True):
                part = np.asarray(some[rows, start : start + width], np.float32) - centre
                part *= 1 / spread if sign is None else sign / spread
                pieces.append(unit_rows(part) if sign is None else _hashed(part))
            out[read.start + rows.start : read.start + rows.stop] = unit_rows(np.hstack(pieces))
    return out


def _hashed(part: Floats) -> Floats:
    """Return rows (n, w) divided by their length, with the columns added up to (n, NARROW)."""
    length = np.sqrt(np.einsum("nd,nd->n", part, part))[:, None]
    out = np.zeros((len(part), NARROW), np.float32)
    for start in range(0, part.shape[1], NARROW):
        some = part[:, start : start + NARROW]
        out[:, : some.shape[1]] += some
    return np.asarray(out / np.where(length > 0, length, 1), np.float32)

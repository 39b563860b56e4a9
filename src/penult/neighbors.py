"""The nearest rows by cosine: every row compared for thousands, an inverted file for more; numpy alone.

In: unit vectors (n, d), float32 or float16, in memory or a memory map. Out: row numbers and cosines, the nearest first. Above
`MANY` rows `nearest_neighbors` compares a row only with those of the cells that it is nearest to (an inverted file: Jégou,
Douze & Schmid, PAMI 33, 2011); what it compares it compares in full, in float32, so no cosine is approximate, and what is very
near is hardly ever missed. The answer is the same on any number of cores: each row's neighbors are found by one thread. Time
grows with n^1.5, memory beside Z with n. The numbers were measured by `benchmarks/cluster.py neighbors`, where graphs (HNSW,
by faiss and usearch) find less in more time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from penult.arrays import in_threads, row_chunks, unit_rows

Array = NDArray[Any]
Ints = NDArray[np.intp]

MANY = 8000  # rows from which an inverted file pays
PROBES = 48  # cells that a row is compared with: of the ten nearest of 30,000 rows of real photos 0.1% are in others
FINENESS = 4  # cells are so many times the root of n: many small ones around a row hold more of its neighbors than few large
SAMPLE = 16_384  # rows that directions and cells are learnt from; four a cell at least
DIRECTIONS = 128  # of the space in which rows are assigned to cells
ROUNDS = 6  # of k-means: cells need not be perfect
LARGEST = 16  # times the mean size: a cell that is larger, of a hundred thousand equal rows say, is parted
LEAST = 1000  # rows of a cell that is parted
CELLS = 16_000_000  # similarities in memory at a time
BLOCK = 65_536  # rows that a thread looks for the neighbors of at a time
TILE = 4_000_000  # similarities that a thread has in memory at a time


def nearest_rows(queries: Array, Z: Array, count: int, own: int | None = None) -> tuple[Ints, Array]:
    """Return the `count` rows of Z (n, d) most like each of the queries (m, d), and their cosines, (m, count) each.

    All have length 1; the most alike come first. Where the queries are the rows of Z from number `own` on, none is its own
    neighbor.
    """
    n = len(Z)
    near = np.empty((len(queries), count), np.intp)
    alike = np.empty((len(queries), count), np.float32)
    for rows in row_chunks(len(queries) if count else 0, max(1, CELLS // max(n, 1))):
        cosine = queries[rows] @ Z.T  # (b, n)
        if own is not None:
            here = np.arange(len(cosine))
            cosine[here, own + rows.start + here] = -2
        near[rows], alike[rows] = _largest(cosine, count)
    return near, alike


def nearest_neighbors(Z: Array, count: int, probes: int = PROBES, since: int = 0) -> tuple[Ints, Array]:
    """Return for the unit vectors Z (n, d) the `count` others most like each, and their cosines, (n - since, count) each.

    Only rows from number `since` on are asked for. Exact up to `MANY` rows. Above, each is compared with those of `probes`
    cells: a far one of the `count` may be missing and a farther one be in its place; where there are too few in the cells
    around a row it is compared with all. Rows of float16 are made unit vectors again in float32.
    """
    n = len(Z)
    count = max(0, min(count, n - 1))
    if n <= MANY or not count:
        Z = float_rows(Z)
        return nearest_rows(Z[since:], Z, count, own=since)
    from threadpoolctl import threadpool_limits

    near, alike = np.zeros((n - since, count), np.intp), np.full((n - since, count), -2, np.float32)

    def fill(rows: slice) -> None:
        file.search(slice(since + rows.start, since + rows.stop), near[rows], alike[rows])

    with threadpool_limits(1):  # the threads are ours, since sums that are parted among others round otherwise
        file = _InvertedFile.of(Z, probes)
        in_threads(fill, row_chunks(n - since, BLOCK))
    poor = np.flatnonzero(alike[:, -1] <= -2)
    for some in row_chunks(len(poor)):
        who = since + poor[some]
        near[poor[some]], alike[poor[some]] = _nearest_of_all(Z, who, count)
    return near, alike


def _nearest_of_all(Z: Array, who: Ints, count: int) -> tuple[Ints, Array]:
    """Return the `count` nearest of the rows `who` (m,) of Z (n, d), compared with every row, and their cosines."""
    queries, near, alike = float_rows(Z[who]), np.zeros((len(who), 0), np.intp), np.zeros((len(who), 0), np.float32)
    for rows in row_chunks(len(Z), BLOCK):
        cosine = queries @ float_rows(Z[rows]).T  # (m, b)
        inside = np.flatnonzero((who >= rows.start) & (who < rows.stop))
        cosine[inside, who[inside] - rows.start] = -2
        found, values = _largest(cosine, min(count, cosine.shape[1]))
        near, alike = np.hstack([near, rows.start + found]), np.hstack([alike, values])
        best, alike = _largest(alike, min(count, alike.shape[1]))
        near = np.take_along_axis(near, best, axis=1)
    return near, alike


def float_rows(rows: Array) -> Array:
    """Return unit vectors (m, d) in float32; what was rounded to float16 with length 1 again."""
    return rows if rows.dtype == np.float32 else unit_rows(np.asarray(rows, np.float32))


def leading_directions(Z: Array, count: int, seed: int = 0) -> Array:
    """Return orthonormal directions (d, count) that hold as much as possible of the rows of Z (n, d).

    By subspace iteration from random directions (Halko, Martinsson & Tropp 2011).
    """
    B = np.random.default_rng(seed).standard_normal((Z.shape[1], min(count, Z.shape[1])), np.float32)
    for _ in range(3):
        B = np.linalg.qr(Z.T @ (Z @ B))[0].astype(np.float32)
    return B


@dataclass(frozen=True, slots=True)
class _InvertedFile:
    """The rows of Z (n, d) by cells: those whose direction in the space `basis` (d, q) is nearest to one of `centers` (c, q).

    A cell that is far larger than the others is parted: `members` are the rows of each part, ascending, `first` (c + 1,) the
    parts of each cell, `own` (n,) the cell of each row and `part` (n,) its part. A row looks into `probes` cells.
    """

    Z: Array
    basis: Array
    centers: Array
    own: NDArray[np.int32]
    part: NDArray[np.int32]
    first: Ints
    members: list[Ints]
    probes: int

    @classmethod
    def of(cls, Z: Array, probes: int) -> Self:
        """Return that of Z, the same for the same rows."""
        n = len(Z)
        cells = max(probes, FINENESS * int(n**0.5))
        basis, centers = _learnt(Z, cells)

        def nearest(rows: slice) -> NDArray[np.int32]:
            cells: NDArray[np.int32] = ((float_rows(Z[rows]) @ basis) @ centers.T).argmax(axis=1).astype(np.int32)
            return cells

        own = np.concatenate(in_threads(nearest, row_chunks(n, max(1, TILE // cells))))
        order = np.argsort(own, kind="stable")
        bounds = np.searchsorted(own[order], np.arange(cells + 1))
        most = max(LEAST, LARGEST * n // cells)
        parts = -(-np.diff(bounds) // most)  # (c,)
        cuts = [bounds[c] + at * most for c in np.flatnonzero(parts) for at in range(parts[c])]
        members = np.split(order, cuts[1:])
        part = np.empty(n, np.int32)
        part[order] = np.repeat(np.arange(len(members)), [len(inside) for inside in members])
        return cls(Z, basis, centers, own, part, np.r_[0, np.cumsum(parts)], members, probes)

    def search(self, asked: slice, near: Ints, alike: Array) -> None:
        """Write the nearest rows of those that are asked for into `near` (b, count), and their cosines into `alike`."""
        queries = float_rows(self.Z[asked])  # (b, d)
        parts = self._around(asked, queries).ravel()  # (b * probes,)
        asking = np.argsort(parts, kind="stable")  # who looks into each part
        bounds = np.searchsorted(parts[asking], np.arange(len(self.members) + 1))
        for number, inside in enumerate(self.members):
            those = asking[bounds[number] : bounds[number + 1]] // self.probes
            if not len(those):
                continue
            there, count = float_rows(self.Z[inside]), min(near.shape[1], len(inside))  # (c, d)
            for some in row_chunks(len(those), max(1, TILE // len(inside))):
                who = those[some]
                cosine = queries[who] @ there.T  # (w, c)
                itself = np.flatnonzero(self.part[asked.start + who] == number)
                cosine[itself, np.searchsorted(inside, asked.start + who[itself])] = -2
                who, cosine = _promising(who, cosine, alike[who, -1])
                found, values = _largest(cosine, count)
                best, alike[who] = _largest(np.hstack([alike[who], values]), near.shape[1])
                near[who] = np.take_along_axis(np.hstack([near[who], inside[found]]), best, axis=1)

    def _around(self, asked: slice, queries: Array) -> NDArray[np.int32]:
        """Return the parts of the cells that each row is nearest to, (b, probes); -1 is an empty cell."""
        out = np.empty((len(queries), self.probes), np.int32)
        for rows in row_chunks(len(queries), max(1, TILE // len(self.centers))):
            cells = _largest((queries[rows] @ self.basis) @ self.centers.T, self.probes)[0]
            who = np.arange(asked.start + rows.start, asked.start + rows.stop)[:, None]
            several = self.first[cells + 1] - self.first[cells]
            chosen = self.first[cells] + who % np.maximum(several, 1)
            out[rows] = np.where(cells == self.own[who], self.part[who], np.where(several > 0, chosen, -1))
        return out


def _learnt(Z: Array, cells: int) -> tuple[Array, Array]:
    """Return the leading directions (d, q) of some rows of Z, and by spherical k-means the centers (c, q) of cells in them."""
    rng = np.random.default_rng(0)
    some = float_rows(Z[np.sort(rng.permutation(len(Z))[: max(SAMPLE, 4 * cells)])])
    basis = leading_directions(some, DIRECTIONS)
    some = some @ basis
    centers = unit_rows(some[rng.permutation(len(some))[:cells]])
    for _ in range(ROUNDS):
        own = np.concatenate([(some[rows] @ centers.T).argmax(axis=1) for rows in row_chunks(len(some))])
        total = np.zeros_like(centers)
        np.add.at(total, own, some)
        filled = np.bincount(own, minlength=cells) > 0
        centers[filled] = unit_rows(total[filled])
    return basis, centers


def _promising(who: Ints, cosine: Array, least: Array) -> tuple[Ints, Array]:
    """Return those of the rows `who` (b,) that have a cosine (b, c) above their `least` (b,), and their cosines."""
    better = np.flatnonzero(cosine.max(axis=1) > least)
    return (who, cosine) if len(better) == len(who) else (who[better], cosine[better])


def _largest(values: Array, count: int) -> tuple[Ints, Array]:
    """Return the places of the `count` largest of each row of (m, n), the largest first, and their values."""
    n = values.shape[1]
    found = np.argpartition(values, n - count, axis=1)[:, n - count :]
    largest = np.take_along_axis(values, found, axis=1)
    order = np.argsort(-largest, axis=1, kind="stable")
    return np.take_along_axis(found, order, axis=1), np.take_along_axis(largest, order, axis=1)

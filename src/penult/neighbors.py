"""The nearest rows by cosine: every row compared for thousands, an inverted file for more; numpy alone.

In: unit vectors (n, d). Out: row numbers and cosines, the nearest first. Above `MANY` rows `nearest_neighbors` compares a row
only with those of the cells that it is nearest to (an inverted file: Jégou, Douze & Schmid, PAMI 33, 2011); what it compares
it compares in full, so no cosine is approximate, and what is very near is hardly ever missed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import row_chunks, unit_rows

Array = NDArray[Any]
Ints = NDArray[np.intp]

MANY = 8000  # rows from which an inverted file pays
PROBES = 24  # cells that a row is compared with: of the ten nearest of 50,000 rows 1% are in others
SAMPLE = 4096  # rows that directions and cells are learnt from
DIRECTIONS = 64  # of the space in which rows are assigned to cells
ROUNDS = 6  # of k-means: cells need not be perfect
CELLS = 16_000_000  # similarities in memory at a time


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
    around a row it is compared with all.
    """
    n = len(Z)
    count = max(0, min(count, n - 1))
    if n <= MANY or not count:
        return nearest_rows(Z[since:], Z, count, own=since)
    cells, members = _inverted_file(Z, probes)
    rows, values = np.zeros((n - since, count), np.intp), np.full((n - since, count), -2, np.float32)
    cells = cells[since:]
    asking = np.argsort(cells.ravel(), kind="stable")  # the rows that look into each cell
    bounds = np.searchsorted(cells.ravel()[asking], np.arange(len(members) + 1))
    for cell, inside in enumerate(members):
        there, kept = Z[inside], min(count, len(inside))  # (c, d)
        those = asking[bounds[cell] : bounds[cell + 1]] // cells.shape[1]
        for some in row_chunks(len(those) if kept else 0, max(1, CELLS // max(1, len(inside)))):
            who = those[some]
            cosine = Z[since + who] @ there.T  # (b, c)
            itself = np.searchsorted(inside, since + who)
            mine = np.flatnonzero(inside[np.minimum(itself, len(inside) - 1)] == since + who)
            cosine[mine, itself[mine]] = -2
            who, cosine = _promising(who, cosine, values[who, -1])
            found, alike = _largest(cosine, kept)
            both = np.hstack([values[who], alike])
            best, values[who] = _largest(both, count)
            rows[who] = np.take_along_axis(np.hstack([rows[who], inside[found]]), best, axis=1)
    poor = np.flatnonzero(values[:, -1] <= -2)
    if len(poor):
        around, cosine = nearest_rows(Z[since + poor], Z, count + 1)
        keep = np.argsort(around == since + poor[:, None], axis=1, kind="stable")[:, :count]  # itself last
        rows[poor], values[poor] = np.take_along_axis(around, keep, axis=1), np.take_along_axis(cosine, keep, axis=1)
    return rows, values


def leading_directions(Z: Array, count: int, seed: int = 0) -> Array:
    """Return orthonormal directions (d, count) that hold as much as possible of the rows of Z (n, d).

    By subspace iteration from random directions (Halko, Martinsson & Tropp 2011).
    """
    B = np.random.default_rng(seed).standard_normal((Z.shape[1], min(count, Z.shape[1])), np.float32)
    for _ in range(3):
        B = np.linalg.qr(Z.T @ (Z @ B))[0].astype(np.float32)
    return B


def _inverted_file(Z: Array, looked: int) -> tuple[Ints, list[Ints]]:
    """Return the cells that each row is nearest to, (n, looked), and the rows of each cell, ascending."""
    rng = np.random.default_rng(0)
    n, cells = len(Z), max(looked, int(len(Z) ** 0.5))
    some = Z[np.sort(rng.permutation(n)[:SAMPLE])]
    basis = leading_directions(some, DIRECTIONS)  # (d, q)
    some = some @ basis
    centers = unit_rows(some[rng.permutation(len(some))[:cells]])
    for _ in range(ROUNDS):  # spherical k-means
        own = (some @ centers.T).argmax(axis=1)
        total = np.zeros_like(centers)
        np.add.at(total, own, some)
        filled = np.bincount(own, minlength=cells) > 0
        centers[filled] = unit_rows(total[filled])
    probes = np.empty((n, looked), np.intp)
    for rows in row_chunks(n, max(1, CELLS // cells)):
        probes[rows] = _largest((Z[rows] @ basis) @ centers.T, looked)[0]
    order = np.argsort(probes[:, 0], kind="stable")
    return probes, np.split(order, np.searchsorted(probes[order, 0], np.arange(1, cells)))


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

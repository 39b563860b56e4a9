"""Near-duplicates of some rows among many more, which are read in pieces and are never in memory together.

In: the rows (m, d) that are looked at, and pieces of all others. Out: pairs of one with the other. The rule is that of
`same_photo` for features alone: far nearer than what is around a row, which here is its tenth nearest of all rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import default_errors, unit_rows
from penult.audit.pairs import Floats, Ints, Scaling
from penult.audit.same_photo import FEATURES, NEIGHBORS, surroundings
from penult.neighbors import leading_directions, nearest_neighbors, nearest_rows

LEADING = 64  # directions in which others are compared first
KEPT = 15  # nearest in the leading directions of all rows, of which the others are compared in all columns
BLOCK = 1 << 22  # similarities in memory at a time


@default_errors
def copies_outside(
    X: NDArray[Any],  # (m, d)
    widths: tuple[int, ...],
    others: Iterable[tuple[Ints, NDArray[Any]]],
) -> tuple[Ints, Ints]:
    """Return the numbers of other rows that are near copies of rows of X, and the places of those, (p,) each.

    `others` yields numbers (b,) and rows (b, d), a piece of them at a time.
    """
    scaling = Scaling.of(X, widths)
    Z = scaling.directions(X)  # (m, c)
    basis = leading_directions(Z, LEADING)  # (c, q)
    low = unit_rows(Z @ basis)  # (m, q)
    m = len(Z)
    # 1. the nearest of the rows themselves: how crowded it is around each, as far as they tell
    inside = nearest_neighbors(Z, min(NEIGHBORS, m - 1))[1]
    rough = nearest_rows(low, low, min(KEPT, m - 1), own=0)[1]
    numbers, cosine = np.full(rough.shape, -1, np.intp), np.full(rough.shape, -2, np.float32)
    # 2. of all others the nearest in the leading directions, with their whole cosines
    for who, rows in others:
        there = scaling.directions(rows)
        beside = unit_rows(there @ basis)
        for start in range(0, len(there), max(1, BLOCK // m)):
            some = slice(start, start + max(1, BLOCK // m))
            near = low @ beside[some].T  # (m, b)
            one, other = np.nonzero(near > rough[:, -1:])
            if len(one):
                whole = _cosines(Z, there[some], one, other)
                _keep((numbers, rough, cosine), one, who[some][other], near[one, other], whole)
    # 3. the rule, with the tenth nearest of all as the surroundings
    every = -np.sort(-np.hstack([inside, cosine]), axis=1)
    around = 1 - every[:, min(surroundings(m), every.shape[1]) - 1][:, None]
    found = (cosine >= FEATURES.floor) & (1 - cosine <= FEATURES.ratio * around)
    found |= cosine > 1 - 1e-5
    place, column = np.nonzero(found)
    return numbers[place, column], place


def _cosines(Z: Floats, there: Floats, one: Ints, other: Ints) -> Floats:
    out = np.empty(len(one), np.float32)
    for start in range(0, len(one), 4096):
        at = slice(start, start + 4096)
        out[at] = np.einsum("ij,ij->i", Z[one[at]], there[other[at]])
    return out


def _keep(best: tuple[Ints, Floats, Floats], one: Ints, who: Ints, rough: Floats, whole: Floats) -> None:
    """Put candidates (p,) of the rows `one` (p,), ascending, among the best (m, k) of each: the roughly nearest are kept."""
    rows, start, counts = np.unique(one, return_index=True, return_counts=True)
    k = best[1].shape[1]
    for size in np.unique(counts):  # rows with equally many candidates at once
        those = np.flatnonzero(counts == size)
        at = start[those][:, None] + np.arange(size)
        mine = rows[those]
        near = np.hstack([best[1][mine], rough[at]])
        order = np.argsort(-near, axis=1, kind="stable")[:, :k]
        arrays: tuple[tuple[NDArray[Any], NDArray[Any]], ...] = tuple(zip(best, (who, rough, whole), strict=True))
        for array, new in arrays:
            array[mine] = np.take_along_axis(np.hstack([array[mine], new[at]]), order, axis=1)

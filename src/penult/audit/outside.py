"""Near-duplicates of some rows among many more, which are read in pieces and are never in memory together.

In: the rows (m, d) that are looked at, and pieces of all others. Out: pairs of one with the other. The rule is that of
`same_photo` for features alone: far nearer than what is around a row, which here is its tenth nearest of all rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
    others: Callable[[], Iterable[tuple[Ints, NDArray[Any]]]],
) -> tuple[Ints, Ints]:
    """Return the numbers of other rows that are near copies of rows of X, and the places of those, (p,) each.

    `others()` yields numbers (b,) and rows (b, d), a piece of them at a time; it is asked again where rows have more copies
    than are kept of each. Each other row is named with one row of X, and with further ones only as far as is needed to see
    which of these have copies in common.
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
    for who, rows in others():
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
    around = 1 - every[:, min(surroundings(m), every.shape[1]) - 1]
    limit = np.minimum(np.maximum(FEATURES.floor, 1 - FEATURES.ratio * around), 1 - 1e-5)  # (m,)
    found = cosine >= limit[:, None]
    place, column = np.nonzero(found)
    known = numbers[place, column], place
    # 4. where all that are kept are copies, or rows of X as near as those, there may be more of them
    least = _least(np.linalg.norm(Z @ basis, axis=1), limit)
    full = np.flatnonzero((found | (numbers < 0)).all(axis=1) & (rough[:, -1] >= least))
    if not len(full):
        return known
    pieces = ((who, scaling.directions(rows)) for who, rows in others())
    more = _further(full, (Z[full], low[full], limit[full], least[full]), basis, pieces)
    return np.concatenate([known[0], *(piece[0] for piece in more)]), np.concatenate([known[1], *(piece[1] for piece in more)])


def _further(
    full: Ints,  # (f,)
    told: tuple[Floats, Floats, Floats, Floats],  # (f, c), (f, q), (f,), (f,)
    basis: Floats,  # (c, q)
    pieces: Iterable[tuple[Ints, Floats]],
) -> list[tuple[Ints, Ints]]:
    """Return all others that are as near to some rows as their limits, each with the first of these rows.

    With the other rows only as far as is needed to see which have copies in common: copies by rows would be too many.
    `told` are the directions of the rows, whole and leading, and their limits in both.
    """
    Z, low, limit, least = told
    out, linked, f = [], np.zeros(0, np.intp), len(full)
    for who, there in pieces:
        beside = unit_rows(there @ basis)
        for start in range(0, len(there), max(1, BLOCK // f)):
            some = slice(start, start + max(1, BLOCK // f))
            one, other = np.nonzero(low @ beside[some].T >= least[:, None])
            near = _cosines(Z, there[some], one, other) >= limit[one]
            one, other = one[near], other[near]
            at, back = np.unique(other, return_index=True, return_inverse=True)[1:]
            links, new = np.unique(one[at][back] * f + one, return_index=True)
            kept = np.union1d(at, new[~np.isin(links, linked)])
            linked = np.union1d(linked, links)
            out.append((who[some][other[kept]], full[one[kept]]))
    return out


def _least(length: Floats, cosine: Floats) -> Floats:
    """Return the least cosine (m,) in some directions of unit vectors, with `length` (m,) in these, with one as near as that.

    Two vectors a distance e apart point in directions at most 2 e / (sum of their lengths) apart (Dunkl & Williams 1964).
    """
    apart = np.sqrt(2 * (1 - cosine))
    both = 2 * length - apart
    angle = np.where(both > apart, 2 * apart / np.maximum(both, 1e-9), 2)
    return np.asarray(1 - angle**2 / 2 - 1e-5, np.float32)


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

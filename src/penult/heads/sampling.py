"""Which rows are held out and measured where there are more than memory holds: a sample by class, of whole groups."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import Array
from penult.errors import InputError

SHARE = 4  # the part of the memory that the sample takes: a fourth
FEWEST = 2000  # rows with which settings can be chosen
EACH = 10  # rows that the smallest class keeps


def sample_rows(
    X: Any, y: Array, groups: Array | None = None, memory: int | None = None, seed: int = 0
) -> NDArray[np.intp] | None:
    """Return the numbers of the rows that are held out and measured, ascending; None where all of X fits.

    X (n, d) is only asked for its shape. `memory`: bytes, None for no limit. With `groups` (n,) whole groups are drawn. The
    shares of the classes are kept, but for at least ten rows of each class. Raises InputError where a sample of 2,000 rows
    does not fit.
    """
    n, d = X.shape
    if memory is None or not streams(X, memory):
        return None
    most = memory // SHARE // (4 * d)
    if most < FEWEST:
        raise InputError(
            f"{memory / 1e6:,.0f} MB are too little to learn from rows of {d:,} numbers: {FEWEST:,} rows of them must fit a "
            f"{SHARE}th; give at least {math.ceil(SHARE * FEWEST * 4 * d / 1e6):,} MB."
        )
    rng = np.random.default_rng(seed)
    unit = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]  # (n,)
    # 1. each group gets a random place; a class is drawn evenly, its first rows before all others
    place = rng.random(int(unit.max()) + 1)[unit]  # (n,)
    for c in np.unique(y):
        own = np.flatnonzero(y == c)
        rank = np.empty(len(own))
        rank[np.argsort(place[own], kind="stable")] = np.arange(len(own))
        place[own] = np.where(rank < EACH, rank / EACH - 1, rank / len(own))
    # 2. a group stands where its first row does
    first = np.full(int(unit.max()) + 1, np.inf)
    np.minimum.at(first, unit, place)
    order = np.lexsort((unit, first[unit]))
    kept = order[:most]
    if groups is not None and most < n:  # the last group is left out if it would be cut
        kept = kept[unit[kept] != unit[order[most]]]
    return np.sort(kept).astype(np.intp)


def streams(X: Any, memory: int | None) -> bool:
    """Return whether X (n, d) is learnt from in chunks: as float32 it is more than a share of the memory."""
    return memory is not None and X.shape[0] * X.shape[1] * 4 * SHARE > memory

"""How alike two photos are: the cosine of their features, each part of the features counting the same.

In: feature rows, the widths of their blocks. Out: unit rows, similarities. The scaling is the heads' own (`unit`), which
learns nothing: what is alike for the model is alike here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import unit_blocks, unit_rows

Floats = NDArray[np.float32]
SAME = 1e-3  # of a row's length: two engines differ by less, a photo that was saved again by more


def unit(X: NDArray[Any], blocks: tuple[int, ...]) -> NDArray[Any]:
    """Return rows (n, d) of length 1, all blocks of equal length, in their own precision."""
    return unit_rows(unit_blocks(X, blocks))


def best(similarity: NDArray[Any], n: int) -> NDArray[np.intp]:
    """Return the places of the n largest of (m,), the largest first, the earlier first among equals."""
    count = min(n, len(similarity))
    if count < len(similarity):
        edge = np.partition(similarity, len(similarity) - count)[len(similarity) - count]
        some = np.flatnonzero(similarity >= edge)
    else:
        some = np.arange(len(similarity))
    return some[np.lexsort((some, -similarity[some]))][:count]


def same(row: Floats, others: Floats) -> NDArray[np.bool_]:
    """Return which of the other raw rows (m, d) come from the very picture that gave `row` (d,)."""
    gap = np.linalg.norm(others.astype(np.float64) - row, axis=1)
    return np.asarray(gap <= SAME * np.linalg.norm(row.astype(np.float64)))

"""Scaling of features, so that no backbone drowns another; numpy alone, because prediction needs it too.

In: X (n, d) and the widths of its blocks. Out: the fitted scaling, and scaled copies of X.

- `unit`: each row of each block gets length 1 (see `arrays.unit_blocks`). Nothing is learnt, so every fold can share one
  scaled X.
- `standard`: each column gets mean 0 and variance 1.
- `block`: each column gets mean 0, each block mean squared row length 1.
- `none`: as it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from penult.arrays import Array, row_chunks, unit_blocks
from penult.errors import unknown

NAMES = ("unit", "standard", "block", "none")
STATELESS = frozenset({"unit", "none"})


def fit(
    name: str, X: Any, blocks: tuple[int, ...], rows: Array | None = None, weight: Array | None = None
) -> dict[str, Array]:
    """Return what the scaling `name` learns from X (n, d): `shift` and `factor` (d,), or nothing.

    `rows`: the numbers of the rows to learn from, all when None. `weight` (n,): how often each row counts, once when None.
    X is read slice by slice.
    """
    if name not in NAMES:
        raise unknown("scaling", name, NAMES)
    if name in STATELESS:
        return {}
    wanted = np.ones(len(X), bool) if rows is None else np.zeros(len(X), bool)
    wanted[rows] = True
    n = int(wanted.sum()) if weight is None else float(weight[wanted].sum())
    shift, squares = np.zeros(X.shape[1]), np.zeros(X.shape[1])  # (d,)

    def total(values: Array, part: slice) -> Array:
        if weight is None:
            return np.asarray(values.sum(axis=0, dtype=np.float64))
        return np.asarray(weight[part][wanted[part]] @ values)

    for part in row_chunks(len(X)):
        shift += total(np.asarray(X[part])[wanted[part]], part) / n
    for part in row_chunks(len(X)):
        squares += total((np.asarray(X[part])[wanted[part]] - shift) ** 2, part)
    return from_moments(name, shift, np.sqrt(squares / n), blocks, X.dtype)


def from_moments(name: str, shift: Array, spread: Array, blocks: tuple[int, ...], dtype: Any) -> dict[str, Array]:
    """Return what a scaling learns of the mean and the standard deviation (d,) of each column."""
    if name == "block":
        edges = np.cumsum((0, *blocks))[:-1]
        spread = np.repeat(np.sqrt(np.add.reduceat(spread**2, edges)), blocks)  # (d,)
    # a column that never changes (up to rounding) carries nothing; dividing by its spread would blow up noise
    still = spread <= 1e-7 * np.abs(shift)
    factor = np.where(still, 0.0, 1 / np.where(still, 1.0, spread))
    return {"shift": shift.astype(dtype), "factor": factor.astype(dtype)}


def apply(name: str, X: Array, blocks: tuple[int, ...], learnt: dict[str, Array]) -> Array:
    """Return a scaled copy of X (n, d), in its own precision; X itself where the scaling is `none`."""
    if name == "none":
        return X
    if name == "unit":
        return unit_blocks(X, blocks)
    out = X - learnt["shift"].astype(X.dtype)
    out *= learnt["factor"].astype(X.dtype)
    return np.asarray(out)

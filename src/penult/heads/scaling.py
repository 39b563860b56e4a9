"""Scaling of features, so that no backbone drowns another; numpy alone, because prediction needs it too.

In: X (n, d) and the widths of its blocks, one block per backbone. Out: the fitted scaling, and scaled copies of X.

- `unit`: each row of each block gets length 1. Nothing is learnt, so every fold can share one scaled X. A
block of fewer than
  8 columns stays as it is: a fixed length would take away a dimension, and so few have none to spare.
- `standard`: each column gets mean 0 and variance 1.
- `block`: each column gets mean 0, each block mean squared row length 1.
- `none`: as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from penult.arrays import Array
from penult.errors import InputError, unknown

NAMES = ("unit", "standard", "block", "none")
NARROW = 8
TINY = 1e-12  # a largest entry whose inverse still has room in float32
CHUNK = 1024  # rows whose temporaries are in memory at a time
STATELESS = frozenset({"unit", "none"})


def check_blocks(d: int, blocks: Sequence[int] | None) -> tuple[int, ...]:
    """Return the widths of the blocks of d columns; raise InputError when they do not add up."""
    if blocks is None:
        return (d,)
    wanted = tuple(int(width) for width in blocks)
    if sum(wanted) != d or min(wanted, default=0) < 1:
        raise InputError(
            f"the block widths {wanted} add up to {sum(wanted)}, and X has {d} columns; "
            "give the width of each backbone's block, in the order of the columns, or leave blocks out"
        )
    return wanted


def fit(name: str, X: Any, blocks: tuple[int, ...], rows: Array | None = None) -> dict[str, Array]:
    """Return what the scaling `name` learns from X (n, d): `shift` and `factor` (d,), or nothing.

    `rows`: the numbers of the rows to learn from, all when None. X is read slice by slice.
    """
    if name not in NAMES:
        raise unknown("scaling", name, NAMES)
    if name in STATELESS:
        return {}
    n = len(X) if rows is None else len(rows)
    wanted = np.ones(len(X), bool) if rows is None else np.zeros(len(X), bool)
    wanted[rows] = True
    shift, squares = np.zeros(X.shape[1]), np.zeros(X.shape[1])  # (d,)
    for part in _chunks(len(X)):
        shift += np.asarray(X[part])[wanted[part]].sum(axis=0, dtype=np.float64) / n
    for part in _chunks(len(X)):
        squares += ((np.asarray(X[part])[wanted[part]] - shift) ** 2).sum(axis=0)
    spread = np.sqrt(squares / n)  # (d,)
    if name == "block":
        edges = np.cumsum((0, *blocks))[:-1]
        spread = np.repeat(np.sqrt(np.add.reduceat(spread**2, edges)), blocks)  # (d,)
    # a column that never changes (up to rounding) carries nothing; dividing by its spread would blow up noise
    still = spread <= 1e-7 * np.abs(shift)
    factor = np.where(still, 0.0, 1 / np.where(still, 1.0, spread))
    return {"shift": shift.astype(X.dtype), "factor": factor.astype(X.dtype)}


def apply(name: str, X: Array, blocks: tuple[int, ...], learnt: dict[str, Array]) -> Array:
    """Return a scaled copy of X (n, d), in its own precision."""
    if name == "none":
        return X
    if name != "unit":
        out = X - learnt["shift"].astype(X.dtype)
        out *= learnt["factor"].astype(X.dtype)
        return np.asarray(out)
    out = np.array(X)
    for rows in _chunks(len(X)):
        for start, stop in pairwise(np.cumsum((0, *blocks))):
            if stop - start >= NARROW:
                _shorten(out[rows, start:stop])
    return out


def lengths(X: Array, blocks: tuple[int, ...]) -> tuple[Array, bool]:
    """Return one over the length of each row's blocks, (n, b), by which `unit` multiplies; and whether one would overflow."""
    out = np.ones((len(X), len(blocks)), X.dtype)
    odd = False
    for at, (start, stop) in enumerate(pairwise(np.cumsum((0, *blocks)))):
        if stop - start < NARROW:
            continue
        largest, length = _length(X[:, start:stop])
        out[:, at] = (1 / length / largest)[:, 0]
        odd |= bool((largest < TINY).any() or (largest > 1 / TINY).any())
    return out, odd


def _length(part: Array) -> tuple[Array, Array]:
    """Return the largest entry of each row, and the length of the row divided by it, (n, 1); 1 for a row of zeros."""
    # squares of huge or tiny features must neither overflow nor vanish
    largest = np.abs(part).max(axis=1, keepdims=True)  # (n, 1)
    largest = np.where(largest > 0, largest, 1)
    scaled = part / largest
    length = np.sqrt(np.einsum("nd,nd->n", scaled, scaled))[:, None]
    return largest, np.where(length > 0, length, 1)


def _shorten(part: Array) -> None:
    """Give each row of part (n, d) length 1, in place; a row of zeros stays."""
    largest, length = _length(part)
    part /= largest
    part /= length


def _chunks(n: int) -> list[slice]:
    return [slice(start, start + CHUNK) for start in range(0, n, CHUNK)]

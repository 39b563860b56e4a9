"""Features in a few hundred directions: what the quick model learns from, 41 MB for 20,000 photos.

In: features (n, d) in parts, and the widths of their blocks. Out: the scaled features in the 512 directions in which they vary
most, (n, 512) float32. Random directions need no look at the features, but cost one to two points of accuracy from 300 labels
on; these cost none that can be measured (`benchmarks/studio.py accuracy`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from penult.arrays import unit_blocks
from penult.neighbors import leading_directions

Floats = NDArray[np.float32]

DIRECTIONS = 512
SAMPLE = 2048  # photos that the directions are learnt from
FLAT = 1e-6  # share of the largest variance below which a direction is rounding


def project(parts: Callable[[], Iterable[Floats]], n: int, blocks: Sequence[int], seed: int = 0) -> Floats:
    """Return n photos in the directions in which their scaled features vary most, (n, r), r at most 512.

    Parameters
    ----------
    parts : callable
        Returns the features (n, d) in order, in parts of any number of rows; it is called twice.
    n : int
        Photos in all.
    blocks : sequence of int
        The widths of the blocks of columns, each scaled by itself as the heads do.
    seed : int
        By which the photos are drawn that the directions are learnt from.

    Returns
    -------
    array (n, r) float32
        Centred; the first column varies most. The cosine of two rows says how alike two photos are.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).standard_normal((30, 40), np.float32)
    >>> project(lambda: [X[:20], X[20:]], 30, (16, 24)).shape
    (30, 29)
    """
    # 1. some photos, scaled and centred, and the directions in which they vary (Halko, Martinsson & Tropp 2011)
    drawn = np.sort(np.random.default_rng(seed).permutation(n)[:SAMPLE])
    some = unit_blocks(np.concatenate([part[rows] for part, rows in _drawn(parts(), drawn)]), blocks)
    mean = some.mean(axis=0, dtype=np.float64).astype(np.float32)
    some -= mean
    basis = leading_directions(some, min(DIRECTIONS, len(some), some.shape[1]), seed)  # (d, r)
    # 2. turned so that each coordinate is a principal one (Rayleigh-Ritz); those in which nothing varies are left out
    inside = some @ basis
    values, turn = np.linalg.eigh(inside.T.astype(np.float64) @ inside)
    varies = values > FLAT * values[-1]
    varies[-1] = True  # photos that are all alike have one, of zeros
    basis = basis @ turn[:, varies][:, ::-1].astype(np.float32)
    # 3. all photos, part by part
    out = np.empty((n, basis.shape[1]), np.float32)
    at = 0
    for part in parts():
        out[at : at + len(part)] = (unit_blocks(np.asarray(part, np.float32), blocks) - mean) @ basis
        at += len(part)
    return out


def _drawn(parts: Iterable[Floats], rows: NDArray[np.intp]) -> Iterable[tuple[Floats, NDArray[np.intp]]]:
    """Yield each part, with those of its rows that were drawn."""
    start = 0
    for part in parts:
        yield part, rows[(rows >= start) & (rows < start + len(part))] - start
        start += len(part)

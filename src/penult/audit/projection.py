"""Few numbers that say most of what the features say: standardised, each part of the same weight, principal components.

Comes in: features (n, d). Goes out: unit vectors (n, at most 50).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.intp]

COMPONENTS = 50  # as van der Maaten & Hinton did before t-SNE: noise goes, neighbours stay
CHUNK = 32_000_000  # numbers copied at a time; X itself is never copied whole


def directions(X: Floats, blocks: Sequence[int], landmarks: Ints, seed: int) -> Floats:
    """Return the leading principal components of the rows of X as unit vectors (n, c), c at most 50.

    What is centred, scaled and turned is learnt from the rows `landmarks` (l,) and holds for all. `blocks` are the widths of
    the runs of columns that count the same, whatever their width.
    """
    from sklearn.utils.extmath import randomized_svd

    some = X[landmarks]  # (l, d)
    mean, spread = some.mean(axis=0), some.std(axis=0, dtype=np.float64).astype(np.float32)  # (d,)
    weight = np.repeat([1 / width**0.5 for width in blocks], blocks).astype(np.float32)  # (d,)
    scale = weight / np.maximum(spread, 1e-3 * spread.max() + 1e-12)  # a constant column is rounding errors
    unit = _unit((some - mean) * scale)  # (l, d)
    centre = unit.mean(axis=0)  # (d,)
    count = min(COMPONENTS, len(some) - 1, X.shape[1])
    axes = randomized_svd(unit - centre, count, n_iter=4, random_state=seed)[2]  # (c, d)
    step = max(1, CHUNK // X.shape[1])
    rows = [
        (_unit((X[start : start + step] - mean) * scale) - centre) @ axes.T.astype(np.float32)
        for start in range(0, len(X), step)
    ]
    return _unit(np.concatenate(rows))


def nearest(queries: Floats, Z: Floats, count: int, own: bool) -> tuple[Ints, Floats]:
    """Return for each unit vector (m, c) the rows of Z (n, c) most like it (m, count), nearest first, and how alike.

    With `own` the queries are Z itself, and no row is its own neighbour.
    """
    found = np.empty((len(queries), count), np.intp)  # (m, count)
    alike = np.empty((len(queries), count), np.float32)
    step = max(1, CHUNK // len(Z))
    for start in range(0, len(queries), step):
        part = queries[start : start + step] @ Z.T  # (b, n)
        if own:
            part[np.arange(len(part)), start + np.arange(len(part))] = -2
        some = np.argpartition(part, len(Z) - count, axis=1)[:, len(Z) - count :]  # (b, count)
        order = np.argsort(-np.take_along_axis(part, some, axis=1), axis=1, kind="stable")
        found[start : start + step] = np.take_along_axis(some, order, axis=1)
        alike[start : start + step] = np.take_along_axis(part, found[start : start + step], axis=1)
    return found, alike


def _unit(rows: Floats) -> Floats:
    unit: Floats = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-12))
    return unit

"""Rows made ready for the solvers: scaled, centred, and turned into fewer coordinates where there are few
rows.

In: a `Task` and the name of a scaling. Out: one `Space` for all folds where the scaling learns nothing, else
one per fold. It must not know losses or candidates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.heads import scaling
from penult.heads.lbfgs import Spectrum, spectrum
from penult.heads.state import HeadState
from penult.heads.task import Task

Array = NDArray[Any]

FEW = 600  # rows up to which a full eigendecomposition costs less than it saves


@dataclass(frozen=True)
class Space:
    """Coordinates of all rows in which an L2-penalised linear problem has the same optimum as in the scaled
    features.

    `rows` (n, r) has lost the mean (the intercept is not penalised, so only the conditioning changes). With n
    < d and few rows, r <= n: the rows lie in the span of n directions, an optimum has no part outside it, and
    a rotation leaves the penalty alone.
    """

    rows: Array  # (n, r)
    spectrum: Spectrum
    mean: Array  # (d,)
    back: Array | None  # (r, d) from coordinates to features; None when they are the same
    learnt: dict[str, Array]
    folds: tuple[tuple[Array, Array], ...]

    def lift(self, coef: Array, intercept: Array, facts: dict[str, Any]) -> HeadState:
        """Return the scorer of coefficients (c, r) and intercepts (c,) in these coordinates."""
        weights = (coef if self.back is None else coef @ self.back).astype(np.float32)  # (c, d)
        arrays: dict[str, Array] = {
            "weights": weights,
            "intercepts": np.asarray(intercept - weights.astype(np.float64) @ self.mean, np.float64),
            **self.learnt,
        }
        return HeadState("linear", arrays, facts)


def spaces(task: Task, name: str) -> Iterator[Space]:
    """Yield spaces that together serve every fold; each scaling is fitted on training rows only."""
    dealt = task.folds or ()
    if name in scaling.STATELESS:
        yield space(task, name, None, dealt)
        return
    for fold in dealt:
        yield space(task, name, fold[0], (fold,))


def space(task: Task, name: str, train: Array | None, served: tuple[tuple[Array, Array], ...] = ()) -> Space:
    """Return the space whose scaling is fitted on the rows `train` (all when None)."""
    learnt = scaling.fit(name, task.X if train is None else task.X[train], task.blocks)
    X = scaling.apply(name, task.X, task.blocks, learnt)  # (n, d)
    if name == "none":
        X = X.copy()
    mean = X.mean(axis=0, dtype=np.float64)
    X -= mean.astype(X.dtype)
    mean = mean.astype(X.dtype).astype(np.float64)
    n, d = X.shape
    if n >= d or n > FEW:
        return Space(X, spectrum(X), mean, None, learnt, served)
    values, U = np.linalg.eigh(X.astype(np.float64) @ X.T.astype(np.float64))  # (n,), (n, n)
    keep = values > values[-1] * 1e-10
    root, U = np.sqrt(values[keep]), U[:, keep]
    back = (U / root).T @ X  # (r, d)
    return Space(U * root, Spectrum(root**2 / n, None, 0.0), mean, back, learnt, served)

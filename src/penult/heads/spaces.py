"""Rows made ready for the solvers: scaled, centred, and turned into fewer coordinates where there are few
rows.

In: a `Task` and the name of a scaling. Out: one `Space` for all folds where the scaling learns nothing, else one per fold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from penult.arrays import Array
from penult.heads import scaling
from penult.heads.rows import Dense, Lazy, Rows, chunks, on_disk
from penult.heads.sketch import MANY, Spectrum, spectrum
from penult.heads.state import HeadState
from penult.heads.task import Task

FEW = 600  # rows up to which a full eigendecomposition costs less than it saves
COLUMNS = 1024
MIDDLING = 4000  # rows up to which n x n numbers may stand beside X
FAR = 300.0  # a mean so many times the spread would cost float32 more than two of its seven digits


@dataclass(frozen=True)
class Space:
    """Coordinates of all rows in which an L2-penalised linear problem has the same optimum as in the scaled
    features.

    `rows` (n, r) has lost the mean (the intercept is not penalised, so only the conditioning changes). With n
    < d and few rows, r <= n: the rows lie in the span of n directions, an optimum has no part outside it, and
    a rotation leaves the penalty alone.
    """

    rows: Rows  # (n, r)
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


@dataclass(frozen=True)
class TriangularSpace(Space):
    """Coordinates L of rows X with X X^T = L L^T (Cholesky): like a rotation, at a tenth of its price.

    An optimum in the features is X^T a for some a; in these coordinates it is L^T a, of the same length.
    """

    X: Array  # (n, d) scaled, centred
    root: Array  # (n, n) L, float64

    def lift(self, coef: Array, intercept: Array, facts: dict[str, Any]) -> HeadState:
        """Return the scorer of coefficients (c, n) and intercepts (c,) in these coordinates."""
        from scipy.linalg import solve_triangular

        shares = solve_triangular(self.root, coef.T, lower=True, trans=1).T  # (c, n)
        return super().lift(shares.astype(self.X.dtype) @ self.X, intercept, facts)


def spaces(task: Task, name: str) -> Iterator[Space]:
    """Yield spaces that together serve every fold; each scaling is fitted on training rows only.

    Of many rows the leading directions are found once: they only speed the solvers up.
    """
    dealt = task.folds or ()
    if name in scaling.STATELESS:
        yield space(task, name, None, dealt)
        return
    known: Spectrum | None = None
    for fold in dealt:
        one = space(task, name, fold[0], (fold,), known)
        known = one.spectrum if isinstance(one.rows, Lazy) else None
        yield one


def space(
    task: Task,
    name: str,
    train: Array | None,
    served: tuple[tuple[Array, Array], ...] = (),
    known: Spectrum | None = None,
) -> Space:
    """Return the space whose scaling is fitted on the rows `train` (all when None).

    Many rows are not copied: they are scaled inside the products. `known` spares finding their leading directions.
    """
    learnt = scaling.fit(name, task.X, task.blocks, train)
    n, d = task.X.shape
    if on_disk(task.X) or n * d > MANY:
        rows, mean = lazy(task, name, learnt)
        return Space(rows, known or spectrum(rows), mean, None, learnt, served)
    X = scaling.apply(name, task.X, task.blocks, learnt)  # (n, d)
    if name == "none":
        X = X.copy()
    mean = X.mean(axis=0, dtype=np.float64)
    X -= mean.astype(X.dtype)
    mean = mean.astype(X.dtype).astype(np.float64)
    if n >= d or n > MIDDLING:
        return Space(Dense(X), spectrum(Dense(X)), mean, None, learnt, served)
    if n > FEW:
        return _triangular(X, mean, learnt, served)
    values, U = np.linalg.eigh(X.astype(np.float64) @ X.T.astype(np.float64))  # (n,), (n, n)
    keep = values > values[-1] * 1e-10
    root, U = np.sqrt(values[keep]), U[:, keep]
    back = (U / root).T @ X  # (r, d)
    return Space(Dense(U * root), Spectrum(root**2 / n, None, 0.0), mean, back, learnt, served)


def lazy(task: Task, name: str, learnt: dict[str, Array]) -> tuple[Lazy, Array]:
    """Return rows that are scaled and centred inside the products, and the mean (d,) of the scaled features."""
    X, d = task.X, task.X.shape[1]
    if learnt:
        factor = learnt["factor"].astype(float)
        offset = learnt["shift"] * factor
        far = bool((np.abs(offset) > FAR).any())
        return Lazy(X, X.dtype, learnt["factor"], None, task.blocks, offset, far), np.zeros(d)
    lengths = np.ones((len(X), len(task.blocks)), X.dtype) if name == "unit" else None  # (n, b)
    total, squares, odd = np.zeros(d), np.zeros(d), False
    for at in chunks(X):
        x = np.asarray(X[at])
        if lengths is not None:
            lengths[at], strange = scaling.lengths(x, task.blocks)
            odd |= strange
            x = scaling.apply("unit", x, task.blocks, {})
        total += x.sum(axis=0, dtype=float)
        squares += np.einsum("nd,nd->d", x, x, dtype=float)
    mean = total / len(X)
    spread = np.sqrt(np.maximum(squares / len(X) - mean**2, 0).mean())
    mean = mean.astype(X.dtype).astype(float)
    far = bool((np.abs(mean) > FAR * spread).any())
    return Lazy(X, X.dtype, None, lengths, task.blocks, mean, far or odd), mean


def _triangular(X: Array, mean: Array, learnt: dict[str, Array], served: tuple[tuple[Array, Array], ...]) -> Space:
    """Return the space of the Cholesky factor of X X^T with a little added to its diagonal.

    Centred rows are dependent, copies too, and products in float32 are rounded. What is added, a millionth of the mean or as
    much more as it takes, moves no coefficient by more than the rounding does.
    """
    gram = np.zeros((len(X), len(X)))  # (n, n)
    for start in range(0, X.shape[1], COLUMNS):  # sums of few products in float32, the rest in float64
        part = X[:, start : start + COLUMNS]
        gram += part @ part.T
    place, level = np.diag_indices_from(gram), np.trace(gram) / len(gram)
    for share in (1e-6, 1e-5, 1e-4, 1e-3):
        gram[place] += share * level
        try:
            root = np.linalg.cholesky(gram)
        except np.linalg.LinAlgError:
            continue
        rows = root.astype(X.dtype)
        return TriangularSpace(Dense(rows), spectrum(Dense(rows)), mean, None, learnt, served, X, root)
    return Space(Dense(X), spectrum(Dense(X)), mean, None, learnt, served)

"""Rows made ready for the solver: scaled, centred, and turned into fewer coordinates where there are few rows.

One `Space` serves all folds where the scaling learns nothing, else each fold has its own, fitted on its training rows only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from penult.arrays import Array, block_factors, row_chunks, unit_blocks
from penult.heads import scaling
from penult.heads.scoring import HeadState, squared_distances
from penult.heads.task import Folds, Task
from penult.solver import (
    LARGE,
    DenseMatrix,
    DesignMatrix,
    ScaledMatrix,
    Spectrum,
    entry_chunks,
    known_spectrum,
    on_disk,
    spectrum,
)

EIGEN_ROWS = 600  # up to which a full eigendecomposition costs less than it saves
GRAM_ROWS = 2048  # up to which the coordinates are exact, n x n numbers; above, so many rows find the directions
DIRECTIONS = 1024  # in which many rows are looked at while settings are chosen
GRAM_COLUMNS = 1024  # summed at a time
FAR = 300.0  # a mean so many times the spread would cost float32 more than two of its seven digits
LANDMARKS = 1000  # rows up to which a kernel is exact


@dataclass(frozen=True)
class Space:
    """Coordinates of all rows in which an L2-penalised linear problem has the same optimum as in the scaled features.

    `X` (n, r) has lost the mean (the intercept is not penalised, so only the conditioning changes). With n < d and few rows,
    r <= n: the rows lie in the span of n directions, an optimum has no part outside it, and a rotation leaves the penalty
    alone.
    """

    X: DesignMatrix  # (n, r)
    spectrum: Spectrum
    mean: Array  # (d,)
    basis: Array | None  # (r, d) from coordinates to features; None when they are the same
    learnt: dict[str, Array]
    folds: Folds  # that it serves
    partial: bool = field(default=False, kw_only=True)  # whether the rows have parts outside the coordinates

    def to_state(self, coef: Array, intercept: Array, facts: dict[str, Any]) -> HeadState:
        """Return the saved head of coefficients (c, r) and intercepts (c,) in these coordinates."""
        weights = (coef if self.basis is None else coef @ self.basis).astype(np.float32)  # (c, d)
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

    features: Array  # (n, d) scaled, centred
    root: Array  # (n, n) L, float64

    def to_state(self, coef: Array, intercept: Array, facts: dict[str, Any]) -> HeadState:
        """Return the saved head of coefficients (c, n) and intercepts (c,) in these coordinates."""
        from scipy.linalg import solve_triangular

        shares = solve_triangular(self.root, coef.T, lower=True, trans=1).T  # (c, n)
        return super().to_state(shares.astype(self.features.dtype) @ self.features, intercept, facts)


@dataclass(frozen=True)
class KernelSpace(Space):
    """Coordinates that are combinations of Gaussian kernel values to landmarks: linear in them is a kernel classifier."""

    basis: Array  # (r, m) from coordinates to kernel values
    landmarks: Array  # (m, d) scaled rows
    gamma: float

    def to_state(self, coef: Array, intercept: Array, facts: dict[str, Any]) -> HeadState:
        """Return the saved head of coefficients (c, r) and intercepts (c,) in these coordinates."""
        arrays = {
            "rows": self.landmarks.astype(np.float32),
            "weights": coef @ self.basis,  # (c, m)
            "intercepts": np.asarray(intercept - coef @ self.mean, np.float64),
            **self.learnt,
        }
        return HeadState("kernel", arrays, {**facts, "gamma": self.gamma})


def spaces_of_folds(task: Task, name: str, make: Callable[..., Space]) -> Iterator[Space]:
    """Yield spaces `make(task, name, train, folds)` that together serve every fold of the task."""
    if name in scaling.STATELESS:
        yield make(task, name, None, task.folds or ())
        return
    for fold in task.folds or ():
        yield make(task, name, fold[0], (fold,))


def linear_spaces(task: Task, name: str) -> list[Space]:
    """Return linear spaces that together serve every fold of the task, of few enough coordinates to choose settings in.

    More than 2,048 rows of more than 1,024 columns are looked at in the 1,024 directions in which 2,048 of them vary most.
    They are made once for a task.
    """
    if name not in task.spaces:
        many = len(task.X) > GRAM_ROWS and task.X.shape[1] > DIRECTIONS
        task.spaces[name] = list(spaces_of_folds(task, name, principal_space if many else linear_space))
    found: list[Space] = task.spaces[name]
    return found


def whole_space(task: Task, name: str, spaces: list[Space], make: Callable[..., Space] | None = None) -> Space:
    """Return the space of all rows in which the chosen settings are fitted: that of the folds if it is exact and shared.

    Else `make(task, name)` makes it; when None, `linear_space` does with what the folds' directions tell of the rows.
    """
    shared = len(spaces) == 1 and not spaces[0].learnt
    if shared and not spaces[0].partial:
        return spaces[0]
    return make(task, name) if make else linear_space(task, name, known=spaces[0] if shared else None)


def principal_space(task: Task, name: str, train: Array | None = None, folds: Folds = ()) -> Space:
    """Return all rows in the leading principal directions of some of them: the directions are learnt without labels.

    What lies outside them is left out, which lowers no score of the folds by more than a hundredth (`benchmarks/trust.py
    heads`), and the fit of the chosen settings leaves nothing out.
    """
    learnt = scaling.fit(name, task.X, task.blocks, train, task.given_weight)
    X, mean, basis = _principal(task.X, lambda x: scaling.apply(name, x, task.blocks, learnt), task.seed)
    centre = X.mean(axis=0, dtype=np.float64)
    X -= centre.astype(X.dtype)
    known = Spectrum(np.einsum("nr,nr->r", X, X, dtype=float) / len(X), None, 0.0)
    return Space(DenseMatrix(X), known, mean + centre @ basis, basis, learnt, folds, partial=True)


def _principal(X: Any, scaled: Callable[[Array], Array], seed: int) -> tuple[Array, Array, Array]:
    """Return rows X (n, d), `scaled`, in the directions in which some of them vary most: coordinates (n, q), the mean (d,) of
    those, the basis (q, d)."""
    n = len(X)
    chosen = np.sort(np.random.default_rng(seed).choice(n, GRAM_ROWS, replace=False))
    # 1. the eigenvectors of the Gram matrix of a part of the rows give the directions
    some = scaled(np.asarray(X[chosen]) if isinstance(X, np.ndarray) else np.concatenate([X[i : i + 1] for i in chosen]))
    mean = some.mean(axis=0, dtype=np.float64).astype(some.dtype)
    some = some - mean
    values, U = np.linalg.eigh(_gram(some))
    values, U = values[-DIRECTIONS:], U[:, -DIRECTIONS:]
    keep = values > values[-1] * 1e-10
    root = np.sqrt(values[keep])
    basis = (U[:, keep] / root).T.astype(some.dtype) @ some  # (q, d)
    # 2. the other rows in these directions, chunk by chunk
    out = np.empty((n, len(basis)), some.dtype)
    out[chosen], others = U[:, keep] * root, np.setdiff1d(np.arange(n), chosen)
    for at in row_chunks(n):
        those = others[np.searchsorted(others, at.start) : np.searchsorted(others, at.stop)]
        out[those] = (scaled(np.asarray(X[at])[those - at.start]) - mean) @ basis.T
    return out, mean, basis


def linear_space(task: Task, name: str, train: Array | None = None, folds: Folds = (), *, known: Space | None = None) -> Space:
    """Return the space whose scaling is fitted on the rows `train` (all when None).

    Many rows are not copied: they are scaled inside the products. `known` are the same rows in their leading directions.
    """

    def directions(matrix: DesignMatrix) -> Spectrum:
        if known is None or known.basis is None:
            return spectrum(matrix)
        return known_spectrum(matrix, known.X.dense(np.arange(known.X.shape[0])), known.basis)

    learnt = scaling.fit(name, task.X, task.blocks, train, task.given_weight)
    n, d = task.X.shape
    few = n <= GRAM_ROWS and n < d
    if not few and (on_disk(task.X) or n * d > LARGE):
        matrix, mean = scaled_matrix(task, name, learnt)
        return Space(matrix, directions(matrix), mean, None, learnt, folds)
    X = scaling.apply(name, np.asarray(task.X), task.blocks, learnt)  # (n, d)
    if name == "none":
        X = np.array(X)
    mean = X.mean(axis=0, dtype=np.float64)
    X -= mean.astype(X.dtype)
    mean = mean.astype(X.dtype).astype(np.float64)
    if not few:
        return Space(DenseMatrix(X), directions(DenseMatrix(X)), mean, None, learnt, folds)
    if n > EIGEN_ROWS:
        return _triangular(X, mean, learnt, folds)
    # few rows: the eigenvectors of X X^T are a basis of their span
    values, U = np.linalg.eigh(X.astype(np.float64) @ X.T.astype(np.float64))  # (n,), (n, n)
    keep = values > values[-1] * 1e-10
    root, U = np.sqrt(values[keep]), U[:, keep]
    basis = (U / root).T @ X  # (r, d)
    return Space(DenseMatrix(U * root), Spectrum(root**2 / n, None, 0.0), mean, basis, learnt, folds)


def scaled_matrix(task: Task, name: str, learnt: dict[str, Array]) -> tuple[ScaledMatrix, Array]:
    """Return rows that are scaled and centred inside the products, and the mean (d,) of the scaled features."""
    X, d = task.X, task.X.shape[1]
    if learnt:
        factor = learnt["factor"].astype(float)
        offset = learnt["shift"] * factor
        far = bool((np.abs(offset) > FAR).any())
        return ScaledMatrix(X, X.dtype, learnt["factor"], None, task.blocks, offset, far), np.zeros(d)
    factors = np.ones((len(X), len(task.blocks)), X.dtype) if name == "unit" else None  # (n, b)
    total, squares, odd = np.zeros(d), np.zeros(d), False
    for at in entry_chunks(X):
        x = np.asarray(X[at])
        if factors is not None:
            factors[at], strange = block_factors(x, task.blocks)
            odd |= strange
            x = unit_blocks(x, task.blocks)
        total += x.sum(axis=0, dtype=float)
        squares += np.einsum("nd,nd->d", x, x, dtype=float)
    mean = total / len(X)
    spread = np.sqrt(np.maximum(squares / len(X) - mean**2, 0).mean())
    mean = mean.astype(X.dtype).astype(float)
    far = bool((np.abs(mean) > FAR * spread).any())
    return ScaledMatrix(X, X.dtype, None, factors, task.blocks, mean, far or odd), mean


def columns_spectrum(task: Task, name: str, space: Space) -> Spectrum:
    """Return the spectrum of the rows of a space of all rows in the columns of the scaled features."""
    if space.basis is None:
        return space.spectrum
    matrix = scaled_matrix(task, name, space.learnt)[0]
    return known_spectrum(matrix, space.X.dense(np.arange(space.X.shape[0])), space.basis)


def _triangular(X: Array, mean: Array, learnt: dict[str, Array], folds: Folds) -> Space:
    """Return the space of the Cholesky factor of X X^T with a little added to its diagonal.

    Centred rows are dependent, copies too, and products in float32 are rounded. What is added, a millionth of the mean or as
    much more as it takes, moves no coefficient by more than the rounding does.
    """
    gram = _gram(X)
    place, level = np.diag_indices_from(gram), np.trace(gram) / len(gram)
    for share in (1e-6, 1e-5, 1e-4, 1e-3):
        gram[place] += share * level
        try:
            root = np.linalg.cholesky(gram)
        except np.linalg.LinAlgError:
            continue
        matrix = DenseMatrix(root.astype(X.dtype))
        return TriangularSpace(matrix, spectrum(matrix), mean, None, learnt, folds, X, root)
    return Space(DenseMatrix(X), spectrum(DenseMatrix(X)), mean, None, learnt, folds)


def _gram(X: Array) -> Array:
    """Return X X^T, (n, n) float64: sums of few products in float32, the rest in float64."""
    gram = np.zeros((len(X), len(X)))
    for columns in row_chunks(X.shape[1], GRAM_COLUMNS):
        part = X[:, columns]
        gram += part @ part.T
    return gram


def kernel_space(task: Task, name: str, train: Array | None = None, folds: Folds = (), *, width: float) -> KernelSpace:
    """Return the space of exp(-gamma |x - x'|^2); gamma = width / median squared landmark distance.

    With at most `LANDMARKS` rows the kernel is exact; above, it is approximated from that many of them (Nystroem; Williams &
    Seeger 2001), so that time and memory stay linear in the rows.
    """
    learnt = scaling.fit(name, task.X, task.blocks, train, task.given_weight)
    X = scaling.apply(name, task.X, task.blocks, learnt)  # (n, d)
    chosen = np.arange(len(X))
    if len(X) > LANDMARKS:
        chosen = np.sort(np.random.default_rng(task.seed).choice(len(X), LANDMARKS, replace=False))
    landmarks = X[chosen].astype(np.float32).astype(X.dtype)  # (m, d), as they will be saved
    far = squared_distances(landmarks, landmarks)  # (m, m)
    typical = _typical(far, None if task.given_weight is None else task.given_weight[chosen])
    gamma = width / typical if typical > 0 else width
    values, U = np.linalg.eigh(np.exp(-gamma * far.astype(np.float64)))
    keep = values > values[-1] * 1e-6
    turn = U[:, keep] / np.sqrt(values[keep])  # (m, r)
    rows = np.exp(-gamma * squared_distances(X, landmarks)) @ turn.astype(X.dtype)  # (n, r)
    mean = rows.mean(axis=0, dtype=np.float64)
    rows = np.asarray(rows - mean.astype(rows.dtype))
    known = Spectrum(np.einsum("nr,nr->r", rows, rows) / len(rows), None, 0.0)
    return KernelSpace(DenseMatrix(rows), known, mean, turn.T, learnt, folds, landmarks, gamma)


def _typical(far: Array, weight: Array | None) -> float:
    """Return the median of the distances (m, m) between two rows, that of repeated rows where they have a weight (m,)."""
    above = np.triu_indices(len(far), 1)
    if weight is None:
        return float(np.median(far[above]))
    # a row that counts w times has w (w - 1) / 2 pairs of copies, at no distance
    pairs, copies = weight[above[0]] * weight[above[1]], np.maximum(weight * (weight - 1) / 2, 0).sum()
    order = np.argsort(far[above], kind="stable")
    below = copies + np.cumsum(pairs[order])
    middle = (copies + pairs.sum()) / 2
    if copies >= middle:
        return 0.0
    at = np.searchsorted(below, [middle, middle + 1e-9 * middle], side="left")
    return float(far[above][order[np.minimum(at, len(order) - 1)]].mean())

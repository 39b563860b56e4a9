"""Many linear classifiers at once: one batched L-BFGS, two matrix products an iteration.

In: rows, a loss, one row of weights and one C per problem. Out: coefficients per problem.
All (C, fold, class) problems over the same rows share each pass over X: matrix times matrix instead of
matrix times vector. It must not know what the problems are for: no folds, no choice, no scaling.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.heads.losses import Loss

Array = NDArray[Any]

MEMORY = 10
LINE_STEPS = 5
FLAT_ENOUGH = 0.4  # strong Wolfe: the slope after a step, as a share of the slope before


@dataclass(frozen=True)
class Spectrum:
    """The large eigenvalues of X^T X / n, of which the preconditioner is made."""

    values: Array  # (q,) descending
    vectors: Array | None  # (r, q); None when the coordinates are the eigenvectors themselves
    tail: float  # mean of the eigenvalues left out


def spectrum(X: Array, rank: int = 128) -> Spectrum:
    """Return the leading eigenvalues of X^T X / n by subspace iteration (Halko, Martinsson & Tropp 2011)."""
    n, width = X.shape
    rank = min(rank, n, width)
    Q = np.random.default_rng(0).standard_normal((width, rank)).astype(X.dtype)
    for _ in range(2):
        Q = np.linalg.qr(X.T @ (X @ Q))[0]  # (r, q)
    B = X @ Q  # (n, q)
    values, turn = np.linalg.eigh(B.T @ B / n)
    values, vectors = np.maximum(values[::-1], 0), Q @ turn[:, ::-1]
    rest = np.einsum("nr,nr->", X, X, dtype=float) / n - values.sum()
    return Spectrum(values, vectors, max(float(rest), 0.0) / max(width - rank, 1))


@dataclass(frozen=True)
class Problems:
    """p problems over the same rows: minimise C * sum_i weight_i loss_i + |coefficients|^2 / 2.

    The intercept is not penalised. A row with weight 0 is held out of that problem.
    """

    X: Array  # (n, r)
    loss: Loss
    weight: Array  # (p, n), C already in it
    spectrum: Spectrum


def problems(X: Array, loss: Loss, weight: Array, C: Array, shape: Spectrum) -> Problems:
    """Return the problems of one X (n, r): weight (p, n) and C (p,)."""
    return Problems(X, loss, (weight * C[:, None]).astype(X.dtype), shape)


def solve(task: Problems, start: Array | None = None, tol: float = 1e-6, max_iter: int = 1000) -> Array:
    """Return the minimisers, (p, c, r + 1), the intercept last; converged problems drop out on the way.

    A problem has converged when the decrease that the quadratic model promises is below `tol` of its value
    (Nocedal & Wright 2006, algorithm 7.5; the line search is a safeguarded Newton on the cached margins,
    which costs no pass over X).
    """
    shape = (len(task.weight), task.loss.columns * (task.X.shape[1] + 1))
    W = np.zeros(shape, task.X.dtype) if start is None else start.reshape(shape).astype(task.X.dtype)
    result = W.copy()
    alive, weight = np.arange(len(W)), task.weight
    Z = _margins(task, W)
    G = _gradient(task, W, Z, weight)
    memory: deque[tuple[Array, Array, Array]] = deque(maxlen=MEMORY)
    for _ in range(max_iter):
        soften = _preconditioner(task, weight)
        P, slope = _direction(G, memory, soften)
        value = (weight * task.loss.value(Z)).sum(axis=1, dtype=float) + _penalty(task, W, W) / 2
        going = -slope > tol * np.maximum(value, 1e-12)
        if not going.any():
            break
        if going.sum() < 0.7 * len(going):
            result[alive] = W
            alive, weight, W, Z, G, P, slope = (a[going] for a in (alive, weight, W, Z, G, P, slope))
            memory = deque([(s[going], y[going], q[going]) for s, y, q in memory], maxlen=MEMORY)
        step, Z = _line(task, weight, (W, P, Z), slope)
        S = step[:, None] * P
        W = W + S
        before, G = G, _gradient(task, W, Z, weight)
        curve = _dot(S, G - before)
        memory.append((S, G - before, np.where(curve > 0, 1 / np.where(curve > 0, curve, 1), 0)))
    result[alive] = W
    return result.reshape(len(result), task.loss.columns, -1)


def _dot(A: Array, B: Array) -> Array:
    return np.asarray(np.einsum("pd,pd->p", A, B), float)


def _penalty(task: Problems, A: Array, B: Array) -> Array:
    shape = (len(A), task.loss.columns, -1)
    return np.asarray(np.einsum("pcd,pcd->p", A.reshape(shape)[..., :-1], B.reshape(shape)[..., :-1]), float)


def _margins(task: Problems, W: Array) -> Array:
    flat = W.reshape(len(W) * task.loss.columns, -1)  # (p * c, r + 1)
    return np.asarray((flat[:, :-1] @ task.X.T + flat[:, -1:]).reshape(len(W), task.loss.columns, -1))


def _gradient(task: Problems, W: Array, Z: Array, weight: Array) -> Array:
    R = (task.loss.slope(Z) * weight[:, None]).reshape(len(W) * task.loss.columns, -1)  # (p * c, n)
    G = W.reshape(len(R), -1).copy()
    G[:, :-1] += R @ task.X
    G[:, -1] = R.sum(axis=1)
    return G.reshape(W.shape)


def _preconditioner(task: Problems, weight: Array) -> Callable[[Array], Array]:
    """Return v -> H^-1 v for H = (start bend) C X^T X + 1, exact in the leading directions of X."""
    shape, columns = task.spectrum, task.loss.columns
    force = np.repeat(task.loss.start_bend * weight.sum(axis=1, dtype=float), columns)[:, None]  # (p * c, 1)
    tail = (1 / (force * shape.tail + 1)).astype(weight.dtype)
    lead = (1 / (force * shape.values + 1)).astype(weight.dtype)  # (p * c, q)
    level = (1 / np.maximum(force[:, 0], 1e-30)).astype(weight.dtype)

    def soften(V: Array) -> Array:
        flat = V.reshape(len(force), -1)  # (p * c, r + 1)
        out = np.empty_like(flat)
        if shape.vectors is None:
            out[:, :-1] = flat[:, :-1] * lead
        else:
            out[:, :-1] = flat[:, :-1] * tail
            out[:, :-1] += ((flat[:, :-1] @ shape.vectors) * (lead - tail)) @ shape.vectors.T
        out[:, -1] = flat[:, -1] * level
        return out.reshape(V.shape)

    return soften


def _direction(G: Array, memory: deque[tuple[Array, Array, Array]], soften: Callable[[Array], Array]) -> tuple[Array, Array]:
    """Return the step that the remembered curvature proposes, and the slope along it, (p,)."""
    P = -_two_loop(G, memory, soften)
    slope = _dot(G, P)
    uphill = slope >= 0
    if uphill.any():
        P[uphill] = -soften(G)[uphill]
        slope = _dot(G, P)
    return P, slope


def _two_loop(G: Array, memory: deque[tuple[Array, Array, Array]], soften: Callable[[Array], Array]) -> Array:
    q = G.copy()
    taken: list[Array] = []
    for S, Y, inverse in reversed(memory):
        a = (inverse * _dot(S, q)).astype(G.dtype)
        q -= a[:, None] * Y
        taken.append(a)
    q = soften(q)
    if memory:
        _, Y, inverse = memory[-1]
        bent = _dot(Y, soften(Y)) * inverse
        q *= np.where(bent > 0, 1 / np.where(bent > 0, bent, 1), 1).astype(G.dtype)[:, None]
    for (S, Y, inverse), a in zip(memory, reversed(taken), strict=True):
        b = (inverse * _dot(Y, q)).astype(G.dtype)
        q += (a - b)[:, None] * S
    return q


def _line(task: Problems, weight: Array, at: tuple[Array, Array, Array], slope: Array) -> tuple[Array, Array]:
    """Return the step per problem (p,) and the margins there (p, c, n)."""
    W, P, Z = at
    D = _margins(task, P)  # (p, c, n)
    along, square = _penalty(task, W, P), _penalty(task, P, P)
    step, low, high = np.ones(len(W)), np.zeros(len(W)), np.full(len(W), np.inf)
    moved = Z + D
    for _ in range(LINE_STEPS):
        first = along + step * square
        first += (weight * (task.loss.slope(moved) * D).sum(axis=1)).sum(axis=1, dtype=float)
        rough = np.abs(first) > FLAT_ENOUGH * np.abs(slope)
        if not rough.any():
            break
        second = square + (weight * task.loss.bend(moved, D)).sum(axis=1, dtype=float)
        low, high = np.where(first < 0, step, low), np.where(first > 0, step, high)
        newton = np.clip(step - first / np.maximum(second, 1e-300), step / 10, step * 10)
        middle = np.where(np.isinf(high), 4 * step, (low + high) / 2)
        better = np.where((newton > low) & (newton < high), newton, middle)
        step = np.where(rough, better, step)
        moved = Z + step.astype(Z.dtype)[:, None, None] * D
    return step.astype(Z.dtype), moved

"""Many linear classifiers at once: one batched L-BFGS, two matrix products an iteration.

In: rows, a loss, one row of weights and one C per problem. Out: a batch of problems a few iterations on. All (C, fold,
class) problems over the same rows share each pass over X: matrix times matrix instead of matrix times vector.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from penult.arrays import Array
from penult.heads.losses import Loss
from penult.heads.rows import Rows

Soften = Callable[[Array], Array]
Pairs = deque[tuple[Array, Array, Array]]

MEMORY = 12
LINE_STEPS = 5
NOISE = 1e-7  # cosine of a step and the change of the gradient along it
FLAT_ENOUGH = 0.4  # strong Wolfe: the slope after a step, as a share of the slope before


@dataclass(frozen=True)
class Problems:
    """p problems over the same rows: minimise sum_i weight_i loss_i + tilt . w + |coefficients|^2 / 2.

    The intercept is not penalised. A row with weight 0 is held out of that problem.
    """

    rows: Rows  # (n, r)
    loss: Loss
    weight: Array  # (p, n), C in it
    tilt: Array | None = None  # (p, c * (r + 1))

    def of(self, some: Array) -> Problems:
        """Return some of the problems."""
        return replace(self, weight=self.weight[some], tilt=None if self.tilt is None else self.tilt[some])


@dataclass(frozen=True)
class Point:
    """Where a batch of problems stands."""

    W: Array  # (p, c * (r + 1)) coefficients, the intercept last
    Z: Array  # (p, c, n) margins
    S: Array  # (p, c, n) slope of the loss by each margin
    G: Array  # (p, c * (r + 1)) gradient

    def of(self, some: Array) -> Point:
        """Return the point of some of the problems."""
        return Point(self.W[some], self.Z[some], self.S[some], self.G[some])


def point(task: Problems, W: Array) -> Point:
    """Return the point at coefficients W: two passes over the rows."""
    Z = margins(task, W)
    S = task.loss.slope(Z)
    return Point(W, Z, S, gradient(task, W, S))


def value(task: Problems, at: Point) -> Array:
    """Return the value of each problem, without its tilt, (p,)."""
    return np.asarray((task.weight * task.loss.value(at.Z)).sum(axis=1, dtype=float) + _penalty(task, at.W, at.W) / 2)


def margins(task: Problems, W: Array) -> Array:
    """Return X w + intercept, (p, c, n)."""
    flat = W.reshape(len(W) * task.loss.columns, -1)  # (p * c, r + 1)
    return np.asarray((task.rows.margins(flat[:, :-1]) + flat[:, -1:]).reshape(len(W), task.loss.columns, -1))


def gradient(task: Problems, W: Array, S: Array) -> Array:
    """Return the gradient at W, where the slope of the loss is S, (p, c * (r + 1))."""
    R = (S * task.weight[:, None]).reshape(len(W) * task.loss.columns, -1)  # (p * c, n)
    G = W.reshape(len(R), -1).copy()
    G[:, :-1] += task.rows.pull(R)
    G[:, -1] = R.sum(axis=1)
    whole = G.reshape(W.shape)
    return whole if task.tilt is None else np.asarray(whole + task.tilt)


def descend(task: Problems, at: Point, pairs: Pairs, soften: Soften, enough: Array, steps: int) -> Point:
    """Take up to `steps` iterations, fewer when each problem promises to fall by less than `enough` (p,).

    `pairs` remembers curvature and is added to (Nocedal & Wright 2006, algorithm 7.5). The line search is a safeguarded
    Newton on the cached margins, which costs no pass over X.
    """
    for _ in range(steps):
        P, slope = direction(at.G, pairs, soften)
        if (-slope <= enough).all():
            break
        D = margins(task, P)
        step, Z, S = line(task, at, (P, D), slope)
        W = at.W + step[:, None] * P
        G = gradient(task, W, S)
        remember(pairs, W - at.W, G - at.G)
        at = Point(W, Z, S, G)
    return at


def remember(pairs: Pairs, S: Array, Y: Array) -> None:
    """Add a step S and the change Y of the gradient along it to the memory."""
    curve = _dot(S, Y)
    told = curve > NOISE * np.sqrt(_dot(S, S) * _dot(Y, Y))  # else it is rounding, or no step at all
    pairs.append((S, Y, np.where(told, 1 / np.where(told, curve, 1), 0)))


def _dot(A: Array, B: Array) -> Array:
    return np.asarray(np.einsum("pd,pd->p", A, B), float)


def _penalty(task: Problems, A: Array, B: Array) -> Array:
    shape = (len(A), task.loss.columns, -1)
    return np.asarray(np.einsum("pcd,pcd->p", A.reshape(shape)[..., :-1], B.reshape(shape)[..., :-1]), float)


def direction(G: Array, pairs: Pairs, soften: Soften) -> tuple[Array, Array]:
    """Return the step that the remembered curvature proposes, and the slope along it, (p,)."""
    P = -_two_loop(G, pairs, soften)
    slope = _dot(G, P)
    uphill = ~(slope < 0)
    if uphill.any():
        P[uphill] = -soften(G)[uphill]
        slope = _dot(G, P)
    return P, slope


def _two_loop(G: Array, pairs: Pairs, soften: Soften) -> Array:
    q = G.copy()
    taken: list[Array] = []
    for S, Y, inverse in reversed(pairs):
        a = (inverse * _dot(S, q)).astype(G.dtype)
        q -= a[:, None] * Y
        taken.append(a)
    q = soften(q)
    if pairs:
        _, Y, inverse = pairs[-1]
        bent = _dot(Y, soften(Y)) * inverse
        q *= np.where(bent > 0, 1 / np.where(bent > 0, bent, 1), 1).astype(G.dtype)[:, None]
    for (S, Y, inverse), a in zip(pairs, reversed(taken), strict=True):
        b = (inverse * _dot(Y, q)).astype(G.dtype)
        q += (a - b)[:, None] * S
    return q


def line(task: Problems, at: Point, way: tuple[Array, Array], slope: Array) -> tuple[Array, Array, Array]:
    """Return the step per problem (p,) along a way P with margins D, and the margins and slopes there (p, c, n)."""
    P, D = way
    along, square = _penalty(task, at.W, P), _penalty(task, P, P)
    if task.tilt is not None:
        along += _dot(task.tilt, P)
    step, low, high = np.ones(len(P)), np.zeros(len(P)), np.full(len(P), np.inf)
    Z = at.Z + D
    S = task.loss.slope(Z)
    for _ in range(LINE_STEPS):
        first = along + step * square + (task.weight * (S * D).sum(axis=1)).sum(axis=1, dtype=float)
        rough = np.abs(first) > FLAT_ENOUGH * np.abs(slope)
        if not rough.any():
            break
        second = square + (task.weight * task.loss.bend(S, D)).sum(axis=1, dtype=float)
        low, high = np.where(first < 0, step, low), np.where(first > 0, step, high)
        newton = np.clip(step - first / np.maximum(second, 1e-300), step / 10, step * 10)
        middle = np.where(np.isinf(high), 4 * step, (low + high) / 2)
        better = np.where((newton > low) & (newton < high), newton, middle)
        step = np.where(rough, better, step)
        Z[rough] = at.Z[rough] + step[rough].astype(Z.dtype)[:, None, None] * D[rough]
        S = task.loss.slope(Z)
    return step.astype(Z.dtype), Z, S

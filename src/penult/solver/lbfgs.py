"""Batched L-BFGS (Nocedal & Wright 2006, chapter 7): many linear classifiers at once, two matrix products an iteration.

All problems over the same rows share each pass over X: matrix times matrix instead of matrix times vector.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from penult.arrays import Array
from penult.solver.losses import Loss
from penult.solver.matrices import DesignMatrix

Apply = Callable[[Array], Array]  # V -> H^-1 V, the preconditioner
Memory = deque[tuple[Array, Array, Array]]  # steps S, changes of the gradient Y (p, c * (r + 1)), and 1 / (S . Y) (p,)

MEMORY = 12  # steps remembered
LINE_STEPS = 5
CURVATURE_TOL = 1e-7  # cosine of a step and the change of the gradient along it, below which it is rounding
WOLFE = 0.4  # strong Wolfe: the slope after a step, as a share of the slope before


@dataclass(frozen=True)
class Problems:
    """p problems over the same rows: minimise sum_i weight_i loss_i + linear_term . w + |coefficients|^2 / 2.

    The intercept is not penalised. A row with weight 0 is held out of that problem.
    """

    X: DesignMatrix  # (n, r)
    loss: Loss
    weight: Array  # (p, n), C in it
    linear_term: Array | None = None  # (p, c * (r + 1))

    def select(self, which: Array) -> Problems:
        """Return some of the problems."""
        linear_term = None if self.linear_term is None else self.linear_term[which]
        return replace(self, loss=self.loss.select(which), weight=self.weight[which], linear_term=linear_term)

    def margins(self, W: Array) -> Array:
        """Return X w + intercept, (p, c, n), of W (p, c * (r + 1))."""
        flat = W.reshape(len(W) * self.loss.columns, -1)  # (p * c, r + 1)
        return np.asarray((self.X.matvec(flat[:, :-1]) + flat[:, -1:]).reshape(len(W), self.loss.columns, -1))

    def gradient(self, W: Array, S: Array) -> Array:
        """Return the gradient at W, (p, c * (r + 1)), where the loss has the gradient S (p, c, n) by the margins."""
        R = (S * self.weight[:, None]).reshape(len(W) * self.loss.columns, -1)  # (p * c, n)
        G = W.reshape(len(R), -1).copy()
        G[:, :-1] += self.X.rmatvec(R)
        G[:, -1] = R.sum(axis=1)
        flat = G.reshape(W.shape)
        return flat if self.linear_term is None else np.asarray(flat + self.linear_term)

    def value(self, at: Iterate) -> Array:
        """Return the value of each problem, without its linear term, (p,)."""
        loss = (self.weight * self.loss.value(at.Z)).sum(axis=1, dtype=float)
        return np.asarray(loss + self.penalty(at.W, at.W) / 2)

    def penalty(self, A: Array, B: Array) -> Array:
        """Return the products (p,) of the coefficients of A and B (p, c * (r + 1)), intercepts left out."""
        shape = (len(A), self.loss.columns, -1)
        return np.asarray(np.einsum("pcd,pcd->p", A.reshape(shape)[..., :-1], B.reshape(shape)[..., :-1]), float)


@dataclass(frozen=True)
class Iterate:
    """Where a batch of problems stands."""

    W: Array  # (p, c * (r + 1)) coefficients, the intercept last
    Z: Array  # (p, c, n) margins
    S: Array  # (p, c, n) gradient of the loss by each margin
    G: Array  # (p, c * (r + 1)) gradient

    @classmethod
    def at(cls, problems: Problems, W: Array) -> Iterate:
        """Return the iterate at coefficients W: two passes over the rows."""
        Z = problems.margins(W)
        S = problems.loss.gradient(Z)
        return cls(W, Z, S, problems.gradient(W, S))

    def select(self, which: Array) -> Iterate:
        """Return the iterate of some of the problems."""
        return Iterate(self.W[which], self.Z[which], self.S[which], self.G[which])


def minimize(problems: Problems, at: Iterate, memory: Memory, apply: Apply, enough: Array, steps: int) -> Iterate:
    """Take up to `steps` iterations, fewer when each problem promises to fall by less than `enough` (p,).

    `memory` is read and added to (Nocedal & Wright 2006, algorithm 7.5).
    """
    for _ in range(steps):
        # 1. the direction that the remembered curvature proposes; its slope is the decrease that it promises
        P, slope = direction(at.G, memory, apply)
        if (-slope <= enough).all():
            break
        # 2. how far to go along it: one pass over X gives the margins of the direction, the search itself needs none
        step, Z, S = line_search(problems, at, (P, problems.margins(P)), slope)
        # 3. the gradient there: the second pass
        W = at.W + step[:, None] * P
        G = problems.gradient(W, S)
        # 4. what the step tells about the curvature
        remember(memory, W - at.W, G - at.G)
        at = Iterate(W, Z, S, G)
    return at


def remember(memory: Memory, S: Array, Y: Array) -> None:
    """Add a step S and the change Y of the gradient along it to the memory."""
    curvature = _dot(S, Y)
    known = curvature > CURVATURE_TOL * np.sqrt(_dot(S, S) * _dot(Y, Y))  # else it is rounding, or no step at all
    memory.append((S, Y, np.where(known, 1 / np.where(known, curvature, 1), 0)))


def _dot(A: Array, B: Array) -> Array:
    return np.asarray(np.einsum("pd,pd->p", A, B), float)


def direction(G: Array, memory: Memory, apply: Apply) -> tuple[Array, Array]:
    """Return a direction of descent, and the slope along it, (p,)."""
    P = -_two_loop(G, memory, apply)
    slope = _dot(G, P)
    uphill = ~(slope < 0)
    if uphill.any():  # rounding has spoilt the memory: the preconditioned gradient always descends
        P[uphill] = -apply(G)[uphill]
        slope = _dot(G, P)
    return P, slope


def _two_loop(G: Array, memory: Memory, apply: Apply) -> Array:
    """Return the inverse Hessian of the memory times G (Nocedal & Wright 2006, algorithm 7.4)."""
    q = G.copy()
    alphas: list[Array] = []
    # first loop: the newest pair first
    for S, Y, inverse in reversed(memory):
        alpha = (inverse * _dot(S, q)).astype(G.dtype)
        q -= alpha[:, None] * Y
        alphas.append(alpha)
    # the initial Hessian: the preconditioner, scaled to the curvature along the newest step (equation 7.20)
    q = apply(q)
    if memory:
        _, Y, inverse = memory[-1]
        bent = _dot(Y, apply(Y)) * inverse
        q *= np.where(bent > 0, 1 / np.where(bent > 0, bent, 1), 1).astype(G.dtype)[:, None]
    # second loop: the oldest pair first
    for (S, Y, inverse), alpha in zip(memory, reversed(alphas), strict=True):
        beta = (inverse * _dot(Y, q)).astype(G.dtype)
        q += (alpha - beta)[:, None] * S
    return q


def line_search(problems: Problems, at: Iterate, way: tuple[Array, Array], slope: Array) -> tuple[Array, Array, Array]:
    """Return the step per problem (p,) along a direction P with margins D, and margins and gradients there (p, c, n).

    A safeguarded Newton search for a strong Wolfe point (Nocedal & Wright 2006, section 3.5): margins are linear in the step,
    so first and second derivative along P cost no pass over X.
    """
    P, D = way
    along, square = problems.penalty(at.W, P), problems.penalty(P, P)
    if problems.linear_term is not None:
        along += _dot(problems.linear_term, P)
    step, low, high = np.ones(len(P)), np.zeros(len(P)), np.full(len(P), np.inf)
    Z = at.Z + D
    S = problems.loss.gradient(Z)
    for _ in range(LINE_STEPS):
        first = along + step * square + (problems.weight * (S * D).sum(axis=1)).sum(axis=1, dtype=float)
        rough = np.abs(first) > WOLFE * np.abs(slope)
        if not rough.any():
            break
        second = square + (problems.weight * problems.loss.curvature(S, D)).sum(axis=1, dtype=float)
        # the minimum lies between low and high; Newton's step is taken where it stays between, else the middle
        low, high = np.where(first < 0, step, low), np.where(first > 0, step, high)
        newton = np.clip(step - first / np.maximum(second, 1e-300), step / 10, step * 10)
        middle = np.where(np.isinf(high), 4 * step, (low + high) / 2)
        better = np.where((newton > low) & (newton < high), newton, middle)
        step = np.where(rough, better, step)
        Z[rough] = at.Z[rough] + step[rough].astype(Z.dtype)[:, None, None] * D[rough]
        S = problems.loss.gradient(Z)
    return step.astype(Z.dtype), Z, S

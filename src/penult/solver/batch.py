"""Many linear classifiers over the same rows, solved together, each pass over as few rows as will do."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from penult.arrays import Array
from penult.solver import lbfgs
from penult.solver.lbfgs import Iterate, Memory, Problems
from penult.solver.matrices import DenseMatrix, DesignMatrix
from penult.solver.preconditioner import LARGE, Preconditioner, Spectrum, preconditioner

ROUND_STEPS = 6  # iterations between two looks at all problems
WORKING_SET_STEPS = 30  # the same over a working set
WORKING_SET_TOL = 1e-2  # rows whose second derivative is below this share of the mean row's may wait
WORKING_SET_SHARE = 0.5  # of the rows: above, a working set does not pay
WORKING_SET_ENTRIES = 1 << 27  # of the rows that may be copied for it
WARM_START_TOL = 1e-3
MAX_ROUNDS = 500
STALL_ROUNDS = 6  # rounds that do not halve the promised decrease: rounding is all that is left


@dataclass
class _Batch:
    """Problems that are solved together, and where they stand."""

    ids: Array  # (p,)
    kinds: Array  # (p,) problems of one kind share a preconditioner
    problems: Problems
    at: Iterate
    memory: Memory
    decrease: Array  # (p,) promised by the quadratic model, the smallest so far
    stalled: Array  # (p,) rounds since
    preconditioner: Preconditioner | None = None
    age: int = 0

    def select(self, which: Array) -> _Batch:
        """Return some of the problems."""
        memory = deque([(s[which], y[which], c[which]) for s, y, c in self.memory], maxlen=self.memory.maxlen)
        kinds, known = self.kinds[which], self.preconditioner
        known = None if known is None else known.for_kinds(np.repeat(kinds, self.problems.loss.columns))
        problems, at = self.problems.select(which), self.at.select(which)
        return _Batch(self.ids[which], kinds, problems, at, memory, self.decrease[which], self.stalled[which], known, self.age)

    def apply(self, V: Array) -> Array:
        """Return H^-1 v of each row v (p, c * (r + 1))."""
        assert self.preconditioner is not None  # noqa: S101 - for the type checker
        return self.preconditioner.apply(V.reshape(len(V) * self.problems.loss.columns, -1)).reshape(V.shape)

    def hessian_diagonal(self) -> Array:
        """Return the second derivative that each row adds to each problem, (p, n)."""
        return self.problems.weight * self.problems.loss.hessian_diagonal(self.at.S)


class _Buffer:
    """Memory for the rows of a working set, kept: a fresh page costs more than what is written on it."""

    def __init__(self) -> None:
        self.out: Array | None = None

    def take(self, X: DesignMatrix, rows: Array) -> DesignMatrix:
        """Return a copy of some rows, which the next call overwrites."""
        if self.out is None or len(self.out) < len(rows):
            self.out = None
            self.out = np.empty((len(rows), X.shape[1]), X.dtype)
        return X.take(rows, self.out)


def solve(problems: Problems, kinds: Array, known: Spectrum, start: Array | None = None, tol: float = 1e-6) -> Array:
    """Return the minimisers, (p, c, r + 1), the intercept last.

    `kinds` (p,): problems with the same number are alike enough to share a preconditioner. A problem has converged when the
    decrease that the quadratic model promises is below `tol` of its value.
    """
    p, width = len(problems.weight), problems.loss.columns * (problems.X.shape[1] + 1)
    kinds = np.unique(kinds, return_inverse=True)[1]
    if start is None:
        start = np.zeros((p, width)) if known.projected is None else _warm_start(problems, kinds, known)
    W = start.reshape(p, width).astype(problems.X.dtype)
    buffer, memory = _Buffer(), deque[tuple[Array, Array, Array]](maxlen=lbfgs.MEMORY)
    fresh = np.full(p, np.inf), np.zeros(p, int)
    waiting = [_Batch(np.arange(p), kinds, problems, Iterate.at(problems, W), memory, *fresh)]
    result = W.copy()
    for _ in range(MAX_ROUNDS):
        if not waiting:
            break
        batch = waiting.pop()
        result[batch.ids] = batch.at.W
        # 1. what has converged leaves the batch
        enough = tol * np.maximum(batch.problems.value(batch.at), 1e-12)
        going = np.flatnonzero(_going(batch, known, enough))
        # 2. the others take some iterations, over all rows or over a working set
        if len(going):
            waiting += _round(batch.select(going), enough[going], buffer)
    return result.reshape(p, problems.loss.columns, -1)


def _warm_start(problems: Problems, kinds: Array, known: Spectrum) -> Array:
    """Return a start, (p * c, r + 1): the problems solved roughly in the leading directions, where a pass costs little."""
    assert known.projected is not None and known.vectors is not None  # noqa: S101 - for the type checker
    small = replace(problems, X=DenseMatrix(known.projected))
    found = solve(small, kinds, Spectrum(known.values, None, 0.0), None, WARM_START_TOL)  # (p, c, q + 1)
    flat = found.reshape(-1, found.shape[-1])
    return np.hstack([flat[:, :-1] @ known.vectors.T, flat[:, -1:]])


def _going(batch: _Batch, known: Spectrum, enough: Array) -> Array:
    """Return which problems have not converged, (p,); renew the preconditioner where it has aged."""
    if batch.preconditioner is None or batch.age & (batch.age - 1) == 0:  # in rounds 0, 1, 2, 4, 8 and so on
        weight, kinds = batch.hessian_diagonal(), np.unique(batch.kinds)
        mean = np.stack([weight[batch.kinds == kind].mean(axis=0) for kind in kinds])  # (kinds, n)
        batch.kinds = np.searchsorted(kinds, batch.kinds)
        batch.preconditioner = preconditioner(known, mean, np.repeat(batch.kinds, batch.problems.loss.columns))
    batch.age += 1
    _, slope = lbfgs.direction(batch.at.G, batch.memory, batch.apply)
    better = -slope < batch.decrease / 2
    batch.decrease = np.where(better, -slope, batch.decrease)
    batch.stalled = np.where(better, 0, batch.stalled + 1)
    return np.asarray((-slope > enough) & (batch.stalled < STALL_ROUNDS))


def _round(batch: _Batch, enough: Array, buffer: _Buffer) -> list[_Batch]:
    """Return the batch some iterations on, or its two parts where one of them can do with a working set."""
    found = _working_set(batch)
    if found is None:
        batch.at = lbfgs.minimize(batch.problems, batch.at, batch.memory, batch.apply, enough, ROUND_STEPS)
        return [batch]
    narrow, rows = found
    if not narrow.all():
        return [batch.select(np.flatnonzero(~narrow)), batch.select(np.flatnonzero(narrow))]
    _over_working_set(batch, buffer.take(batch.problems.X, rows), rows, enough)
    return [batch]


def _working_set(batch: _Batch) -> tuple[Array, Array] | None:
    """Return which problems can do with a working set (p,), and the numbers of its rows; None where that does not pay."""
    n, width = batch.problems.X.shape
    if n * width <= LARGE or (batch.stalled > 1).any():
        return None
    weight = batch.hessian_diagonal()
    matter = weight * n > WORKING_SET_TOL * weight.sum(axis=1, dtype=float)[:, None]
    narrow = matter.mean(axis=1) < WORKING_SET_SHARE
    if narrow.sum() < 0.3 * len(narrow):
        return None
    rows = np.flatnonzero(matter[narrow].any(axis=0))
    return (narrow, rows) if len(rows) < min(WORKING_SET_SHARE * n * 1.2, WORKING_SET_ENTRIES / width) else None


def _over_working_set(batch: _Batch, X: DesignMatrix, rows: Array, enough: Array) -> None:
    """Take iterations over a working set, the gradient of the other rows held as it is, then one step over all rows."""
    problems, at = batch.problems, batch.at
    # 1. the rows outside bend the loss so little that their part is linear: it becomes the linear term
    S = at.S[:, :, rows]
    small = Problems(X, problems.loss.take(rows), problems.weight[:, rows])
    small = replace(small, linear_term=at.G - small.gradient(at.W, S))
    # 2. minimise that
    start = Iterate(at.W, at.Z[:, :, rows], S, at.G)
    there = lbfgs.minimize(small, start, batch.memory, batch.apply, enough / 2, WORKING_SET_STEPS)
    # 3. a line search over all rows along the way that it went, so that each round descends
    P = there.W - at.W
    slope = np.einsum("pd,pd->p", at.G, P).astype(float)
    step, Z, S = lbfgs.line_search(problems, at, (P, problems.margins(P)), slope)
    W = at.W + step[:, None] * P
    batch.at = Iterate(W, Z, S, problems.gradient(W, S))
    lbfgs.remember(batch.memory, W - at.W, batch.at.G - at.G)

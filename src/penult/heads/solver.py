"""Many linear classifiers over the same rows, solved together, each pass over as few rows as will do.

In: rows, a loss, weights and one C per problem. Out: coefficients per problem. Three things keep the passes few: a start
from the rows' leading directions, Hessians that are exact in these, and rounds over only those rows that still bend the
loss.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from penult.arrays import Array
from penult.heads import lbfgs
from penult.heads.lbfgs import Pairs, Point, Problems
from penult.heads.rows import Dense, Rows
from penult.heads.sketch import MANY, Softener, Spectrum, softener

ROUND = 6  # iterations between two looks at all problems
LONGER = 30  # the same over few rows
SLIGHT = 1e-2  # rows that bend the loss by less than this share of the mean row may wait
FEW = 0.5  # the share of the rows below which waiting pays
TAKEN = 1 << 27  # entries of the rows that may be copied for it
ROUGHLY = 1e-3  # tolerance of the start
MOST = 500  # rounds
STUCK = 6  # rounds that do not halve the promise: rounding is all that is left


@dataclass
class Batch:
    """Problems that are solved together, and where they stand."""

    ids: Array  # (p,)
    kinds: Array  # (p,) problems of one kind share a preconditioner
    task: Problems
    at: Point
    pairs: Pairs
    promise: Array  # (p,) the smallest so far
    stale: Array  # (p,) rounds since
    soft: Softener | None = None
    age: int = 0

    def of(self, some: Array) -> Batch:
        """Return some of the problems."""
        pairs = deque([(s[some], y[some], c[some]) for s, y, c in self.pairs], maxlen=self.pairs.maxlen)
        kinds = self.kinds[some]
        soft = None if self.soft is None else self.soft.of(np.repeat(kinds, self.task.loss.columns))
        task, at = self.task.of(some), self.at.of(some)
        return Batch(self.ids[some], kinds, task, at, pairs, self.promise[some], self.stale[some], soft, self.age)

    def soften(self, V: Array) -> Array:
        """Return H^-1 v of each row v (p, c * (r + 1))."""
        assert self.soft is not None  # noqa: S101 - for the type checker
        return self.soft(V.reshape(len(V) * self.task.loss.columns, -1)).reshape(V.shape)

    def stiffness(self) -> Array:
        """Return how much each row bends each problem, (p, n)."""
        return self.task.weight * self.task.loss.stiffness(self.at.S)


class Room:
    """Memory for the rows of a round, kept: a fresh page costs more than what is written on it."""

    def __init__(self) -> None:
        self.own: Array | None = None

    def rows(self, rows: Rows, which: Array) -> Rows:
        """Return a copy of some rows, which the next call overwrites."""
        if self.own is None or len(self.own) < len(which):
            self.own = None
            self.own = np.empty((len(which), rows.shape[1]), rows.dtype)
        return rows.take(which, self.own)


def solve(task: Problems, kinds: Array, shape: Spectrum, start: Array | None = None, tol: float = 1e-6) -> Array:
    """Return the minimisers, (p, c, r + 1), the intercept last.

    `kinds` (p,): problems with the same number are alike enough to share a preconditioner. A problem has converged when the
    decrease that the quadratic model promises is below `tol` of its value.
    """
    p, width = len(task.weight), task.loss.columns * (task.rows.shape[1] + 1)
    kinds = np.unique(kinds, return_inverse=True)[1]
    if start is None:
        start = np.zeros((p, width)) if shape.image is None else _rough(task, kinds, shape)
    W = start.reshape(p, width).astype(task.rows.dtype)
    fresh = np.full(p, np.inf), np.zeros(p, int)
    room = Room()
    waiting = [Batch(np.arange(p), kinds, task, lbfgs.point(task, W), deque(maxlen=lbfgs.MEMORY), *fresh)]
    result = W.copy()
    for _ in range(MOST):
        if not waiting:
            break
        batch = waiting.pop()
        result[batch.ids] = batch.at.W
        enough = tol * np.maximum(lbfgs.value(batch.task, batch.at), 1e-12)
        going = np.flatnonzero(_going(batch, shape, enough))
        if len(going):
            waiting += _round(batch.of(going), enough[going], room)
    return result.reshape(p, task.loss.columns, -1)


def _rough(task: Problems, kinds: Array, shape: Spectrum) -> Array:
    """Return a start, (p * c, r + 1): the problems solved roughly in the leading directions, where a pass costs little."""
    assert shape.image is not None and shape.vectors is not None  # noqa: S101 - for the type checker
    image = Dense(shape.image)
    plain = Spectrum(shape.values, None, 0.0)
    found = solve(replace(task, rows=image), kinds, plain, None, ROUGHLY)  # (p, c, q + 1)
    flat = found.reshape(-1, found.shape[-1])
    return np.hstack([flat[:, :-1] @ shape.vectors.T, flat[:, -1:]])


def _going(batch: Batch, shape: Spectrum, enough: Array) -> Array:
    """Return which problems have not converged, (p,); renew the preconditioner where it has aged."""
    if batch.soft is None or batch.age & (batch.age - 1) == 0:  # in rounds 0, 1, 2, 4, 8 and so on
        stiff, kinds = batch.stiffness(), np.unique(batch.kinds)
        mean = np.stack([stiff[batch.kinds == kind].mean(axis=0) for kind in kinds])  # (kinds, n)
        batch.kinds = np.searchsorted(kinds, batch.kinds)
        batch.soft = softener(shape, mean, np.repeat(batch.kinds, batch.task.loss.columns))
    batch.age += 1
    _, slope = lbfgs.direction(batch.at.G, batch.pairs, batch.soften)
    better = -slope < batch.promise / 2
    batch.promise = np.where(better, -slope, batch.promise)
    batch.stale = np.where(better, 0, batch.stale + 1)
    return np.asarray((-slope > enough) & (batch.stale < STUCK))


def _round(batch: Batch, enough: Array, room: Room) -> list[Batch]:
    """Return the batch some iterations on, or its two parts where one of them can do with few rows."""
    few = _few(batch)
    if few is None:
        batch.at = lbfgs.descend(batch.task, batch.at, batch.pairs, batch.soften, enough, ROUND)
        return [batch]
    narrow, which = few
    if not narrow.all():
        return [batch.of(np.flatnonzero(~narrow)), batch.of(np.flatnonzero(narrow))]
    _over(batch, room.rows(batch.task.rows, which), which, enough)
    return [batch]


def _few(batch: Batch) -> tuple[Array, Array] | None:
    """Return which problems can do with few rows (p,), and the numbers of these; None where that does not pay."""
    n, width = batch.task.rows.shape
    if n * width <= MANY or (batch.stale > 1).any():
        return None
    stiff = batch.stiffness()
    matter = stiff * n > SLIGHT * stiff.sum(axis=1, dtype=float)[:, None]
    narrow = matter.mean(axis=1) < FEW
    if narrow.sum() < 0.3 * len(narrow):
        return None
    which = np.flatnonzero(matter[narrow].any(axis=0))
    return (narrow, which) if len(which) < min(FEW * n * 1.2, TAKEN / width) else None


def _over(batch: Batch, rows: Rows, which: Array, enough: Array) -> None:
    """Take iterations over a few rows, the force of the others held as it is, then one step over all rows that way."""
    task, at = batch.task, batch.at
    some = Problems(rows, task.loss.take(which), task.weight[:, which])
    S = at.S[:, :, which]
    some = replace(some, tilt=at.G - lbfgs.gradient(some, at.W, S))
    there = lbfgs.descend(some, Point(at.W, at.Z[:, :, which], S, at.G), batch.pairs, batch.soften, enough / 2, LONGER)
    P = there.W - at.W
    slope = np.einsum("pd,pd->p", at.G, P).astype(float)
    step, Z, S = lbfgs.line(task, at, (P, lbfgs.margins(task, P)), slope)
    W = at.W + step[:, None] * P
    batch.at = Point(W, Z, S, lbfgs.gradient(task, W, S))
    lbfgs.remember(batch.pairs, W - at.W, batch.at.G - at.G)

"""L-BFGS for many linear classifiers at once, by values and gradients alone: one pass over the rows a trial step.

The margins of all rows are never held: each pass makes them anew, chunk by chunk, and takes the gradient from the chunk while
it is in the cache (`rows.Partition.losses`). In memory, `lbfgs` keeps margins and takes two passes an iteration, most of them
over fewer rows; where reading is what costs, one pass is better, and the memory does not depend on the number of rows.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from penult.arrays import Array
from penult.solver.lbfgs import MEMORY, WOLFE, Apply, Memory, direction, remember
from penult.solver.rows import HessianLook, LossTerms, PartitionedRows

STALL_STEPS = 12  # that do not halve the promised decrease: rounding is all that is left
PAIR_ENTRIES = 1 << 23  # numbers that the remembered steps take: 32 MiB of float32,
FEWEST_PAIRS = 4  # or so many steps
VECTOR_BYTES = 8 * 8 + FEWEST_PAIRS * 8  # a coefficient: vectors in float64 beside the remembered steps
MAX_PASSES = 300
TRIALS = 8  # steps along one direction; then the last is taken


class Hessian(Protocol):
    """The inverse Hessian of all problems, as far as it is known."""

    def apply(self, V: Array) -> Array:
        """Return H^-1 v of each row v (p, c * (d + 1))."""

    def look(self) -> HessianLook:
        """Return how all rows are to be looked at."""

    def renew(self, hessian: Array, total: Array) -> None:
        """Take what was seen."""


@dataclass
class _Trial:
    """Where each problem stands, and the step that it tries."""

    W: Array  # (p, c * (d + 1))
    value: Array  # (p,)
    G: Array  # (p, c * (d + 1))
    P: Array  # (p, c * (d + 1)) direction
    slope: Array  # (p,)
    step: Array  # (p,)
    low: Array  # (p,) longest step known to be too short
    low_slope: Array  # (p,) the slope there
    high: Array  # (p,) shortest step known to be too long
    tries: Array  # (p,)
    decrease: Array  # (p,) promised by a direction, the smallest so far
    stalled: Array  # (p,) directions since it was halved


def minimize_streamed(
    rows: PartitionedRows,
    terms: LossTerms,
    start: Array,
    hessian: Hessian,
    tol: Array,
) -> Array:
    """Return the minimisers of loss + |w|^2 / 2, (p, c, d + 1), the intercept last and not in the penalty.

    `start` (p, c, d + 1). The `hessian` preconditions all problems; it is renewed as they go. A problem has converged when the
    decrease that its direction promises is below `tol` (p,) of its value, or when rounding is all that is left. (Nocedal &
    Wright 2006, algorithm 7.5.)
    """
    shape = start.shape
    result = start.reshape(len(start), -1).astype(np.float64)
    which = np.arange(len(result))
    value, G, *_ = _evaluate(rows, terms, result, shape)
    at = _begin(result, value, G)
    pairs = int(np.clip(PAIR_ENTRIES // max(2 * result.size, 1), FEWEST_PAIRS, MEMORY))
    memory: Memory = deque(maxlen=pairs)
    for age in range(MAX_PASSES):
        # 1. problems that have just moved get a new direction
        _redirect(at, memory, hessian.apply)
        # 2. what has converged leaves
        done = (at.tries == 0) & ((-at.slope <= tol[which] * np.maximum(at.value, 1e-12)) | (at.stalled >= STALL_STEPS))
        result[which[done]] = at.W[done]
        if done.any():
            keep = np.flatnonzero(~done)
            if not len(keep):
                return result.reshape(shape)
            which, at = which[keep], _Trial(*(getattr(at, name)[keep] for name in _Trial.__dataclass_fields__))
            memory = deque(((S[keep], Y[keep], c[keep]) for S, Y, c in memory), maxlen=pairs)
        # 3. one pass over all rows tells value and gradient after each problem's step, and now and then the Hessian
        W = at.W + at.step[:, None] * at.P
        look = hessian.look() if age & (age - 1) == 0 else None
        value, G, *seen = _evaluate(rows, terms.select(which), W, shape, look)
        if seen:
            hessian.renew(*seen)
        _judge(at, W, value, G, memory)
    result[which] = at.W
    return result.reshape(shape)


def _evaluate(
    rows: PartitionedRows, terms: LossTerms, W: Array, shape: tuple[int, ...], look: HessianLook | None = None
) -> tuple[Array, ...]:
    """Return the values (p,) and gradients (p, c * (d + 1)) at coefficients W, the penalty in them, and what a look sees."""
    value, G, *seen = rows.sum("losses", W, terms, look)
    penalised = W.reshape(len(W), *shape[1:]).copy()
    penalised[..., -1] = 0
    flat = penalised.reshape(len(W), -1)
    return value + np.einsum("pd,pd->p", flat, flat) / 2, G + flat, *seen


def _begin(W: Array, value: Array, G: Array) -> _Trial:
    p = len(W)
    slope, low, low_slope = np.zeros((3, p))
    P, step, (high, decrease), (tries, stalled) = np.zeros_like(W), np.ones(p), np.full((2, p), np.inf), np.zeros((2, p), int)
    return _Trial(W.copy(), value, G, P, slope, step, low, low_slope, high, tries, decrease, stalled)


def _redirect(at: _Trial, memory: Memory, apply: Apply) -> None:
    """Give each problem that is at the start of a line a direction, and the full step along it."""
    fresh = at.tries == 0
    if not fresh.any():
        return
    P, slope = direction(at.G, memory, apply)
    at.P[fresh], at.slope[fresh] = P[fresh], slope[fresh]
    at.step[fresh], at.low[fresh], at.high[fresh] = 1, 0, np.inf
    at.low_slope[fresh] = slope[fresh]
    better = -slope < at.decrease / 2
    at.stalled = np.where(fresh, np.where(better, 0, at.stalled + 1), at.stalled)
    at.decrease = np.where(fresh & better, -slope, at.decrease)


def _judge(at: _Trial, W: Array, value: Array, G: Array, memory: Memory) -> None:
    """Take the steps that are good enough, and choose others where they are not (Nocedal & Wright 2006, section 3.5)."""
    slope = np.einsum("pd,pd->p", G, at.P)
    at.tries += 1
    taken = (np.abs(slope) <= WOLFE * np.abs(at.slope)) | (at.tries >= TRIALS)
    # 1. what the step tells about the curvature
    moved, changed = (np.where(taken[:, None], new - old, 0).astype(np.float32) for new, old in ((W, at.W), (G, at.G)))
    remember(memory, moved, changed)
    # 2. the other steps: where the secant of the slopes has its zero, if it lies between, else longer, or the middle
    long = slope > 0  # the losses are convex: the slope alone tells on which side of the minimum a step ends
    at.high = np.where(long, at.step, at.high)
    secant = at.low + (at.step - at.low) * at.low_slope / np.where(at.low_slope == slope, 1, at.low_slope - slope)
    at.low, at.low_slope = np.where(long, at.low, at.step), np.where(long, at.low_slope, slope)
    middle = np.where(np.isinf(at.high), 4 * at.step, (at.low + at.high) / 2)
    top = np.where(np.isinf(at.high), 10 * at.step, at.high)
    margin = 0.05 * (top - at.low)
    at.step = np.where((secant > at.low + margin) & (secant < top - margin), secant, middle)
    # 3. where they stand now
    at.W[taken], at.G[taken], at.value[taken], at.tries[taken] = W[taken], G[taken], value[taken], 0

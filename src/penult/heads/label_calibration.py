"""From the held-out logits of labels to calibrated probabilities, many labels at once: Platt scaling and a floor.

A label is rare as a rule, so dividing its logit by a temperature would move its mean probability: the offset goes with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from penult.arrays import Array
from penult.heads.calibration import PSEUDO_ERRORS, highest_floor

# What is known before: the slope is near 1, as the logits are those of a logistic regression. So many nats a squared unit move
# the log loss of new photos by a tenth of a per cent (`benchmarks/jobs.py label-choices settings`).
SLOPE_PRIOR = 4.0
LEAST_SLOPE = 1e-3  # logits that say nothing, or the contrary, are answered by the label's share
STEPS, HALVINGS = 30, 12
DECREASE = 1e-9  # of the loss, by which a step must lower it
CELLS = 4096  # rows above which those with nearly the same logit are taken together
FLOORS = 60


@dataclass(frozen=True)
class LabelSettings:
    """What was chosen for one label: p = floor + (1 - 2 floor) sigmoid(slope z + offset)."""

    C: float
    slope: float = 1.0
    offset: float = 0.0
    floor: float = 0.0

    def proba(self, z: Array) -> Array:
        """Return the probabilities (n,) of logits (n,)."""
        return np.asarray(self.floor + (1 - 2 * self.floor) * sigmoid(self.slope * z + self.offset))


def sigmoid(z: Array) -> Array:
    """Return 1 / (1 + exp(-z)), of any z."""
    return np.asarray(1 / (1 + np.exp(-np.clip(z, -700, 700))))


def cells(z: Array, ones: Array, zeros: Array) -> tuple[Array, Array, Array]:
    """Return logits z (m, n) and the weights of both answers (m, n) in 4,096 cells a row where there are more columns."""
    n = z.shape[1]
    if n <= CELLS:
        return z, ones, zeros
    order = np.argsort(z, axis=1)
    starts = np.linspace(0, n, CELLS, endpoint=False).astype(int)
    ones, zeros, z = (np.take_along_axis(a, order, axis=1) for a in (ones, zeros, z))
    middle = np.add.reduceat(z, starts, axis=1) / np.diff(np.append(starts, n))
    return middle, np.add.reduceat(ones, starts, axis=1), np.add.reduceat(zeros, starts, axis=1)


def platt(z: Array, ones: Array, zeros: Array) -> tuple[Array, Array, Array]:
    """Return slope, offset and mean log loss (m,) of m labels with held-out logits z (m, n).

    ones and zeros (m, n) are the weights of rows with and without the label. Platt (1999), with his smoothed targets, by
    Newton's method with backtracking (Lin, Lin & Weng 2007).
    """
    z, ones, zeros = cells(z, ones, zeros)
    positive, negative = ones.sum(axis=1), zeros.sum(axis=1)
    high, low = (positive + 1) / (positive + 2), 1 / (negative + 2)
    weight, target = ones + zeros, ones * high[:, None] + zeros * low[:, None]  # of the rows, and of the label in them
    prior = np.log((positive + 1) / (negative + 1))  # (m,)

    def cost(slope: Array, offset: Array) -> Array:
        margin = slope[:, None] * z + offset[:, None]
        loss = (weight * np.logaddexp(0, margin) - target * margin).sum(axis=1)
        return np.asarray(loss + SLOPE_PRIOR / 2 * (slope - 1) ** 2)

    slope, offset = np.zeros(len(z)), prior.copy()
    value = cost(slope, offset)
    for _ in range(STEPS):
        # 1. gradient and Hessian by slope and offset, two by two
        p = sigmoid(slope[:, None] * z + offset[:, None])
        gap, bent = weight * p - target, weight * p * (1 - p)
        g, h = (gap * z).sum(axis=1) + SLOPE_PRIOR * (slope - 1), gap.sum(axis=1)
        a, b, c = (bent * z * z).sum(axis=1) + SLOPE_PRIOR, (bent * z).sum(axis=1), bent.sum(axis=1) + 1e-9
        det = a * c - b * b
        det = np.maximum(det, 1e-12 * a * c)
        # 2. Newton's step, halved until it lowers the loss
        way = np.stack([-(c * g - b * h), -(a * h - b * g)]) / det  # (2, m)
        slant = g * way[0] + h * way[1]
        if (-slant <= DECREASE * np.maximum(value, 1)).all():
            break
        step, going = np.ones(len(z)), np.ones(len(z), bool)
        for _ in range(HALVINGS):
            there = cost(slope + step * way[0], offset + step * way[1])
            going = there > value + 1e-4 * step * slant
            if not going.any():
                break
            step = np.where(going, step / 2, step)
        step = np.where(going, 0, step)
        slope, offset, value = slope + step * way[0], offset + step * way[1], np.where(going, value, there)
    # 3. a slope of nothing tells nothing
    flat = slope < LEAST_SLOPE
    slope, offset = np.where(flat, LEAST_SLOPE, slope), np.where(flat, prior, offset)
    return slope, offset, cost(slope, offset) / np.maximum(weight.sum(axis=1), 1e-300)


def label_floor(p: Array, ones: Array, zeros: Array) -> float:
    """Return the floor with the smallest log loss of held-out probabilities p (n,) plus a quarter of an error at the floor.

    As `calibration.best_floor`, for one label: ones and zeros (n,) are the weights of rows with and without it.
    """
    (p,), (ones,), (zeros,) = cells(p[None], ones[None], zeros[None])
    floors = np.geomspace(1e-7, highest_floor(2), FLOORS)
    raised = floors[:, None] + (1 - 2 * floors[:, None]) * p  # (f, n)
    cost = -(np.log(raised) @ ones) - np.log1p(-raised) @ zeros - PSEUDO_ERRORS * np.log(floors)
    return float(floors[int(np.argmin(cost))])

"""Coordinates in which a linear classifier is a Gaussian-kernel classifier.

In: a `Task`, a scaling, the kernel's width. Out: a `KernelSpace`, solved like any other space. With at most `LANDMARKS` rows
the kernel is exact; above, it is approximated from that many of them (Nystroem; Williams & Seeger 2001), so that time and
memory stay linear in the rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from penult.arrays import Array
from penult.heads import scaling
from penult.heads.rows import Dense
from penult.heads.scorers import squared_distances
from penult.heads.sketch import Spectrum
from penult.heads.spaces import Space
from penult.heads.state import HeadState
from penult.heads.task import Task

LANDMARKS = 1000


@dataclass(frozen=True)
class KernelSpace(Space):
    """A space whose coordinates are combinations of kernel values to the landmarks."""

    landmarks: Array  # (m, d) scaled rows
    gamma: float

    def lift(self, coef: Array, intercept: Array, facts: dict[str, Any]) -> HeadState:
        """Return the scorer of coefficients (c, r) and intercepts (c,) in these coordinates."""
        assert self.back is not None  # noqa: S101 - for the type checker: every kernel space has one
        arrays = {
            "rows": self.landmarks.astype(np.float32),
            "weights": coef @ self.back,  # (c, m)
            "intercepts": np.asarray(intercept - coef @ self.mean, np.float64),
            **self.learnt,
        }
        return HeadState("kernel", arrays, {**facts, "gamma": self.gamma})


def kernel_spaces(task: Task, name: str, width: float) -> Iterator[Space]:
    """Yield kernel spaces that together serve every fold; each scaling is fitted on training rows only."""
    dealt = task.folds or ()
    if name in scaling.STATELESS:
        yield kernel_space(task, name, width, None, dealt)
        return
    for fold in dealt:
        yield kernel_space(task, name, width, fold[0], (fold,))


def kernel_space(
    task: Task,
    name: str,
    width: float,
    train: Array | None,
    served: tuple[tuple[Array, Array], ...] = (),
) -> Space:
    """Return the space of exp(-gamma |x - x'|^2); gamma = width / median squared landmark distance."""
    learnt = scaling.fit(name, task.X, task.blocks, train)
    X = scaling.apply(name, task.X, task.blocks, learnt)  # (n, d)
    chosen = np.arange(len(X))
    if len(X) > LANDMARKS:
        chosen = np.sort(np.random.default_rng(task.seed).choice(len(X), LANDMARKS, replace=False))
    landmarks = X[chosen].astype(np.float32).astype(X.dtype)  # (m, d), as they will be saved
    far = squared_distances(landmarks, landmarks)  # (m, m)
    typical = float(np.median(far[np.triu_indices(len(far), 1)]))
    gamma = width / typical if typical > 0 else width
    values, U = np.linalg.eigh(np.exp(-gamma * far.astype(np.float64)))
    keep = values > values[-1] * 1e-6
    turn = U[:, keep] / np.sqrt(values[keep])  # (m, r)
    rows = np.exp(-gamma * squared_distances(X, landmarks)) @ turn.astype(X.dtype)  # (n, r)
    mean = rows.mean(axis=0, dtype=np.float64)
    rows = np.asarray(rows - mean.astype(rows.dtype))
    shape = Spectrum(np.einsum("nr,nr->r", rows, rows) / len(rows), None, 0.0)
    return KernelSpace(Dense(rows), shape, mean, turn.T, learnt, served, landmarks, gamma)

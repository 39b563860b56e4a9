"""Logistic regression for many labels at once: every label, C and fold in one batch of the solver, over one set of rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from penult.arrays import Array
from penult.heads import calibration
from penult.heads.linear import Grid, nearest
from penult.heads.scoring import HeadState
from penult.heads.spaces import Space
from penult.heads.task import Task
from penult.solver import LogisticLoss, Problems, solve

ENTRIES = 1 << 24  # of the margins that are in memory at a time
HALF = 0.5  # of a photo is added to both answers of a label that has no other (Krichevsky & Trofimov 1981)


@dataclass(frozen=True)
class LabelTask(Task):
    """The rows to learn from, each with any number of k labels."""

    targets: Array = field(kw_only=True)  # (k, n) 0 or 1; 0 where it is not known
    weight: Array = field(kw_only=True)  # (k, n) that each row has in the learning of each label; 0 where it is not known

    def share(self, rows: Any = slice(None)) -> Array:
        """Return the weight of the photos without and with each label, (2, k), of some rows."""
        weight, target = self.weight[:, rows], self.targets[:, rows]
        return np.stack([(weight * (1 - target)).sum(axis=1), (weight * target).sum(axis=1)])


class LabelSearch:
    """Held-out logits of one logistic classifier a label, for any values of C, warm from the nearest C solved before."""

    def __init__(self, task: LabelTask, spaces: list[Space], whole: Callable[[], Space]) -> None:
        """`spaces` serve the folds; `whole` returns the space of all rows: theirs where they share an exact one."""
        self.task, self.spaces, self.whole = task, spaces, whole
        self.known: list[list[dict[float, Array]]] = [[{} for _ in range(task.k)] for _ in spaces]  # C -> (folds, r + 1)
        self.held: list[dict[float, Array]] = [{} for _ in range(task.k)]  # C -> (n,)

    def search(self, fixed: Any) -> list[Grid]:
        """Look for the best C of each label, each on a grid of its own; return the grids, with the held-out losses in them."""
        grids = [Grid(default=10.0, fixed=fixed) for _ in range(self.task.k)]
        while any(wanted := [grid.next() for grid in grids]):
            self.solve([(label, C) for label, some in enumerate(wanted) for C in some])
            for label, (grid, some) in enumerate(zip(grids, wanted, strict=True)):
                grid.tell({C: self.loss(label, C) for C in some})
        return grids

    def loss(self, label: int, C: float, rows: Any = slice(None)) -> float:
        """Return the smoothed log loss of the held-out logits of one label at one C."""
        weight = self.task.weight[label, rows]
        losses = smoothed_losses(self.held[label][C][rows], self.task.targets[label, rows], float((weight > 0).sum()))
        return float(losses @ weight / max(weight.sum(), 1e-300))

    def solve(self, wanted: list[tuple[int, float]]) -> None:
        """Solve labels at values of C, in all folds."""
        n, folds = len(self.task.codes), max(len(self.task.folds or ()), 1)
        step = max(1, ENTRIES // (n * folds))
        for start in range(0, len(wanted), step):
            some = wanted[start : start + step]
            for label, C in some:
                self.held[label][C] = np.zeros(n)
            for space, known in zip(self.spaces, self.known, strict=True):
                self._solve(space, known, some)

    def _solve(self, space: Space, known: list[dict[float, Array]], wanted: list[tuple[int, float]]) -> None:
        task, f = self.task, len(space.folds)
        labels, C = np.array([label for label, _ in wanted]), np.array([C for _, C in wanted])
        learnt = np.ones((f, len(task.codes)), bool)
        for row, (_, held) in zip(learnt, space.folds, strict=True):
            row[held] = False
        weight = (task.weight[labels][:, None] * learnt).reshape(len(wanted) * f, -1)  # (w * f, n)
        start = [known[label][nearest(known[label], c)] for label, c in wanted] if known[labels[0]] else None
        coef = self._solved(space, (np.repeat(labels, f), np.repeat(C, f)), weight, start, 1e-5)
        margins = (space.X.matvec(coef[:, :-1]) + coef[:, -1:]).reshape(len(wanted), f, -1)
        for one, found, own in zip(wanted, margins, coef.reshape(len(wanted), f, -1), strict=True):
            known[one[0]][one[1]] = own
            for z, (_, held) in zip(found, space.folds, strict=True):
                self.held[one[0]][one[1]][held] = z[held]

    def _solved(self, space: Space, of: tuple[Array, Array], weight: Array, start: Any, tol: float) -> Array:
        """Return coefficients (p, r + 1) of labels and values of C (p,), with the weights (p, n) of the rows."""
        labels, C = of
        kind = space.X.dtype
        target = self.task.targets[labels].astype(kind)  # (p, n)
        ones = (weight * target).sum(axis=1)
        zeros = weight.sum(axis=1) - ones
        coef = np.zeros((len(labels), space.X.shape[1] + 1), kind)
        coef[:, -1] = np.log((ones + HALF) / (zeros + HALF))  # all that is known of a label without a second answer
        both = np.flatnonzero((ones > 0) & (zeros > 0))
        if len(both):
            batch = Problems(space.X, LogisticLoss(target[both], kind), (weight[both] * C[both, None]).astype(kind))
            begin = None if start is None else np.concatenate(start)[both][:, None]
            coef[both] = solve(batch, C[both], space.spectrum, begin, tol)[:, 0]
        return coef

    def refit(self, C: Array) -> HeadState:
        """Return the linear scorer of all rows with the values of C (k,), warm from the folds where they share coordinates."""
        space, n, k = self.whole(), len(self.task.codes), self.task.k
        shared = len(self.spaces) == 1 and not self.spaces[0].learnt
        parts = []
        for labels in np.array_split(np.arange(k), -(-k * n // ENTRIES)):
            start = None
            if shared and self.known[0][labels[0]]:
                start = [self._start(label, C[label], space) for label in labels]
            parts.append(self._solved(space, (labels, C[labels]), self.task.weight[labels], start, 1e-8))
        coef = np.concatenate(parts).astype(np.float64)  # (k, r + 1)
        return space.to_state(coef[:, :-1], coef[:, -1], {})

    def _start(self, label: int, C: float, space: Space) -> Array:
        known = self.known[0][label]
        start = known[nearest(known, C)].mean(axis=0)[None]  # (1, r + 1)
        basis = self.spaces[0].basis
        if space is self.spaces[0] or basis is None:  # from the directions of the folds to the columns
            return np.asarray(start)
        return np.concatenate([start[:, :-1] @ basis, start[:, -1:]], axis=-1)


def smoothed_losses(z: Array, target: Array, n: float) -> Array:
    """Return `calibration.smoothed_log_losses` of logits of the label, (m,), which is there where the target is 1."""
    toward = np.where(target > 0, z, -z)
    return np.asarray(np.logaddexp(0, -toward) + calibration.PSEUDO_ERRORS / max(n, 1) * np.logaddexp(0, toward))

"""Linear classifiers for any values of C, all folds in one batch.

In: a task, its spaces and a loss. Out: held-out logits per C, and the scorer of all rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penult.arrays import Array
from penult.heads.lbfgs import Problems
from penult.heads.losses import Loss
from penult.heads.scorers import two_sided
from penult.heads.solver import solve
from penult.heads.spaces import Space
from penult.heads.state import HeadState
from penult.heads.task import Task


class LinearSearch:
    """Held-out logits of linear classifiers for any values of C, warm from the nearest C solved before."""

    def __init__(
        self,
        task: Task,
        spaces: list[Space],
        whole: Callable[[], Space],
        loss: Callable[[Task, Any], Loss],
    ) -> None:
        """`spaces` serve the folds; `whole` makes the space of all rows, used where they do not share one."""
        self.task, self.spaces, self.whole, self.loss = task, spaces, whole, loss
        self.known: list[dict[float, Array]] = [{} for _ in self.spaces]  # C -> (folds, c, r + 1)

    def logits(self, wanted: list[float]) -> dict[float, Array]:
        """Return held-out logits (n, k) of each C."""
        out = {C: np.zeros((len(self.task.codes), self.task.k)) for C in wanted}
        for place, known in zip(self.spaces, self.known, strict=True):
            coef = self._solve(place, known, wanted)  # (w, folds, c, r + 1)
            known |= dict(zip(wanted, coef, strict=True))
            flat = coef.reshape(-1, coef.shape[-1])
            margins = (place.rows.margins(flat[:, :-1]) + flat[:, -1:]).reshape(*coef.shape[:3], -1)  # (w, folds, c, n)
            for C, found in zip(wanted, margins, strict=True):
                for one, (_, held) in zip(found, place.folds, strict=True):
                    out[C][held] = two_sided(one[:, held].T.astype(np.float64))
        return out

    def _solve(self, place: Space, known: dict[float, Array], wanted: list[float]) -> Array:
        weight = np.tile(self.task.weight, (len(place.folds), 1))  # (f, n)
        for row, (_, held) in zip(weight, place.folds, strict=True):
            row[held] = 0
        start = np.concatenate([known[nearest(known, C)] for C in wanted]) if known else None
        many = np.repeat(wanted, len(place.folds))
        coef = self._solved(place, np.tile(weight, (len(wanted), 1)), many, start, 1e-5)
        return coef.reshape(len(wanted), len(place.folds), *coef.shape[1:])

    def _solved(self, place: Space, weight: Array, C: Array, start: Array | None, tol: float) -> Array:
        loss = self.loss(self.task, place.rows.dtype)
        batch = Problems(place.rows, loss, (weight * C[:, None]).astype(place.rows.dtype))
        return solve(batch, C, place.spectrum, start, tol)

    def refit(self, C: float) -> HeadState:
        """Return the linear scorer of all rows, warm from the folds where they share its coordinates."""
        shared = len(self.spaces) == 1 and not self.spaces[0].learnt
        place = self.spaces[0] if shared else self.whole()
        known = self.known[0] if shared else {}
        start = known[nearest(known, C)].mean(axis=0)[None] if known else None
        coef = self._solved(place, self.task.weight[None], np.array([C]), start, 1e-8)[0].astype(np.float64)  # (c, r + 1)
        return place.lift(coef[:, :-1], coef[:, -1], {"C": C})


def nearest(known: dict[float, Array], C: float) -> float:
    """Return the known C with the smallest ratio to this one."""
    return min(known, key=lambda other: abs(np.log(other / C)))

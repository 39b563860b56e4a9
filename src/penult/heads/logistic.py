"""Logistic regression whose regularisation is chosen by held-out log loss; the default head.

In: scaled rows of all folds. Out: a linear scorer. Two classes have one margin, more have one per class (softmax).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from penult.arrays import Array
from penult.heads import losses
from penult.heads.base import Head
from penult.heads.calibration import cautious_losses
from penult.heads.choice import Search
from penult.heads.grid import Grid
from penult.heads.linear import LinearSearch
from penult.heads.spaces import space, spaces
from penult.heads.task import Task


class Logistic(Head):
    """Fit L2-penalised logistic regression; minimises C sum_i loss_i + |w|^2 / 2 as scikit-learn does.

    `C`: None chooses it by cross-validated log loss on a grid that grows until the best is inside it, then
    narrows; of several numbers the best is chosen, one is kept. X may be a memory map, or a data set that gives slices of its
    rows (h5py): it is never copied as a whole. See `Head.fit` for the rest.
    """

    name = "logistic"

    def __init__(
        self,
        C: float | Sequence[float] | None = None,
        *,
        scaling: str = "unit",
        blocks: tuple[int, ...] | None = None,
        class_weight: Any = None,
        calibrate: bool = True,
        clip: float | str | None = "auto",
        folds: int = 5,
        random_state: int = 0,
    ) -> None:
        self.C = C
        self.scaling = scaling
        self.blocks = blocks
        self.class_weight = class_weight
        self.calibrate = calibrate
        self.clip = clip
        self.folds = folds
        self.random_state = random_state

    def _search(self, task: Task) -> Search:
        grid = Grid(default=10.0, fixed=self.C)
        found = LinearSearch(task, list(spaces(task, self.scaling)), lambda: space(task, self.scaling, None), _loss)
        if task.folds is None:
            return Search([{"C": grid.default}], [], lambda _: found.refit(grid.default))
        held: dict[float, Array] = {}
        while wanted := grid.next():
            held |= found.logits(wanted)
            grid.tell({C: _cost(held[C], task) for C in wanted})
        tried = sorted(held)
        return Search(
            [{"C": C} for C in tried],
            [held[C] for C in tried],
            lambda i: found.refit(tried[i]),
            best=tried.index(grid.best()),
        )


def _loss(task: Task, dtype: Any) -> losses.Loss:
    return losses.Binary(task.codes, dtype) if task.k == 2 else losses.Softmax(task.codes, task.k, dtype)


def _cost(logits: Array, task: Task) -> float:
    return float(np.average(cautious_losses(logits, task.codes), weights=task.weight))

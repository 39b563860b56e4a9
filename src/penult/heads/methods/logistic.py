"""Logistic regression whose regularisation is chosen by held-out log loss; the default head."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from penult.arrays import Array
from penult.heads.head import Head, Search, smoothed_log_loss
from penult.heads.linear import Grid, LinearSearch
from penult.heads.spaces import Space, linear_spaces, whole_space
from penult.heads.task import Task
from penult.solver import LogisticLoss, Loss, SoftmaxLoss


@dataclass(eq=False, repr=False)
class Logistic(Head):
    """Fit L2-penalised logistic regression; minimises C sum_i loss_i + |w|^2 / 2 as scikit-learn does.

    Two classes have one margin, more have one per class (softmax). `C`: None chooses it by cross-validated log loss on a grid
    that grows until the best is inside it, then narrows; of several numbers the best is chosen, one is kept. X may be a memory
    map, or a data set that gives slices of its rows (h5py): it is never copied as a whole. See `Head.fit` for the rest.
    """

    name = "logistic"

    C: float | Sequence[float] | None = None

    def search(self, task: Task) -> Search:
        """Return the values of C that were tried; all folds and classes are solved together."""
        spaces = linear_spaces(task, self.scaling)
        return search_C(task, spaces, lambda: whole_space(task, self.scaling, spaces), self.C)


def search_C(task: Task, spaces: list[Space], whole: Callable[[], Space], fixed: float | Sequence[float] | None) -> Search:
    """Return the values of C that were tried, or those that are `fixed`, on spaces that serve the folds of the task.

    `whole` returns the space of all rows, see `whole_space`.
    """
    grid = Grid(default=10.0, fixed=fixed)
    found = LinearSearch(task, spaces, whole, _loss)
    if task.folds is None:
        return Search([{"C": grid.default}], [], lambda _: found.refit(grid.default))
    held: dict[float, Array] = {}
    while wanted := grid.next():
        held |= found.logits(wanted)
        grid.tell({C: smoothed_log_loss(held[C], task) for C in wanted})
    tried = sorted(held)
    return Search([{"C": C} for C in tried], [held[C] for C in tried], lambda i: found.refit(tried[i]), pick=grid.pick)


def _loss(task: Task, dtype: Any) -> Loss:
    return LogisticLoss(task.codes, dtype) if task.k == 2 else SoftmaxLoss(task.codes, task.k, dtype)

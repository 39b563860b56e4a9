"""Logistic regression whose regularisation is chosen by held-out log loss; the default head."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from penult.arrays import Array, stratified_rows
from penult.heads.choice import Search, smoothed_log_loss
from penult.heads.head import Head
from penult.heads.linear import Grid, LinearSearch
from penult.heads.spaces import Space, linear_spaces, whole_space
from penult.heads.streamed_linear import StreamedSearch
from penult.heads.task import Folds, Task
from penult.solver import LogisticLoss, Loss, SoftmaxLoss

SEARCHED = 5000  # rows by which C is chosen where there are more


@dataclass(eq=False, repr=False)
class Logistic(Head):
    """Fit L2-penalised logistic regression; minimises C sum_i loss_i + |w|^2 / 2 as scikit-learn does.

    Two classes have one margin, more have one per class (softmax). `C`: None chooses it by cross-validated log loss on a grid
    that grows until the best is inside it, then narrows; of several numbers the best is chosen, one is kept. X may be a memory
    map, or a data set that gives slices of its rows (h5py): with `memory` it may be larger than that. See `Head.fit` for the
    rest.
    """

    name = "logistic"
    streams = True

    C: float | Sequence[float] | None = None

    def search(self, task: Task) -> Search:
        """Return the values of C that were tried; all folds and classes are solved together."""
        spaces = linear_spaces(task, self.scaling if task.stream is None else "none")
        return search_C(task, spaces, lambda: whole_space(task, self.scaling, spaces), self.C)


def search_C(task: Task, spaces: list[Space], whole: Callable[[], Space], fixed: float | Sequence[float] | None) -> Search:
    """Return the values of C that were tried, or those that are `fixed`, on spaces that serve the folds of the task.

    `whole` returns the space of all rows, see `whole_space`.
    """
    grid = Grid(default=10.0, fixed=fixed)
    found = (LinearSearch if task.stream is None else StreamedSearch)(task, spaces, whole, _loss)
    if task.folds is None:
        return Search([{"C": grid.default}], [], lambda _: found.refit(grid.default))
    if task.stream is not None or (len(task.codes) > SEARCHED and not grid.single):
        best, found.known = _best_of_some(task, spaces, grid)
        held = found.logits([best])
    else:
        held = _tried(found, grid)
    tried = sorted(held)
    return Search([{"C": C} for C in tried], [held[C] for C in tried], lambda i: found.refit(tried[i]), pick=grid.pick)


def _tried(found: LinearSearch, grid: Grid) -> dict[float, Array]:
    """Return held-out logits (n, k) of each C that the grid asks for."""
    held: dict[float, Array] = {}
    while wanted := grid.next():
        held |= found.logits(wanted)
        grid.tell({C: smoothed_log_loss(held[C], found.task) for C in wanted})
    return held


def _best_of_some(task: Task, spaces: list[Space], grid: Grid) -> tuple[float, list[dict[float, Array]]]:
    """Return the C that is best for `SEARCHED` rows, each counted as often as makes them all, and where its solution starts.

    The loss of so many rows hardly differs from that of all near the best C, where it is flat.
    """
    n, every = len(task.codes), task.counts
    share = np.maximum(2 * len(task.folds or ()), SEARCHED * every / every.sum()).round().astype(int)
    rows = stratified_rows(task.codes, share, task.seed)
    place = np.full(n, -1)
    place[rows] = np.arange(len(rows))

    def kept(some: Array) -> Array:
        return np.asarray(place[some][place[some] >= 0])

    def fewer(folds: Folds) -> Folds:
        return tuple((kept(train), kept(held)) for train, held in folds)

    given, codes = None if task.given_weight is None else task.given_weight[rows], task.codes[rows]
    drawn = np.maximum(np.bincount(codes, given, task.k), 1e-300)
    weight = task.sample_weight[rows] * (every / drawn)[codes]
    some = replace(
        task, codes=codes, sample_weight=weight, folds=fewer(task.folds or ()), spaces={}, stream=None, given_weight=given
    )
    few = []
    for space in spaces:
        seen = space.spectrum.projected
        spectrum = replace(space.spectrum, projected=None if seen is None else seen[rows])
        few.append(replace(space, X=space.X.take(rows), spectrum=spectrum, folds=fewer(space.folds)))
    found = LinearSearch(some, few, lambda: few[0], _loss)
    _tried(found, grid)
    best = grid.best()
    return best, [{best: known[best]} for known in found.known]


def _loss(task: Task, dtype: Any) -> Loss:
    return LogisticLoss(task.codes, dtype) if task.k == 2 else SoftmaxLoss(task.codes, task.k, dtype)

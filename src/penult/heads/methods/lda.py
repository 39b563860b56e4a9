"""Linear discriminant analysis with shrinkage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from penult.arrays import Array
from penult.errors import InputError
from penult.heads.choice import Search, candidate_temperature, smoothed_log_loss
from penult.heads.discriminant import Moments, fit_all
from penult.heads.head import Head
from penult.heads.scoring import HeadState
from penult.heads.spaces import Space, linear_spaces, whole_space
from penult.heads.streamed_linear import fit_streamed, streamed_moments
from penult.heads.task import Task
from penult.i18n import _

SHRINKAGES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95, 0.99)
FIRST = (4, 5, 6, 7)  # of them are tried first; the search goes on where the outermost is the best
DEFAULT = 0.2


@dataclass(eq=False, repr=False)
class LDA(Head):
    """Fit Gaussian classes with one covariance, (1 - a) S + a (trace S / d) 1 (Friedman 1989; Ledoit & Wolf 2004).

    `shrinkage`: a in (0, 1], or None, which chooses it by held-out log loss. S is the scatter within classes. With fewer rows
    than columns the size of S is no reliable scale, so the temperature is free. See `Head.fit` for the rest.
    """

    name = "lda"
    scale_free = True
    streams = True

    shrinkage: float | None = None

    def search(self, task: Task) -> Search:
        """Return the shrinkages that were tried."""
        spaces = linear_spaces(task, self.scaling if task.stream is None else "none") if task.folds or task.stream else []
        return search_shrinkage(task, self, spaces, lambda: whole_space(task, self.scaling, spaces), self.shrinkage)


def search_shrinkage(task: Task, head: Head, spaces: list[Space], whole: Callable[[], Space], fixed: float | None) -> Search:
    """Return the shrinkages that were tried, or the one that is `fixed`, on spaces that serve the folds of the task.

    `whole` returns the space of all rows, see `whole_space`.
    """
    if fixed is not None and not 0 < fixed <= 1:
        raise InputError(_("shrinkage is {fixed!r}; give a number above 0 and at most 1", fixed=fixed))

    moments: list[Moments] = []

    def refit(i: int) -> HeadState:
        if task.stream is not None:
            return fit_streamed(task, spaces[0], moments[0] if moments else None, tried[i])
        everything = whole()
        coef, intercept = fit_all(task, everything, tried[i])
        return everything.to_state(coef, intercept, {"shrinkage": tried[i]})

    if task.folds is None:
        tried = [DEFAULT if fixed is None else float(fixed)]
        return Search([{"shrinkage": tried[0]}], [], refit)
    moments += [(Moments if task.stream is None else streamed_moments)(task, space) for space in spaces]
    held: dict[float, Array] = {}
    temperatures: dict[float, float] = {}
    losses: dict[float, float] = {}
    wanted = [SHRINKAGES[i] for i in FIRST] if fixed is None else [float(fixed)]
    while wanted:
        for a in wanted:
            held[a] = np.zeros((len(task.codes), task.k))
            for one in moments:
                one.held_out(a, held[a])
            temperatures[a] = candidate_temperature(held[a], task, head.calibrate)
            losses[a] = smoothed_log_loss(held[a], task, temperatures[a])
        best = min(losses, key=lambda a: losses[a])
        beside = [SHRINKAGES.index(best) + step for step in (-1, 1)] if fixed is None else []
        wanted = [SHRINKAGES[i] for i in beside if 0 <= i < len(SHRINKAGES) and SHRINKAGES[i] not in losses]
    tried = sorted(held)
    return Search([{"shrinkage": a} for a in tried], [held[a] for a in tried], refit, [temperatures[a] for a in tried])

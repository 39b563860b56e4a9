"""The choice among what a search offers: the candidate with the smallest held-out loss, calibrated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from penult.arrays import Array
from penult.heads import calibration
from penult.heads.scoring import HeadState
from penult.heads.task import Task


class Rules(Protocol):
    """What a head says of calibration, see `Head`."""

    calibrate: bool
    clip: float | str | None

    @property
    def scale_free(self) -> bool:
        """Whether logits have no scale of their own."""

    @property
    def has_intercepts(self) -> bool:
        """Whether the fitted state has intercepts."""


@dataclass
class Search:
    """What a method found.

    `logits[i]` (n, k) are those of candidate i, each row's from the fold that held it out; empty without folds. `refit(i)`
    fits candidate i to all rows. `temperatures` are those at which the candidates are judged, 1 where there are none.
    `pick` chooses among their losses, where the method has a rule of its own for nearly equal ones.
    """

    candidates: list[dict[str, Any]]
    logits: list[Array]
    refit: Callable[[int], HeadState]
    temperatures: list[float] | None = None
    pick: Callable[[Array], int] = lambda losses: int(np.argmin(losses))

    def best(self, task: Task, rows: Array | None = None) -> int:
        """Return the number of the best candidate, by the held-out rows with these numbers (all when None)."""
        return self.pick(np.array([smoothed_log_loss(z, task, t, rows) for z, t in self.judged()]))

    def judged(self) -> list[tuple[Array, float]]:
        """Return the held-out logits of each candidate and the temperature at which it is judged."""
        return list(zip(self.logits, self.temperatures or [1.0] * len(self.logits), strict=True))


@dataclass(frozen=True)
class Chosen:
    """The best candidate of a search, calibrated."""

    index: int
    temperature: float
    floor: float
    offset: Array  # (k,) to be added to the intercepts
    proba: Array | None  # (n, k) held out
    log_loss: float | None
    cost: float | None  # the same weighted as the rows are: by which heads are compared
    spread: float | None  # standard deviation of the folds' log losses


def held_out(task: Task, judge: Callable[[Array, Array], Sequence[Array]], count: int) -> list[Array]:
    """Return `count` arrays of held-out logits (n, k); `judge(train, held)` gives one fold's, each (m, k)."""
    logits = [np.zeros((len(task.codes), task.k)) for _ in range(count)]
    for train, held in task.folds or ():
        for out, found in zip(logits, judge(train, held), strict=True):
            out[held] = found
    return logits


def candidate_temperature(logits: Array, task: Task, free: bool) -> float:
    """Return the temperature at which a candidate is judged: its best one if it is free, else 1."""
    return calibration.temperature(logits, task.codes, task.sample_weight, True, task.total()) if free else 1.0


def choose(search: Search, task: Task, head: Rules, rows: Array | None = None) -> Chosen:
    """Return the candidate with the smallest held-out log loss, with its temperature and its floor of probability.

    Only the held-out rows with the numbers `rows` (all when None) have a say.
    """
    fixed = 0.0 if isinstance(head.clip, str) else float(head.clip or 0)
    if task.folds is None:
        floor = calibration.default_floor(task.total(), task.k) if head.clip == "auto" else fixed
        return Chosen(0, 1.0, floor, np.zeros(task.k), None, None, None, None)
    best = search.best(task, rows)
    here = slice(None) if rows is None else rows
    logits, temperature = search.logits[best], search.judged()[best][1]
    codes, weight, total = task.codes[here], task.sample_weight[here], task.total(here)
    offset = np.zeros(task.k)
    if head.calibrate:
        temperature = calibration.temperature(logits[here], codes, weight, head.scale_free, total)
        prior = np.log(np.bincount(codes, weight, task.k) + 1)
        believed = calibration.evidence(logits[here] / temperature, codes, weight, prior, total)
        temperature /= believed
        if head.has_intercepts:  # what is not believed goes to the class prior, else to no difference at all
            offset = (1 - believed) * temperature * (prior - prior.mean())
    sharp = calibration.probabilities(logits + offset, temperature, 0.0)
    floor = calibration.best_floor(sharp[here], codes, weight, total) if head.clip == "auto" else fixed
    final = calibration.raise_to_floor(sharp, floor)
    cost, loss = calibration.log_loss(final[here], codes, weight), calibration.row_losses(final, task.codes)
    spread = float(np.std([task.average(loss[held], held) for _, held in task.folds]))
    return Chosen(best, temperature, floor, offset, final, task.average(loss[here], here), cost, spread)


def path_of(search: Search, task: Task) -> dict[str, list[Any]]:
    """Return the settings of each candidate, and its held-out losses: `cost` is what was minimised, `log_loss` without the
    pseudo-error, `log_loss_std` its standard deviation over folds.
    """
    if task.folds is None:
        return {}
    losses = [calibration.row_losses(calibration.probabilities(z, t, 0.0), task.codes) for z, t in search.judged()]
    rows = np.sort(np.concatenate([held for _, held in task.folds]))  # a row of no fold was never held out
    path: dict[str, list[Any]] = {name: [c.get(name) for c in search.candidates] for name in search.candidates[0]}
    path["cost"] = [smoothed_log_loss(z, task, t, rows) for z, t in search.judged()]
    path["log_loss"] = [task.average(loss[rows], rows) for loss in losses]
    path["log_loss_std"] = [float(np.std([task.average(loss[held], held) for _, held in task.folds])) for loss in losses]
    return path


def smoothed_log_loss(logits: Array, task: Task, temperature: float = 1.0, rows: Array | None = None) -> float:
    """Return the smoothed log loss of held-out logits (n, k), by which candidates are compared; of some rows, or all."""
    here = slice(None) if rows is None else rows
    losses = calibration.smoothed_log_losses(logits[here] / temperature, task.codes[here], task.total(here))
    return float(np.average(losses, weights=task.sample_weight[here]))

"""From candidates to the chosen one: held-out losses, one temperature, one clip.

In: what a search found. Out: `Chosen`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from penult.arrays import Array
from penult.heads import calibration
from penult.heads.state import HeadState
from penult.heads.task import Task


@dataclass(frozen=True)
class Search:
    """What a search found.

    `logits[i]` (n, k) are those of candidate i, each row's from the fold that held it out; empty without
    folds. `refit(i)` fits candidate i to all rows and gives kind, arrays and facts.
    """

    candidates: list[dict[str, Any]]
    logits: list[Array]
    refit: Callable[[int], HeadState]
    heat: list[float] | None = None  # temperatures that the search has fitted already
    best: int | None = None  # where the search has a rule of its own among nearly equal candidates


@dataclass(frozen=True)
class Chosen:
    """The best candidate of a search, calibrated."""

    index: int
    temperature: float
    clip: float
    proba: Array | None  # (n, k) held out
    log_loss: float | None
    cost: float | None  # the cautious loss at the temperature, by which heads are compared
    path: dict[str, list[Any]]


def own_temperature(logits: Array, task: Task, free: bool) -> float:
    """Return the temperature at which a candidate is judged: its best one if it is free, else 1."""
    return calibration.temperature(logits, task.codes, task.weight, True) if free else 1.0


def choose(search: Search, task: Task, head: Any) -> Chosen:
    """Return the candidate with the smallest held-out log loss, with its temperature and its clip."""
    if task.folds is None:
        clip = calibration.blind_clip(len(task.codes), task.k) if head.clip == "auto" else float(head.clip or 0)
        return Chosen(0, 1.0, clip, None, None, None, {})
    free = head.scale_free and head.calibrate
    heat = search.heat or [own_temperature(z, task, free) for z in search.logits]
    held = [calibration.probabilities(z, t, 0.0) for z, t in zip(search.logits, heat, strict=True)]
    losses = [calibration.row_losses(p, task.codes) for p in held]
    cautious = [
        np.average(calibration.cautious_losses(z / t, task.codes), weights=task.weight)
        for z, t in zip(search.logits, heat, strict=True)
    ]
    best = int(np.argmin(cautious)) if search.best is None else search.best
    temperature = heat[best]
    if head.calibrate and not free:
        temperature = calibration.temperature(search.logits[best], task.codes, task.weight, False)
    sharp = calibration.probabilities(search.logits[best], temperature, 0.0)
    clip = calibration.best_clip(sharp, task.codes, task.weight) if head.clip == "auto" else float(head.clip or 0)
    proba = calibration.clipped(sharp, clip)
    cost = float(np.average(calibration.cautious_losses(search.logits[best] / temperature, task.codes), weights=task.weight))
    spread = [float(np.std([loss[held].mean() for _, held in task.folds])) for loss in losses]
    path: dict[str, list[Any]] = {name: [c.get(name) for c in search.candidates] for name in search.candidates[0]}
    path |= {"log_loss": [float(loss.mean()) for loss in losses], "log_loss_std": spread}
    return Chosen(best, temperature, clip, proba, calibration.log_loss(proba, task.codes), cost, path)


def held_out(task: Task, judge: Callable[[Array, Array], Sequence[Array]], count: int) -> list[Array]:
    """Return `count` arrays of held-out logits (n, k); `judge(train, held)` gives one fold's, each (m, k)."""
    logits = [np.zeros((len(task.codes), task.k)) for _ in range(count)]
    for train, held in task.folds or ():
        for where, found in zip(logits, judge(train, held), strict=True):
            where[held] = found
    return logits

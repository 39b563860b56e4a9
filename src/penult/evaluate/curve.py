"""The learning curve: would more photos help?

Comes in: a head, features, and the evaluation of both by `cross_validate`. Goes out: `LearningCurve`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.evaluate.crossval import fit_rows, probabilities
from penult.evaluate.evaluation import Evaluation
from penult.evaluate.forecast import Forecast, forecast
from penult.evaluate.intervals import Floats, Ints, Score
from penult.evaluate.measures import scores
from penult.floats import default_errors


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """Log loss and accuracy on unseen images, against the number of training images."""

    sizes: tuple[int, ...]
    log_loss: tuple[Score, ...]
    accuracy: tuple[Score, ...]

    @property
    def twice(self) -> Forecast | None:
        """What twice the images would give, see `forecast`; None where the curve does not tell."""
        return forecast(self.sizes, self.log_loss, self.accuracy)

    def _repr_html_(self) -> str:
        from penult.evaluate.shown import curve_html

        return curve_html(self)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        twice = self.twice
        return {
            "sizes": list(self.sizes),
            "log_loss": [one.to_dict() for one in self.log_loss],
            "accuracy": [one.to_dict() for one in self.accuracy],
            "twice": None if twice is None else twice.to_dict(),
        }


@default_errors
def learning_curve(
    head: Any,
    X: NDArray[Any],
    evaluation: Evaluation,
    sizes: Sequence[int] | None = None,
    repeats: int = 3,
    seed: int = 0,
) -> LearningCurve:
    """Measure `head` after fitting it on few and on more images of X (n, d).

    Labels, groups and folds are those of `evaluation`, which is also the last point: it costs nothing. Every
    size is measured on the same images, the first `repeats` folds, after training inside the other folds on
    sets that grow: stratified, groups whole, each set part of the next. `sizes` (default: four) are images
    for training; those with fewer than four a class, or no fewer than the evaluation had, are left out. There
    are at most `len(sizes) * repeats` fits. The interval is over the measured images, not over the choice of
    the training images.
    """
    parts = sorted(set(evaluation.fold[evaluation.measured].tolist()))[:repeats]
    whole = min(int(np.sum(evaluation.fold != part)) for part in parts)
    k = len(evaluation.classes)
    wanted = sorted({int(s) for s in (log_spaced(whole, k) if sizes is None else sizes) if 4 * k <= s < whole})
    here = np.isin(evaluation.fold, parts)  # (n,)
    proba = {size: np.full(evaluation.proba.shape, np.nan) for size in wanted}  # each (n, k)
    for part in parts:
        order = nested_subsets(evaluation, np.flatnonzero(evaluation.fold != part), seed)
        for size in wanted:
            fitted = fit_rows(head, X, evaluation.y, evaluation.groups, first_groups(order, evaluation.groups, size))
            proba[size][evaluation.fold == part] = probabilities(fitted, X[evaluation.fold == part], k)
    points = [_point(evaluation, rows, here) for rows in [*proba.values(), evaluation.proba]]
    return LearningCurve((*wanted, whole), tuple(p["log_loss"] for p in points), tuple(p["accuracy"] for p in points))


def log_spaced(whole: int, k: int) -> list[int]:
    """Return four sizes below `whole`, evenly spaced on a log axis, from about eight images a class."""
    lowest = min(max(8 * k, whole // 64), whole / 2)
    return sorted({round(s) for s in np.geomspace(lowest, whole, 5)[:-1]})


def nested_subsets(evaluation: Evaluation, rows: Ints, seed: int) -> Ints:
    """Return `rows` so ordered that every beginning is stratified; two groups of each class come first."""
    rng = np.random.default_rng(seed)
    names = rows if evaluation.groups is None else evaluation.groups[rows]
    first, unit = np.unique(names, return_index=True, return_inverse=True)[1:]
    label = evaluation.y[rows][first]  # (u,) the class that a group is dealt by: its first image's
    place = np.empty(len(first))  # (u,)
    for c in np.unique(label):
        members = rng.permutation(np.flatnonzero(label == c))
        rank = np.arange(len(members))
        place[members] = np.where(rank < 2, rank - 2, (rank + rng.random()) / len(members))
    return rows[np.lexsort((unit, place[unit]))]


def first_groups(order: Ints, groups: NDArray[Any] | None, size: int) -> Ints:
    """Return the first `size` of `order`, and the rest of the group that this would cut."""
    if groups is None or size >= len(order):
        return order[:size]
    cut = size
    while cut < len(order) and groups[order[cut]] == groups[order[cut - 1]]:
        cut += 1
    return order[:cut]


def _point(evaluation: Evaluation, proba: Floats, here: NDArray[np.bool_]) -> dict[str, Score]:
    groups = None if evaluation.groups is None else evaluation.groups[here]
    return scores(evaluation.y[here], proba[here], groups, out_of_fold=len(np.unique(evaluation.fold[here])) > 1)

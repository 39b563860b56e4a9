"""Prediction sets that hold the right class with a given probability (conformal prediction), and their coverage by folds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import default_errors
from penult.decision import PredictionSets
from penult.errors import InputError
from penult.evaluate.evaluation import Evaluation
from penult.evaluate.intervals import Floats, Ints, Score
from penult.evaluate.operating import share_interval


@dataclass(frozen=True, slots=True)
class Coverage:
    """How often sets hold the right class, on photos that did not choose their thresholds.

    `size` is the mean number of classes in a set, `single` the share of sets with one class; `by_class` the coverage of each
    class.
    """

    level: float
    photos: int
    coverage: Score
    size: float
    single: float
    by_class: dict[str, Score]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def check_coverage(level: float) -> None:
    """Raise `InputError` for a coverage that sets cannot have."""
    if not 0.5 <= level < 1:
        raise InputError(f"a coverage of {level:g} is not from 0.5 to below 1; use a value such as 0.95.")


@default_errors
def fit_sets(y: Ints, proba: Floats, level: float) -> PredictionSets:
    """Return the sets of a level, by out-of-fold probabilities (n, k)."""
    own = np.sort(proba[np.arange(len(y)), y])  # (n,)
    rank = int(np.floor((len(y) + 1) * (1 - level)))  # the rank-th smallest score is the threshold
    return PredictionSets(level, (float(own[rank - 1]) if rank else 0.0,) * proba.shape[1])


@default_errors
def conformal(evaluation: Evaluation, level: float) -> tuple[PredictionSets, Coverage]:
    """Return sets for new photos, and how often such sets hold the right class: each fold by thresholds of the others."""
    check_coverage(level)
    here = evaluation.measured
    held = np.zeros(evaluation.proba.shape, bool)  # (n, k)
    for part in np.unique(evaluation.fold[here]):
        own = evaluation.fold == part
        others = here & ~own if (here & ~own).any() else own
        held[own] = fit_sets(evaluation.y[others], evaluation.proba[others], level).sets(evaluation.proba[own])
    groups = None if evaluation.groups is None else evaluation.groups[here]
    return fit_sets(evaluation.y[here], evaluation.proba[here], level), measure_sets(
        held[here], evaluation.y[here], groups, evaluation.classes, level
    )


def measure_sets(
    held: NDArray[np.bool_], y: Ints, groups: NDArray[Any] | None, classes: tuple[str, ...], level: float
) -> Coverage:
    """Return how often sets (n, k) hold the class y (n,)."""
    hits, sizes = held[np.arange(len(y)), y], held.sum(axis=1)  # (n,)
    by_class = {}
    for c, name in enumerate(classes):
        own = y == c
        by_class[name] = share_interval(hits[own], None if groups is None else groups[own])
    return Coverage(level, len(y), share_interval(hits, groups), float(sizes.mean()), float((sizes == 1).mean()), by_class)

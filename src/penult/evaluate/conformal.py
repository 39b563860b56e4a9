"""Prediction sets that hold the right class with a given probability (conformal prediction), and their coverage by folds.

Each class has a threshold of its own (class-conditional, "Mondrian": Vovk, Gammerman & Shafer, Algorithmic Learning in a
Random World, 2005, section 4.5; Sadinle, Lei & Wasserman, JASA 114 (2019) 223), so that a class that is often missed is
covered as often as the others. One threshold for all covers 85% of the defective solar cells where 95% of all cells are
covered; sets of cumulated probabilities (APS: Romano, Sesia & Candes, NeurIPS 2020) are larger at the same coverage
(`benchmarks/jobs.py decide`). Scores are out-of-fold, those of all folds together (cross-conformal: Vovk, Annals of
Mathematics and Artificial Intelligence 74 (2015) 9).
"""

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
from penult.i18n import _


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
        raise InputError(_("a coverage of {level:g} is not from 0.5 to below 1; use a value such as 0.95.", level=level))


@default_errors
def fit_sets(y: Ints, proba: Floats, level: float) -> PredictionSets:
    """Return the sets of a level, by out-of-fold probabilities (n, k).

    Classes with too few photos for a threshold of their own (19 for 0.95) share one, that of all their photos together
    (Ding et al., NeurIPS 2023).
    """
    own = proba[np.arange(len(y)), y]  # (n,)
    few = _rank(np.bincount(y, minlength=proba.shape[1]), level) < 1  # (k,)
    shared = _threshold(own[few[y]], level)
    each = (shared if few[c] else _threshold(own[y == c], level) for c in range(proba.shape[1]))
    return PredictionSets(level, tuple(each))


def _rank(number: Any, level: float) -> Any:
    """Return which of n scores, ascending, is the threshold: a share of 1 - level of n + 1, with the new one, is below."""
    return np.floor((number + 1) * (1 - level) + 1e-9).astype(int)


def _threshold(scores: Floats, level: float) -> float:
    rank = int(_rank(np.asarray(len(scores)), level))
    return float(np.partition(scores, rank - 1)[rank - 1]) if rank else 0.0


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
    weights = None if evaluation.weights is None else evaluation.weights[here]
    return fit_sets(evaluation.y[here], evaluation.proba[here], level), measure_sets(
        held[here], evaluation.y[here], groups, evaluation.classes, level, weights
    )


def measure_sets(
    held: NDArray[np.bool_],
    y: Ints,
    groups: NDArray[Any] | None,
    classes: tuple[str, ...],
    level: float,
    weights: Floats | None = None,
) -> Coverage:
    """Return how often sets (n, k) hold the class y (n,); `weights` (n,) as of `Evaluation`."""
    hits, sizes = held[np.arange(len(y)), y], held.sum(axis=1)  # (n,)
    by_class = {}
    for c, name in enumerate(classes):
        own = y == c
        by_class[name] = share_interval(hits[own], None if groups is None else groups[own])
    size, single = (float(np.average(of, weights=weights)) for of in (sizes, sizes == 1))
    return Coverage(level, len(y), share_interval(hits, groups, y, weights), size, single, by_class)

"""Operating points: the threshold of one class that keeps a target, what a rule gives on photos that did not choose it, and
the curves of all thresholds.

Recall, precision and flagged share of a rule are measured by folds: each fold is answered by the rule that the others choose.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import default_errors
from penult.decision import DecisionRule, Target
from penult.evaluate.evaluation import Evaluation, build
from penult.evaluate.intervals import Floats, Ints, Score, interval, resample, wilson

# With which a target of recall or precision is kept on new photos. Without it (the threshold that keeps the target on average)
# the recall of unseen solar cells is below 0.95 in half of all resplits, and surely so in 5 of 100; with it in 2 of 100, for 3
# points more of flagged cells (`benchmarks/jobs.py decide`). 95% instead would need 59 photos of a class for a recall of 0.95.
CONFIDENCE = 0.9
POINTS = 60  # of a curve


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What a rule gives of one class on photos that it was not chosen by: each a share with its 95% interval.

    `recall`: how many of the class are given it; `precision`: how many of those given it are of the class; `flagged`: how many
    of all photos are given it. `accuracy` is of all classes, and so is `cost`, the mean of a photo, beside that of the most
    probable class; both None without costs.
    """

    label: str
    photos: int
    recall: Score
    precision: Score
    flagged: Score
    accuracy: Score
    cost: Score | None = None
    cost_argmax: Score | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Threshold:
    """The smallest probability of a class with which it is given, and whether it keeps the target with CONFIDENCE."""

    value: float
    kept: bool


def share_interval(hits: NDArray[np.bool_], groups: NDArray[Any] | None) -> Score:
    """Return the share of True (m,) with Wilson's interval over the groups (m,); None where there is nothing."""
    if not len(hits):
        return Score(None, None, None)
    share = float(hits.mean())
    units = _units(groups, len(hits))
    low, high = wilson(share * units, units)
    return Score(share, float(low), float(high))


def _units(groups: NDArray[Any] | None, n: int) -> int:
    return n if groups is None else len(np.unique(groups))


@default_errors
def choose_threshold(y: Ints, proba: Floats, groups: NDArray[Any] | None, chosen: int, target: Target) -> Threshold:
    """Return the threshold of class `chosen` that keeps a target on new photos, by out-of-fold probabilities (n, k).

    For recall the largest, for precision the smallest whose share is at least the target by the exact lower limit of a
    binomial share (Clopper & Pearson, Biometrika 26 (1934) 404), at CONFIDENCE: for recall that is the order statistic of
    Tong, Feng & Li (Science Advances 4 (2018) eaao1659). For the flagged share the smallest that flags at most the target.
    """
    scores, own = proba[:, chosen], y == chosen  # (n,)
    if target.measure == "recall":
        return _recall_threshold(np.sort(scores[own]), _units(None if groups is None else groups[own], int(own.sum())), target)
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    last = np.append(ordered[1:] < ordered[:-1], True)  # (n,) where all photos of equal score are in
    number = np.arange(1, len(y) + 1)
    if target.measure == "flagged":
        fits = last & (number <= target.value * len(y))
    else:
        ratio = _units(groups, len(y)) / len(y)
        hits = np.cumsum(own[order])
        fits = last & (lower_limit(hits * ratio, number * ratio) >= target.value)
    if not fits.any():
        return Threshold(float(np.nextafter(ordered[0], 2)) if target.measure == "flagged" else float(ordered[0]), False)
    return Threshold(float(ordered[np.flatnonzero(fits)[-1]]), True)


def _recall_threshold(scores: Floats, units: int, target: Target) -> Threshold:
    """Return the largest threshold with the recall, from the scores (m,) of the photos of the class, ascending."""
    missed = np.searchsorted(scores, scores, "left")  # (m,) photos below each score
    if not len(scores):  # no photo of the class was measured
        return Threshold(0.0, False)
    caught = np.asarray((1 - missed / len(scores)) * units, np.float64)
    fits = np.flatnonzero(lower_limit(caught, np.full(caught.shape, float(units))) >= target.value)
    return Threshold(float(scores[fits[-1]] if len(fits) else scores[0]), bool(len(fits)))


def lower_limit(hits: NDArray[Any], number: NDArray[Any], confidence: float = CONFIDENCE) -> Floats:
    """Return the exact lower limit (m,) of binomial shares, one-sided."""
    from scipy.special import betaincinv

    known: Floats = np.where(hits > 0, betaincinv(np.maximum(hits, 1e-9), number - hits + 1, 1 - confidence), 0.0)
    return known


def by_folds(evaluation: Evaluation, choose: Callable[[NDArray[np.bool_]], DecisionRule]) -> Ints:
    """Return the class (n,) that each measured photo is given by the rule chosen without its fold; -1 elsewhere.

    `choose` takes which photos (n,) the rule may be chosen by.
    """
    given = np.full(len(evaluation.y), -1)  # (n,)
    for part in np.unique(evaluation.fold[evaluation.measured]):
        here = evaluation.fold == part
        others = evaluation.measured & ~here
        rule = choose(others if others.any() else here)
        given[here] = rule.labels(evaluation.proba[here])
    return given


def measure_point(
    evaluation: Evaluation, given: Ints, chosen: int, costs: NDArray[np.float64] | None = None
) -> OperatingPoint:
    """Return recall, precision and flagged share of a class, by the classes (n,) that photos are given, and their cost."""
    here = evaluation.measured
    y, said = evaluation.y[here], given[here]
    groups = None if evaluation.groups is None else evaluation.groups[here]

    def share(hits: NDArray[np.bool_], among: NDArray[np.bool_]) -> Score:
        return share_interval(hits[among], None if groups is None else groups[among])

    def price(called: Ints) -> Score | None:
        return None if costs is None else _mean(costs[y, called], groups)

    own, flagged, every = y == chosen, said == chosen, np.ones(len(y), bool)
    return OperatingPoint(
        evaluation.classes[chosen],
        len(y),
        recall=share(flagged, own),
        precision=share(own, flagged),
        flagged=share(flagged, every),
        accuracy=share(said == y, every),
        cost=price(said),
        cost_argmax=price(evaluation.proba[here].argmax(axis=1)),
    )


@default_errors
def with_given(seen: Evaluation, rule: DecisionRule) -> Evaluation:
    """Return the evaluation with accuracy, recall, precision and confusion of the classes that the rule gives.

    What is said of probabilities (log loss, AUC, calibration) stays; so does all where these are the most probable classes.
    """
    if rule.kind == "argmax":
        return seen
    here = seen.measured
    hard = np.full(seen.proba.shape, np.nan)  # (n, k)
    hard[here] = np.eye(len(seen.classes))[rule.labels(seen.proba[here])]
    given = build(seen.name, seen.classes, seen.y, hard, seen.fold, seen.groups)
    scores = dict(seen.scores)
    scores |= {name: score for name, score in given.scores.items() if name in ("accuracy", "balanced_accuracy")}
    return replace(seen, scores=scores, per_class=given.per_class, confusion=given.confusion)


def _mean(values: Floats, groups: NDArray[Any] | None) -> Score:
    """Return a mean (m,) with the bootstrap's interval over the groups."""
    value = float(values.mean())
    return Score(value, *interval(value, resample(values[:, None], groups)[:, 0]))


@dataclass(frozen=True, slots=True)
class ThresholdPoint:
    """One threshold of the curves: what gives the class from it on has this recall, false positive rate and precision."""

    threshold: float
    recall: Score
    false_positives: Score
    precision: Score
    flagged: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


@default_errors
def curve_points(evaluation: Evaluation, chosen: int, points: int = POINTS) -> tuple[ThresholdPoint, ...]:
    """Return the ROC and the precision-recall curve of a class against all others, out of fold, thresholds descending.

    The intervals are Wilson's at each threshold, over groups where there are some.
    """
    here = evaluation.measured
    scores, own = evaluation.proba[here, chosen], evaluation.y[here] == chosen  # (n,)
    if own.all() or not own.any():
        return ()
    # half of the thresholds by the photos of the class, half by the others: both curves have their bends there
    ranks = np.linspace(0, 1, points // 2)
    every = np.unique(np.concatenate([np.quantile(scores[part], ranks, method="nearest") for part in (own, ~own)]))[::-1]
    units = _units(None if evaluation.groups is None else evaluation.groups[here], len(own)) / len(own)
    positive, total = int(own.sum()), len(own)
    found = []
    for threshold in every.tolist():
        flagged = scores >= threshold
        hits, many = int((flagged & own).sum()), int(flagged.sum())
        shares = (hits, positive), (many - hits, total - positive), (hits, many)
        recall, false, precision = (_wilson(*pair, units) for pair in shares)
        found.append(ThresholdPoint(threshold, recall, false, precision, many / total))
    return tuple(found)


def _wilson(hits: int, number: int, units: float) -> Score:
    low, high = wilson(hits * units, number * units)
    return Score(hits / number, float(low), float(high))

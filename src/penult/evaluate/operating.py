"""Operating points: the threshold of one class that keeps a target, what a rule gives on photos that did not choose it, and
the curves of all thresholds.

Recall, precision and flagged share of a rule are measured by folds: each fold is answered by the rule that the others choose.
Where photos stand for another place (`Evaluation.weights`), all of them are used: recalls are the same, flagged share and
accuracy are means of each class's photos by its share, and precision has its odds moved by the odds of the class.
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


def share_interval(
    hits: NDArray[np.bool_], groups: NDArray[Any] | None, y: Ints | None = None, weights: Floats | None = None
) -> Score:
    """Return the share of True (m,) with Wilson's interval over the groups (m,); None where there is nothing.

    With `weights` (m,) of photos of the classes `y` (m,) it is the share in another place.
    """
    if not len(hits):
        return Score(None, None, None)
    units = _units(groups, len(hits))
    if weights is not None and y is not None:
        return _share_there(hits, y, weights, units / len(hits))
    share = float(hits.mean())
    low, high = wilson(share * units, units)
    return Score(share, float(low), float(high))


def _share_there(hits: NDArray[np.bool_], y: Ints, weights: Floats, ratio: float) -> Score:
    """Return the mean of the classes' shares of True (m,) by their weight, with Wilson's interval; `ratio`: groups a photo.

    It counts as many photos as have the variance of a stratified mean (Cochran, Sampling Techniques, 1977, section 5.3), each
    class's share half a photo away from 0 and 1, but no more photos than there are.
    """
    middle = variance = 0.0
    for c in np.unique(y):
        own = y == c
        units, part = own.sum() * ratio, weights[own].sum() / weights.sum()
        share = (hits[own].mean() * units + 0.5) / (units + 1)
        middle, variance = middle + part * share, variance + part**2 * share * (1 - share) / units
    units = min(middle * (1 - middle) / variance, len(y) * ratio)
    share = float(np.average(hits, weights=weights))
    low, high = wilson(share * units, units)
    return Score(share, float(low), float(high))


def _precision(own: NDArray[np.bool_], flagged: NDArray[np.bool_], units: float, weights: Floats | None) -> Score:
    """Return which share of the flagged (n,) of all photos is of the class, those being so many `units`."""
    if not flagged.any():
        return Score(None, None, None)
    share = float(own[flagged].mean())
    ends = wilson(share * units, units)
    if weights is None:
        return Score(share, *(float(end) for end in ends))
    wrong = flagged & ~own if (flagged & ~own).any() else ~own
    odds = weights[own].mean() / weights[wrong].mean() if own.any() and wrong.any() else 1.0
    return Score(*(float(at_odds(one, odds)) for one in (share, *ends)))


def at_odds(share: Any, times: Any) -> Any:
    """Return the share of which the odds are so many times those of `share`."""
    return share * times / (share * times + 1 - share)


def _units(groups: NDArray[Any] | None, n: int) -> int:
    return n if groups is None else len(np.unique(groups))


@default_errors
def choose_threshold(evaluation: Evaluation, rows: NDArray[np.bool_], chosen: int, target: Target) -> Threshold:
    """Return the threshold of class `chosen` that keeps a target on new photos, by the out-of-fold probabilities of some (n,).

    For recall the largest, for precision the smallest whose share is at least the target by the exact lower limit of a
    binomial share (Clopper & Pearson, Biometrika 26 (1934) 404), at CONFIDENCE: for recall that is the order statistic of
    Tong, Feng & Li (Science Advances 4 (2018) eaao1659), then lowered as far as no photo of another class is given the class
    for it. For the flagged share the smallest that flags at most the target.
    """
    scores, own = evaluation.proba[rows, chosen], evaluation.y[rows] == chosen  # (m,)
    groups = None if evaluation.groups is None else evaluation.groups[rows]
    if target.measure == "recall":
        units = _units(None if groups is None else groups[own], int(own.sum()))
        return _where_no_other_is_flagged(_recall_threshold(np.sort(scores[own]), units, target), scores, own)
    order = np.argsort(-scores, kind="stable")
    ordered, ours = scores[order], own[order]
    weights = np.ones(len(own)) if evaluation.weights is None else evaluation.weights[rows][order]
    last = np.append(ordered[1:] < ordered[:-1], True)  # (m,) where all photos of equal score are in
    if target.measure == "flagged":
        fits = last & (np.cumsum(weights) <= target.value * weights.sum() * (1 + 1e-12))
    else:
        number, ratio = np.arange(1, len(own) + 1), _units(groups, len(own)) / len(own)
        least = lower_limit(np.cumsum(ours) * ratio, number * ratio)
        if evaluation.weights is not None and ours.any() and not ours.all():
            # what a wrong one weighs: the mean of those so far and of one more
            wrong = (np.cumsum(weights * ~ours) + weights[~ours].mean()) / (np.cumsum(~ours) + 1)
            least = at_odds(least, weights[ours].mean() / wrong)
        fits = last & (least >= target.value)
    if not fits.any():
        return Threshold(float(np.nextafter(ordered[0], 2)) if target.measure == "flagged" else float(ordered[0]), False)
    return Threshold(float(ordered[np.flatnonzero(fits)[-1]]), True)


def _where_no_other_is_flagged(found: Threshold, scores: Floats, own: NDArray[np.bool_]) -> Threshold:
    """Return a threshold as low as flags photos of the class (m,) alone beside those flagged: more recall for nothing."""
    other = scores[~own & (scores < found.value)].max(initial=0.0)
    more = scores[own & (scores < found.value) & (scores > other)]
    return replace(found, value=float((other + more.min()) / 2)) if len(more) else found


def _recall_threshold(scores: Floats, units: int, target: Target) -> Threshold:
    """Return the largest threshold with the recall, from the scores (m,) of the photos of the class, ascending."""
    missed = np.searchsorted(scores, scores, "left")  # (m,) photos below each score
    if not len(scores):  # no photo of the class was measured
        return Threshold(0.0, False)
    caught = np.asarray((1 - missed / len(scores)) * units, np.float64)
    fits = np.flatnonzero(lower_limit(caught, np.full(caught.shape, float(units))) >= target.value)
    return Threshold(float(scores[fits[-1]] if len(fits) else scores[0]), bool(len(fits)))


def lower_limit(hits: NDArray[Any], number: NDArray[Any]) -> Floats:
    """Return the exact lower limit (m,) of binomial shares, one-sided, at CONFIDENCE."""
    from scipy.special import betaincinv

    known: Floats = np.where(hits > 0, betaincinv(np.maximum(hits, 1e-9), number - hits + 1, 1 - CONFIDENCE), 0.0)
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
    weights = None if evaluation.weights is None else evaluation.weights[here]

    def price(called: Ints) -> Score | None:
        return None if costs is None else _mean(costs[y, called], groups, weights)

    own, flagged = y == chosen, said == chosen
    return OperatingPoint(
        evaluation.classes[chosen],
        len(y),
        recall=share_interval(flagged[own], None if groups is None else groups[own]),
        precision=_precision(own, flagged, _units(None if groups is None else groups[flagged], int(flagged.sum())), weights),
        flagged=share_interval(flagged, groups, y, weights),
        accuracy=share_interval(said == y, groups, y, weights),
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


def _mean(values: Floats, groups: NDArray[Any] | None, weights: Floats | None) -> Score:
    """Return a mean (m,), by weights (m,) where there are some, with the bootstrap's interval over the groups."""
    value = float(np.average(values, weights=weights))
    by = np.ones(len(values)) if weights is None else weights
    drawn = resample(np.column_stack([values * by, by]), groups)  # (b, 2)
    return Score(value, *interval(value, drawn[:, 0] / drawn[:, 1]))


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
def curve_points(evaluation: Evaluation, chosen: int) -> tuple[ThresholdPoint, ...]:
    """Return the ROC and the precision-recall curve of a class against all others, out of fold, thresholds descending.

    The intervals are Wilson's at each threshold, over groups where there are some.
    """
    here = evaluation.measured
    y, scores = evaluation.y[here], evaluation.proba[here, chosen]  # (n,)
    own = y == chosen
    if own.all() or not own.any():
        return ()
    # half of the thresholds by the photos of the class, half by the others: both curves have their bends there
    ranks = np.linspace(0, 1, POINTS // 2)
    every = np.unique(np.concatenate([np.quantile(scores[part], ranks, method="nearest") for part in (own, ~own)]))[::-1]
    ratio = _units(None if evaluation.groups is None else evaluation.groups[here], len(own)) / len(own)
    weights = None if evaluation.weights is None else evaluation.weights[here]
    by = np.ones(len(own)) if weights is None else weights
    found = []
    of = np.zeros(len(own), np.intp) if weights is None else y  # classes that weigh the same are one
    for threshold in every.tolist():
        flagged = scores >= threshold
        recall, false = (_share_there(flagged[part], of[part], by[part], ratio) for part in (own, ~own))
        precision = _precision(own, flagged, int(flagged.sum()) * ratio, weights)
        found.append(ThresholdPoint(threshold, recall, false, precision, float(np.average(flagged, weights=by))))
    return tuple(found)

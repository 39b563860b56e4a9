"""The measures themselves, as one column of numbers per image, so that one resampling serves all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.evaluate.intervals import Z95, Floats, Ints, Score, auc_interval, mean_variance, positive_mean, wilson
from penult.evaluate.power_law import Folds, PowerLaw

BINS = 15  # as Guo et al. 2017
# How much more an out-of-fold mean varies than the bootstrap of its images says: with labels by a coin 0.100 instead of 0.077
# for 40 photos (benchmarks/families.py); no unbiased estimate exists (Bengio & Grandvalet, JMLR 5 (2004) 1089).
OUT_OF_FOLD = 1.25
POOLED = 1.4  # the same for the AUC, which compares scores of several heads with one another
HANDFUL = 5  # images or groups in error, below which their variance is not known
EVENT = 0.5  # of one error more than was seen, for the upper end: the middle of none and one (a mid-p value)
CALIBRATION = 100  # images or groups below which noise hides any calibration error that there may be
CLIP = 1e-15  # what Kaggle and scikit-learn clipped at when these log losses were made known
LIMITS = {
    "accuracy": (0, 1), "log_loss": (0, np.inf), "brier": (0, 2), "auc": (0, 1), "ece": (0, 1), "balanced_accuracy": (0, 1)
}  # fmt: skip
METRICS = tuple(LIMITS)


@dataclass(frozen=True, eq=False)
class Reliability:
    """Confidence against accuracy in equal-width bins of the top probability; NaN where a bin is empty."""

    edges: Floats  # (b + 1,)
    confidence: Floats  # (b,), mean
    accuracy: Floats  # (b,)
    count: Ints  # (b,)
    low: Floats  # (b,), Wilson's 95% interval of the accuracy
    high: Floats  # (b,)


def per_image(y: Ints, proba: Floats) -> dict[str, Floats]:
    """Return for each image: 1 where right, log loss, Brier score, each (n,); their means are the measures.

    Log loss clips at 1e-15. Brier is sum((p - onehot)**2), halved for two classes, as is the custom
    (Brier, Monthly Weather Review 78 (1950) 1; scikit-learn's `scale_by_half="auto"`).
    """
    n, k = proba.shape
    own = proba[np.arange(n), y]  # (n,)
    squares = (proba**2).sum(axis=1) - own**2 + (1 - own) ** 2  # (n,)
    return {
        "accuracy": (proba.argmax(axis=1) == y).astype(np.float64),
        "log_loss": -np.log(np.clip(own, CLIP, 1 - CLIP)),
        "brier": squares / 2 if k == 2 else squares,
    }


def losses_per_image(y: Ints, proba: Floats) -> dict[str, Floats]:
    """Return for each measure a column (n,) whose mean is 0 for perfect answers: 1 - accuracy, log loss, Brier, 1 - AUC."""
    columns, area = per_image(y, proba), auc_column(y, proba)
    columns["accuracy"] = 1 - columns["accuracy"]
    return columns if area is None else {**columns, "auc": 1 - area}


def auc_column(y: Ints, proba: Floats) -> Floats | None:
    """Return a column (n,) whose mean is the area under the ROC curve, each class against the rest, averaged.

    An image's number is the area plus its influence on it (placement values; DeLong et al., Biometrics 44
    (1988) 837), so that its resampled means show the area's spread. Classes without an image, or with nothing
    but, do not count; None where no class is left.
    """
    n, k = proba.shape
    columns = [_one_auc(y == c, proba[:, c]) for c in ([1] if k == 2 else range(k)) if 0 < np.sum(y == c) < n]
    return np.mean(columns, axis=0) if columns else None  # (n,)


def _one_auc(positive: NDArray[np.bool_], scores: Floats) -> Floats:
    """Return area + influence (n,) for one class; ties count one half."""
    ours, others = np.sort(scores[positive]), np.sort(scores[~positive])
    below = _share_below(others, scores[positive])
    above = 1 - _share_below(ours, scores[~positive])
    area = below.mean()
    column = np.empty(len(scores))  # (n,)
    column[positive] = area + (below - area) * len(scores) / len(ours)
    column[~positive] = area + (above - area) * len(scores) / len(others)
    return column


def _share_below(ordered: Floats, values: Floats) -> Floats:
    """Return for each value the share of `ordered` below it."""
    sides = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    share: Floats = sides / (2 * len(ordered))
    return share


def calibration_columns(y: Ints, proba: Floats) -> Floats:
    """Return confidence minus rightness (n, 15), each image in its bin's column and 0 in the others.

    The sum over bins of |column mean| is the expected calibration error: 15 equal-width bins of the top
    label's probability (Guo et al., ICML 2017, equation 3; the idea is Naeini et al., AAAI 2015).
    """
    confidence = proba.max(axis=1)  # (n,)
    gaps = np.zeros((len(y), BINS))  # (n, b)
    gaps[np.arange(len(y)), bin_of(confidence)] = confidence - (proba.argmax(axis=1) == y)
    return gaps


def bin_of(confidence: Floats) -> Ints:
    """Return the bin (n,) of each confidence; a bin includes its upper edge, as in Guo et al."""
    return np.clip(np.ceil(confidence * BINS).astype(np.intp) - 1, 0, BINS - 1)


def reliability(y: Ints, proba: Floats) -> Reliability:
    """Return confidence and accuracy per bin, the numbers of a reliability diagram."""
    confidence, right = proba.max(axis=1), proba.argmax(axis=1) == y
    place = bin_of(confidence)
    count = np.bincount(place, minlength=BINS)  # (b,)
    hits = np.bincount(place, weights=right, minlength=BINS)
    mass = np.bincount(place, weights=confidence, minlength=BINS)
    empty = np.where(count > 0, count, np.nan)  # (b,)
    low, high = wilson(hits, count)
    edges = np.linspace(0, 1, BINS + 1)
    seen = count > 0
    return Reliability(edges, mass / empty, hits / empty, count, np.where(seen, low, np.nan), np.where(seen, high, np.nan))


def confusion(y: Ints, proba: Floats) -> Ints:
    """Return how many images of each class (row) were given each class (column), (k, k)."""
    k = proba.shape[1]
    table: Ints = np.bincount(y * k + proba.argmax(axis=1), minlength=k * k).reshape(k, k)
    return table


def class_recalls(y: Ints, proba: Floats, groups: NDArray[Any] | None) -> list[Score]:
    """Return the recall of each class, with Wilson's interval over the groups; None where a class has no image."""
    right = proba.argmax(axis=1) == y
    found = []
    for c in range(proba.shape[1]):
        own = y == c
        if not own.any():
            found.append(Score(None, None, None))
            continue
        share = float(right[own].mean())
        units = int(own.sum()) if groups is None else len(np.unique(groups[own]))
        low, high = wilson(share * units, units)
        found.append(Score(share, float(low), float(high)))
    return found


def balanced(recalls: Sequence[Score]) -> Score:
    """Return balanced accuracy, the mean recall of the classes that have images, with its interval.

    The interval is put together from the classes' own (MOVER: Zou & Donner, Statistics in Medicine 27 (2008) 1693): a
    bootstrap has nothing to draw from where a class has a handful of images, all right or all wrong.
    """
    known = [(r.value, r.low, r.high) for r in recalls if r.value is not None]
    value, low, high = np.array(known, np.float64).T  # each (c,)
    mean, k = float(value.mean()), len(known)
    down, up = (float(np.sqrt(np.sum((value - end) ** 2))) / k for end in (low, high))
    return Score(mean, max(0.0, mean - down), min(1.0, mean + up))


def calibration_error(y: Ints, proba: Floats, groups: NDArray[Any] | None, folds: Folds | None) -> Score:
    """Return the expected calibration error less what chance alone would show, with its interval; None for few images.

    Right and wrong answers scatter about a confidence that is right, and the error of 15 bins counts that as miscalibration:
    5 to 10 points for 100 images (Roelofs et al., AISTATS 2022). So the mean error of answers that are right as often as they
    say is subtracted. Out of fold the errors of several heads cancel, while the one that is kept has all of its own: as many
    images as there are set its temperature, which is off by its standard error.
    """
    n, units = len(y), len(y) if groups is None else len(np.unique(groups))
    if units < CALIBRATION:
        return Score(None, None, None)
    confidence = np.clip(proba.max(axis=1), CLIP, 1 - CLIP)  # (n,)
    right = confidence * (1 - confidence) * n / units  # (n,) variance of being right, if the confidence is
    error = float(np.abs(calibration_columns(y, proba).mean(axis=0)).sum())
    bins = np.sqrt(np.bincount(bin_of(confidence), weights=right, minlength=BINS)) / n  # (b,)
    found = max(0.0, error - float(np.sqrt(2 / np.pi) * bins.sum()))  # the mean of |x| where x is normal
    noise = float(np.sqrt((1 - 2 / np.pi) * (bins @ bins)))  # and its standard deviation, over bins
    own = 0.0
    if folds:  # a temperature moves confidences by logit * variance, and its information is the mean of logit^2 * variance
        logit = np.abs(np.log(confidence / (1 - confidence)))  # (n,)
        own = float(logit @ right / np.sqrt(n * max(logit**2 @ right, CLIP)) / np.sqrt(n))
    # `found` is cut off at 0, which leaves the noise above it: one deviation more covers it together with the model's own
    low, high = max(0.0, found - Z95 * float(np.sqrt(bins @ bins))), float(np.hypot(found + noise, Z95 * own))
    return Score(min(float(np.hypot(found, own)), 1.0), low, min(high, 1.0))


def scores(y: Ints, proba: Floats, groups: NDArray[Any] | None, folds: Folds | None = None) -> dict[str, Score]:
    """Return accuracy, log loss, Brier, AUC, expected calibration error and balanced accuracy, with intervals.

    Values are what was measured, but for the calibration error; intervals are for the model that is kept, see `projected`.
    Undefined measures are None.
    """
    found = {name: _score(name, one) for name, one in projected(y, proba, groups, folds).items()}
    found["ece"] = calibration_error(y, proba, groups, folds)
    found["balanced_accuracy"] = balanced(class_recalls(y, proba, groups))
    return {name: found.get(name, Score(None, None, None)) for name in METRICS}


@dataclass(frozen=True, slots=True)
class Projected:
    """A loss as it was measured, and of the model that is kept: `kept` with its 95% interval.

    `noise` is the standard error of the measured loss as a share of it, `law` by which it was carried on.
    """

    measured: float
    kept: float
    low: float
    high: float
    noise: float
    law: PowerLaw


def projected(y: Ints, proba: Floats, groups: NDArray[Any] | None, folds: Folds | None) -> dict[str, Projected]:
    """Return 1 - accuracy, log loss, Brier and 1 - AUC as measured, and of the model that is kept, with intervals.

    A model that is fitted on all images is better than those of the `folds`, by the power law of the loss; and images that
    were measured out of fold do not err independently, as two heads have most of their training images in common.
    """
    losses = losses_per_image(y, proba)
    variances = mean_variance(np.column_stack(list(losses.values())), groups)
    events, chance = _events(proba), by_chance(y, proba.shape[1])
    growth = folds.growth if folds else 1.0
    units = len(y) if groups is None else len(np.unique(groups))
    found = {}
    for (name, column), variance in zip(losses.items(), variances.tolist(), strict=True):
        mean = float(column.mean())
        widen = 1.0 if not folds or folds.number < 2 else POOLED if name == "auc" else OUT_OF_FOLD
        law = folds.law(name, mean, chance[name]) if folds else PowerLaw(0.0, 0.0)
        kept, noise = mean * law.ratio(growth), widen**2 * variance * law.ratio(growth) ** 2
        share = widen * float(np.sqrt(variance)) / mean if mean > 0 else 0.0
        spread = float(np.hypot(law.spread(growth), share * folds.draw)) if folds else 0.0
        both = noise + (kept * spread) ** 2
        if name == "accuracy":
            low, high = _share_interval(kept, noise, spread, units / widen**2)
        elif name == "auc":
            low, high = auc_interval(kept, both, _sides(y, groups), widen)
        else:
            low, high = positive_mean(kept, both, EVENT * widen * events[name] / units)
        found[name] = Projected(mean, kept, low, min(high, LIMITS[name][1]), share, law)
    return found


def _score(name: str, found: Projected) -> Score:
    """Return a loss as the measure that it belongs to: its value is what was measured, and lies in its interval."""
    value, low, high = found.measured, min(found.low, found.measured), max(found.high, found.measured)
    return Score(1 - value, 1 - high, 1 - low) if name in ("accuracy", "auc") else Score(value, low, high)


def _share_interval(share: float, variance: float, spread: float, units: float) -> tuple[float, float]:
    """Return Wilson's interval of a share, for as many independent images as would give this variance, `units` at most."""
    binomial = share * (1 - share)
    if binomial > 0:
        alike = units if min(share, 1 - share) * units < HANDFUL else min(units, binomial / variance)
        units = 1 / (1 / alike + (share * spread) ** 2 / binomial)
    low, high = wilson(share * units, units)
    return float(low), float(high)


def _sides(y: Ints, groups: NDArray[Any] | None) -> list[tuple[int, int]]:
    """Return for each class the number of its images (or groups) and of all others."""
    units = np.arange(len(y)) if groups is None else np.asarray(groups)
    return [(len(np.unique(units[y == c])), len(np.unique(units[y != c]))) for c in np.unique(y).tolist()]


def _events(proba: Floats) -> dict[str, float]:
    """Return the log loss and Brier score of an image whose class is not the one that was given, on average.

    It is as likely to be any image as the probabilities say, and as if one more were wrong.
    """
    n, k = proba.shape
    other = np.clip(proba, CLIP, 1.0)  # (n, k)
    other[np.arange(n), proba.argmax(axis=1)] = 0
    rest = other.sum(axis=1)  # (n,)
    losses = other * -np.log(np.clip(proba, CLIP, 1.0))  # (n, k)
    squares = other * ((proba**2).sum(axis=1)[:, None] - proba**2 + (1 - proba) ** 2) / (2 if k == 2 else 1)
    weight = (rest + 1 / n) / (rest.sum() + 1)  # (n,)
    share = np.divide(weight, rest, out=np.zeros(n), where=rest > 0)
    return {"log_loss": float(share @ losses.sum(axis=1)), "brier": float(share @ squares.sum(axis=1))}


def by_chance(y: Ints, k: int) -> dict[str, float]:
    """Return the losses of an answer that is the same for all images: the share of each class."""
    share = np.bincount(y, minlength=k) / len(y)  # (k,)
    seen = share[share > 0]
    brier = float(1 - share @ share) / (2 if k == 2 else 1)
    return {"accuracy": float(1 - share.max()), "log_loss": float(-seen @ np.log(seen)), "brier": brier, "auc": 0.5}

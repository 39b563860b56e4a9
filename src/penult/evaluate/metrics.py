"""The measures themselves, as one column of numbers per image, so that one resampling serves all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.evaluate.intervals import Z95, Floats, Ints, Score, wilson
from penult.evaluate.power_law import Folds

BINS = 15  # as Guo et al. 2017
CALIBRATION = 100  # images or groups below which noise hides any calibration error that there may be
CLIP = 1e-15  # what Kaggle and scikit-learn clipped at when these log losses were made known


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


def by_chance(y: Ints, k: int) -> dict[str, float]:
    """Return the losses of an answer that is the same for all images: the share of each class."""
    share = np.bincount(y, minlength=k) / len(y)  # (k,)
    seen = share[share > 0]
    brier = float(1 - share @ share) / (2 if k == 2 else 1)
    return {"accuracy": float(1 - share.max()), "log_loss": float(-seen @ np.log(seen)), "brier": brier, "auc": 0.5}

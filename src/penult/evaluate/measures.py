"""The measures themselves, as one column of numbers per image, so that one resampling serves all of them.

Comes in: class numbers y (n,) and probabilities (n, k), all measured. Goes out: columns, counts, bins.
Must not know: folds, names, heads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.evaluate.intervals import Floats, Ints, Score, interval, resample, wilson

BINS = 15  # as Guo et al. 2017
CLIP = 1e-15  # what Kaggle and scikit-learn clipped at when these log losses were made known
LIMITS = {"accuracy": (0, 1), "log_loss": (0, np.inf), "brier": (0, 2), "auc": (0, 1), "ece": (0, 1)}
METRICS = tuple(LIMITS)


@dataclass(frozen=True, eq=False)
class Reliability:
    """Confidence against accuracy in equal-width bins of the top probability; NaN where a bin is empty."""

    edges: Floats  # (b + 1,)
    confidence: Floats  # (b,), mean
    accuracy: Floats  # (b,)
    count: Ints  # (b,)
    low: Floats  # (b,), Wilson's 95 % interval of the accuracy
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


def scores(y: Ints, proba: Floats, groups: NDArray[Any] | None) -> dict[str, Score]:
    """Return accuracy, log loss, Brier, AUC and expected calibration error, with bootstrap intervals.

    No resample can hold an error that the images do not have: where all are right (or all wrong) the
    accuracy's interval is Wilson's, over the groups. Undefined measures are None.
    """
    columns = per_image(y, proba)
    area = auc_column(y, proba)
    if area is not None:
        columns["auc"] = area
    gaps = calibration_columns(y, proba)
    drawn = resample(np.column_stack([*columns.values(), gaps]), groups)  # (b, m + 15)
    found = {name: interval(column.mean(), drawn[:, i], LIMITS[name]) for i, (name, column) in enumerate(columns.items())}
    found["ece"] = interval(np.abs(gaps.mean(axis=0)).sum(), np.abs(drawn[:, len(columns) :]).sum(axis=1), LIMITS["ece"])
    if found["accuracy"].value in (0.0, 1.0):
        units = len(y) if groups is None else len(np.unique(groups))
        low, high = wilson(found["accuracy"].value * units, units)
        found["accuracy"] = Score(found["accuracy"].value, float(low), float(high))
    return {name: found.get(name, Score(None, None, None)) for name in METRICS}

"""The measures themselves, as one column of numbers per image, so that one resampling serves all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.evaluate.intervals import Floats, Ints, Score, interval, perfect_auc, resample, wilson

BINS = 15  # as Guo et al. 2017
# How much more an out-of-fold mean varies than the bootstrap of its images says: with labels by a coin 0.100 instead of 0.077
# for 40 photos (benchmarks/families.py); no unbiased estimate exists (Bengio & Grandvalet, JMLR 5 (2004) 1089).
OUT_OF_FOLD = 1.25
HANDFUL = 5  # images or groups: with as many errors, fewer than one resample in a hundred holds none of them
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


def _all_in_order(y: Ints, groups: NDArray[Any] | None, area: float) -> Score:
    """Return an AUC of 1 or 0 with its interval, averaged over the classes as the AUC is."""
    units = np.arange(len(y)) if groups is None else np.asarray(groups)
    counts = [(len(np.unique(units[y == c])), len(np.unique(units[y != c]))) for c in np.unique(y).tolist()]
    away = 1 - float(np.mean([perfect_auc(*pair) for pair in counts]))
    return Score(area, 1 - away if area else 0.0, 1.0 if area else away)


def scores(y: Ints, proba: Floats, groups: NDArray[Any] | None, out_of_fold: bool = False) -> dict[str, Score]:
    """Return accuracy, log loss, Brier, AUC, expected calibration error and balanced accuracy, with intervals.

    They are the bootstrap's, but no resample can hold an error that the images do not have, and of a few errors many resamples
    hold none: with fewer than HANDFUL images (or groups) wrong, or right, the accuracy's interval is Wilson's, and that of an
    AUC of 1 or 0 is Newcombe's.
    Balanced accuracy has its own, see `balanced`. Undefined measures are None. Images that were measured `out_of_fold` do not
    err independently, as the heads of two folds have most of their training images in common: their intervals are wider.
    """
    columns = per_image(y, proba)
    area = auc_column(y, proba)
    if area is not None:
        columns["auc"] = area
    gaps = calibration_columns(y, proba)
    widen = OUT_OF_FOLD if out_of_fold else 1.0
    drawn = resample(np.column_stack([*columns.values(), gaps]), groups)  # (b, m + 15)
    found = {
        name: interval(column.mean(), drawn[:, i], LIMITS[name], widen) for i, (name, column) in enumerate(columns.items())
    }
    found["ece"] = interval(np.abs(gaps.mean(axis=0)).sum(), np.abs(drawn[:, len(columns) :]).sum(axis=1), LIMITS["ece"])
    right = float(columns["accuracy"].mean())
    units = len(y) if groups is None else len(np.unique(groups))
    if min(right, 1 - right) * units < HANDFUL:
        low, high = wilson(right * units, units)
        found["accuracy"] = Score(right, float(low), float(high))
    if area is not None and found["auc"].value in (0.0, 1.0):
        found["auc"] = _all_in_order(y, groups, found["auc"].value)
    found["balanced_accuracy"] = balanced(class_recalls(y, proba, groups))
    return {name: found.get(name, Score(None, None, None)) for name in METRICS}

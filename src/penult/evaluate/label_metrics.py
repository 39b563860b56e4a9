"""The measures of several labels a photo, each as a column of one number a photo, so that one variance serves all of them.

A photo's number is the measure plus the photo's influence on it (Hampel, JASA 69 (1974) 383), so the mean of a column is the
measure, and the variance of that mean is the measure's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from penult.evaluate.intervals import Floats
from penult.evaluate.metrics import BINS, CLIP, bin_of


def ap_column(y: Floats, p: Floats) -> Floats | None:
    """Return a column (n,) whose mean is the average precision of one label; None without a photo that has it.

    Average precision is the mean precision at the photos that have the label, equal scores at once, as in scikit-learn.
    """
    n, positives = len(y), y.sum()
    if not positives:
        return None
    order = np.argsort(-p, kind="stable")
    score, hit = p[order], y[order]
    last = np.append(np.flatnonzero(np.diff(score)), n - 1)  # the end of each run of equal scores
    run = np.searchsorted(last, np.arange(n))
    number, found = (last + 1).astype(float), np.cumsum(hit)[last]  # (r,) at or above each score
    precision = found / number
    here = np.diff(found, prepend=0.0)  # (r,) photos with the label in each run
    value = float(here @ precision / positives)
    # a photo counts at its own place, and moves the precision at every photo with the label that is not above it
    below = np.cumsum((here / number)[::-1])[::-1]
    weighted = np.cumsum((here * precision / number)[::-1])[::-1]
    influence = hit * (precision[run] - value) + hit * below[run] - weighted[run]
    column = np.empty(n)
    column[order] = value + influence * n / positives
    return column


def f1_column(y: Floats, given: Floats) -> Floats | None:
    """Return a column (n, ...) whose mean is F1 = 2 TP / (labels + answers) of counts y and given (n,); None of nothing."""
    twice, both = 2 * y * given, y + given
    return ratio_column(twice, both)


def ratio_column(part: Floats, whole: Floats) -> Floats | None:
    """Return a column (n,) whose mean is the ratio of two sums; None where the lower is 0."""
    mean = float(whole.mean())
    if not mean:
        return None
    value = float(part.mean()) / mean
    return np.asarray(value + (part - value * whole) / mean)


def loss_table(Y: Floats, proba: Floats) -> Floats:
    """Return the log loss of each label of each photo, (n, L); NaN where the label is not known."""
    own = np.where(Y > 0, proba, 1 - proba)
    return np.where(np.isfinite(Y), -np.log(np.clip(own, CLIP, 1 - CLIP)), np.nan)


def label_calibration_error(y: Floats, p: Floats) -> float:
    """Return the expected calibration error of one label's probability: 15 equal-width bins of p against the share with it."""
    gaps = np.bincount(bin_of(p), weights=p - y, minlength=BINS)
    return float(np.abs(gaps).sum() / len(y))


def spread_over(column: Floats | None, rows: Any, n: int) -> Floats | None:
    """Return a column of some of n photos as one of all, (n,), with the same mean and the same influences."""
    if column is None:
        return None
    value = float(column.mean())
    wide = np.full(n, value)
    wide[rows] += (column - value) * (n / len(column))
    return wide

"""Two sets of answers to the same images, compared image by image.

Pairing takes the difficulty of the images out, so differences far smaller than either's own interval can be clear.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import default_errors
from penult.evaluate.evaluation import Difference
from penult.evaluate.intervals import Z95, Floats, Ints, interval, resample
from penult.evaluate.metrics import per_image


@default_errors
def compare_answers(
    y: Ints, first: Floats, second: Floats, groups: NDArray[Any] | None = None, metric: str = "accuracy"
) -> Difference:
    """Return the accuracy, log loss or Brier score of `first` (n, k) less that of `second` for the classes y (n,).

    `groups` (n,) are images that err together. The interval of the accuracy is that of Agresti & Min, Statistics in Medicine
    24 (2005) 729, which holds with few images that only one got right, where a bootstrap is too narrow; the others are
    bootstrapped.
    """
    gap = per_image(y, first)[metric] - per_image(y, second)[metric]  # (n,)
    value = float(gap.mean())
    if metric != "accuracy":
        return Difference(metric, value, *interval(value, resample(gap[:, None], groups)[:, 0]), len(gap))
    won, lost = float((gap > 0).sum()) + 0.5, float((gap < 0).sum()) + 0.5  # half an image more in each cell of the table
    total = len(gap) + 2
    centre = (won - lost) / total
    variance = (won + lost - (won - lost) ** 2 / total) / total**2 * _clustering(gap, groups)
    low, high = centre - Z95 * np.sqrt(variance), centre + Z95 * np.sqrt(variance)
    return Difference(metric, value, min(float(low), value), max(float(high), value), len(gap))


def _clustering(gap: Floats, groups: NDArray[Any] | None) -> float:
    """Return by how much the variance of the mean grows because images of one group err together, at least 1."""
    alone = float(((gap - gap.mean()) ** 2).sum())
    if groups is None or alone == 0:
        return 1.0
    _, unit = np.unique(groups, return_inverse=True)
    together = np.bincount(unit, gap - gap.mean())  # (u,)
    return max(1.0, float((together**2).sum()) / alone)

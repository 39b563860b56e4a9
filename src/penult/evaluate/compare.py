"""Evaluations side by side: is one really better, or is it chance?

Comes in: evaluations of the same images. Goes out: lines of a table, `Difference`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from penult.errors import InputError, unknown
from penult.evaluate.evaluation import Evaluation
from penult.evaluate.intervals import interval, resample
from penult.evaluate.measures import per_image
from penult.floats import default_errors


@dataclass(frozen=True, slots=True)
class Difference:
    """First minus second on the same images, with a 95% interval; below 0 the first is the smaller."""

    metric: str
    value: float
    low: float
    high: float
    images: int

    @property
    def clear(self) -> bool:
        """Return whether the interval leaves 0 out."""
        return self.low > 0 or self.high < 0


@default_errors
def summary_rows(evaluations: Iterable[Evaluation]) -> list[dict[str, Any]]:
    """Return one flat line an evaluation, in the order given, of plain JSON values.

    Its keys: name, images (measured), then accuracy, accuracy_low, accuracy_high, log_loss and so on.
    """
    return [_row(one) for one in evaluations]


def _row(one: Evaluation) -> dict[str, Any]:
    line: dict[str, Any] = {"name": one.name, "images": int(one.measured.sum())}
    for metric, score in one.scores.items():
        line |= {metric: score.value, f"{metric}_low": score.low, f"{metric}_high": score.high}
    return line


@default_errors
def paired_difference(first: Evaluation, second: Evaluation, metric: str = "log_loss") -> Difference:
    """Return `first` minus `second` in "log_loss", "brier" or "accuracy", over the images that both measured.

    Pairing takes the difficulty of the images out, so differences far smaller than either's own interval can
    be clear. Raises InputError if the evaluations are not of the same images, UnknownName for another metric.
    """
    if first.y.shape != second.y.shape or first.classes != second.classes or (first.y != second.y).any():
        raise InputError(
            f"{first.name!r} and {second.name!r} are not evaluations of the same images; evaluate both on the same set."
        )
    both = first.measured & second.measured
    if not both.any():
        raise InputError(f"{first.name!r} and {second.name!r} measured no image in common; use the same seed.")
    columns = [per_image(one.y[both], one.proba[both]) for one in (first, second)]
    if metric not in columns[0]:
        raise unknown("metric", metric, columns[0])
    gap = columns[0][metric] - columns[1][metric]  # (n,)
    drawn = resample(gap[:, None], None if first.groups is None else first.groups[both])[:, 0]
    found = interval(float(gap.mean()), drawn, (-np.inf, np.inf))
    return Difference(metric, float(gap.mean()), float(found.low or 0.0), float(found.high or 0.0), len(gap))

"""The scores of several labels a photo, with 95% intervals: of given answers, or of the model that is kept after folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.evaluate import label_metrics as measures
from penult.evaluate.intervals import Z95, Floats, Score, mean_variance, wilson
from penult.evaluate.metrics import CLIP, auc_column
from penult.evaluate.power_law import Folds, typical
from penult.evaluate.projection import POOLED, widening

# each measure, and the one whose loss falls as fast with more photos
METRICS = {
    "mAP": "brier", "micro_f1": "accuracy", "macro_f1": "accuracy", "log_loss": "log_loss", "auc": "auc",
    "exact_match": "accuracy",
}  # fmt: skip
RANKS = ("mAP", "auc")  # compare scores of several heads where they were measured out of fold


@dataclass(frozen=True, slots=True)
class LabelScore:
    """How well one label is found; None where there is nothing to measure.

    `support`: photos that have it, of `known` for which that is known. `ap`: average precision, with its 95% interval. `f1`,
    `precision` and `recall` are those at `threshold`, from which on the label is given; out of fold they are measured with
    thresholds that other folds chose. `ece`: expected calibration error of the label's probability.
    """

    name: str
    support: int
    known: int
    ap: Score
    auc: float | None
    f1: float | None
    precision: float | None
    recall: float | None
    threshold: float
    ece: float | None


def label_scores(
    rows: tuple[Floats, Floats, Floats],
    labels: Sequence[str],
    kept: Floats,
    groups: NDArray[Any] | None,
    folds: Folds | None,
) -> tuple[dict[str, Score], tuple[LabelScore, ...]]:
    """Return the scores over all labels, and those of each, of measured photos: Y, probabilities and answers (n, L) each.

    `kept` (L,) are the thresholds of the model. With `folds` the intervals are for the model that is kept, as in `projection`:
    it learns from more photos than those of the folds, and photos that were measured out of fold do not err independently.
    """
    columns = _Columns(*rows)
    chance, found = columns.chance(), columns.all()
    widen = 1.0
    if folds is not None and "log_loss" in found:
        widen = widening(folds, float(found["log_loss"].mean()), chance["log_loss"])
    frame = _Frame(groups, folds, widen)
    scores = {metric: frame.score(found.get(metric), metric, chance[metric]) for metric in METRICS}
    ap = [frame.score(column, "mAP", chance["mAP"]) for column in columns.ap]
    return scores, tuple(columns.label(i, name, float(kept[i]), ap[i]) for i, name in enumerate(labels))


@dataclass(frozen=True, slots=True)
class _Frame:
    """What the intervals of all measures need."""

    groups: NDArray[Any] | None
    folds: Folds | None
    widen: float

    def score(self, column: Floats | None, metric: str, chance: float) -> Score:
        """Return the mean of a column (n,) with its 95% interval, for shares on the scale of the logit."""
        if column is None:
            return Score(None, None, None)
        value, variance = float(column.mean()), float(mean_variance(column[:, None], self.groups)[0])
        loss = value if metric == "log_loss" else 1 - value
        ratio, widen = 1.0, self.widen
        if self.folds is not None:
            # 1. the loss of the model of all photos, whose exponent is not known for sure
            law = typical(METRICS[metric], loss, chance, self.folds.each)
            ratio, widen = law.ratio(self.folds.growth), max(POOLED, widen) if metric in RANKS else widen
            variance = variance * (widen * ratio) ** 2 + (loss * ratio * law.spread(self.folds.growth)) ** 2
        # 2. its interval, and what was measured in it
        low, high = _ends(loss * ratio, float(np.sqrt(variance)), self._units(len(column)) / widen**2, metric == "log_loss")
        low, high = min(low, loss), max(high, loss)
        return Score(value, low, high) if metric == "log_loss" else Score(value, max(0.0, 1 - high), min(1.0, 1 - low))

    def _units(self, n: int) -> int:
        return n if self.groups is None else len(np.unique(self.groups))


def _ends(loss: float, error: float, units: float, open_: bool) -> tuple[float, float]:
    """Return the 95% interval of a loss: on the scale of its logarithm where it is `open_`, else of its logit."""
    inside = loss if open_ else loss * (1 - loss)
    if inside <= 0 or error <= 0:
        low, high = wilson(loss * units, units)
        return (loss, loss) if open_ else (float(low), float(high))
    step = np.exp(Z95 * error / inside)
    if open_:
        return float(loss / step), float(loss * step)
    odds = loss / (1 - loss)
    return float(odds / step / (1 + odds / step)), float(odds * step / (1 + odds * step))


class _Columns:
    """The measures of labels, as columns of one number a photo."""

    def __init__(self, Y: Floats, proba: Floats, given: Floats) -> None:
        self.n, self.Y, self.proba, self.given = len(Y), Y, proba, given
        self.known = np.isfinite(Y)
        self.ap = [self._of(i, measures.ap_column) for i in range(Y.shape[1])]
        self.auc = [self._of(i, _area) for i in range(Y.shape[1])]
        self.f1 = [self._of(i, measures.f1_column, given) for i in range(Y.shape[1])]

    def _of(self, i: int, measure: Any, scores: Floats | None = None) -> Floats | None:
        rows = np.flatnonzero(self.known[:, i])
        found = measure(self.Y[rows, i], (self.proba if scores is None else scores)[rows, i]) if len(rows) else None
        return measures.spread_over(found, rows, self.n)

    def all(self) -> dict[str, Floats]:
        """Return the columns (n,) of what can be measured, by name."""
        truth = np.where(self.known, np.nan_to_num(self.Y), 0)
        answers = np.where(self.known, self.given, 0)
        losses = np.nan_to_num(measures.loss_table(self.Y, self.proba))
        wrong = self.known & (truth != answers)
        found = {
            "mAP": _mean(self.ap),
            "micro_f1": measures.ratio_column(2 * (truth * answers).sum(axis=1), (truth + answers).sum(axis=1)),
            "macro_f1": _mean(self.f1),
            "log_loss": measures.ratio_column(losses.sum(axis=1), self.known.sum(axis=1).astype(float)),
            "auc": _mean(self.auc),
            "exact_match": 1.0 - wrong.any(axis=1),
        }
        return {name: column for name, column in found.items() if column is not None}

    def chance(self) -> dict[str, float]:
        """Return what 1 - each measure, or the log loss, is of answers that are the same for all photos."""
        share = np.array([y[known].mean() if known.any() else 0.0 for y, known in zip(self.Y.T, self.known.T, strict=True)])
        seen = share[share > 0]
        entropy = -np.sum([p * np.log(np.maximum(p, CLIP)) for p in (share, 1 - share)], axis=0)
        f1 = 1 - float((2 * seen / (1 + seen)).mean()) if len(seen) else 1.0
        return {
            "mAP": 1 - float(seen.mean()) if len(seen) else 1.0, "micro_f1": f1, "macro_f1": f1, "auc": 0.5,
            "log_loss": float(entropy.mean()), "exact_match": 1 - float(np.prod(np.maximum(share, 1 - share))),
        }  # fmt: skip

    def label(self, i: int, name: str, threshold: float, ap: Score) -> LabelScore:
        """Return the measures of one label."""
        rows = self.known[:, i]
        y, p, given = self.Y[rows, i], self.proba[rows, i], self.given[rows, i]
        right = float(y @ given)
        return LabelScore(
            name=name,
            support=int(y.sum()),
            known=int(rows.sum()),
            ap=ap,
            auc=_value(self.auc[i]),
            f1=_value(self.f1[i]),
            precision=right / given.sum() if given.any() else None,
            recall=right / y.sum() if y.any() else None,
            threshold=threshold,
            ece=measures.label_calibration_error(y, p) if len(y) else None,
        )


def _area(y: Floats, p: Floats) -> Floats | None:
    return auc_column(y.astype(np.intp), np.column_stack([1 - p, p]))


def _mean(columns: Sequence[Floats | None]) -> Floats | None:
    known = [column for column in columns if column is not None]
    return np.mean(known, axis=0) if known else None


def _value(column: Floats | None) -> float | None:
    return None if column is None else float(column.mean())

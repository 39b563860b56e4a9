"""How good the answers are where a photo has several labels: `LabelEvaluation`, out of fold or of given probabilities."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from penult.arrays import default_errors
from penult.errors import InputError
from penult.evaluate import label_metrics as measures
from penult.evaluate.evaluation import jsonable
from penult.evaluate.intervals import Z95, Floats, Ints, Score, mean_variance, wilson
from penult.evaluate.metrics import auc_column
from penult.heads.label_folds import check_label_matrix, label_folds

__all__ = ["LabelEvaluation", "LabelScore", "cross_validate_labels", "label_folds", "score_labels", "thresholds"]

METRICS = ("mAP", "micro_f1", "macro_f1", "log_loss", "auc", "exact_match")


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


@dataclass(frozen=True, eq=False)
class LabelEvaluation:
    """What was measured for one head on photos with several labels.

    Parameters
    ----------
    name : str
        What was evaluated.
    labels : tuple of str (L)
        The labels, in the order of all columns.
    Y : array (n, L)
        1 where a photo has the label, 0 where not, NaN where that is not known.
    proba : array (n, L)
        The probability of each label by itself; NaN where a photo was not measured.
    given : array (n, L) of bool
        Which labels were answered: by thresholds that the photo had no part in where it was measured out of fold.
    fold : array (n,)
        The fold of each photo; -1 where it was not measured.
    groups : array (n,) or None
        Photos that belong together; None if every photo is its own group.
    thresholds : array (L,)
        The probability from which on a label is given, chosen by all measured photos: what a model keeps.
    scores : dict of Score
        mAP, micro_f1, macro_f1, log_loss, auc, exact_match: each with its 95% interval. Means over labels leave those out
        that cannot be measured.
    per_label : tuple of LabelScore
        One for each label.
    choices : tuple of dict
        What inner cross-validation chose, one dict a fold.
    """

    name: str
    labels: tuple[str, ...]
    Y: Floats  # (n, L)
    proba: Floats  # (n, L)
    given: NDArray[np.bool_]  # (n, L)
    fold: Ints  # (n,)
    groups: NDArray[Any] | None  # (n,)
    thresholds: Floats  # (L,)
    scores: dict[str, Score]
    per_label: tuple[LabelScore, ...]
    choices: tuple[dict[str, Any], ...] = ()

    @property
    def measured(self) -> NDArray[np.bool_]:
        """Return which photos were measured, (n,)."""
        return self.fold >= 0

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as plain JSON values (NaN becomes None), without the rows per photo."""
        return {
            "name": self.name,
            "labels": list(self.labels),
            "images": len(self.Y),
            "measured": int(self.measured.sum()),
            "folds": len(np.unique(self.fold[self.measured])),
            "scores": {name: value.to_dict() for name, value in self.scores.items()},
            "per_label": [jsonable(dataclasses.asdict(one)) for one in self.per_label],
            "choices": jsonable(self.choices),
        }


@default_errors
def cross_validate_labels(  # noqa: PLR0913  one call says the whole protocol
    head: Any,
    X: NDArray[Any],
    Y: ArrayLike,
    labels: Sequence[str],
    groups: ArrayLike | None = None,
    *,
    folds: int | ArrayLike = 5,
    seed: int = 0,
    name: str = "",
    sample_weight: ArrayLike | None = None,
) -> LabelEvaluation:
    """Measure `head` (a `MultiLabelHead`) on photos that it was not fitted on.

    X (n, d) features, Y (n, L) of 0, 1 and NaN, groups (n,) what must not be parted. `folds`: their number, or the fold of
    each photo (n,), -1 for photos that are only learnt. All folds share one search; the settings for a fold come from the
    held-out rows of the others, and `head.fit_searched()` makes the model of all photos from the same search. Raises
    InputError for what does not fit together.
    """
    matrix = check_label_matrix(Y, len(X))
    grouping = None if groups is None else np.asarray(groups)
    fold = label_folds(matrix, grouping, folds, seed) if isinstance(folds, int) else np.asarray(folds).astype(np.intp)
    proba, choices = head.cross_fit(X, matrix, fold, sample_weight)
    given = _answered(matrix, proba, fold)
    kept = thresholds(matrix, proba, fold)
    return _build(name or type(head).__name__, labels, (matrix, proba, given, fold), grouping, kept, choices)


@default_errors
def score_labels(
    Y: ArrayLike,
    proba: ArrayLike,
    labels: Sequence[str],
    limits: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    name: str = "",
) -> LabelEvaluation:
    """Measure probabilities that are already there, such as a model's answers to new photos with known labels.

    Y (n, L) of 0, 1 and NaN, `proba` (n, L); `limits` (L,) are the model's thresholds, 0.5 when None. Raises InputError where
    they do not fit together, or a probability is not a number.
    """
    rows = np.asarray(proba, np.float64)
    matrix = check_label_matrix(Y, len(rows))
    if rows.shape != matrix.shape or rows.shape[1] != len(labels) or not np.isfinite(rows).all():
        raise InputError(
            f"the probabilities have shape {rows.shape} and the labels {matrix.shape}, of {len(labels)} labels; give one "
            "row a photo and one column a label, and no NaN among the probabilities."
        )
    kept = np.full(len(labels), 0.5) if limits is None else np.asarray(limits, np.float64)
    fold = np.zeros(len(rows), np.intp)
    grouping = None if groups is None else np.asarray(groups)
    return _build(name, labels, (matrix, rows, rows >= kept, fold), grouping, kept, ())


@default_errors
def thresholds(Y: ArrayLike, proba: ArrayLike, fold: ArrayLike | None = None) -> Floats:
    """Return the probability (L,) from which on to give each label, for the largest F1 of that label.

    Y (n, L) of 0, 1 and NaN; proba (n, L), out of fold; rows with `fold` (n,) below 0 are left out.
    """
    Y, proba = np.asarray(Y, np.float64), np.asarray(proba, np.float64)
    here = np.ones(len(Y), bool) if fold is None else np.asarray(fold) >= 0
    return np.array([_best_f1(Y[here, i], proba[here, i]) for i in range(Y.shape[1])])


def _best_f1(y: Floats, p: Floats) -> float:
    known = np.isfinite(y)
    y, p = y[known], p[known]
    if not y.any():
        return 0.5
    order = np.argsort(-p, kind="stable")
    score, hits = p[order], np.cumsum(y[order])
    f1 = 2 * hits / (np.arange(1, len(p) + 1) + y.sum())
    f1[:-1][score[:-1] == score[1:]] = 0  # equal scores are given together
    at = int(np.argmax(f1))
    return float(score[at] if at + 1 == len(p) else (score[at] + score[at + 1]) / 2)


def _answered(Y: Floats, proba: Floats, fold: Ints) -> NDArray[np.bool_]:
    """Return which labels each photo is given (n, L) by the thresholds that the other folds choose."""
    given = np.zeros(Y.shape, bool)
    for part in np.unique(fold[fold >= 0]):
        own = fold == part
        others = (fold >= 0) & ~own
        given[own] = proba[own] >= thresholds(Y[others], proba[others])
    return given


def _build(
    name: str,
    labels: Sequence[str],
    rows: tuple[Floats, Floats, NDArray[np.bool_], Ints],
    groups: NDArray[Any] | None,
    kept: Floats,
    choices: Sequence[Mapping[str, Any]],
) -> LabelEvaluation:
    Y, proba, given, fold = rows
    here = fold >= 0
    grouping = None if groups is None else groups[here]
    columns = _Columns(Y[here], proba[here], given[here].astype(float))
    per_label = tuple(columns.label(i, str(label), float(kept[i]), grouping) for i, label in enumerate(labels))
    scores = {metric: _score(column, metric, grouping) for metric, column in columns.all().items()}
    found = {metric: scores.get(metric, Score(None, None, None)) for metric in METRICS}
    return LabelEvaluation(
        name, tuple(str(label) for label in labels), Y, proba, given, fold, groups, kept, found, per_label,
        tuple(dict(choice) for choice in choices),
    )  # fmt: skip


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

    def label(self, i: int, name: str, threshold: float, groups: NDArray[Any] | None) -> LabelScore:
        """Return the measures of one label."""
        rows = self.known[:, i]
        y, p, given = self.Y[rows, i], self.proba[rows, i], self.given[rows, i]
        right = float(y @ given)
        return LabelScore(
            name=name,
            support=int(y.sum()),
            known=int(rows.sum()),
            ap=_score(self.ap[i], "mAP", groups),
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


def _score(column: Floats | None, metric: str, groups: NDArray[Any] | None) -> Score:
    """Return the mean of a column with its 95% interval, on the scale of the logit for shares."""
    if column is None:
        return Score(None, None, None)
    value, error = float(column.mean()), float(np.sqrt(mean_variance(column[:, None], groups)[0]))
    if metric == "log_loss":
        return Score(value, max(0.0, value - Z95 * error), value + Z95 * error)
    units = len(column) if groups is None else len(np.unique(groups))
    value = min(max(value, 0.0), 1.0)
    inside = value * (1 - value)
    if inside <= 0 or error <= 0:
        low, high = wilson(value * units, units)
        return Score(value, float(low), float(high))
    logit, step = np.log(value / (1 - value)), Z95 * error / inside
    return Score(value, *(float(1 / (1 + np.exp(-(logit + way * step)))) for way in (-1, 1)))

"""How good the answers are where a photo has several labels: `LabelEvaluation`, out of fold or of given probabilities."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from penult import html
from penult.arrays import default_errors
from penult.errors import InputError
from penult.evaluate.cross_validation import NESTED
from penult.evaluate.evaluation import jsonable
from penult.evaluate.intervals import Floats, Ints, Score
from penult.evaluate.label_scores import LabelScore, label_scores
from penult.evaluate.metrics import CLIP
from penult.evaluate.power_law import Folds
from penult.frames import rows_frame, short
from penult.heads.label_calibration import platt, sigmoid
from penult.heads.label_folds import check_label_matrix, label_folds
from penult.i18n import _

__all__ = ["LabelEvaluation", "LabelScore", "cross_validate_labels", "label_folds", "score_labels", "thresholds"]


def _span(score: Score) -> str:
    return (
        ""
        if score.low is None or score.high is None
        else _("{low} to {high}", low=f"{score.low:.4f}", high=f"{score.high:.4f}")
    )


@dataclass(frozen=True, eq=False, repr=False)
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

    def __repr__(self) -> str:
        told = {name: html.number(self.scores[name].value) for name in ("mAP", "micro_f1")}
        return short("LabelEvaluation", name=repr(self.name), images=int(self.measured.sum()), **told)

    def _repr_html_(self) -> str:
        scores = [(name, html.number(one.value), _span(one)) for name, one in self.scores.items()]
        labels = [
            (one.name, html.number(one.ap.value), _span(one.ap), html.number(one.f1), one.support) for one in self.per_label
        ]
        parts = (
            html.table((_("score"), _("measured"), _("95% CI")), scores),
            html.table((_("label"), "AP", _("95% CI"), "F1", _("photos")), labels),
        )
        return html.result(repr(self), *parts)

    def to_pandas(self) -> Any:
        """Return what was measured of each label as a `pandas.DataFrame`. Raises `MissingExtra`."""
        return rows_frame([{**dataclasses.asdict(one), "ap": one.ap.value} for one in self.per_label])

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
    nested: int = NESTED,
) -> LabelEvaluation:
    """Measure `head` (a `MultiLabelHead`) on photos that it was not fitted on.

    X (n, d) features, Y (n, L) of 0, 1 and NaN, groups (n,) what must not be parted. `folds`: their number, or the fold of
    each photo (n,), -1 for photos that are only learnt. Up to `nested` photos a fresh clone is fitted for each fold, which
    chooses by folds of its own: one search for all folds says a log loss that is some per cent too high for so few photos
    (`benchmarks/jobs.py label-choices folds`). Above, the folds share one, and `head.fit_searched()` makes the model of all
    photos from it.
    Raises InputError for what does not fit together.
    """
    matrix = check_label_matrix(Y, len(X))
    grouping = None if groups is None else np.asarray(groups)
    weight = None if sample_weight is None else np.asarray(sample_weight, np.float64)
    fold = label_folds(matrix, grouping, folds, seed) if isinstance(folds, int) else np.asarray(folds).astype(np.intp)
    if len(X) > nested:
        proba, choices = head.cross_fit(X, matrix, fold, sample_weight=weight)
    else:
        proba, choices = _nested(head, X, matrix, fold, grouping, weight)
    given = _answered(matrix, proba, fold)
    kept = thresholds(matrix, proba, fold)
    return _build(name or type(head).__name__, labels, (matrix, proba, given, fold), grouping, kept, choices)


def _nested(
    head: Any, X: NDArray[Any], Y: Floats, fold: Ints, groups: NDArray[Any] | None, weight: Floats | None
) -> tuple[Floats, list[dict[str, Any]]]:
    """Return probabilities (n, L) of each photo by a clone that did not learn its fold, and what each clone chose."""
    from sklearn.base import clone

    proba, choices = np.full(Y.shape, np.nan), []
    for part in np.unique(fold[fold >= 0]):
        learnt = fold != part
        own = [None if some is None else some[learnt] for some in (groups, weight)]
        fitted = clone(head).fit(X[learnt], Y[learnt], groups=own[0], sample_weight=own[1])
        proba[~learnt] = fitted.predict_proba(X[~learnt])
        choices.append(fitted.choice_["labels"])
    return proba, choices


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
            _(
                "the probabilities have shape {shape} and the labels {shape2}, of {labels} labels; give one row a "
                "photo and one column a label, and no NaN among the probabilities.",
                shape=rows.shape,
                shape2=matrix.shape,
                labels=len(labels),
            )
        )
    kept = np.full(len(labels), 0.5) if limits is None else np.asarray(limits, np.float64)
    fold = np.zeros(len(rows), np.intp)
    grouping = None if groups is None else np.asarray(groups)
    return _build(name, labels, (matrix, rows, rows >= kept, fold), grouping, kept, ())


@default_errors
def thresholds(Y: ArrayLike, proba: ArrayLike, fold: ArrayLike | None = None) -> Floats:
    """Return the probability (L,) from which on to give each label, for the largest expected F1 of that label.

    Y (n, L) of 0, 1 and NaN; proba (n, L), out of fold; rows with `fold` (n,) below 0 are left out. The F1 is the one that
    the calibrated probabilities expect (Ye, Chai, Lee & Chieu, ICML 2012), which does not jump with every photo. On new photos
    it gives about what the best threshold for the F1 that was seen gives (`benchmarks/jobs.py label-choices thresholds`).
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
    score = p[order]
    logit = np.log(np.clip(score, CLIP, 1)) - np.log(np.clip(1 - score, CLIP, 1))
    slope, offset, _ = platt(logit[None], y[order][None], 1 - y[order][None])
    expected = sigmoid(slope * logit + offset)  # (n,)
    f1 = 2 * np.cumsum(expected) / (np.arange(1, len(p) + 1) + expected.sum())
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
    parts = len(np.unique(fold[here]))
    folds = Folds(parts, len(fold) / (len(fold) - here.sum() / parts)) if parts > 1 else None
    names = tuple(str(label) for label in labels)
    scores, per_label = label_scores((Y[here], proba[here], given[here].astype(float)), names, kept, grouping, folds)
    told = tuple(dict(choice) for choice in choices)
    return LabelEvaluation(name, names, Y, proba, given, fold, groups, kept, scores, per_label, told)

"""`Evaluation`: the probabilities that a head gave to images it had not seen, and every number made of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from penult.arrays import default_errors
from penult.errors import InputError, unknown
from penult.evaluate import metrics
from penult.evaluate.interpret import evaluation_html
from penult.evaluate.intervals import Floats, Ints, Score, interval, resample
from penult.evaluate.metrics import Reliability
from penult.evaluate.power_law import Folds
from penult.evaluate.projection import scores
from penult.frames import rows_frame, short
from penult.i18n import _
from penult.texts import percent


@dataclass(frozen=True, slots=True)
class ClassScore:
    """How well one class is found; None where there is nothing to divide by. `recall_low` and `_high`: 95 % interval."""

    name: str
    precision: float | None
    recall: float | None
    f1: float | None
    support: int
    recall_low: float | None = None
    recall_high: float | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """What was measured for one head on one set of features.

    Parameters
    ----------
    name : str
        What was evaluated.
    classes : tuple of str (k)
        The classes, in the order of all columns.
    y : array (n,)
        True class numbers.
    proba : array (n, k)
        Predicted probabilities; NaN where an image was not measured (it only served for training).
    fold : array (n,)
        The fold of each image; -1 where it was not measured.
    groups : array (n,) or None
        Images that belong together; None if every image is its own group.
    scores : dict of Score
        Accuracy, log loss, AUC, ...: each a value with its 95% confidence interval.
    per_class : tuple of ClassScore
        Precision, recall and F1 of each class.
    confusion : array (k, k)
        Counts, the true class by row.
    reliability : Reliability
        The bins of the reliability diagram.
    choices : tuple of dict
        What inner cross-validation chose, one dict a fold.
    folds : Folds or None
        How images were held out; None if the model that is kept was measured itself.
    weights : array (n,) or None
        How many photos of another place each one stands for, where classes are more or less frequent there: equal within a
        class. Decisions are chosen by them; the scores here are of the photos as they are.

    Examples
    --------
    >>> import penult
    >>> found = run.evaluation  # after run = penult.train("photos", out="cats")
    >>> found.classes, found.proba.shape, found.confusion.tolist()
    (('cat', 'dog'), (12, 2), [[6, 0], [0, 6]])
    >>> found.scores["accuracy"].value
    1.0
    """

    name: str
    classes: tuple[str, ...]
    y: Ints  # (n,)
    proba: Floats  # (n, k)
    fold: Ints  # (n,)
    groups: NDArray[Any] | None  # (n,)
    scores: dict[str, Score]
    per_class: tuple[ClassScore, ...]
    confusion: Ints  # (k, k), true class by row
    reliability: Reliability
    choices: tuple[dict[str, Any], ...] = ()
    folds: Folds | None = None
    weights: Floats | None = None  # (n,)

    @property
    def measured(self) -> NDArray[np.bool_]:
        """Return which images were measured, (n,)."""
        return self.fold >= 0

    def __repr__(self) -> str:
        accuracy = self.scores["accuracy"].value
        told = "not defined" if accuracy is None else percent(accuracy)
        return short("Evaluation", name=repr(self.name), images=int(self.measured.sum()), accuracy=told)

    def _repr_html_(self) -> str:
        return evaluation_html(self.to_dict())

    def to_pandas(self) -> Any:
        """Return precision, recall, F1 and number of images of each class as a `pandas.DataFrame`. Raises `MissingExtra`."""
        return rows_frame([dataclasses.asdict(one) for one in self.per_class])

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as plain JSON values (NaN becomes None), without the rows per image."""
        return {
            "name": self.name,
            "classes": list(self.classes),
            "images": len(self.y),
            "measured": int(self.measured.sum()),
            "folds": len(np.unique(self.fold[self.measured])),
            "scores": {name: value.to_dict() for name, value in self.scores.items()},
            "per_class": [dataclasses.asdict(one) for one in self.per_class],
            "confusion": self.confusion.tolist(),
            "reliability": {name: jsonable(value) for name, value in dataclasses.asdict(self.reliability).items()},
            "choices": jsonable(self.choices),
        }


@default_errors
def build(
    name: str,
    classes: Sequence[str],
    y: Ints,
    proba: Floats,
    fold: Ints,
    groups: NDArray[Any] | None,
    choices: Sequence[Mapping[str, Any]] = (),
    folds: Folds | None = None,
) -> Evaluation:
    """Return the evaluation of probabilities (n, k), of which the rows with `fold >= 0` are measured.

    `folds`: by heads that were fitted on the images of the other folds, instead of by the model that is kept.
    """
    here = fold >= 0
    own, rows = y[here], proba[here]
    table = metrics.confusion(own, rows)
    return Evaluation(
        name=name,
        classes=tuple(classes),
        y=y,
        proba=proba,
        fold=fold,
        groups=groups,
        scores=scores(own, rows, None if groups is None else groups[here], folds),
        per_class=_per_class(classes, table, metrics.class_recalls(own, rows, None if groups is None else groups[here])),
        confusion=table,
        reliability=metrics.reliability(own, rows),
        choices=tuple(dict(choice) for choice in choices),
        folds=folds,
    )


@default_errors
def score(
    y: ArrayLike, proba: ArrayLike, classes: Sequence[str], groups: ArrayLike | None = None, name: str = ""
) -> Evaluation:
    """Measure probabilities that are already there, such as a model's answers to new labelled images.

    `y` (n,) are class numbers, `proba` (n, k) in the order of `classes`, `groups` (n,) what belongs together.
    Raises InputError where they do not fit together, or a probability is not a number.
    """
    numbers, grouping = check_labels(y, classes, groups)
    rows = np.asarray(proba, dtype=np.float64)  # (n, k)
    if rows.shape != (len(numbers), len(classes)):
        raise InputError(
            _(
                "the probabilities have shape {shape}, expected {expected}: give one row per image and one column per class.",
                shape=rows.shape,
                expected=(len(numbers), len(classes)),
            )
        )
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(bad):
        raise InputError(
            _(
                "{n} rows of probabilities hold NaN or infinity (first: {first}); leave them out.",
                n=len(bad),
                first=bad[:5].tolist(),
            )
        )
    return build(name, classes, numbers, rows, np.zeros(len(numbers), dtype=np.intp), grouping)


def check_labels(y: ArrayLike, classes: Sequence[str], groups: ArrayLike | None) -> tuple[Ints, NDArray[Any] | None]:
    """Return class numbers and groups as arrays; raise InputError where they cannot be that."""
    numbers = np.asarray(y)  # (n,)
    if numbers.ndim != 1 or not len(numbers) or not np.issubdtype(numbers.dtype, np.integer):
        raise InputError(
            _(
                "y has shape {shape} and type {dtype}; give a non-empty row of class numbers.",
                shape=numbers.shape,
                dtype=numbers.dtype,
            )
        )
    if numbers.min() < 0 or numbers.max() >= len(classes):
        raise InputError(
            _(
                "class numbers run from {low} to {high}, but there are {classes} classes; give numbers from 0 to {last}.",
                low=numbers.min(),
                high=numbers.max(),
                classes=len(classes),
                last=len(classes) - 1,
            )
        )
    if groups is None:
        return numbers.astype(np.intp), None
    grouping = np.asarray(groups)
    if grouping.shape != numbers.shape:
        raise InputError(
            _(
                "{numbers} images but groups of shape {shape}; give one group per image.",
                numbers=len(numbers),
                shape=grouping.shape,
            )
        )
    return numbers.astype(np.intp), grouping


def _per_class(classes: Sequence[str], table: Ints, recalls: Sequence[Score]) -> tuple[ClassScore, ...]:
    """Return precision, recall and F1 of each class from the confusion table."""
    found, support, right = table.sum(axis=0), table.sum(axis=1), np.diag(table)
    return tuple(
        ClassScore(
            str(name),
            _share(right[i], found[i]),
            _share(right[i], support[i]),
            _share(2 * right[i], found[i] + support[i]),
            int(support[i]),
            recalls[i].low,
            recalls[i].high,
        )
        for i, name in enumerate(classes)
    )


def _share(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None


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
            _(
                "{name!r} and {name2!r} are not evaluations of the same images; evaluate both on the same set.",
                name=first.name,
                name2=second.name,
            )
        )
    both = first.measured & second.measured
    if not both.any():
        raise InputError(
            _("{name!r} and {name2!r} measured no image in common; use the same seed.", name=first.name, name2=second.name)
        )
    columns = [metrics.per_image(one.y[both], one.proba[both]) for one in (first, second)]
    if metric not in columns[0]:
        raise unknown("metric", metric, columns[0])
    gap = columns[0][metric] - columns[1][metric]  # (n,)
    drawn = resample(gap[:, None], None if first.groups is None else first.groups[both])[:, 0]
    return Difference(metric, float(gap.mean()), *interval(float(gap.mean()), drawn), len(gap))


def jsonable(value: Any) -> Any:
    """Return `value` in JSON's own types, with None for NaN and infinity."""
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return jsonable(value.tolist())
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    if isinstance(value, np.generic):
        return jsonable(value.item())
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)

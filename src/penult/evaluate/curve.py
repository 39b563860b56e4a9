"""Two curves of an evaluation: accuracy against the number of training photos, and what twice as many would gain; and accuracy
against the share of photos that need no manual review (El-Yaniv & Wiener, JMLR 11 (2010) 1605).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import default_errors
from penult.errors import InputError
from penult.evaluate.cross_validation import fit_rows, probabilities
from penult.evaluate.evaluation import Evaluation, jsonable
from penult.evaluate.interpret import curve_html
from penult.evaluate.intervals import Floats, Ints, Score
from penult.evaluate.metrics import scores

LEAST = 4  # points of a curve below which nothing is said
SPAN = 4  # times that the last size must be the first: twice the photos is far beyond a shorter curve
# Student's t, 97.5% point, by degrees of freedom; two numbers are fitted, so a curve of five points has three
T95 = {2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306}


@dataclass(frozen=True, slots=True)
class Forecast:
    """What `images` training images, twice as many as there are, would give: log loss, and accuracy where it can be told.

    `now` are the same as measured. `clear` says whether the 95% interval of the log loss lies below what it is now.
    """

    images: int
    log_loss: Score
    accuracy: Score
    log_loss_now: float
    accuracy_now: float | None
    clear: bool

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "images": self.images,
            "log_loss": self.log_loss.to_dict(),
            "accuracy": self.accuracy.to_dict(),
            "log_loss_now": self.log_loss_now,
            "accuracy_now": self.accuracy_now,
            "clear": self.clear,
        }


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """Log loss and accuracy on unseen images, against the number of training images."""

    sizes: tuple[int, ...]
    log_loss: tuple[Score, ...]
    accuracy: tuple[Score, ...]

    @property
    def twice(self) -> Forecast | None:
        """What twice the images would give, see `forecast`; None where the curve does not tell."""
        return forecast(self.sizes, self.log_loss, self.accuracy)

    def _repr_html_(self) -> str:
        return curve_html(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        twice = self.twice
        return {
            "sizes": list(self.sizes),
            "log_loss": [one.to_dict() for one in self.log_loss],
            "accuracy": [one.to_dict() for one in self.accuracy],
            "twice": None if twice is None else twice.to_dict(),
        }


@default_errors
def learning_curve(
    head: Any,
    X: NDArray[Any],
    evaluation: Evaluation,
    sizes: Sequence[int] | None = None,
    repeats: int = 3,
    seed: int = 0,
) -> LearningCurve:
    """Measure `head` after fitting it on few and on more images of X (n, d).

    Labels, groups and folds are those of `evaluation`, which is also the last point: it costs nothing. Every
    size is measured on the same images, the first `repeats` folds, after training inside the other folds on
    sets that grow: stratified, groups whole, each set part of the next. `sizes` (default: four) are images
    for training; those with fewer than four a class, or no fewer than the evaluation had, are left out. There
    are at most `len(sizes) * repeats` fits. The interval is over the measured images, not over the choice of
    the training images.
    """
    parts = sorted(set(evaluation.fold[evaluation.measured].tolist()))[:repeats]
    whole = min(int(np.sum(evaluation.fold != part)) for part in parts)
    k = len(evaluation.classes)
    wanted = sorted({int(s) for s in (log_spaced(whole, k) if sizes is None else sizes) if 4 * k <= s < whole})
    here = np.isin(evaluation.fold, parts)  # (n,)
    proba = {size: np.full(evaluation.proba.shape, np.nan) for size in wanted}  # each (n, k)
    for part in parts:
        order = nested_subsets(evaluation, np.flatnonzero(evaluation.fold != part), seed)
        for size in wanted:
            fitted = fit_rows(head, X, evaluation.y, evaluation.groups, first_groups(order, evaluation.groups, size))
            proba[size][evaluation.fold == part] = probabilities(fitted, X[evaluation.fold == part], k)
    points = [_point(evaluation, rows, here) for rows in [*proba.values(), evaluation.proba]]
    return LearningCurve((*wanted, whole), tuple(p["log_loss"] for p in points), tuple(p["accuracy"] for p in points))


def log_spaced(whole: int, k: int) -> list[int]:
    """Return four sizes below `whole`, evenly spaced on a log axis, from about eight images a class."""
    lowest = min(max(8 * k, whole // 64), whole / 2)
    return sorted({round(s) for s in np.geomspace(lowest, whole, 5)[:-1]})


def nested_subsets(evaluation: Evaluation, rows: Ints, seed: int) -> Ints:
    """Return `rows` so ordered that every beginning is stratified; two groups of each class come first."""
    rng = np.random.default_rng(seed)
    names = rows if evaluation.groups is None else evaluation.groups[rows]
    first, unit = np.unique(names, return_index=True, return_inverse=True)[1:]
    label = evaluation.y[rows][first]  # (u,) the class that a group is dealt by: its first image's
    place = np.empty(len(first))  # (u,)
    for c in np.unique(label):
        members = rng.permutation(np.flatnonzero(label == c))
        rank = np.arange(len(members))
        place[members] = np.where(rank < 2, rank - 2, (rank + rng.random()) / len(members))
    return rows[np.lexsort((unit, place[unit]))]


def first_groups(order: Ints, groups: NDArray[Any] | None, size: int) -> Ints:
    """Return the first `size` of `order`, and the rest of the group that this would cut."""
    if groups is None or size >= len(order):
        return order[:size]
    cut = size
    while cut < len(order) and groups[order[cut]] == groups[order[cut - 1]]:
        cut += 1
    return order[:cut]


def _point(evaluation: Evaluation, proba: Floats, here: NDArray[np.bool_]) -> dict[str, Score]:
    groups = None if evaluation.groups is None else evaluation.groups[here]
    return scores(evaluation.y[here], proba[here], groups, out_of_fold=len(np.unique(evaluation.fold[here])) > 1)


def forecast(sizes: Sequence[int], log_loss: Sequence[Score], accuracy: Sequence[Score]) -> Forecast | None:
    """Return what twice the last size would give, by a power law through the curve; None where it cannot be told.

    Log loss and error fall about as a power of the number of training images (Cortes et al., NIPS 1993; Hestness et al.,
    arXiv 1712.00409), so a line is fitted to their logarithms, and the interval is that of a line's slope.
    Nothing is said with fewer than four points, or where the last size is less than SPAN times the first. An error of 0
    anywhere has no logarithm, and one that is the same all along shows no law: then nothing is said about accuracy.
    """
    known = [(n, one.value) for n, one in zip(sizes, log_loss, strict=True) if one.value is not None and one.value > 0]
    if len(known) < LEAST or known[-1][0] != sizes[-1] or sizes[-1] < SPAN * known[0][0]:
        return None
    now = known[-1][1]
    ratio = _ratio([n for n, _ in known], [value for _, value in known])
    loss = Score(now * ratio[0], now * ratio[1], now * ratio[2])
    right = [one.value for one in accuracy]
    hits = Score(None, None, None)
    if all(value is not None and value < 1 for value in right) and len(set(right)) > 1:
        errors = [1 - value for value in right if value is not None]
        middle, low, high = (min(1.0, errors[-1] * r) for r in _ratio(sizes, errors))
        hits = Score(1 - middle, 1 - high, 1 - low)
    return Forecast(2 * sizes[-1], loss, hits, now, right[-1], ratio[2] < 1)


def _ratio(sizes: Sequence[int], values: Sequence[float]) -> tuple[float, float, float]:
    """Return by what a value is multiplied when the size is doubled, and the 95% interval of that."""
    x, y = np.log2(np.asarray(sizes, float)), np.log2(np.asarray(values, float))  # (p,)
    away = x - x.mean()
    slope = float(away @ y / (away @ away))
    rest = y - y.mean() - slope * away  # (p,)
    free = len(x) - 2
    error = float(np.sqrt(rest @ rest / free / (away @ away))) * T95.get(free, 2.26)
    return float(2.0**slope), float(2.0 ** (slope - error)), float(2.0 ** (slope + error))


LEVEL = 0.9
COVERAGES = (1.0, 0.99, 0.98, 0.97, 0.96, 0.95, 0.92, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5)


@dataclass(frozen=True, slots=True)
class Review:
    """`share` of the measured images are for a person: less sure than `level`, or too unlike the others.

    `accuracy_kept` is that of all the others, None where none is left; `curve` has (coverage, accuracy): of the surest
    share of the images, how many are right.
    """

    level: float
    images: int
    share: float
    unlike: float  # share of the images that are for a person because they are unlike the others
    accuracy_kept: float | None
    accuracy_all: float
    curve: tuple[tuple[float, float], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        values: dict[str, Any] = jsonable(asdict(self))
        return values


@default_errors
def review(evaluation: Evaluation, level: float = LEVEL, unlike: NDArray[np.bool_] | None = None) -> Review:
    """Return what manual review of the uncertain images would gain, by out-of-fold answers.

    `unlike` (n,) says which images are too unlike the others to be believed. Raises InputError for a level outside 0..1.
    """
    check_level(level)
    here = evaluation.measured
    proba, y = evaluation.proba[here], evaluation.y[here]
    strange = np.zeros(len(y), bool) if unlike is None else unlike[here]
    sure = proba.max(axis=1)  # (n,)
    right = proba.argmax(axis=1) == y
    kept = (sure >= level) & ~strange
    surest = right[np.lexsort((-sure, strange))]
    counts = sorted({max(1, round(c * len(y))) for c in COVERAGES}, reverse=True)
    return Review(
        level=level,
        images=len(y),
        share=float(1 - kept.mean()),
        unlike=float(strange.mean()),
        accuracy_kept=float(right[kept].mean()) if kept.any() else None,
        accuracy_all=float(right.mean()),
        curve=tuple((count / len(y), float(surest[:count].mean())) for count in counts),
    )


def check_level(level: float) -> None:
    """Raise InputError for a level that is no probability above 0."""
    if not 0 < level <= 1:
        raise InputError(f"a confidence level of {level} is not between 0 and 1; use a value such as 0.9.")

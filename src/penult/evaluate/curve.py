"""Two curves of an evaluation: accuracy against the number of training photos, and what twice as many would gain; and accuracy
against the share of photos that need no manual review (El-Yaniv & Wiener, JMLR 11 (2010) 1605).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import default_errors
from penult.errors import InputError
from penult.evaluate.cross_validation import fit_rows, probabilities
from penult.evaluate.evaluation import Evaluation, jsonable
from penult.evaluate.interpret import curve_html
from penult.evaluate.intervals import Z95, Floats, Ints, Score
from penult.evaluate.metrics import losses_per_image
from penult.evaluate.power_law import Folds, PowerLaw, fitted
from penult.evaluate.projection import projected, scores
from penult.i18n import _

LEAST = 4  # points of a curve below which nothing is said
SPAN = 4  # times that the last size must be the first: twice the photos is far beyond a shorter curve
# By how much the draw of the training images moves a loss, as a share of the noise of as many measured images: 0.2 to 0.7 in
# simulated classes. Its variance halves with twice the images.
DRAW = 0.4


@dataclass(frozen=True, slots=True)
class Forecast:
    """What `images` training images, twice as many as there are, would give: log loss, and accuracy where it can be told.

    `log_loss_now` and `accuracy_now` are those of a model fitted on all images. `change` is by what the log loss would be
    multiplied, and `clear` says whether its 95% interval is below 1: today's noise is in both losses and not in their ratio.
    """

    images: int
    log_loss: Score
    accuracy: Score
    log_loss_now: float
    accuracy_now: float | None
    change: Score
    clear: bool

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """Log loss and accuracy on unseen images, against the number of training images.

    `images` are all that there are, of which the last size is a part, and `laws` the exponents by which the losses fall.
    """

    sizes: tuple[int, ...]
    log_loss: tuple[Score, ...]
    accuracy: tuple[Score, ...]
    images: int = 0
    laws: Mapping[str, PowerLaw] = field(default_factory=dict)
    twice: Forecast | None = None

    def _repr_html_(self) -> str:
        return curve_html(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "sizes": list(self.sizes),
            "log_loss": [one.to_dict() for one in self.log_loss],
            "accuracy": [one.to_dict() for one in self.accuracy],
            "exponents": {name: asdict(law) for name, law in self.laws.items()},
            "twice": None if self.twice is None else self.twice.to_dict(),
        }


@default_errors
def learning_curve(
    head: Any,
    X: NDArray[Any],
    evaluation: Evaluation,
    sizes: Sequence[int] | None = None,
    repeats: int = 3,
    seed: int = 0,
    sample_weight: NDArray[Any] | None = None,
) -> LearningCurve:
    """Measure `head` after fitting it on few and on more images of X (n, d).

    Labels, groups and folds are those of `evaluation`, which is also the last point: it costs nothing. Every
    size is measured on the same images, the first `repeats` folds, after training inside the other folds on
    sets that grow: stratified, groups whole, each set part of the next. `sizes` (default: four) are images
    for training; those with fewer than four a class, or no fewer than the evaluation had, are left out. There
    are at most `len(sizes) * repeats` fits. A head that still has the search of its cross-validation is fitted in the
    coordinates of that. `sample_weight` (n,) counts where heads learn. The intervals of the points are over the measured
    images, not over the choice of the training images.
    """
    parts = sorted(set(evaluation.fold[evaluation.measured].tolist()))[:repeats]
    whole = min(int(np.sum(evaluation.fold != part)) for part in parts)
    k = len(evaluation.classes)
    wanted = sorted({int(s) for s in (log_spaced(whole, k) if sizes is None else sizes) if 4 * k <= s < whole})
    here = np.isin(evaluation.fold, parts)  # (n,)
    known = getattr(head, "coordinates", None)
    head, X = (known(X) if known else None) or (head, X)
    proba = {size: np.full(evaluation.proba.shape, np.nan) for size in wanted}  # each (n, k)
    for part in parts:
        order = nested_subsets(evaluation, np.flatnonzero(evaluation.fold != part), seed)
        for size in wanted:
            rows = first_groups(order, evaluation.groups, size)
            fitted = fit_rows(head, X, evaluation.y, evaluation.groups, rows, sample_weight)
            proba[size][evaluation.fold == part] = probabilities(fitted, X[evaluation.fold == part], k)
    judged = [one[here] for one in (*proba.values(), evaluation.proba)]  # each (m, k)
    y, groups = evaluation.y[here], _only(evaluation.groups, here)
    points = [scores(y, one, groups, Folds(len(parts), 1.0)) for one in judged]
    laws = _laws((*wanted, whole), [losses_per_image(y, one) for one in judged], groups)
    return LearningCurve(
        (*wanted, whole),
        tuple(p["log_loss"] for p in points),
        tuple(p["accuracy"] for p in points),
        len(evaluation.y),
        laws,
        forecast(evaluation, laws) if len(wanted) + 1 >= LEAST and whole >= SPAN * wanted[0] else None,
    )


def _laws(sizes: Sequence[int], losses: Sequence[Mapping[str, Floats]], groups: NDArray[Any] | None) -> dict[str, PowerLaw]:
    """Return the power law of each measure that has one, from its columns (m,) at each size."""
    found = {}
    for name in losses[0]:
        law = fitted(sizes, np.column_stack([one[name] for one in losses]), groups)
        if law is not None:
            found[name] = law
    return found


@default_errors
def carry(evaluation: Evaluation, curve: LearningCurve) -> Evaluation:
    """Return the evaluation with the intervals that follow from its own learning curve instead of from typical ones."""
    here = evaluation.measured
    how = replace(evaluation.folds, laws=curve.laws) if evaluation.folds else None
    found = scores(evaluation.y[here], evaluation.proba[here], _only(evaluation.groups, here), how)
    return replace(evaluation, scores=found, folds=how)


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


def forecast(evaluation: Evaluation, laws: Mapping[str, PowerLaw]) -> Forecast | None:
    """Return what twice the images would give; None where it cannot be told.

    The losses are carried on by their power laws, see `Folds.law`. Three things are not known for sure: the loss of today, the
    exponent, and which images will be drawn. Where no image is wrong nothing is said about accuracy.
    """
    here, how = evaluation.measured, evaluation.folds
    if how is None or "log_loss" not in laws:
        return None
    y, proba, groups = evaluation.y[here], evaluation.proba[here], _only(evaluation.groups, here)
    now = projected(y, proba, groups, replace(how, laws=laws))
    ahead = projected(y, proba, groups, replace(how, growth=2 * how.growth, laws=laws, draw=DRAW / np.sqrt(2)))
    loss, error, today = ahead["log_loss"], ahead["accuracy"], now["log_loss"]
    hits = Score(1 - error.kept, 1 - error.high, 1 - error.low) if error.measured > 0 else Score(None, None, None)
    ratio, spread = loss.kept / today.kept, float(np.hypot(today.law.spread(2), DRAW * today.noise))
    down = float(np.hypot(Z95 * spread, today.steeper * np.log(2)))
    ends = [float(ratio * np.exp(away)) for away in (-down, Z95 * spread)]
    return Forecast(
        images=2 * len(evaluation.y),
        log_loss=Score(loss.kept, loss.low, loss.high),
        accuracy=hits,
        log_loss_now=today.kept,
        accuracy_now=1 - now["accuracy"].kept,
        change=Score(ratio, *ends),
        clear=ends[1] < 1,
    )


def _only(groups: NDArray[Any] | None, here: NDArray[np.bool_]) -> NDArray[Any] | None:
    return None if groups is None else groups[here]


def regularization_path(path: Mapping[str, Sequence[Any]]) -> list[tuple[float, float]]:
    """Return what a head tried: each C of its logistic regression, ascending, with the held-out loss that was minimised."""
    losses = path.get("cost", path.get("log_loss", ()))
    none = [0.0] * len(losses)
    others = zip(path.get("lda_weight", none), path.get("svm_weight", none), strict=True)  # what else had a say
    return sorted((C, loss) for C, loss, other in zip(path.get("C", ()), losses, others, strict=False) if C and not any(other))


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
        raise InputError(_("a confidence level of {level} is not between 0 and 1; use a value such as 0.9.", level=level))

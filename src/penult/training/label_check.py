"""Which labels may be judged by the out-of-fold probabilities, and how probable it is that each is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import audit, evaluate, heads
from penult.audit.noise_model import DOUBTED, SMALLEST
from penult.errors import InputError
from penult.evaluate import Evaluation
from penult.evaluate.cross_validation import fit_rows, probabilities
from penult.heads import calibration
from penult.i18n import N_, _

CHANCE = N_(
    "labels were not checked: the model is not significantly better than chance, so its errors say nothing about the labels"
)
WEAK = N_("labels were not checked: the model is wrong about too many photos for its errors to say anything about the labels")
RIGHT = 0.5  # accuracy that a model must surely have: what a weaker one gets wrong are hardly ever the labels
UNCLIPPED = 1e-6  # floor of the second models' probabilities
TOO_SURE = 2.0  # times the median temperature of the folds; with labels planted wrong in four sets none was above 1.7
DRAWS, SMALL = 3, 1000  # divisions into folds whose second models are averaged, up to so many photos: there they matter most
UNMEASURED = N_("labels were not checked: no model could be measured")


@dataclass(frozen=True, slots=True)
class LabelCheck:
    """The rows (m,) whose labels may be judged, their out-of-fold probabilities (m, k), how probably each label is wrong (m,).

    `note` says why none were judged.
    """

    rows: NDArray[np.intp]
    proba: NDArray[np.float64]
    wrong: NDArray[np.float64]
    note: str = ""


def check_labels(
    head: Any,
    X: NDArray[Any],
    seen: Evaluation | None,
    again: bool = True,
    sample_weight: NDArray[np.float64] | None = None,
) -> LabelCheck:
    """Return how probable it is that each label of the rows X (n, d) is wrong, by the head's out-of-fold probabilities `seen`.

    The wrong labels taught those models, too, so where some are found the folds are fitted again without them (the second pass
    of "Confident Learning", Northcutt et al., JAIR 70, 2021), with what was chosen the first time. Of few photos several
    divisions into folds are averaged (repeated cross-validation). A head that still has the search of its cross-validation
    goes on from that. Without `again` there is no second pass: where X is a sample of what is learnt, its wrong labels are
    few among many that taught those models. `sample_weight` (n,) counts where they learn.
    """
    if seen is None:
        return LabelCheck(np.zeros(0, np.intp), np.zeros((0, 2)), np.zeros(0), _(UNMEASURED))
    rows, note = judged(seen)
    if not len(rows):
        return LabelCheck(rows, seen.proba[rows], np.zeros(0), _(note))
    known = rows[_known_kind(seen)[rows]]
    wrong = np.zeros(len(seen.y))
    wrong[known] = audit.label_noise(seen.y[known], _evened(seen, seen.proba, seen.fold)[known]).wrong
    doubted = wrong > DOUBTED
    if again and doubted.any():
        wrong[known] = audit.label_noise(seen.y[known], _without(head, X, seen, doubted, sample_weight)[known]).wrong
    return LabelCheck(rows, seen.proba[rows], wrong[rows])


def judged(seen: Evaluation) -> tuple[NDArray[np.intp], str]:
    """Return the rows (m,) whose labels may be judged; where there are none, why.

    A model that is not surely better than always giving the most frequent class, or than chance in the mean of the classes,
    has no say, nor one that may be wrong about most photos, nor one of a rare class that it has hardly learned.
    """
    measured = seen.y[seen.measured]
    most = np.bincount(measured).max() / len(measured) if len(measured) else 1.0
    needed = (("accuracy", most, CHANCE), ("balanced_accuracy", 1 / len(seen.classes), CHANCE), ("accuracy", RIGHT, WEAK))
    for name, baseline, note in needed:
        low = seen.scores[name].low
        if low is None or low <= baseline:
            return np.zeros(0, np.intp), note
    rare = evaluate.rarest_classes(seen)
    unlearned = {list(seen.classes).index(name) for name in rare.names} if rare and rare.neglected else set()
    return np.flatnonzero(seen.measured & ~np.isin(seen.y, list(unlearned))), ""


def _known_kind(seen: Evaluation) -> NDArray[np.bool_]:
    """Return which photos (n,) are not of a group of look-alikes of which a model without them gets at least half wrong.

    Wrong labels strike one by one. Where two or more look-alikes are contradicted together it is because the model has seen
    nothing of their kind, and that says nothing of their labels.
    """
    if seen.groups is None:
        return np.ones(len(seen.y), bool)
    group = np.unique(seen.groups, return_inverse=True)[1]
    missed = np.bincount(group, seen.measured & (seen.proba.argmax(axis=1) != seen.y))
    return np.asarray(((missed < 2) | (2 * missed < np.bincount(group)))[group])


def _evened(seen: Evaluation, proba: NDArray[np.float64], fold: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return out-of-fold probabilities (n, k) in which no fold's model is far surer than its own photos bear out.

    Where a fold has photos of a kind that no other fold has (a large group of look-alikes), its model is wrong there and sure
    of itself, which is no evidence against labels. Each fold has a temperature (Guo et al. 2017); one of twice the median of
    all, or more, is brought down to the median. Wrong labels are spread over all folds and change none of this.
    """
    proba, parts = np.array(proba), _parts(fold)
    found = []
    for part in parts:
        logp, y = np.log(np.maximum(proba[fold == part], SMALLEST)), seen.y[fold == part]
        found.append(calibration.temperature(logp, y, np.full(len(y), 1 / len(y)), free=True))
    for part, hot in zip(parts, found, strict=True):
        if hot >= TOO_SURE * np.median(found):
            here = fold == part
            logits = np.log(np.maximum(proba[here], SMALLEST)) * np.median(found) / hot
            proba[here] = np.exp(calibration.log_softmax(logits))
    return proba


def _parts(fold: NDArray[np.intp]) -> list[int]:
    """Return the numbers of the folds that are in `fold` (n,); rows of -1 are in none."""
    return sorted(set(fold[fold >= 0].tolist()))


def _without(
    head: Any,
    X: NDArray[Any],
    seen: Evaluation,
    doubted: NDArray[np.bool_],
    weight: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    """Return out-of-fold probabilities (n, k) of models that did not learn the doubted rows, evened.

    They stay as they are where a class would lose more than half of its photos: so much doubt is doubt about the model.
    """
    k = len(seen.classes)
    left, every = np.bincount(seen.y[~doubted], minlength=k), np.bincount(seen.y, minlength=k)
    proba = np.array(seen.proba)
    if (2 * left < every).any():
        return _evened(seen, proba, seen.fold)
    if getattr(head, "searched", False):
        proba[:, every > 0] = head.cross_fit_again(doubted, **{**_agreed(head, seen.choices), "clip": UNCLIPPED})
        return _evened(seen, proba, seen.fold)
    folds = [seen.fold]
    for seed in range(1, DRAWS) if len(X) <= SMALL else ():
        with suppress(InputError):  # groups of several classes may have no other division
            other = evaluate.outer_folds(seen.y, seen.classes, seen.groups, len(seen.choices), seed)
            if not any(np.array_equal(other, fold) for fold in folds):  # the first one may have this seed
                folds.append(other)
    logp = []  # (n, k) each; their mean is the geometric mean of the probabilities
    for fold in folds:
        for part, choice in zip(_parts(fold), seen.choices, strict=False):
            here = fold == part
            fitted = fit_rows(_as_chosen(head, choice), X, seen.y, seen.groups, np.flatnonzero(~here & ~doubted), weight)
            proba[here] = probabilities(fitted, X[here], k)
        logp.append(np.log(np.maximum(_evened(seen, proba, fold), SMALLEST)))
    return np.asarray(np.exp(calibration.log_softmax(np.mean(logp, axis=0))))


def _agreed(head: Any, choices: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what was chosen for all folds alike, in place of what was left open (None)."""
    open_ = [name for name, value in head.get_params(deep=False).items() if value is None]
    chosen = {name: {choice.get(name) for choice in choices} - {None} for name in open_}
    return {name: values.pop() for name, values in chosen.items() if len(values) == 1}


def _as_chosen(head: Any, choice: Mapping[str, Any]) -> Any:
    """Return an unfitted head with what was chosen for a fold, in place of what was left open (None), and without a floor.

    The floor of probabilities allows for surprises, as wrong labels are: here they are to be seen.
    """
    known = head.get_params(deep=False)
    params = heads.make_head(choice["head"]).get_params(deep=False)
    params |= {name: value for name, value in known.items() if name in params}
    open_ = [name for name, value in params.items() if value is None and name in choice]
    return heads.make_head(choice["head"], **params | {name: choice[name] for name in open_} | {"clip": UNCLIPPED})

"""What all heads share: the scikit-learn contract, inner folds, calibration, and prediction through
`scorers`.

In: X (n, d), y (n,), groups (n,). Out: a fitted classifier that knows how sure it is. A head itself only
searches: it offers candidates with the logits that each gave to held-out rows, and refits the one that is
chosen. It must not know files, images or networks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from penult.errors import InputError
from penult.heads import calibration, folds, scaling
from penult.heads.scorers import HeadState, Scorer

Array = NDArray[Any]


@dataclass(frozen=True)
class Task:
    """The rows to learn from, checked: all that a search may look at."""

    X: Array  # (n, d) float32 or float64
    codes: Array  # (n,) class numbers
    k: int
    weight: Array  # (n,) from the class weights, mean 1
    votes: Array  # (k,) the class weights
    folds: folds.Folds | None
    blocks: tuple[int, ...]
    seed: int


@dataclass(frozen=True)
class Search:
    """What a search found.

    `logits[i]` (n, k) are those of candidate i, each row's from the fold that held it out; empty without
    folds. `refit(i)` fits candidate i to all rows and gives kind, arrays and facts.
    """

    candidates: list[dict[str, Any]]
    logits: list[Array]
    refit: Callable[[int], HeadState]
    heat: list[float] | None = None  # temperatures that the search has fitted already
    best: int | None = None  # where the search has a rule of its own among nearly equal candidates


@dataclass(frozen=True)
class Chosen:
    """The best candidate of a search, calibrated."""

    index: int
    temperature: float
    clip: float
    proba: Array | None  # (n, k) held out
    log_loss: float | None
    cost: float | None  # the cautious loss at the temperature, by which heads are compared
    path: dict[str, list[Any]]


class Head(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Base of the heads. `scale_free`: the head's logits have no scale of their own (margins, distances).

    Every candidate of a scale-free head is judged at its own best temperature, all others at temperature 1.
    """

    scale_free = False

    def _search(self, task: Task) -> Search:
        raise NotImplementedError

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Choose settings by inner folds, calibrate on the held-out rows, and fit all rows.

        X (n, d), y (n,) strings or integers, groups (n,): rows of one group are kept on one side of every
        inner fold. With fewer than two members (or groups) in a class there is nothing to hold out: the head
        keeps its default settings, temperature 1, and the clip that n right answers would give. Raises
        InputError for blocks that do not add up, one class, or class weights that do not fit.
        """
        task = self._task(X, y, groups)
        search = self._search(task)
        chosen = choose(search, task, self)
        self._keep(task, search, chosen)
        return self

    def _task(self, X: Any, y: Any, groups: Any) -> Task:
        X, y = validate_data(self, X, y, dtype=(np.float64, np.float32), ensure_min_samples=2)
        check_classification_targets(y)
        widths = scaling.widths(X.shape[1], self.blocks)
        self.classes_, codes = np.unique(y, return_inverse=True)
        k = len(self.classes_)
        if k < 2:
            raise InputError(
                f"all {len(y)} rows are of one class, {self.classes_.tolist()[0]!r}; "
                "a classifier needs rows of at least two classes"
            )
        if groups is not None:
            groups = np.asarray(groups)
            if groups.shape != codes.shape:
                raise InputError(
                    f"groups has shape {groups.shape} and X has {len(codes)} rows; give one group per row"
                )
        votes = class_weights(self.class_weight, self.classes_, codes)
        dealt = folds.split(codes, groups, self.folds, self.random_state)
        weight = votes[codes]
        return Task(X, codes, k, weight / weight.mean(), votes, dealt, widths, self.random_state)

    def _keep(self, task: Task, search: Search, chosen: Chosen) -> None:
        state = search.refit(chosen.index)
        facts = {
            "head": type(self).name,
            "scaling": self.scaling,
            "blocks": list(task.blocks),
            "classes": task.k,
            "temperature": chosen.temperature,
            "clip": chosen.clip,
            **state.facts,
        }
        self._scorer: Any = Scorer(HeadState(state.kind, state.arrays, facts))
        self.choice_ = {
            "head": type(self).name,
            **search.candidates[chosen.index],
            "scaling": facts["scaling"],
            "temperature": chosen.temperature,
            "clip": chosen.clip,
            "folds": len(task.folds or ()),
        }
        self.cv_proba_, self.cv_log_loss_ = chosen.proba, chosen.log_loss
        self.path_ = chosen.path
        self.history_: dict[str, list[float]] | None = None

    def _checked(self, X: Any) -> Array:
        check_is_fitted(self)
        return np.asarray(validate_data(self, X, dtype=(np.float64, np.float32), reset=False))

    def predict_proba(self, X: Any) -> Array:
        """Return calibrated, clipped probabilities (n, k), columns in the order of `classes_`."""
        X = self._checked(X)
        return np.asarray(self._scorer(X))

    def decision_function(self, X: Any) -> Array:
        """Return calibrated logits: (n, k), or for two classes the logit of the second, (n,)."""
        X = self._checked(X)
        logits = self._scorer.logits(X)
        return np.asarray(logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits)

    def predict(self, X: Any) -> Array:
        """Return the likeliest class of each row, (n,)."""
        X = self._checked(X)
        return np.asarray(self.classes_[self._scorer.logits(X).argmax(axis=1)])

    def to_arrays(self) -> HeadState:
        """Return all that scoring needs, as arrays and plain facts for `scorers.scorer`."""
        check_is_fitted(self)
        state: HeadState = self._scorer.state
        return state

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_scorer")


def class_weights(wanted: Any, classes: Array, codes: Array) -> Array:
    """Return the weight of each class, (k,): 1, "balanced" (n / (k n_c); King & Zeng 2001), or as a dict
    says.

    Raises InputError for other things, unknown classes, and weights that are not above 0.
    """
    if wanted is None:
        return np.ones(len(classes))
    if isinstance(wanted, str) and wanted == "balanced":
        return len(codes) / (len(classes) * np.bincount(codes))
    if not isinstance(wanted, Mapping):
        raise InputError(f"class_weight is {wanted!r}; give None, 'balanced', or a dict of weights by class")
    names = classes.tolist()
    strange = [name for name in wanted if name not in names]
    if strange:
        raise InputError(f"class_weight names classes that y does not have: {strange}; y has {names}")
    found = np.array([float(wanted.get(name, 1.0)) for name in names])
    if not (np.isfinite(found).all() and (found > 0).all()):
        raise InputError(
            f"class_weight has weights that are not above 0: {dict(wanted)}; give positive numbers"
        )
    return found


def own_temperature(logits: Array, task: Task, free: bool) -> float:
    """Return the temperature at which a candidate is judged: its best one if it is free, else 1."""
    return calibration.temperature(logits, task.codes, task.weight, True) if free else 1.0


def choose(search: Search, task: Task, head: Any) -> Chosen:
    """Return the candidate with the smallest held-out log loss, with its temperature and its clip."""
    if task.folds is None:
        clip = (
            calibration.blind_clip(len(task.codes), task.k) if head.clip == "auto" else float(head.clip or 0)
        )
        return Chosen(0, 1.0, _fitting(clip, task.k), None, None, None, {})
    free = head.scale_free and head.calibrate
    heat = search.heat or [own_temperature(z, task, free) for z in search.logits]
    held = [calibration.probabilities(z, t, 0.0) for z, t in zip(search.logits, heat, strict=True)]
    losses = [calibration.row_losses(p, task.codes) for p in held]
    cautious = [
        np.average(calibration.cautious_losses(z / t, task.codes), weights=task.weight)
        for z, t in zip(search.logits, heat, strict=True)
    ]
    best = int(np.argmin(cautious)) if search.best is None else search.best
    temperature = heat[best]
    if head.calibrate and not free:
        temperature = calibration.temperature(search.logits[best], task.codes, task.weight, False)
    sharp = calibration.probabilities(search.logits[best], temperature, 0.0)
    clip = (
        calibration.best_clip(sharp, task.codes, task.weight)
        if head.clip == "auto"
        else float(head.clip or 0)
    )
    proba = calibration.clipped(sharp, _fitting(clip, task.k))
    cost = float(
        np.average(
            calibration.cautious_losses(search.logits[best] / temperature, task.codes), weights=task.weight
        )
    )
    spread = [float(np.std([loss[held].mean() for _, held in task.folds])) for loss in losses]
    path: dict[str, list[Any]] = {
        name: [c.get(name) for c in search.candidates] for name in search.candidates[0]
    }
    path |= {"log_loss": [float(loss.mean()) for loss in losses], "log_loss_std": spread}
    return Chosen(best, temperature, clip, proba, calibration.log_loss(proba, task.codes), cost, path)


def _fitting(clip: float, k: int) -> float:
    if not 0 <= clip < 1 / k:
        raise InputError(f"clip is {clip}; with {k} classes it must be at least 0 and below {1 / k:.3g}")
    return clip


def held_out(task: Task, judge: Callable[[Array, Array], Sequence[Array]], count: int) -> list[Array]:
    """Return `count` arrays of held-out logits (n, k); `judge(train, held)` gives one fold's, each (m, k)."""
    logits = [np.zeros((len(task.codes), task.k)) for _ in range(count)]
    for train, held in task.folds or ():
        for where, found in zip(logits, judge(train, held), strict=True):
            where[held] = found
    return logits

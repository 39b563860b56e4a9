"""Photos with several labels: one calibrated logistic classifier a label, all solved together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from penult.arrays import Array, check_blocks, default_errors
from penult.errors import InputError
from penult.heads import calibration
from penult.heads.contexts import threads
from penult.heads.label_folds import check_label_matrix, label_folds
from penult.heads.label_search import LabelSearch, LabelTask
from penult.heads.linear import Grid
from penult.heads.scoring import HeadState, Scorer, two_sided
from penult.heads.spaces import linear_spaces, whole_space
from penult.solver import on_disk


@dataclass(frozen=True)
class Calibrated:
    """What turns the logits of one label into its probability: p = clip(sigmoid(z / temperature + offset), floor)."""

    C: float
    temperature: float = 1.0
    offset: float = 0.0
    floor: float = 0.0

    def proba(self, z: Array) -> Array:
        """Return the probabilities (n,) of logits (n,)."""
        with np.errstate(over="ignore"):
            p = 1 / (1 + np.exp(-(z / self.temperature + self.offset)))
        return np.asarray(np.clip(p, self.floor, 1 - self.floor))


@dataclass(eq=False, repr=False, kw_only=True)
class MultiLabelHead(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Fit one L2-penalised logistic regression a label, on the same features; each label's C is chosen by folds.

    Parameters
    ----------
    C : float, sequence of float or None
        None chooses it for each label by cross-validated log loss; of several numbers the best is chosen, one is kept.
    scaling, blocks
        See `penult.heads.scaling`.
    class_weight : None or "balanced"
        "balanced" weighs the photos with a label as much as those without: its probabilities are those that hold where half
        of the photos have the label.
    calibrate : bool
        Fit one temperature a label on held-out photos.
    clip : float, "auto" or None
        The smallest probability of a label and of its absence; "auto" chooses it.
    folds : int
        Inner folds, in which each label is spread evenly.
    random_state : int
        Draws the folds.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 8)).astype(np.float32)
    >>> Y = (X[:, :2] > 0).astype(np.float32)
    >>> head = MultiLabelHead(scaling="none").fit(X, Y)
    >>> head.predict_proba(X).shape
    (200, 2)
    >>> bool((head.predict(X) == Y).mean() > 0.95)
    True
    """

    C: float | Sequence[float] | None = None
    scaling: str = "unit"
    blocks: tuple[int, ...] | None = None
    class_weight: Any = None
    calibrate: bool = True
    clip: float | str | None = "auto"
    folds: int = 5
    random_state: int = 0

    @default_errors
    def fit(self, X: Any, Y: Any, groups: Any = None, sample_weight: Any = None) -> Self:
        """Choose C, temperature and floor of each label by inner folds, and fit all rows.

        X (n, d); Y (n, L) of 0, 1 and NaN, where it is not known whether the photo has the label: it is then left out for that
        label. groups (n,): rows of one group are kept on one side of every inner fold. sample_weight (n,), not negative. A
        label that all photos have, or none, is answered by its share. Raises InputError for what does not fit together.
        """
        task = self._checked_task(X, Y, groups, sample_weight, None)
        with threads(task.X):
            search, grids = self._search(task)
            self._keep(task, search, [self._choose(search, grids, label) for label in range(task.k)])
        return self

    @default_errors
    def cross_fit(self, X: Any, Y: Any, fold: Array, sample_weight: Any = None) -> tuple[Array, list[dict[str, Any]]]:
        """Return probabilities (n, L) of each row by a model that did not see its fold, and the settings of each fold's model.

        `fold` (n,), -1 for rows that are in every training part and not answered (NaN). Settings, temperature and floor of a
        fold are chosen by the held-out rows of the other folds (after Tsamardinos, Greasidou & Borboudakis 2018).
        `fit_searched` makes the model of all rows of the same search.
        """
        fold = np.asarray(fold)
        task = self._checked_task(X, Y, None, sample_weight, fold)
        proba, choices = np.full((len(fold), task.k), np.nan), []
        with threads(task.X):
            search, grids = self._search(task)
            for _, held in task.folds or ():
                others = np.flatnonzero((fold >= 0) & (fold != fold[held[0]]))
                chosen = [self._choose(search, grids, label, others) for label in range(task.k)]
                for label, one in enumerate(chosen):
                    proba[held, label] = one.proba(search.held[label][one.C][held])
                choices.append(_told(chosen))
        self._searched = task, search, grids
        return proba, choices

    @default_errors
    def fit_searched(self) -> Self:
        """Fit the rows of the last `cross_fit` as `fit` would with its folds as inner folds: nothing is searched again."""
        task, search, grids = self._searched
        del self._searched
        rows = np.sort(np.concatenate([held for _, held in task.folds or ()]))
        with threads(task.X):
            self._keep(task, search, [self._choose(search, grids, label, rows) for label in range(task.k)])
        return self

    def _search(self, task: LabelTask) -> tuple[LabelSearch, list[Grid]]:
        spaces = linear_spaces(task, self.scaling) if task.folds else []
        search = LabelSearch(task, spaces, lambda: whole_space(task, self.scaling, spaces))
        return search, search.search(self.C) if task.folds else [Grid(10.0, self.C) for _ in range(task.k)]

    def _choose(self, search: LabelSearch, grids: list[Grid], label: int, rows: Any = slice(None)) -> Calibrated:
        """Return the best C of a label by the held-out rows with these numbers, and its calibration."""
        task, grid = search.task, grids[label]
        weight, codes = task.weight[label, rows], task.targets[label, rows].astype(np.intp)
        known = weight > 0
        fixed = 0.0 if isinstance(self.clip, str) else float(self.clip or 0)
        if task.folds is None or len(np.unique(codes[known])) < 2:  # nothing was held out that could tell
            floor = calibration.default_floor(max(int(known.sum()), 1), 2) if self.clip == "auto" else fixed
            return Calibrated(grid.best() if grid.losses else grid.default, floor=floor)
        tried = sorted(grid.losses)
        C = tried[grid.pick(np.array([search.loss(label, c, rows) for c in tried]))]
        z, codes, weight = search.held[label][C][rows][known], codes[known], weight[known]
        temperature, offset, logits = 1.0, 0.0, two_sided(z[:, None])
        if self.calibrate:
            temperature = calibration.temperature(logits, codes, weight, False)
            prior = np.log(np.bincount(codes, weight / weight.mean(), 2) + 1)
            believed = calibration.evidence(logits / temperature, codes, weight, prior)
            temperature /= believed
            offset = float((1 - believed) * (prior[1] - prior[0]))
        one = Calibrated(C, temperature, offset, fixed)
        if self.clip == "auto":
            p = one.proba(z)
            one = Calibrated(C, temperature, offset, calibration.best_floor(np.column_stack([1 - p, p]), codes, weight))
        return one

    def _keep(self, task: LabelTask, search: LabelSearch, chosen: list[Calibrated]) -> None:
        """Fit the chosen settings to all rows and set the fitted attributes."""
        state = search.refit(np.array([one.C for one in chosen]))
        temperature, offset, floor = (np.array([getattr(one, name) for one in chosen]) for name in _CALIBRATION)
        arrays = {
            **state.arrays,
            "weights": (state.arrays["weights"] / temperature[:, None]).astype(np.float32),
            "intercepts": state.arrays["intercepts"] / temperature + offset,
            "floors": floor,
        }
        facts = {
            "head": "multilabel", "scaling": self.scaling, "blocks": list(task.blocks), "classes": task.k, "temperature": 1.0,
            "clip": 0.0,
        }  # fmt: skip
        self._scorer = Scorer(HeadState("labels", arrays, facts))
        self.choice_ = {"head": "multilabel", "scaling": self.scaling, "folds": len(task.folds or ()), "labels": _told(chosen)}
        self.cv_proba_ = None
        if task.folds:
            self.cv_proba_ = np.column_stack([one.proba(search.held[i][one.C]) for i, one in enumerate(chosen)])
            outside = np.ones(len(task.codes), bool)
            outside[np.concatenate([held for _, held in task.folds])] = False
            self.cv_proba_[outside] = np.nan

    def _checked_task(self, X: Any, Y: Any, groups: Any, sample_weight: Any, fold: Array | None) -> LabelTask:
        """Return the rows to learn from; sets `classes_`. Raises InputError as `fit`."""
        if not isinstance(X, np.ndarray) and on_disk(X):
            X = np.asarray(X[: X.shape[0]], np.float32 if X.dtype == np.float16 else None)
        X = validate_data(self, X, dtype=(np.float64, np.float32), ensure_min_samples=2)
        Y = check_label_matrix(Y, len(X))
        calibration.check_clip(self.clip, 2)
        known, target = np.isfinite(Y), np.nan_to_num(Y)
        weight = _row_weights(sample_weight, len(X))[:, None] * known  # (n, L)
        if self.class_weight is not None:
            weight = weight * _balance(self.class_weight, weight, target)
        folds = self._inner_folds(Y, groups) if fold is None else _given(fold)
        self.classes_ = np.arange(Y.shape[1])
        n, k = Y.shape
        return LabelTask(
            X, np.zeros(n, np.intp), k, np.ones(n), np.ones(k), folds, check_blocks(X.shape[1], self.blocks),
            self.random_state, targets=np.ascontiguousarray(target.T), weight=np.ascontiguousarray(weight.T),
        )  # fmt: skip

    def _inner_folds(self, Y: Array, groups: Any) -> Any:
        if groups is not None and len(groups) != len(Y):
            raise InputError(f"groups has {len(groups)} entries and X has {len(Y)} rows; give one group per row")
        if len(Y if groups is None else np.unique(groups)) < 2 * self.folds:
            return None
        return _given(label_folds(Y, groups, self.folds, self.random_state))

    def _checked(self, X: Any) -> Any:
        check_is_fitted(self)
        return np.asarray(validate_data(self, X, dtype=(np.float64, np.float32), reset=False))

    @default_errors
    def predict_proba(self, X: Any) -> Array:
        """Return calibrated probabilities (n, L) of each label by itself: a row does not add up to 1."""
        X = self._checked(X)
        return np.asarray(self._scorer(X))

    @default_errors
    def decision_function(self, X: Any) -> Array:
        """Return calibrated logits (n, L)."""
        X = self._checked(X)
        return np.asarray(self._scorer.logits(X))

    @default_errors
    def predict(self, X: Any) -> Array:
        """Return which labels are more probable than not, (n, L) of 0 and 1; see `evaluate.thresholds` for better limits."""
        return (self.decision_function(X) > 0).astype(np.intp)

    def scorer(self) -> Scorer:
        """Return what scores rows X (n, d): `raw(X)` gives logits, calling it gives probabilities, (n, L)."""
        check_is_fitted(self)
        return self._scorer

    def to_arrays(self) -> HeadState:
        """Return all that scoring needs, as arrays and plain facts for `heads.scorer`."""
        check_is_fitted(self)
        return self._scorer.state

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_scorer")


_CALIBRATION = ("temperature", "offset", "floor")


def _told(chosen: list[Calibrated]) -> dict[str, Any]:
    """Return the settings of the labels as plain lists."""
    return {name: [getattr(one, name) for one in chosen] for name in ("C", "temperature", "floor")}


def _given(fold: Array) -> tuple[tuple[Array, Array], ...]:
    return tuple((np.flatnonzero(fold != part), np.flatnonzero(fold == part)) for part in np.unique(fold[fold >= 0]))


def _row_weights(given: Any, n: int) -> Array:
    """Return sample weights (n,) of mean 1. Raises InputError for what is none."""
    if given is None:
        return np.ones(n)
    weight = np.asarray(given, np.float64)
    if weight.shape != (n,) or not np.isfinite(weight).all() or (weight < 0).any() or not weight.any():
        raise InputError(f"sample_weight has the shape {weight.shape}; give {n} numbers, none below 0 and not all 0.")
    return np.asarray(weight / weight.mean())


def _balance(wanted: Any, weight: Array, target: Array) -> Array:
    """Return factors (n, L) by which photos with and without a label weigh the same."""
    if not (isinstance(wanted, str) and wanted == "balanced"):
        raise InputError(f"class_weight is {wanted!r}; for several labels a photo give None or 'balanced'")
    ones, every = (weight * target).sum(axis=0), weight.sum(axis=0)
    both = (ones > 0) & (ones < every)
    ones, zeros = np.where(both, ones, 1), np.where(both, every - ones, 1)
    return np.asarray(np.where(both, np.where(target > 0, every / 2 / ones, every / 2 / zeros), 1.0))

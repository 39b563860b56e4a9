"""Photos with several labels: one calibrated logistic classifier a label, all solved together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import validate_data

from penult.arrays import Array, check_blocks, default_errors
from penult.errors import InputError
from penult.heads import calibration
from penult.heads.contexts import threads
from penult.heads.label_calibration import LabelSettings, label_floor, platt
from penult.heads.label_folds import check_label_matrix, label_folds
from penult.heads.label_search import DEFAULT, LabelSearch, LabelTask
from penult.heads.scoring import HeadState, Scorer
from penult.heads.scoring_mixin import ScoringMixin, in_memory
from penult.heads.spaces import linear_spaces, whole_space
from penult.heads.task import Folds, folds_of, row_groups
from penult.heads.weights import row_weights
from penult.i18n import _


@dataclass(eq=False, repr=False, kw_only=True)
class MultiLabelHead(ScoringMixin, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
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
        Fit one slope and offset a label on held-out photos (Platt scaling).
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
    def fit(self, X: Any, y: Any, groups: Any = None, sample_weight: Any = None) -> Self:
        """Choose C, calibration and floor of each label by inner folds, and fit all rows.

        X (n, d); y (n, L) of 0, 1 and NaN, where it is not known whether the photo has the label: it is then left out for that
        label. groups (n,): rows of one group are kept on one side of every inner fold. sample_weight (n,), from 0 on: how many
        rows each row counts for; those of weight 0 are left out, of `cv_proba_` too. A label that all photos have, or none, is
        answered by its share. Raises InputError for what does not fit together.
        """
        task = self._checked_task(X, y, groups, sample_weight, None)
        with threads(task.X):
            search = self._search(task)
            self._keep(search, self._choose(search))
        return self

    @default_errors
    def cross_fit(self, X: Any, Y: Any, fold: Array, sample_weight: Any = None) -> tuple[Array, list[dict[str, Any]]]:
        """Return probabilities (n, L) of each row by a model that did not see its fold, and the settings of each fold's model.

        `fold` (n,), -1 for rows that are in every training part and not answered (NaN). C, calibration and floor of a
        fold are chosen by the held-out rows of the other folds (after Tsamardinos, Greasidou & Borboudakis 2018). Rows of
        sample weight 0 are learnt by no model and answered like all others.
        `fit_searched` makes the model of all rows of the same search.
        """
        fold = np.asarray(fold)
        task = self._checked_task(X, Y, None, sample_weight, fold)
        proba, choices = np.full((len(fold), task.k), np.nan), []
        with threads(task.X):
            search = self._search(task)
            for _, held in task.folds or ():
                chosen = self._choose(search, np.flatnonzero((fold >= 0) & (fold != fold[held[0]])))
                for label, one in enumerate(chosen):
                    proba[held, label] = one.proba(search.held[label][one.C][held])
                choices.append(_told(chosen))
        self._searched = search
        return proba, choices

    @default_errors
    def fit_searched(self) -> Self:
        """Fit the rows of the last `cross_fit` as `fit` would with its folds as inner folds: nothing is searched again."""
        search = self._searched
        del self._searched
        rows = np.sort(np.concatenate([held for _, held in search.task.folds or ()]))
        with threads(search.task.X):
            self._keep(search, self._choose(search, rows))
        return self

    def _search(self, task: LabelTask) -> LabelSearch:
        spaces = linear_spaces(task, self.scaling) if task.folds else []
        search = LabelSearch(task, spaces, lambda: whole_space(task, self.scaling, spaces))
        if task.folds:
            search.search(self.C)
        return search

    def _choose(self, search: LabelSearch, rows: Array | None = None) -> list[LabelSettings]:
        """Return the best C of each label by held-out rows (all when None), and its calibration."""
        task = search.task
        here = np.arange(len(task.codes)) if rows is None else rows
        ones, zeros = task.ones[:, here], task.zeros[:, here]
        fixed = 0.0 if isinstance(self.clip, str) else float(self.clip or 0)
        if not task.folds:  # nothing was held out
            single = DEFAULT if self.C is None else float(np.median(np.atleast_1d(np.asarray(self.C, float))))
            known = np.maximum(((ones > 0) | (zeros > 0)) @ task.row_weight[here], 1)
            floors = [calibration.default_floor(int(n), 2) if self.clip == "auto" else fixed for n in known]
            return [LabelSettings(single, floor=floor) for floor in floors]
        C = search.best(rows)
        z = np.stack([search.held[label][c][here] for label, c in enumerate(C)])  # (k, n)
        slope, offset = platt(z, ones, zeros)[:2] if self.calibrate else (np.ones(task.k), np.zeros(task.k))
        chosen = []
        for label, c in enumerate(C):
            one = LabelSettings(c, float(slope[label]), float(offset[label]), fixed)
            floor = label_floor(one.proba(z[label]), ones[label], zeros[label]) if self.clip == "auto" else fixed
            chosen.append(replace(one, floor=floor))
        return chosen

    def _keep(self, search: LabelSearch, chosen: list[LabelSettings]) -> None:
        """Fit the chosen settings to all rows and set the fitted attributes."""
        task, state = search.task, search.refit(np.array([one.C for one in chosen]))
        slope, offset, floor = (np.array([getattr(one, name) for one in chosen]) for name in ("slope", "offset", "floor"))
        arrays = {
            **state.arrays,
            "weights": (state.arrays["weights"] * slope[:, None]).astype(np.float32),
            "intercepts": state.arrays["intercepts"] * slope + offset,
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
        X = validate_data(self, in_memory(X), dtype=(np.float64, np.float32), ensure_min_samples=2)
        Y = check_label_matrix(Y, len(X))
        calibration.check_clip(self.clip, 2)
        given = row_weights(sample_weight, len(X))
        groups = row_groups(groups, len(X))
        if fold is None and given is not None and not given.all():
            kept = given > 0
            X, Y, given, groups = X[kept], Y[kept], given[kept], None if groups is None else groups[kept]
        n, k = Y.shape
        known, target = np.isfinite(Y), np.nan_to_num(Y)
        weight = (np.ones(n) if given is None else given)[:, None] * known  # (n, L)
        if self.class_weight is not None:
            weight = weight * _balance(self.class_weight, weight, target)
        folds = self._inner_folds(Y, groups, given) if fold is None else folds_of(fold)
        self.classes_ = np.arange(k)
        return LabelTask(
            X, np.zeros(n, np.intp), k, np.ones(n), np.ones(k), folds, check_blocks(X.shape[1], self.blocks),
            self.random_state, ones=np.ascontiguousarray((weight * target).T),
            zeros=np.ascontiguousarray((weight * (1 - target)).T), given_weight=given,
        )  # fmt: skip

    def _inner_folds(self, Y: Array, groups: Array | None, weight: Array | None) -> Folds | None:
        if len(Y if groups is None else np.unique(groups)) < 2 * self.folds:
            return None
        return folds_of(label_folds(Y, groups, self.folds, self.random_state, weight))

    @default_errors
    def decision_function(self, X: Any) -> Array:
        """Return calibrated logits (n, L)."""
        X = self._checked(X)
        return np.asarray(self._scorer.logits(X))

    @default_errors
    def predict(self, X: Any) -> Array:
        """Return which labels are more probable than not, (n, L) of 0 and 1; see `evaluate.thresholds` for better limits."""
        return (self.decision_function(X) > 0).astype(np.intp)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label, tags.classifier_tags.multi_class = True, False
        tags.target_tags.single_output, tags.target_tags.multi_output = False, True
        return tags


def _told(chosen: list[LabelSettings]) -> dict[str, Any]:
    """Return the settings of the labels as plain lists."""
    return {name: [getattr(one, name) for one in chosen] for name in ("C", "slope", "offset", "floor")}


def _balance(wanted: Any, weight: Array, target: Array) -> Array:
    """Return factors (n, L) by which photos with and without a label weigh the same."""
    if not (isinstance(wanted, str) and wanted == "balanced"):
        raise InputError(_("class_weight is {wanted!r}; give None or 'balanced' for several labels a photo", wanted=wanted))
    ones, every = (weight * target).sum(axis=0), weight.sum(axis=0)
    both = (ones > 0) & (ones < every)
    ones, zeros = np.where(both, ones, 1), np.where(both, every - ones, 1)
    return np.asarray(np.where(both, np.where(target > 0, every / 2 / ones, every / 2 / zeros), 1.0))

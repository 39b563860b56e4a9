"""The base of all heads: scikit-learn's contract, the choice among candidates by inner folds, calibration, prediction.

A method itself (see `penult.heads.methods`) only searches: it offers candidates with the logits that each gave to held-out
rows, and refits the one that is chosen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from penult.arrays import Array, check_blocks, default_errors
from penult.errors import InputError
from penult.heads import calibration
from penult.heads.choice import Chosen, Search, choose, path_of
from penult.heads.contexts import many_classes, threads
from penult.heads.sampling import streams
from penult.heads.scoring import HeadState, Scorer
from penult.heads.scoring_mixin import ScoringMixin, in_memory
from penult.heads.streamed_task import checked_labels, numbered, open_stream
from penult.heads.task import Task, folds_of, inner_folds, row_groups
from penult.heads.weights import check_each_has_weight, check_weighs_rows, class_weights, plain_weights, row_weights
from penult.i18n import _


@dataclass(eq=False, repr=False, kw_only=True)
class Head(ScoringMixin, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Base of the heads, and the parameters that all have; a head is a dataclass that adds its own and `search`.

    `scaling` of the features, block by block: see `penult.heads.scaling`. `blocks`: widths of the runs of columns that are
    scaled separately, one when None. `class_weight`: None, "balanced" or a dict. `calibrate`: fit a temperature. `clip`: the
    floor of probabilities, "auto" to choose it. `folds`: inner folds. `memory`: bytes that fitting may take, None for what
    X needs. All are kept as they are given, as scikit-learn asks.
    """

    name: ClassVar[str]
    has_intercepts: ClassVar[bool] = True  # the fitted state has one a class, or one margin's
    streams: ClassVar[bool] = False  # learns rows that do not fit in memory
    weighs_rows: ClassVar[bool] = True  # a sample weight of 2 is as good as a second such row
    scale_free: ClassVar[bool] = False  # logits have no scale of their own: each candidate is judged at its best temperature

    scaling: str = "unit"
    blocks: tuple[int, ...] | None = None
    class_weight: Any = None
    calibrate: bool = True
    clip: float | str | None = "auto"
    folds: int = 5
    random_state: int = 0
    memory: int | None = None

    def search(self, task: Task) -> Search:
        """Return what the method finds on the rows of the task: all that a head must define, unless it fits by itself."""
        raise NotImplementedError

    @default_errors
    def fit(self, X: Any, y: Any, groups: Any = None, sample_weight: Any = None) -> Self:
        """Choose settings by inner folds, calibrate on the held-out rows, and fit all rows.

        X (n, d), y (n,) strings or integers, groups (n,): rows of one group are kept on one side of every inner fold. With
        fewer than two members (or groups) in a class there is nothing to hold out: the head keeps its default settings,
        temperature 1, and the floor that n right answers would give. Raises InputError for blocks that do not add up, one
        class, a clip or class weights that do not fit.

        X may be more than `memory` holds: an array, a memory map, or what has `shape`, `dtype`, `chunks` and slices of rows,
        such as an h5py data set (None: 1 GiB). A sample of the rows is then held out and chooses, `cv_proba_` is of it alone,
        and all rows are learnt. Raises InputError where the head cannot do that, or the memory is too little for a sample.

        Where classes have weights, everything is chosen with them: "balanced" gives the probabilities that hold where all
        classes are equally frequent.

        `sample_weight` (n,), numbers from 0 on: how many rows each row counts for, in all of this. The result is that of
        rows that are repeated so often and kept in one group; those of weight 0 are left out, of `cv_proba_` too. "balanced"
        then makes the weights of classes equal. Raises InputError for heads and classifiers that cannot do that, and for
        rows that do not fit in memory.
        """
        task = self.checked_task(X, y, groups, sample_weight=sample_weight)
        with threads(task.source):
            search = self.search(task)
            chosen = choose(search, task, self)
            self.keep(task, search, chosen)
        return self

    @default_errors
    def cross_fit(
        self,
        X: Any,
        y: Any,
        fold: Array,
        rows: Array | None = None,
        held: Array | None = None,
        sample_weight: Any = None,
    ) -> tuple[Array, list[dict[str, Any]]]:
        """Return probabilities (m, k) of each row by a model that did not see its fold, and the settings of each fold's model.

        `fold` (m,) is the fold of each of `rows` (m,), ascending numbers, all when None; -1 where it is in none: in every
        training part as all other rows are, and NaN in the answer. Where X does not fit in memory and no rows are named, a
        sample of them is held out (`heads.sample_rows`), and the others are NaN. `held` (n,): the folds of rows outside
        `rows`, -1 for none: copies, which no model that judges the original may learn, and which are not answered.

        One model a fold is fitted for each setting that is tried; settings, temperature and floor of a fold are chosen by the
        held-out rows of the other folds, never by how a row itself is answered (after Tsamardinos, Greasidou &
        Borboudakis 2018, Machine Learning 107). `fit_searched` makes the model of all rows of the same search.

        `sample_weight` (n,) as in `fit`; rows of weight 0 are learnt by no model and answered like all others.
        """
        task = self.checked_task(X, y, None, rows, sample_weight, drop=False)
        if task.stream is None and rows is not None:
            own, fold = fold, np.full(len(task.codes), -1) if held is None else held.astype(np.intp)
            fold[rows] = own
        elif task.stream is not None and rows is None:
            fold = fold[task.stream.rows]
        parts = np.unique(fold[fold >= 0])
        if task.stream is not None and held is not None:
            task = replace(task, stream=replace(task.stream, held=numbered(held, parts)))
        task = replace(task, folds=folds_of(fold))
        check_each_has_weight(task.given_weight, task.codes, task.folds, self.classes_)
        search, proba, choices = self._by_folds(task)
        self._searched = task, search
        if task.stream is None:
            return proba if rows is None else proba[rows], choices
        if rows is not None:
            return proba, choices
        every = np.full((len(y), task.k), np.nan)
        every[task.stream.rows] = proba
        return every, choices

    @default_errors
    def cross_fit_again(self, left_out: Array, **settings: Any) -> Array:
        """Return probabilities (n, k) as the last `cross_fit` did, by models that do not learn `left_out` rows (n,) either.

        `settings` are parameters of the head that differ from then, such as a C that was chosen. Nothing else is chosen by
        these rows, and what was computed of all rows for the first search serves this one, too.
        """
        task = self._searched[0]
        task = replace(task, sample_weight=np.where(left_out, 0, task.sample_weight))
        head: Head = clone(self).set_params(**settings)
        return head._by_folds(task)[1]

    def _by_folds(self, task: Task) -> tuple[Search, Array, list[dict[str, Any]]]:
        """Return a search, and of each fold's rows the probabilities (n, k) and the settings that the other folds choose."""
        proba, choices, learnt = np.full((len(task.codes), task.k), np.nan), [], task.sample_weight > 0
        outside = np.ones(len(task.codes), bool)  # rows that no fold holds out
        for _other, held in task.folds or ():
            outside[held] = False
        with threads(task.source):
            search = self.search(task)
            for train, held in task.folds or ():
                chosen = choose(search, task, self, train[learnt[train] & ~outside[train]])
                assert chosen.proba is not None  # noqa: S101 - for the type checker: there are folds
                proba[held] = chosen.proba[held]
                told = {"temperature": chosen.temperature, "clip": chosen.floor}
                choices.append({"head": type(self).name, **search.candidates[chosen.index], **told})
        return search, proba, choices

    def coordinates(self, X: Array) -> tuple[Head, Array] | None:
        """Return a head and the rows X (n, d) of the last `cross_fit` as its search saw them, (n, q): in leading directions.

        Fewer numbers a row than the features have; None where the search saw those, or was one of other rows.
        """
        task = self._searched[0] if self.searched else None
        if task is None or task.stream is not None or task.X.shape != X.shape or not np.may_share_memory(task.X, X):
            return None
        spaces = task.spaces.get(self.scaling, [])
        if len(spaces) != 1 or not spaces[0].partial:
            return None
        return clone(self).set_params(scaling="none", blocks=None), spaces[0].X.dense(slice(None))

    @default_errors
    def fit_searched(self) -> Self:
        """Fit the rows of the last `cross_fit` as `fit` would with its folds as inner folds: nothing is searched again."""
        task, search = self._searched
        del self._searched
        rows = np.sort(np.concatenate([held for _, held in task.folds or ()]))
        with threads(task.source):
            chosen = choose(search, task, self, None if len(rows) == len(task.codes) else rows)
            self.keep(task, search, chosen)
        return self

    def checked_task(
        self, X: Any, y: Any, groups: Any, rows: Array | None = None, sample_weight: Any = None, drop: bool = True
    ) -> Task:
        """Return the rows to learn from, without those of weight 0 (`drop`); sets `classes_`. Raises InputError as `fit`.

        Where X does not fit in memory it is a sample, `rows` (m,) of them, with the stream of all rows behind it.
        """
        if sample_weight is not None:
            check_weighs_rows(self, X)
        if streams(X, self.memory):
            return self._streamed_task(X, y, groups, rows)
        X, y = validate_data(self, in_memory(X), y, dtype=(np.float64, np.float32), ensure_min_samples=2)
        with many_classes():
            check_classification_targets(y)
        blocks = check_blocks(X.shape[1], self.blocks)
        given = row_weights(sample_weight, len(y))
        groups = row_groups(groups, len(y))
        if drop and given is not None and not given.all():
            kept = given > 0
            X, y, given, groups = X[kept], y[kept], given[kept], None if groups is None else groups[kept]
        self.classes_, codes = np.unique(y, return_inverse=True)
        k = self._checked_classes(codes)
        weights = class_weights(self.class_weight, self.classes_, codes, given)
        folds = inner_folds(codes, groups, self.folds, self.random_state, given)
        of_rows = weights[codes]
        of_rows = of_rows / of_rows.mean() if given is None else given * (of_rows / np.average(of_rows, weights=given))
        return Task(X, codes, k, of_rows, weights, folds, blocks, self.random_state, given_weight=given)

    def _checked_classes(self, codes: Array) -> int:
        """Return the number of classes. Raises InputError for one, and for a clip that does not fit."""
        k = len(self.classes_)
        if k < 2:
            raise InputError(
                _(
                    "all {n} rows are of one class, {name!r}; add rows of another: a classifier needs at least two classes",
                    n=len(codes),
                    name=self.classes_.tolist()[0],
                )
            )
        calibration.check_clip(self.clip, k)
        return k

    def _streamed_task(self, X: Any, y: Any, groups: Any, rows: Array | None) -> Task:
        """Return the sample of rows that do not fit in memory, and the stream of all of them."""
        if not self.streams:
            raise InputError(
                _(
                    "the head {name} learns in memory, and {rows:,} rows of {columns:,} numbers do not fit; use "
                    "blend, logistic or lda, allow more memory, or give it a sample of the rows.",
                    name=type(self).name,
                    rows=X.shape[0],
                    columns=X.shape[1],
                )
            )
        self.classes_, every = checked_labels(X, y)
        check_classification_targets(self.classes_)
        k, self.n_features_in_, blocks = self._checked_classes(every), X.shape[1], check_blocks(X.shape[1], self.blocks)
        weights = class_weights(self.class_weight, self.classes_, every)
        stream, own = open_stream(X, every, k, self, blocks, rows, groups)
        codes = every[stream.rows].astype(np.intp)
        folds = inner_folds(codes, None if groups is None else np.asarray(groups)[stream.rows], self.folds, self.random_state)
        of_rows = (weights * (stream.counts.sum() / (stream.counts @ weights)))[codes]
        return Task(own, codes, k, of_rows, weights, folds, blocks, self.random_state, stream=stream)

    def keep(self, task: Task, search: Search, chosen: Chosen) -> None:
        """Fit the chosen candidate to all rows and set the fitted attributes."""
        state = search.refit(chosen.index)
        facts = {
            "head": type(self).name,
            "scaling": self.scaling,
            "blocks": list(task.blocks),
            "classes": task.k,
            "temperature": chosen.temperature,
            "clip": chosen.floor,
            **state.facts,
        }
        arrays = dict(state.arrays)
        if "intercepts" in arrays:
            one = len(arrays["intercepts"]) == 1  # margin of two classes
            arrays["intercepts"] = arrays["intercepts"] + (chosen.offset[1:] - chosen.offset[:1] if one else chosen.offset)
        self._scorer: Any = Scorer(HeadState(state.kind, arrays, facts))
        self.choice_ = {
            "head": type(self).name,
            **search.candidates[chosen.index],
            "scaling": facts["scaling"],
            **({} if self.class_weight is None else {"class_weight": plain_weights(self.class_weight)}),
            "temperature": chosen.temperature,
            "clip": chosen.floor,
            "folds": len(task.folds or ()),
        }
        self.cv_proba_, self.cv_log_loss_ = chosen.proba, chosen.log_loss
        self.path_ = path_of(search, task)
        self.history_: dict[str, list[float]] | None = None

    @default_errors
    def decision_function(self, X: Any) -> Array:
        """Return calibrated logits: (n, k), or for two classes the logit of the second, (n,)."""
        X = self._checked(X)
        logits = self._scorer.logits(X)
        return np.asarray(logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits)

    @default_errors
    def predict(self, X: Any) -> Array:
        """Return the likeliest class of each row, (n,)."""
        X = self._checked(X)
        return np.asarray(self.classes_[self._scorer.logits(X).argmax(axis=1)])

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy on the rows X with classes y, each counted `sample_weight` times."""
        with many_classes():
            return float(super().score(X, y, sample_weight))

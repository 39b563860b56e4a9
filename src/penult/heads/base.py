"""What all heads share: the scikit-learn contract, inner folds, calibration, and prediction through
`scorers`.

In: X (n, d), y (n,), groups (n,). Out: a fitted classifier that knows how sure it is. A head itself only searches: it offers
candidates with the logits that each gave to held-out rows, and refits the one that is chosen.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import ThreadpoolController

from penult.arrays import Array
from penult.errors import InputError
from penult.floats import default_errors
from penult.heads import calibration, folds, scaling
from penult.heads.choice import Chosen, Search, choose
from penult.heads.scorers import Scorer
from penult.heads.state import HeadState
from penult.heads.task import Task, class_weights, plain_weights

SMALL = 10_000_000  # numbers in X up to which one thread is enough


class Head(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Base of the heads. `scale_free`: the head's logits have no scale of their own (margins, distances).

    Every candidate of a scale-free head is judged at its own best temperature, all others at temperature 1.
    """

    scale_free = False

    def _search(self, task: Task) -> Search:
        raise NotImplementedError

    @default_errors
    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Choose settings by inner folds, calibrate on the held-out rows, and fit all rows.

        X (n, d), y (n,) strings or integers, groups (n,): rows of one group are kept on one side of every
        inner fold. With fewer than two members (or groups) in a class there is nothing to hold out: the head
        keeps its default settings, temperature 1, and the clip that n right answers would give. Raises
        InputError for blocks that do not add up, one class, a clip or class weights that do not fit.

        Where classes have weights, everything is chosen with them: "balanced" gives the probabilities that hold where all
        classes are equally frequent.
        """
        task = self._task(X, y, groups)
        with threads(task.X):
            search = self._search(task)
            chosen = choose(search, task, self)
            self._keep(task, search, chosen)
        return self

    def _task(self, X: Any, y: Any, groups: Any) -> Task:
        X, y = validate_data(self, X, y, dtype=(np.float64, np.float32), ensure_min_samples=2)
        with many_classes():
            check_classification_targets(y)
        blocks = scaling.check_blocks(X.shape[1], self.blocks)
        self.classes_, codes = np.unique(y, return_inverse=True)
        k = len(self.classes_)
        if k < 2:
            raise InputError(
                f"all {len(y)} rows are of one class, {self.classes_.tolist()[0]!r}; "
                "add rows of another: a classifier needs at least two classes"
            )
        if groups is not None:
            groups = np.asarray(groups)
            if groups.shape != codes.shape:
                raise InputError(f"groups has shape {groups.shape} and X has {len(codes)} rows; give one group per row")
        calibration.check_clip(self.clip, k)
        votes = class_weights(self.class_weight, self.classes_, codes)
        dealt = folds.split(codes, groups, self.folds, self.random_state)
        weight = votes[codes]
        return Task(X, codes, k, weight / weight.mean(), votes, dealt, blocks, self.random_state)

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
            **({} if self.class_weight is None else {"class_weight": plain_weights(self.class_weight)}),
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

    @default_errors
    def predict_proba(self, X: Any) -> Array:
        """Return calibrated, clipped probabilities (n, k), columns in the order of `classes_`."""
        X = self._checked(X)
        return np.asarray(self._scorer(X))

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
        """Return the share of the rows X that get their class y, each counted `sample_weight` times."""
        with many_classes():
            return float(super().score(X, y, sample_weight))

    def scorer(self) -> Any:
        """Return what scores rows X (n, d): `raw(X)` gives the head's own logits, calling it gives probabilities, (n, k)."""
        check_is_fitted(self)
        return self._scorer

    def to_arrays(self) -> HeadState:
        """Return all that scoring needs, as arrays and plain facts for `scorers.scorer`."""
        check_is_fitted(self)
        state: HeadState = self._scorer.state
        return state

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_scorer")


@contextmanager
def threads(X: Array) -> Iterator[None]:
    """Keep BLAS to one thread while X is small, and its false alarms to itself.

    Small products gain little from more, and where another process holds a core, each one waits for it: 0.09
    s became 1.1 s.
    """
    with np.errstate(invalid="ignore"):  # BLAS reads beside small matrices: what lies there, not they, can raise the flag
        if X.size > SMALL:
            yield
            return
        with _controller().limit(limits=1, user_api="blas"):
            yield


@contextmanager
def many_classes() -> Iterator[None]:
    """Keep back scikit-learn's doubt whether classes of one or two rows are classes at all: here they are."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The number of unique classes is greater than 50%", UserWarning)
        yield


@cache
def _controller() -> Any:
    return ThreadpoolController()

"""Any scikit-learn classifier as a head, in memory: scaled, calibrated and clipped like any other; it cannot be saved."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import has_fit_parameter

from penult.arrays import Array
from penult.errors import InputError
from penult.heads import calibration, scaling
from penult.heads.choice import Chosen, Search, held_out
from penult.heads.contexts import many_classes
from penult.heads.head import Head
from penult.heads.methods import head_names
from penult.heads.scoring import HeadState, two_sided
from penult.heads.task import Task
from penult.i18n import _


@dataclass(eq=False, repr=False)
class Wrapped(Head):
    """Use a clone of `estimator` for the logits: log probabilities where it has them, else its scores."""

    name = "wrapped"
    has_intercepts = False

    estimator: Any
    scaling: str = field(default="none", kw_only=True)

    @property
    def scale_free(self) -> bool:  # type: ignore[override]
        """Return whether the estimator gives scores without a scale."""
        return not hasattr(self.estimator, "predict_proba")

    def search(self, task: Task) -> Search:
        """Return the one candidate. Raises InputError for an estimator that cannot do what is asked."""
        weighs = self.class_weight is not None or task.given_weight is not None
        if weighs and not has_fit_parameter(self.estimator, "sample_weight"):
            name = type(self.estimator).__name__
            if task.given_weight is None:
                raise InputError(
                    _(
                        "{name} takes no sample weights, so class_weight has no effect; leave them out, or wrap a classifier "
                        "whose fit has sample_weight",
                        name=name,
                    )
                )
            raise InputError(
                _(
                    "{name} takes no sample weights, so those that were given have no effect; leave them out, or wrap a "
                    "classifier whose fit has sample_weight",
                    name=name,
                )
            )
        if self.scale_free and not hasattr(self.estimator, "decision_function"):
            raise InputError(
                _(
                    "{type} has neither predict_proba nor decision_function; wrap a classifier that has one of them",
                    type=type(self.estimator).__name__,
                )
            )

        def judge(train: Array, held: Array) -> list[Array]:
            return [self._fit(task, train).raw(task.X[held])]

        def refit(_: int) -> HeadState:
            self._fitted_scorer = self._fit(task, np.arange(len(task.codes)))
            return HeadState("wrapped", {}, {})

        return Search([{"estimator": type(self.estimator).__name__}], held_out(task, judge, 1), refit)

    def _fit(self, task: Task, rows: Array) -> _EstimatorScorer:
        learnt = scaling.fit(self.scaling, task.X, task.blocks, rows, task.given_weight)
        X = scaling.apply(self.scaling, task.X[rows], task.blocks, learnt)
        weighs = self.class_weight is not None or task.given_weight is not None
        extra = {"sample_weight": task.sample_weight[rows]} if weighs else {}
        with many_classes():
            estimator = clone(self.estimator).fit(X, task.codes[rows], **extra)
        return _EstimatorScorer(estimator, self.scaling, task.blocks, learnt)

    def keep(self, task: Task, search: Search, chosen: Chosen) -> None:
        """Fit a clone to all rows; sets `estimator_` too."""
        super().keep(task, search, chosen)
        self.estimator_ = self._fitted_scorer.estimator
        self._scorer = replace(self._fitted_scorer, temperature=chosen.temperature, floor=chosen.floor)
        del self._fitted_scorer

    def to_arrays(self) -> HeadState:
        """Raise InputError: another library's estimator has no saved form."""
        savable = ", ".join(head_names())
        raise InputError(
            _(
                "a wrapped {type} works in memory and cannot be saved; to save a model, use one of penult's own "
                "heads: {savable}",
                type=type(self.estimator).__name__,
                savable=savable,
            )
        )


@dataclass(frozen=True)
class _EstimatorScorer:
    """A fitted estimator in the place of a scorer."""

    estimator: Any
    scaling: str
    blocks: tuple[int, ...]
    learnt: dict[str, Array]
    temperature: float = 1.0
    floor: float = 0.0

    def raw(self, X: Array) -> Array:
        """Return logits (n, k)."""
        X = scaling.apply(self.scaling, X, self.blocks, self.learnt)
        if hasattr(self.estimator, "predict_proba"):
            return np.log(np.maximum(np.asarray(self.estimator.predict_proba(X), np.float64), 1e-12))
        scores = np.asarray(self.estimator.decision_function(X), np.float64)
        return two_sided(scores.reshape(len(X), -1))

    def logits(self, X: Array) -> Array:
        """Return calibrated logits (n, k)."""
        return self.raw(X) / self.temperature

    def __call__(self, X: Array) -> Array:
        """Return calibrated, clipped probabilities (n, k)."""
        return calibration.probabilities(self.raw(X), self.temperature, self.floor)

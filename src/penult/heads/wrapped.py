"""Any scikit-learn classifier as a head, in memory.

In: an unfitted estimator. Out: a head that scales, calibrates and clips around it like any other, and cannot be saved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import has_fit_parameter

from penult import heads
from penult.arrays import Array
from penult.errors import InputError
from penult.heads import calibration, scaling
from penult.heads.base import Head, many_classes
from penult.heads.choice import Chosen, Search, held_out
from penult.heads.scorers import two_sided
from penult.heads.state import HeadState
from penult.heads.task import Task


class Wrapped(Head):
    """Use a clone of `estimator` for the logits: log probabilities where it has them, else its scores."""

    name = "wrapped"

    def __init__(
        self,
        estimator: Any,
        *,
        scaling: str = "none",
        blocks: tuple[int, ...] | None = None,
        class_weight: Any = None,
        calibrate: bool = True,
        clip: float | str | None = "auto",
        folds: int = 5,
        random_state: int = 0,
    ) -> None:
        self.estimator = estimator
        self.scaling = scaling
        self.blocks = blocks
        self.class_weight = class_weight
        self.calibrate = calibrate
        self.clip = clip
        self.folds = folds
        self.random_state = random_state

    @property
    def scale_free(self) -> bool:  # type: ignore[override]
        """Return whether the estimator gives scores without a scale."""
        return not hasattr(self.estimator, "predict_proba")

    def _search(self, task: Task) -> Search:
        if self.class_weight is not None and not has_fit_parameter(self.estimator, "sample_weight"):
            raise InputError(
                f"{type(self.estimator).__name__} takes no sample weights, so class_weight has no effect; "
                "leave it out, or wrap a classifier whose fit has sample_weight"
            )
        if self.scale_free and not hasattr(self.estimator, "decision_function"):
            raise InputError(
                f"{type(self.estimator).__name__} has neither predict_proba nor decision_function; "
                "wrap a classifier that has one of them"
            )

        def judge(train: Array, held: Array) -> list[Array]:
            return [self._fitted(task, train).raw(task.X[held])]

        def refit(_: int) -> HeadState:
            self._foreign = self._fitted(task, np.arange(len(task.codes)))
            return HeadState("wrapped", {}, {})

        return Search([{"estimator": type(self.estimator).__name__}], held_out(task, judge, 1), refit)

    def _fitted(self, task: Task, rows: Array) -> Foreign:
        learnt = scaling.fit(self.scaling, task.X[rows], task.blocks)
        X = scaling.apply(self.scaling, task.X[rows], task.blocks, learnt)
        extra = {} if self.class_weight is None else {"sample_weight": task.weight[rows]}
        with many_classes():
            estimator = clone(self.estimator).fit(X, task.codes[rows], **extra)
        return Foreign(estimator, self.scaling, task.blocks, learnt)

    def _keep(self, task: Task, search: Search, chosen: Chosen) -> None:
        super()._keep(task, search, chosen)
        self.estimator_ = self._foreign.estimator
        self._scorer = Foreign(**{**vars(self._foreign), "temperature": chosen.temperature, "clip": chosen.clip})
        del self._foreign

    def to_arrays(self) -> HeadState:
        """Raise InputError: a foreign estimator has no saved form."""
        savable = ", ".join(heads.names())
        raise InputError(
            f"a wrapped {type(self.estimator).__name__} works in memory and cannot be saved; "
            f"to save a model, use one of penult's own heads: {savable}"
        )


@dataclass(frozen=True)
class Foreign:
    """A fitted estimator in the place of a scorer."""

    estimator: Any
    scaling: str
    blocks: tuple[int, ...]
    learnt: dict[str, Array]
    temperature: float = 1.0
    clip: float = 0.0

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
        return calibration.probabilities(self.raw(X), self.temperature, self.clip)

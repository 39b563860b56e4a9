"""A sample of the photos that a model answers, by which it is told afterwards whether they are of another kind (drift)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from penult.bundle import Bundle, held_prior
from penult.heads import novelty

if TYPE_CHECKING:
    from penult.evaluate.drift import Drift

MOST = 1000  # photos


class DriftSample:
    """Up to 1,000 random photos of all that were answered: their features as the model keeps those of its training photos, and
    their probabilities.
    """

    def __init__(self, model: Bundle) -> None:
        self._model, self._old = model, held_prior(model)
        self._rng = np.random.default_rng(0)
        self._keys = np.zeros(0)
        self._rows = np.zeros((0, 0), np.int8)  # (m, q)
        self._proba = np.zeros((0, len(model.classes)))  # (m, k)
        self._novelty = None if model.novelty is None else novelty.reference(model.novelty.arrays, model.novelty.facts)

    def add(self, X: NDArray[np.float32], proba: NDArray[np.float64]) -> None:
        """Take features (n, d) and probabilities (n, k) that hold for the class shares of the model."""
        if self._model.reference is None or self._novelty is None or not len(X):
            return
        keys = self._rng.random(len(X))  # those with the smallest keys are a sample of all so far (Knuth's reservoir)
        level = np.partition(self._keys, MOST - 1)[MOST - 1] if len(self._keys) >= MOST else np.inf
        new = np.flatnonzero(keys < level)
        rows = self._novelty.kept_form(X[new])
        keys, proba = np.concatenate([self._keys, keys[new]]), np.concatenate([self._proba, proba[new]])
        rows = np.concatenate([self._rows, rows]) if len(self._rows) else rows
        kept = np.sort(np.argsort(keys, kind="stable")[:MOST])
        self._keys, self._rows, self._proba = keys[kept], rows[kept], proba[kept]

    def drift(self) -> Drift:
        """Return what the tests say of the photos so far."""
        from penult.evaluate import drift

        model = self._model
        if model.reference is None or self._novelty is None:
            return drift.not_tested(
                "Drift was not tested: this model was saved without what the test needs of its training photos; train again "
                "for it."
            )
        if not len(self._rows):
            return drift.not_tested("Drift was not tested: there are no photos that could be read.")
        old = self._old if model.task == "classes" else None
        return drift.measure_drift(model.reference, self._novelty.arrays["rows"], self._rows, self._proba, model.classes, old)

"""What all fitted heads have in common: their scorer answers rows, and is what is saved of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from penult.arrays import Array, default_errors
from penult.heads.scoring import HeadState, Scorer
from penult.solver import on_disk


class ScoringMixin:
    """Answers of a head by `_scorer`, which fitting sets."""

    _scorer: Scorer
    n_features_in_: int

    def _checked(self, X: Any) -> Any:
        """Return rows to answer: an array, or what gives slices of its rows as it is. Raises ValueError for others."""
        check_is_fitted(self)
        if not isinstance(X, np.ndarray) and on_disk(X) and X.shape[1:] == (self.n_features_in_,):
            return X
        return np.asarray(validate_data(self, X, dtype=(np.float64, np.float32), reset=False))

    @default_errors
    def predict_proba(self, X: Any) -> Array:
        """Return calibrated, clipped probabilities (n, k), columns in the order of `classes_`.

        Of several labels a photo each stands by itself: a row does not add up to 1.
        """
        X = self._checked(X)
        return np.asarray(self._scorer(X))

    def scorer(self) -> Scorer:
        """Return what scores rows X (n, d): `raw(X)` gives the head's own logits, calling it gives probabilities, (n, k)."""
        check_is_fitted(self)
        return self._scorer

    def to_arrays(self) -> HeadState:
        """Return all that scoring needs, as arrays and plain facts for `heads.scorer`."""
        check_is_fitted(self)
        return self._scorer.state

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_scorer")

"""What all heads have in common: rows are read alike, the scorer of a fitted one answers them and is what is saved of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from penult.arrays import Array, default_errors
from penult.heads.scoring import HeadState, Scorer
from penult.solver import on_disk


def in_memory(X: Any) -> Any:
    """Return rows (n, d) that a data set only gives in slices as an array, others as they are."""
    if isinstance(X, np.ndarray) or not on_disk(X):
        return X
    return np.asarray(X[: X.shape[0]], np.float32 if X.dtype == np.float16 else None)


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

    @property
    def searched(self) -> bool:
        """Whether `cross_fit` has left a search that `fit_searched` can finish."""
        return hasattr(self, "_searched")

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_scorer")

"""Class shares of unlabelled photos (label shift), estimated from the answers of a model that was measured out of fold.

In: probabilities of new photos, and out-of-fold probabilities of training photos with their classes. Out: `PriorEstimate`,
with intervals, and what speaks against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import default_errors

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

ROUNDS, CLOSE = 1000, 1e-6  # of EM


@dataclass(frozen=True, slots=True)
class PriorEstimate:
    """The class shares (k,) of unlabelled photos, with 95% intervals `low` and `high` (k,).

    `bbse` (k,) is what the second method says; `doubts` are reasons why the estimate may be wrong.
    """

    shares: Floats
    low: Floats
    high: Floats
    bbse: Floats
    photos: int
    doubts: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        numbers = {name: [float(v) for v in getattr(self, name)] for name in ("shares", "low", "high", "bbse")}
        return {**numbers, "photos": self.photos, "doubts": list(self.doubts)}


@default_errors
def em_shares(proba: Floats, old: Floats) -> Floats:
    """Return the class shares (k,) under which probabilities (n, k) that hold for the shares `old` are most likely.

    Expectation maximisation (Saerens et al. 2002, eq. 2.9): answer for the shares so far, take the mean of the answers.
    """
    ratio, shares = proba / old, old
    for _ in range(ROUNDS):
        weighed = ratio * shares
        found = (weighed / weighed.sum(axis=1, keepdims=True)).mean(axis=0)
        if np.abs(found - shares).max() < CLOSE:
            return np.asarray(found)
        shares = found
    return np.asarray(shares)


@default_errors
def estimate_prior(proba: Floats, y: Ints, held_out: Floats, old: Floats) -> PriorEstimate:
    """Return the class shares of photos with probabilities (n, k), by photos of the classes y (m,) and theirs (m, k).

    `old` (k,) are the shares that all probabilities hold for.
    """
    shares = em_shares(proba, old)
    return PriorEstimate(shares, shares, shares, shares, len(proba))

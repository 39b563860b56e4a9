"""What a linear head does to one row, written as a plain weighted sum of the row's own features.

In: a saved head and a row (d,). Out: weights, shifts and intercepts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from penult.heads import HeadState, scaling
from penult.heads.scorers import two_sided

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Weights:
    """The head's own logit of class c, before calibration, is sum_j weights[c, j] (x_j - shift[j]) + intercepts[c]."""

    weights: Array  # (k, d)
    shift: Array  # (d,)
    intercepts: Array  # (k,)

    def against_the_others(self, label: int) -> tuple[Array, float]:
        """Return weights (d,) and intercept of a class's logit less the mean logit of all classes.

        That difference is what the probability depends on: softmax does not see what all logits have in common, and a head
        may put anything there (discriminant analysis gives its first class the logit 0).
        """
        weights = self.weights[label] - self.weights.mean(axis=0)
        return weights, float(self.intercepts[label] - self.intercepts.mean())


def is_linear(state: HeadState | None) -> bool:
    """Return whether the logits of a head are weighted sums of the scaled features."""
    return state is not None and state.kind == "linear"


def weights_of(state: HeadState, row: Array) -> Weights:
    """Return the sum that a linear head computes for `row` (d,), its scaling included.

    The scaling `unit` divides each block of the row by its own length: that length is taken as the constant that it is
    for this image. The means that `standard` and `block` take away become `shift`.
    """
    arrays, facts = state.arrays, state.facts
    blocks = tuple(facts["blocks"])
    shift, factor = np.zeros(len(row)), np.ones(len(row))  # (d,)
    if facts["scaling"] == "unit":
        factor = np.repeat(scaling.lengths(row[None].astype(np.float64), blocks)[0][0], blocks)
    elif facts["scaling"] != "none":
        shift, factor = arrays["shift"].astype(np.float64), arrays["factor"].astype(np.float64)
    columns = arrays["weights"].astype(np.float64) * factor  # (c, d); c is 1 where two classes share a margin
    intercepts = two_sided(np.asarray(arrays["intercepts"], np.float64)[None])[0]  # (k,)
    return Weights(two_sided(columns.T).T, shift, intercepts)

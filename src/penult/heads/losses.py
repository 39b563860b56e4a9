"""The convex losses of linear classifiers, for many problems at once.

In: margins Z (p, c, n) of p problems with c columns over n rows. Out: value, slope and bend of each row.
It must not know how margins come about.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Loss(Protocol):
    """A convex loss of margins Z (p, c, n)."""

    columns: int  # margins per row
    start_bend: float  # the second derivative by one margin, where the search starts

    def value(self, Z: Array) -> Array:
        """Return the loss of each row, (p, n)."""

    def slope(self, Z: Array) -> Array:
        """Return its derivative by each margin, (p, c, n)."""

    def bend(self, Z: Array, D: Array) -> Array:
        """Return the second derivative of each row along D, (p, n)."""


class Binary:
    """Log loss of one margin per row, the logit of the second class."""

    columns = 1
    start_bend = 0.25

    def __init__(self, codes: Array, dtype: Any) -> None:
        self.target = codes.astype(dtype)  # (n,)

    def value(self, Z: Array) -> Array:
        """Return the loss of each row, (p, n)."""
        z = Z[:, 0]
        return np.asarray(np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z))) - self.target * z)

    def slope(self, Z: Array) -> Array:
        """Return its derivative by the margin, (p, 1, n)."""
        return np.asarray(_sigmoid(Z) - self.target)

    def bend(self, Z: Array, D: Array) -> Array:
        """Return the second derivative of each row along D, (p, n)."""
        p = _sigmoid(Z[:, 0])
        return np.asarray(p * (1 - p) * D[:, 0] ** 2)


class Softmax:
    """Log loss of one margin per class."""

    def __init__(self, codes: Array, classes: int, dtype: Any) -> None:
        self.columns = classes
        self.start_bend = (1 - 1 / classes) / classes
        self.onehot = (np.arange(classes)[:, None] == codes).astype(dtype)  # (k, n)

    def value(self, Z: Array) -> Array:
        """Return the loss of each row, (p, n)."""
        top = Z.max(axis=1, keepdims=True)
        total = np.log(np.exp(Z - top).sum(axis=1)) + top[:, 0]
        return np.asarray(total - np.einsum("pkn,kn->pn", Z, self.onehot))

    def slope(self, Z: Array) -> Array:
        """Return its derivative by each margin, (p, k, n)."""
        return np.asarray(_softmax(Z) - self.onehot)

    def bend(self, Z: Array, D: Array) -> Array:
        """Return the second derivative of each row along D, (p, n)."""
        p = _softmax(Z)
        return np.asarray((p * D**2).sum(axis=1) - (p * D).sum(axis=1) ** 2)


class SquaredHinge:
    """max(0, 1 - y z)^2, one class against the rest per column (one column for two classes)."""

    start_bend = 2.0

    def __init__(self, codes: Array, classes: int, dtype: Any) -> None:
        wanted = np.array([1]) if classes == 2 else np.arange(classes)
        self.columns = len(wanted)
        self.sign = np.where(wanted[:, None] == codes, 1, -1).astype(dtype)  # (c, n)

    def value(self, Z: Array) -> Array:
        """Return the loss of each row, (p, n)."""
        return np.asarray((np.maximum(1 - self.sign * Z, 0) ** 2).sum(axis=1))

    def slope(self, Z: Array) -> Array:
        """Return its derivative by each margin, (p, c, n)."""
        return np.asarray(-2 * self.sign * np.maximum(1 - self.sign * Z, 0))

    def bend(self, Z: Array, D: Array) -> Array:
        """Return the second derivative of each row along D, (p, n)."""
        return np.asarray((2 * (self.sign * Z < 1) * D**2).sum(axis=1))


def _sigmoid(Z: Array) -> Array:
    small = np.exp(-np.abs(Z))
    return np.asarray(np.where(Z >= 0, 1, small) / (1 + small))


def _softmax(Z: Array) -> Array:
    E = np.exp(Z - Z.max(axis=1, keepdims=True))
    E /= E.sum(axis=1, keepdims=True)
    return np.asarray(E)

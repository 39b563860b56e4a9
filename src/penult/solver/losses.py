"""The convex losses of linear classifiers, for many problems at once.

Margins Z (p, c, n) are those of p problems with c columns over n rows. Second derivatives are read off the gradient, so that
each step pays for one exponential.
"""

from __future__ import annotations

from typing import Any, Protocol, Self

import numpy as np

from penult.arrays import Array


class Loss(Protocol):
    """A convex loss of margins Z (p, c, n)."""

    columns: int  # margins per row

    def take(self, rows: Array) -> Self:
        """Return the loss of some rows."""

    def select(self, which: Array) -> Self:
        """Return the loss of some problems."""

    def value(self, Z: Array) -> Array:
        """Return the loss of each row, (p, n)."""

    def gradient(self, Z: Array) -> Array:
        """Return its derivative by each margin, G (p, c, n)."""

    def curvature(self, G: Array, D: Array) -> Array:
        """Return the second derivative of each row along D (p, c, n), where the gradient is G, (p, n)."""

    def hessian_diagonal(self, G: Array) -> Array:
        """Return the second derivative by one margin, the mean of the c, where the gradient is G, (p, n)."""


class LogisticLoss:
    """Log loss of one margin per row, the logit of the second class; each problem may have codes of its own (p, n)."""

    columns = 1

    def __init__(self, codes: Array, dtype: Any) -> None:
        self.target = np.atleast_2d(codes).astype(dtype, copy=False)  # (1, n), or (p, n)

    def take(self, rows: Array) -> LogisticLoss:
        """Return the loss of some rows."""
        return LogisticLoss(self.target[:, rows], self.target.dtype)

    def select(self, which: Array) -> LogisticLoss:
        """Return the loss of some problems."""
        return self if len(self.target) == 1 else LogisticLoss(self.target[which], self.target.dtype)

    def value(self, Z: Array) -> Array:
        """Return the loss of each row, (p, n)."""
        z = Z[:, 0]
        return np.asarray(np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z))) - self.target * z)

    def gradient(self, Z: Array) -> Array:
        """Return its derivative by the margin, (p, 1, n)."""
        # the logit of the other class, so that a small gradient keeps its digits
        sign = (1 - 2 * self.target)[:, None]
        out = Z * -sign
        np.minimum(out, 80, out=out)
        np.exp(out, out=out)
        out += 1
        np.divide(sign, out, out=out)
        return np.asarray(out)

    def curvature(self, G: Array, D: Array) -> Array:
        """Return the second derivative of each row along D, (p, n)."""
        return np.asarray(self.hessian_diagonal(G) * D[:, 0] ** 2)

    def hessian_diagonal(self, G: Array) -> Array:
        """Return the second derivative by the margin, (p, n)."""
        missed = np.abs(G[:, 0])
        return np.asarray(missed * (1 - missed))


class SoftmaxLoss:
    """Log loss of one margin per class."""

    def __init__(self, codes: Array, classes: int, dtype: Any) -> None:
        self.columns = classes
        self.codes, self.dtype = codes, dtype
        self.onehot = (np.arange(classes)[:, None] == codes).astype(dtype)  # (k, n)

    def take(self, rows: Array) -> SoftmaxLoss:
        """Return the loss of some rows."""
        return SoftmaxLoss(self.codes[rows], self.columns, self.dtype)

    def select(self, which: Array) -> SoftmaxLoss:
        """Return the loss of some problems: that of all."""
        return self

    def value(self, Z: Array) -> Array:
        """Return the loss of each row, (p, n)."""
        top = Z.max(axis=1, keepdims=True)
        total = np.log(np.exp(Z - top).sum(axis=1)) + top[:, 0]
        return np.asarray(total - np.einsum("pkn,kn->pn", Z, self.onehot))

    def gradient(self, Z: Array) -> Array:
        """Return its derivative by each margin, (p, k, n)."""
        E = np.exp(Z - Z.max(axis=1, keepdims=True))
        E /= E.sum(axis=1, keepdims=True)
        E -= self.onehot
        return np.asarray(E)

    def curvature(self, G: Array, D: Array) -> Array:
        """Return the second derivative of each row along D, (p, n)."""
        P = G + self.onehot
        return np.asarray((P * D**2).sum(axis=1) - (P * D).sum(axis=1) ** 2)

    def hessian_diagonal(self, G: Array) -> Array:
        """Return the second derivative by one margin, the mean over classes, (p, n)."""
        missed = np.abs(G)
        return np.asarray((missed * (1 - missed)).mean(axis=1))


class SquaredHingeLoss:
    """max(0, 1 - y z)^2, one class against the rest per column (one column for two classes)."""

    def __init__(self, codes: Array, classes: int, dtype: Any) -> None:
        wanted = np.array([1]) if classes == 2 else np.arange(classes)
        self.columns = len(wanted)
        self.codes, self.classes, self.dtype = codes, classes, dtype
        self.sign = np.where(wanted[:, None] == codes, 1, -1).astype(dtype)  # (c, n)

    def take(self, rows: Array) -> SquaredHingeLoss:
        """Return the loss of some rows."""
        return SquaredHingeLoss(self.codes[rows], self.classes, self.dtype)

    def select(self, which: Array) -> SquaredHingeLoss:
        """Return the loss of some problems: that of all."""
        return self

    def value(self, Z: Array) -> Array:
        """Return the loss of each row, (p, n)."""
        return np.asarray((np.maximum(1 - self.sign * Z, 0) ** 2).sum(axis=1))

    def gradient(self, Z: Array) -> Array:
        """Return its derivative by each margin, (p, c, n)."""
        return np.asarray(-2 * self.sign * np.maximum(1 - self.sign * Z, 0))

    def curvature(self, G: Array, D: Array) -> Array:
        """Return the second derivative of each row along D, (p, n)."""
        return np.asarray((2 * (G != 0) * D**2).sum(axis=1))

    def hessian_diagonal(self, G: Array) -> Array:
        """Return the second derivative by one margin, the mean over columns, (p, n)."""
        return np.asarray(2.0 * (G != 0).mean(axis=1))

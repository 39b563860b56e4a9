"""The directions in which rows vary most, and the preconditioner that is made of them.

In: rows, the stiffness of each row under a loss. Out: `Spectrum`; `Softener`, which is v -> H^-1 v for Hessians H that are
exact in those directions and one number elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from penult.arrays import Array
from penult.heads.rows import Rows

MANY = 1 << 25  # entries from which a wider sketch pays
WIDE, NARROW = 512, 128
IMAGE = 1 << 26  # entries that the rows in the leading directions may take
ENOUGH = 8  # rows per direction that tell a weighted spectrum well enough
SOME = 4  # the sketch starts from one in so many rows


@dataclass(frozen=True)
class Spectrum:
    """The large eigenvalues of X^T X / n."""

    values: Array  # (q,) descending
    vectors: Array | None  # (r, q); None when the coordinates are the eigenvectors themselves
    tail: float  # mean of the eigenvalues left out
    image: Array | None = field(default=None, repr=False)  # (n, q) the rows in the directions of `vectors`


def spectrum(X: Rows) -> Spectrum:
    """Return the leading eigenvalues of X^T X / n by subspace iteration (Halko, Martinsson & Tropp 2011).

    Of many rows, a part finds the directions and all of them measure these.
    """
    n, width = X.shape
    many = n * width > MANY
    rank = min(max(NARROW // 2, min(WIDE, IMAGE // n)) if many else NARROW, n, width)
    few = X.take(np.arange(0, n, SOME)) if many and n > 2 * SOME * rank else X
    Q = np.random.default_rng(0).standard_normal((rank, width)).astype(X.dtype)
    for _ in range(2):
        Q = _orthonormal(few.pull(few.margins(Q)))  # (q, r)
    B = X.margins(Q)  # (q, n)
    values, turn = np.linalg.eigh((B @ B.T).astype(float) / n)
    turn = turn[:, ::-1].astype(X.dtype)
    values = np.maximum(values[::-1], 0)
    some = few.take(np.arange(0, few.shape[0], SOME))
    rest = float(some.squares().mean()) - float(values.sum())
    return Spectrum(values, Q.T @ turn, max(rest, 0.0) / max(width - rank, 1), B.T @ turn)


def _orthonormal(rows: Array) -> Array:
    from scipy.linalg import qr

    return np.ascontiguousarray(qr(rows.T, mode="economic", overwrite_a=True, check_finite=False)[0].T)


class Softener(Protocol):
    """v -> H^-1 v, with one H per kind of problem."""

    def __call__(self, V: Array) -> Array:
        """Return H^-1 v of each row v (m, r + 1), the intercept last."""

    def of(self, kinds: Array) -> Softener:
        """Return the same Hessians for rows v of these kinds (m,)."""


@dataclass(frozen=True)
class Diagonal:
    """Hessians whose eigenvectors are the coordinates."""

    inverse: Array  # (kinds, r + 1)
    kinds: Array  # (m,) which one serves each row of v

    def __call__(self, V: Array) -> Array:
        """Return H^-1 v of each row v (m, r + 1)."""
        return np.asarray(V * self.inverse[self.kinds])

    def of(self, kinds: Array) -> Diagonal:
        """Return the same Hessians for other rows v."""
        return Diagonal(self.inverse, kinds)


@dataclass(frozen=True)
class Leading:
    """Hessians that are exact in the leading directions and the intercept, and one number elsewhere."""

    vectors: Array  # (r, q)
    inverse: Array  # (kinds, q + 1, q + 1)
    tail: Array  # (kinds,)
    kinds: Array  # (m,) which one serves each row of v

    def __call__(self, V: Array) -> Array:
        """Return H^-1 v of each row v (m, r + 1)."""
        tail = self.tail[self.kinds][:, None]
        lead = np.hstack([V[:, :-1] @ self.vectors, V[:, -1:]])  # (m, q + 1)
        softened = np.empty_like(lead)
        for kind in np.unique(self.kinds):
            own = self.kinds == kind
            softened[own] = lead[own] @ self.inverse[kind]
        out = np.empty_like(V)
        out[:, :-1] = V[:, :-1] * tail + (softened[:, :-1] - tail * lead[:, :-1]) @ self.vectors.T
        out[:, -1] = softened[:, -1]
        return out

    def of(self, kinds: Array) -> Leading:
        """Return the same Hessians for other rows v."""
        return Leading(self.vectors, self.inverse, self.tail, kinds)


def softener(shape: Spectrum, stiffness: Array, kinds: Array) -> Softener:
    """Return the inverses of X^T diag(stiffness) X + 1, stiffness (kinds, n), as far as the spectrum knows them."""
    total = stiffness.sum(axis=1, dtype=float)  # (kinds,)
    if shape.vectors is None:
        lead = np.hstack([total[:, None] * shape.values + 1, np.maximum(total, 1e-30)[:, None]])
        return Diagonal((1 / lead).astype(stiffness.dtype), kinds)
    assert shape.image is not None  # noqa: S101 - for the type checker: vectors come with an image
    inverse = [np.linalg.inv(_hessian(shape.image, *one)) for one in zip(stiffness, total, strict=True)]
    tail = (1 / (total * shape.tail + 1)).astype(stiffness.dtype)
    return Leading(shape.vectors, np.array(inverse, stiffness.dtype), tail, kinds)


def _hessian(image: Array, stiff: Array, total: float) -> Array:
    """Return the Hessian (q + 1, q + 1) from the rows that matter, or from an even share of them where they are too many."""
    keep = np.flatnonzero(stiff * len(stiff) > 1e-2 * total)
    most = ENOUGH * image.shape[1]
    if len(keep) > 2 * most:
        keep = keep[:: len(keep) // most]
    part, weight = image[keep], stiff[keep].astype(float)
    weight *= total / max(float(weight.sum()), 1e-300)
    part = np.hstack([part, np.ones((len(part), 1), part.dtype)]) * np.sqrt(weight).astype(part.dtype)[:, None]
    H = (part.T @ part).astype(float)
    H[np.arange(len(H) - 1), np.arange(len(H) - 1)] += 1
    H[-1, -1] += 1e-6 * max(total, 1e-30)
    return np.asarray(H)

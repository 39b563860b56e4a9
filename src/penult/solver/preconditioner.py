"""The directions in which rows vary most, and the preconditioner that is made of them.

`spectrum` finds the directions by randomised subspace iteration (Halko, Martinsson & Tropp 2011, "Finding structure with
randomness", algorithm 4.4); `preconditioner` makes v -> H^-1 v of them, for Hessians H = X^T diag(h) X + 1 that are exact in
these directions and one number elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from penult.arrays import Array
from penult.solver.matrices import DesignMatrix

LARGE = 1 << 25  # entries of X from which a wider sketch pays
WIDE, NARROW = 512, 128  # directions
PROJECTED_ENTRIES = 1 << 26  # that the rows in the leading directions may take
ROWS_PER_DIRECTION = 8  # that tell a weighted spectrum well enough
STRIDE = 4  # the sketch starts from one in so many rows
WEIGHT_TOL = 1e-2  # of the mean weight: below, a row is left out of a Hessian


@dataclass(frozen=True)
class Spectrum:
    """The large eigenvalues of X^T X / n."""

    values: Array  # (q,) descending
    vectors: Array | None  # (r, q); None when the coordinates are the eigenvectors themselves
    tail: float  # mean of the eigenvalues left out
    projected: Array | None = field(default=None, repr=False)  # (n, q) the rows in the directions of `vectors`


def spectrum(X: DesignMatrix) -> Spectrum:
    """Return the leading eigenvalues of X^T X / n, and their directions."""
    n, width = X.shape
    large = n * width > LARGE
    rank = min(max(NARROW // 2, min(WIDE, PROJECTED_ENTRIES // n)) if large else NARROW, n, width)
    # of many rows, a part finds the directions and all of them measure these
    some = X.take(np.arange(0, n, STRIDE)) if large and n > 2 * STRIDE * rank else X
    # 1. a random start, and two rounds of subspace iteration on X^T X, orthonormalised each time
    Q = np.random.default_rng(0).standard_normal((rank, width)).astype(X.dtype)
    for _ in range(2):
        Q = _orthonormal(some.rmatvec(some.matvec(Q)))  # (q, r)
    # 2. the small eigenproblem within the subspace (Rayleigh-Ritz)
    B = X.matvec(Q)  # (q, n)
    values, turn = np.linalg.eigh((B @ B.T).astype(float) / n)
    turn = turn[:, ::-1].astype(X.dtype)
    values = np.maximum(values[::-1], 0)
    # 3. what the directions leave over of the mean squared row, spread evenly over the others
    few = some.take(np.arange(0, some.shape[0], STRIDE))
    rest = float(few.squared_norms().mean()) - float(values.sum())
    return Spectrum(values, Q.T @ turn, max(rest, 0.0) / max(width - rank, 1), B.T @ turn)


def known_spectrum(X: DesignMatrix, coordinates: Array, basis: Array) -> Spectrum:
    """Return what `spectrum` does, of rows whose `coordinates` (n, m) in orthonormal directions `basis` (m, r) are known."""
    n, width = X.shape
    rank = min(max(NARROW // 2, min(WIDE, PROJECTED_ENTRIES // n)), len(basis))
    values, turn = np.linalg.eigh((coordinates.T @ coordinates).astype(float) / n)
    values, turn = np.maximum(values[: -rank - 1 : -1], 0), turn[:, : -rank - 1 : -1].astype(X.dtype)
    few = X.take(np.arange(0, n, STRIDE**2))
    rest = float(few.squared_norms().mean()) - float(values.sum())
    vectors = np.asarray(basis.T @ turn, X.dtype)
    return Spectrum(values, vectors, max(rest, 0.0) / max(width - rank, 1), np.asarray(coordinates @ turn, X.dtype))


def _orthonormal(rows: Array) -> Array:
    from scipy.linalg import qr

    return np.ascontiguousarray(qr(rows.T, mode="economic", overwrite_a=True, check_finite=False)[0].T)


@dataclass(frozen=True)
class Preconditioner:
    """v -> H^-1 v, with one H per kind of problem.

    Where `vectors` is None the coordinates are the eigenvectors, and `inverse` (kinds, r + 1) is the diagonal of H^-1. Else
    `inverse` (kinds, q + 1, q + 1) is H^-1 in the directions of `vectors` (r, q) and the intercept, `tail` (kinds,) elsewhere.
    """

    vectors: Array | None
    inverse: Array
    tail: Array | None
    kinds: Array  # (m,) which H serves each row of v

    def apply(self, V: Array) -> Array:
        """Return H^-1 v of each row v (m, r + 1), the intercept last."""
        if self.vectors is None or self.tail is None:
            return np.asarray(V * self.inverse[self.kinds])
        tail = self.tail[self.kinds][:, None]
        lead = np.hstack([V[:, :-1] @ self.vectors, V[:, -1:]])  # (m, q + 1)
        solved = np.empty_like(lead)
        for kind in np.unique(self.kinds):
            own = self.kinds == kind
            solved[own] = lead[own] @ self.inverse[kind]
        out = np.empty_like(V)
        out[:, :-1] = V[:, :-1] * tail + (solved[:, :-1] - tail * lead[:, :-1]) @ self.vectors.T
        out[:, -1] = solved[:, -1]
        return out

    def for_kinds(self, kinds: Array) -> Preconditioner:
        """Return the same Hessians for rows v of these kinds (m,)."""
        return replace(self, kinds=kinds)


def preconditioner(known: Spectrum, weight: Array, kinds: Array) -> Preconditioner:
    """Return the inverses of X^T diag(weight) X + 1, weight (kinds, n), as far as the spectrum knows them."""
    total = weight.sum(axis=1, dtype=float)  # (kinds,)
    if known.vectors is None or known.projected is None:
        lead = np.hstack([total[:, None] * known.values + 1, np.maximum(total, 1e-30)[:, None]])
        return Preconditioner(None, (1 / lead).astype(weight.dtype), None, kinds)
    inverse = [np.linalg.inv(_hessian(known.projected, *one)) for one in zip(weight, total, strict=True)]
    tail = (1 / (total * known.tail + 1)).astype(weight.dtype)
    return Preconditioner(known.vectors, np.array(inverse, weight.dtype), tail, kinds)


def known_hessian(known: Spectrum, hessian: Array, total: float) -> Preconditioner:
    """Return the inverse of X^T diag(weight) X + 1 of one kind of problems, of which the `hessian` in the directions of the
    spectrum and the intercept (q + 1, q + 1) is known, and the `total` weight.
    """
    H = hessian.copy()
    H[np.arange(len(H) - 1), np.arange(len(H) - 1)] += 1
    H[-1, -1] += 1e-6 * max(total, 1e-30)
    tail = np.array([1 / (total * known.tail + 1)])
    return Preconditioner(known.vectors, np.linalg.inv(H)[None], tail, np.zeros(1, int))


def _hessian(projected: Array, weight: Array, total: float) -> Array:
    """Return the Hessian (q + 1, q + 1) from the rows that matter, or from an even share of them where they are too many."""
    keep = np.flatnonzero(weight * len(weight) > WEIGHT_TOL * total)
    most = ROWS_PER_DIRECTION * projected.shape[1]
    if len(keep) > 2 * most:
        keep = keep[:: len(keep) // most]
    rows, share = projected[keep], weight[keep].astype(float)
    share *= total / max(float(share.sum()), 1e-300)
    rows = np.hstack([rows, np.ones((len(rows), 1), rows.dtype)]) * np.sqrt(share).astype(rows.dtype)[:, None]
    H = (rows.T @ rows).astype(float)
    H[np.arange(len(H) - 1), np.arange(len(H) - 1)] += 1
    H[-1, -1] += 1e-6 * max(total, 1e-30)
    return np.asarray(H)

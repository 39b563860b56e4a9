"""Discriminants with one shrunk covariance, for many sets of rows and many shrinkages, without repeating work.

Held-out logits come from second moments: those of each fold are computed once, and the scatter of any training part is the
sum of the others' less what lies between its classes. The fit of all rows in their own, many columns never forms a (d, d)
matrix: the scatter is applied as a product with the rows, inside preconditioned conjugate gradients.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from penult.arrays import Array, row_chunks
from penult.heads.spaces import Space
from penult.heads.task import Task
from penult.solver import Spectrum

DENSE_COLUMNS = 2048  # up to which a (r, r) matrix is factored
STEPS = 500


class Moments:
    """The second moments of the folds of a space, and the discriminants of what each leaves for training."""

    def __init__(self, task: Task, space: Space) -> None:
        """Sum the moments of each held-out part, and of the rows that no fold of the space holds out, as far as they count."""
        self.task, self.space = task, space
        parts = np.zeros(len(task.codes), np.intp)  # (n,) 0: in every training part
        for number, (_, held) in enumerate(space.folds, 1):
            parts[held] = number
        r, count = space.X.shape[1], len(space.folds) + 1
        self.second, self.sums = np.zeros((count, r, r)), np.zeros((count, task.k, r))
        self.counts = np.zeros((count, task.k))
        for part in range(count):
            rows = np.flatnonzero((parts == part) & (task.sample_weight > 0))
            for at in row_chunks(len(rows)):
                x = space.X.dense(rows[at])
                member = task.counted(np.eye(task.k, dtype=x.dtype)[task.codes[rows[at]]], rows[at])  # (m, k)
                self.second[part] += x.T @ task.counted(x, rows[at])
                self.sums[part] += member.T @ x
                self.counts[part] += member.sum(axis=0)
        self._size = float(sum(np.trace(one) for one in self.second))
        self._known: dict[int, tuple[Array, Array, Array]] = {}

    def add(self, counts: Array, sums: Array, second: Array) -> None:
        """Add the moments of more rows, (p, k), (p, k, r), (p, r, r): of those that every fold learns, then of the folds'."""
        self.counts[: len(counts)] += counts
        self.sums[: len(counts)] += sums
        self.second[: len(counts)] += second
        self._size += float(np.einsum("prr->", second))

    def discriminants(self, shrinkage: float, without: int = 0) -> tuple[Array, Array]:
        """Return coefficients (k, r) and intercepts (k,) of all rows but those of fold number `without` (0: none, from 1)."""
        from scipy.linalg import cho_solve

        scatter, means, counts = self._within(without)
        # the scatter is shrunk towards its mean variance: that of the d columns, not of the r coordinates
        level = max(float(np.trace(scatter)), 0.0) or 1.0
        scatter = scatter * (1 - shrinkage)
        scatter[np.diag_indices_from(scatter)] += shrinkage * level / self.task.X.shape[1]
        # the coefficients are relative to the first class
        apart = means[1:] - means[:1]  # (k - 1, r)
        solved = cho_solve(_factor(scatter, self._size), apart.T, check_finite=False).T
        return with_intercepts(solved, means, np.log(counts * self.task.class_weight))

    def _within(self, without: int) -> tuple[Array, Array, Array]:
        """Return the scatter within classes (r, r), the class means (k, r) and counts (k,), once for all shrinkages.

        The scatter is what is summed up, less what the class means explain.
        """
        if without not in self._known:
            kept = [part for part in range(len(self.counts)) if part != without or not without]
            counts = self.counts[kept].sum(axis=0)  # (k,)
            means = self.sums[kept].sum(axis=0) / counts[:, None]  # (k, r)
            scatter = (self.second[kept].sum(axis=0) - (means.T * counts) @ means) / counts.sum()
            self._known[without] = scatter, means, counts
        return self._known[without]

    def held_out(self, shrinkage: float, out: Array) -> None:
        """Write the logits of each fold's held-out rows into `out` (n, k)."""
        for number, (_, held) in enumerate(self.space.folds, 1):
            coef, intercept = self.discriminants(shrinkage, number)
            x = self.space.X.dense(held)
            out[held] = x @ coef.T.astype(x.dtype) + intercept


def _factor(scatter: Array, size: float) -> tuple[Array, bool]:
    """Return the Cholesky factor of a scatter; its diagonal is raised where rounding, of rows of this size, is all."""
    from scipy.linalg import cho_factor

    for share in (0.0, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5):
        raised = scatter.copy()
        raised[np.diag_indices_from(raised)] += share * max(size, 1e-30)
        try:
            found: tuple[Array, bool] = cho_factor(raised, overwrite_a=True, check_finite=False)
        except np.linalg.LinAlgError:
            continue
        return found
    return np.sqrt(np.diag(np.maximum(np.diag(scatter), 0) + max(size, 1e-30))), False


def with_intercepts(solved: Array, means: Array, prior: Array) -> tuple[Array, Array]:
    """Return coefficients (k, r) and intercepts (k,), the first class's 0, of solved differences (k - 1, r) of the means."""
    above = prior[1:] - prior[:1] - np.einsum("kr,kr->k", (means[1:] + means[:1]) / 2, solved)
    return np.pad(solved, ((1, 0), (0, 0))), np.pad(above, (1, 0))


def fit_all(task: Task, space: Space, shrinkage: float) -> tuple[Array, Array]:
    """Return coefficients (k, r) and intercepts (k,) of all rows of the task."""
    X, d = space.X, task.X.shape[1]
    if X.shape[1] <= DENSE_COLUMNS:
        return Moments(task, space).discriminants(shrinkage)
    n = task.total()
    member = task.counted((task.codes[:, None] == np.arange(task.k)).astype(X.dtype)).T  # (k, n)
    counts = member.sum(axis=1, dtype=float)  # (k,)
    means = X.rmatvec(member) / counts[:, None].astype(X.dtype)  # (k, r)
    trace = float(task.counted(X.squared_norms()).sum() - (counts * (means.astype(float) ** 2).sum(axis=1)).sum()) / n
    ridge = shrinkage * (trace if trace > 0 else 1.0) / d
    scatter = Scatter(lambda V: X.rmatvec(task.counted(X.matvec(V).T).T), n, means, counts.astype(X.dtype))
    solved = conjugate_gradients(scatter, space.spectrum, 1 - shrinkage, ridge, means[1:] - means[:1])
    return with_intercepts(solved.astype(float), means.astype(float), np.log(counts * task.class_weight))


class Scatter:
    """The scatter within classes of n rows X, as a product: (m, r) -> (m, r); `gram` is V -> V X^T X."""

    def __init__(self, gram: Callable[[Array], Array], n: float, means: Array, counts: Array) -> None:
        self.gram, self.n, self.means, self.counts = gram, n, means, counts

    def __call__(self, V: Array) -> Array:
        """Return S V = (X^T X V - sum_c n_c m_c (m_c . V)) / n."""
        between = (V @ self.means.T * self.counts) @ self.means
        return np.asarray((self.gram(V) - between) / V.dtype.type(self.n))


def conjugate_gradients(scatter: Scatter, known: Spectrum, keep: float, ridge: float, goal: Array, tol: float = 1e-4) -> Array:
    """Return (keep S + ridge)^-1 goal for each row of `goal` (m, r), to `tol` of it.

    Conjugate gradients (Hestenes & Stiefel 1952), preconditioned by the leading spectrum of the rows.
    """
    R, X = goal.copy(), np.zeros_like(goal)
    enough = tol * np.linalg.norm(goal, axis=1)
    lead = (1 / (keep * known.values + ridge)).astype(goal.dtype)
    tail = goal.dtype.type(1 / (keep * known.tail + ridge))

    def precondition(V: Array) -> Array:
        if known.vectors is None:
            return np.asarray(V * lead)
        return np.asarray(V * tail + ((V @ known.vectors) * (lead - tail)) @ known.vectors.T)

    P = precondition(R)
    rz = np.einsum("mr,mr->m", R, P)[:, None]
    for _ in range(STEPS):
        Q = goal.dtype.type(keep) * scatter(P) + goal.dtype.type(ridge) * P
        bent = np.einsum("mr,mr->m", P, Q)[:, None]
        step = np.where(bent > 0, rz / np.where(bent > 0, bent, 1), 0)
        X, R = X + step * P, R - step * Q
        if (np.linalg.norm(R, axis=1) <= enough).all():
            break
        Z = precondition(R)
        new = np.einsum("mr,mr->m", R, Z)[:, None]
        P = Z + np.where(rz > 0, new / np.where(rz > 0, rz, 1), 0) * P
        rz = new
    return X

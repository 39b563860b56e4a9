"""Linear discriminant analysis with shrinkage, without ever forming a (d, d) matrix.

The shrunk scatter is applied as a product with the rows, and all (fold, shrinkage, class) systems are solved together by
preconditioned conjugate gradients: 3,840 columns cost what the product costs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from penult.arrays import Array
from penult.heads.head import Head, Search
from penult.heads.scoring import HeadState
from penult.heads.spaces import Space, linear_space, linear_spaces
from penult.heads.task import Task
from penult.solver import DesignMatrix, Spectrum

SHRINKAGES = (0.01, 0.03, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95)
DEFAULT = 0.2


@dataclass(eq=False, repr=False)
class LDA(Head):
    """Fit Gaussian classes with one covariance, (1 - a) S + a (trace S / d) 1 (Friedman 1989; Ledoit & Wolf 2004).

    `shrinkage`: a in (0, 1], or None, which chooses it by held-out log loss. S is the scatter within classes. With fewer rows
    than columns the size of S is no reliable scale, so the temperature is free. See `Head.fit` for the rest.
    """

    name = "lda"
    scale_free = True

    shrinkage: float | None = None

    def search(self, task: Task) -> Search:
        """Return the shrinkages that were tried; all folds and classes are solved together."""
        tried = SHRINKAGES if self.shrinkage is None else (float(self.shrinkage),)
        if task.folds is None and self.shrinkage is None:
            tried = (DEFAULT,)
        logits = [np.zeros((len(task.codes), task.k)) for _ in tried if task.folds]
        for space in linear_spaces(task, self.scaling) if task.folds else ():
            masks = np.ones((len(space.folds), len(task.codes)), bool)
            for mask, (_, held) in zip(masks, space.folds, strict=True):
                mask[held] = False
            coef, intercept = discriminants(task, space, masks, tried)
            f, a, k, r = coef.shape
            margins = space.X.matvec(coef.reshape(f * a * k, r)).reshape(f, a, k, -1)  # (f, a, k, n)
            for fold, (_, held) in enumerate(space.folds):
                for at, out in enumerate(logits):
                    out[held] = margins[fold, at][:, held].T + intercept[fold, at]

        def refit(i: int) -> HeadState:
            everything = linear_space(task, self.scaling)
            coef, intercept = discriminants(task, everything, np.ones((1, len(task.codes)), bool), tried[i : i + 1])
            return everything.to_state(coef[0, 0].astype(np.float64), intercept[0, 0], {"shrinkage": tried[i]})

        return Search([{"shrinkage": a} for a in tried], logits, refit)


def discriminants(task: Task, space: Space, masks: Array, tried: tuple[float, ...]) -> tuple[Array, Array]:
    """Return coefficients (f, a, k, r) and intercepts (f, a, k) of each set of rows and each shrinkage."""
    X, d = space.X, task.X.shape[1]
    member = (task.codes == np.arange(task.k)[:, None]) * masks[:, None]  # (f, k, n)
    counts = member.sum(axis=2)  # (f, k)
    means = X.rmatvec(member.reshape(-1, member.shape[2]).astype(X.dtype)).reshape(*counts.shape, -1)
    means /= counts[:, :, None].astype(X.dtype)
    total = masks @ X.squared_norms()
    trace = (total - (counts * (means.astype(float) ** 2).sum(axis=2)).sum(axis=1)) / masks.sum(axis=1)  # (f,)
    trace = np.where(trace > 0, trace, 1.0)
    scatter = _Scatter(X, masks.astype(X.dtype), means, counts.astype(X.dtype))
    level = np.asarray(tried)
    apart = means[:, 1:] - means[:, :1]  # (f, k - 1, r): all logits are relative to the first class
    solved = conjugate_gradients(scatter, space.spectrum, (level, level * trace[:, None] / d), apart)  # (f, a, k - 1, r)
    prior = np.log(counts * task.class_weight)  # (f, k)
    middle = (means[:, 1:] + means[:, :1]) / 2
    above = np.asarray(-np.einsum("fkr,fakr->fak", middle, solved), float) + (prior[:, 1:] - prior[:, :1])[:, None]
    return np.pad(solved, ((0, 0), (0, 0), (1, 0), (0, 0))), np.pad(above, ((0, 0), (0, 0), (1, 0)))


class _Scatter:
    """The scatter within classes of each set of rows, as a product: (f, a, k, r) -> (f, a, k, r)."""

    def __init__(self, X: DesignMatrix, masks: Array, means: Array, counts: Array) -> None:
        self.X, self.masks, self.means, self.counts = X, masks, means, counts
        self.size = masks.sum(axis=1)  # (f,)

    def __call__(self, V: Array) -> Array:
        """Return S V = (X^T mask X V - sum_c n_c m_c (m_c . V)) / n."""
        f, a, k, r = V.shape
        along = self.X.matvec(V.reshape(f * a * k, r)).reshape(f, a * k, -1) * self.masks[:, None]
        whole = self.X.rmatvec(along.reshape(f * a * k, -1)).reshape(f, a * k, r)
        flat = V.reshape(f, a * k, r)
        between = (flat @ self.means.transpose(0, 2, 1) * self.counts[:, None]) @ self.means
        return np.asarray((whole - between) / self.size[:, None, None]).reshape(V.shape)


def conjugate_gradients(
    scatter: _Scatter, known: Spectrum, shrinkage: tuple[Array, Array], goal: Array, tol: float = 1e-4
) -> Array:
    """Return ((1 - a) S + ridge)^-1 goal for each fold, shrinkage a and class, (f, a, k, r).

    `shrinkage`: a (a,) and ridge (f, a); goal (f, k, r). Conjugate gradients, preconditioned by the leading
    spectrum of all rows; a shrinkage drops out when all its systems are solved to `tol` of the goal.
    """
    dtype = scatter.X.dtype
    keep = (1 - shrinkage[0]).astype(dtype)[:, None, None]  # (a, 1, 1)
    ridge = shrinkage[1].astype(dtype)[:, :, None, None]  # (f, a, 1, 1)
    R = np.repeat(goal[:, None], len(keep), axis=1)  # (f, a, k, r)
    result, alive = np.zeros_like(R), np.arange(len(keep))
    X = result.copy()
    Z = _precondition(known, keep, ridge, R)
    P, rz = Z, _dot(R, Z)
    enough = (tol * np.linalg.norm(goal, axis=-1))[:, None, :, None]
    for _ in range(500):
        Q = keep * scatter(P) + ridge * P
        bent = _dot(P, Q)
        step = np.where(bent > 0, rz / np.where(bent > 0, bent, 1), 0)
        X, R = X + step * P, R - step * Q
        going = (np.linalg.norm(R, axis=-1, keepdims=True) > enough).any(axis=(0, 2, 3))  # (a,)
        result[:, alive] = X
        if not going.any():
            break
        alive, keep = alive[going], keep[going]
        X, R, P, rz, ridge = (part[:, going] for part in (X, R, P, rz, ridge))
        Z = _precondition(known, keep, ridge, R)
        new = _dot(R, Z)
        P = Z + np.where(rz > 0, new / np.where(rz > 0, rz, 1), 0) * P
        rz = new
    return result


def _dot(A: Array, B: Array) -> Array:
    return np.asarray(np.einsum("fakr,fakr->fak", A, B)[..., None])


def _precondition(known: Spectrum, keep: Array, ridge: Array, V: Array) -> Array:
    """Return V (f, a, k, r) times the inverse of the shrunk scatter as the leading spectrum knows it."""
    lead = 1 / (keep * known.values.astype(V.dtype) + ridge)
    if known.vectors is None:
        return np.asarray(V * lead)
    tail = 1 / (keep * V.dtype.type(known.tail) + ridge)
    return np.asarray(V * tail + ((V @ known.vectors) * (lead - tail)) @ known.vectors.T)

"""Linear heads of rows that do not fit in memory: the sample of a `Stream` chooses the settings, passes learn all rows.

They stand in the place of what `linear` and `discriminant` do in memory:

- `StreamedSearch`: the folds' problems and that of all rows, solved together in the columns of X, one pass a step. They start
  from the solution in the sample's leading directions, and the Hessian of the sample preconditions them.
- `streamed_moments`: the second moments in the sample's directions, in one pass; `fit_streamed`: the discriminant of all rows.
"""

from __future__ import annotations

import numpy as np

from penult.arrays import Array, row_chunks
from penult.heads.discriminant import Moments, Scatter, conjugate_gradients, with_intercepts
from penult.heads.linear import LinearSearch, nearest
from penult.heads.scoring import HeadState, two_sided
from penult.heads.spaces import Space, columns_spectrum
from penult.heads.streamed_task import other_rows, stream_of, stream_rows
from penult.heads.task import Task
from penult.solver import (
    LEARNT,
    VECTOR_BYTES,
    HessianLook,
    LossTerms,
    Spectrum,
    known_hessian,
    minimize_streamed,
    preconditioner,
)

FOLDS_TOL, TOL = 1e-5, 1e-8
LOOKED_AT = 32  # rows a direction, that tell the Hessian
VECTORS = 4  # the coefficients, and what the solver knows of them, take a fourth of the memory


class StreamedSearch(LinearSearch):
    """Held-out logits of the sample, and the scorer, of linear classifiers of all rows."""

    def logits(self, wanted: list[float]) -> dict[float, Array]:
        """Return held-out logits (n, k) of the sample for each C."""
        task = self.task
        out = {C: np.zeros((len(task.codes), task.k)) for C in wanted}
        for C in wanted:
            for one, (_, held) in zip(self._solved_all(C), task.folds or (), strict=False):
                out[C][held] = two_sided(_margins(task, one, held).T.astype(np.float64))
        return out

    def refit(self, C: float) -> HeadState:
        """Return the linear scorer of all rows."""
        return _state(self.task, self._solved_all(C)[-1], {"C": C})

    def _solved_all(self, C: float) -> Array:
        """Return the coefficients (f + 1, c, d + 1) of the folds and, last, of all rows."""
        task, folds = self.task, len(self.task.folds or ())
        solved = self.known[0]
        if C not in solved or len(solved[C]) == folds:
            weights = task.class_weight * (task.counts.sum() / (task.counts @ task.class_weight))
            terms = LossTerms(np.full(folds + 1, C), np.r_[np.arange(folds), LEARNT], weights)
            stream_of(task).totals  # noqa: B018 - looks at all numbers first
            spectrum = columns_spectrum(task, "none", self.spaces[0])
            tol, start = np.r_[np.full(folds, FOLDS_TOL), TOL], self._start(C, folds, terms.columns)
            rows, found = stream_rows(task), []
            for at in row_chunks(folds + 1, self._at_once(terms.columns)):
                some = terms.select(np.arange(folds + 1)[at])
                found.append(minimize_streamed(rows, some, start[at], _RowsHessian(task, spectrum, some, start[at]), tol[at]))
            solved[C] = stream_of(task).warm[C] = np.concatenate(found)
        return solved[C]

    def _at_once(self, columns: int) -> int:
        """Return how many problems may be solved together, by the memory that their coefficients take."""
        each = columns * (self.task.X.shape[1] + 1) * VECTOR_BYTES
        return max(1, int(stream_of(self.task).memory // VECTORS // each))

    def _start(self, C: float, folds: int, columns: int) -> Array:
        """Return where the problems start, (f + 1, c, d + 1): what is known of all rows, else of the sample, else 0."""
        warm, known, space = stream_of(self.task).warm, self.known[0], self.spaces[0]
        if warm:
            return warm[nearest(warm, C)]
        if not known:
            return np.zeros((folds + 1, columns, self.task.X.shape[1] + 1))
        own = known[nearest(known, C)]  # (f, c, r + 1) in the directions of the sample
        if space.basis is not None:
            own = np.concatenate([own[..., :-1] @ space.basis, own[..., -1:]], axis=-1)
        return np.concatenate([own, own.mean(axis=0, keepdims=True)])


class _RowsHessian:
    """The inverse Hessian of problems, first as the sample knows it, each of its rows counted for many, then as all rows do.

    How much a row bends the loss is asked of the problem that does not learn it, where there is one: problems start from what
    fits the sample, and rows that are fitted bend too little.
    """

    def __init__(self, task: Task, spectrum: Spectrum, terms: LossTerms, start: Array) -> None:
        """`start` (p, c, d + 1) are the coefficients from which the problems start."""
        self.task, self.spectrum, self.terms = task, spectrum, terms
        # 1. of each row of the sample, by the problem that holds it out, else by the last
        bent = self._bent(start[-1], slice(None))  # (m,)
        for left, one in zip(terms.left_out.tolist(), start, strict=True):
            if task.folds is not None and left != LEARNT:
                held = task.folds[left][1]
                bent[held] = self._bent(one, held)
        counted = (terms.class_weight * task.counts / np.bincount(task.codes, minlength=task.k))[task.codes]  # (m,)
        weight = bent * counted * terms.C[0]
        # 2. few rows tell little of a Hessian: the fewer, the more all rows count alike
        told = weight.sum() ** 2 / max(float(weight @ weight), 1e-300)
        alike = spectrum.values.size / (spectrum.values.size + told)
        weight = (1 - alike) * weight + alike * weight.mean()
        self.total = float(weight.sum())
        self.made = preconditioner(spectrum, weight[None].astype(bent.dtype), np.zeros(1, int))

    def apply(self, V: Array) -> Array:
        """Return H^-1 v of each row v (p, c * (d + 1))."""
        flat = V.reshape(len(V) * self.terms.columns, -1)
        return self.made.for_kinds(np.zeros(len(flat), int)).apply(flat).reshape(V.shape)

    def look(self) -> HessianLook:
        """Return how all rows are looked at: by so many of them as tell the Hessian well."""
        assert self.spectrum.vectors is not None  # noqa: S101 - for the type checker: the columns are no eigenvectors
        return HessianLook(self.spectrum.vectors.T, LOOKED_AT * self.spectrum.values.size / max(self.total, 1e-300))

    def renew(self, hessian: Array, total: Array) -> None:
        """Take the Hessian (q + 1, q + 1) that all rows told, and their total weight."""
        self.total = float(total)
        self.made = known_hessian(self.spectrum, hessian, self.total)

    def _bent(self, coef: Array, rows: Array | slice) -> Array:
        """Return the second derivative of the loss of some rows at coefficients (c, d + 1)."""
        loss = self.terms.loss(self.task.codes[rows], self.task.X.dtype)
        return np.asarray(loss.hessian_diagonal(loss.gradient(_margins(self.task, coef, rows)[None]))[0])


def _margins(task: Task, coef: Array, rows: Array | slice = slice(None)) -> Array:
    """Return the margins (c, m) of rows of the sample at coefficients (c, d + 1)."""
    ahead = coef[:, -1] - coef[:, :-1] @ stream_of(task).scaling.centre
    return np.asarray(coef[:, :-1].astype(task.X.dtype) @ task.X[rows].T + ahead[:, None].astype(task.X.dtype))


def _state(task: Task, coef: Array, facts: dict[str, float]) -> HeadState:
    """Return the saved head of coefficients (c, d + 1) for centred rows."""
    stream = stream_of(task)
    space = Space(None, None, stream.scaling.centre, None, stream.learnt, ())  # type: ignore[arg-type]
    return space.to_state(coef[:, :-1], coef[:, -1], facts)


def streamed_moments(task: Task, space: Space) -> Moments:
    """Return the moments of the sample's folds, and of all other rows."""
    moments = Moments(task, space)
    stream_of(task).totals  # noqa: B018 - looks at all numbers first
    folds = 0 if stream_of(task).held is None else len(space.folds)
    counts, sums, second = other_rows(task).sum("moments", task.k, space.basis, folds)
    moments.add(counts, sums, second)
    return moments


def fit_streamed(task: Task, space: Space, moments: Moments | None, shrinkage: float) -> HeadState:
    """Return the discriminant of all rows: `fit_all`, with one pass a product.

    `moments` are those in the columns themselves, where there are few enough.
    """
    if space.basis is None:
        coef, intercept = (moments or streamed_moments(task, space)).discriminants(shrinkage)
        return _state(task, np.c_[coef, intercept], {"shrinkage": shrinkage})
    rows, n = stream_rows(task), int(task.counts.sum())
    counts, sums, squares = stream_of(task).totals
    means = sums / counts[:, None]  # (k, d)
    trace = float(squares - (counts * (means**2).sum(axis=1)).sum()) / n
    ridge = shrinkage * (trace if trace > 0 else 1.0) / task.X.shape[1]
    scatter = Scatter(lambda V: rows.sum("gram", V)[0], n, means, counts)
    spectrum = columns_spectrum(task, "none", space)
    solved = conjugate_gradients(scatter, spectrum, 1 - shrinkage, ridge, means[1:] - means[:1])
    coef, intercept = with_intercepts(solved, means, np.log(counts * task.class_weight))
    return _state(task, np.c_[coef, intercept], {"shrinkage": shrinkage})

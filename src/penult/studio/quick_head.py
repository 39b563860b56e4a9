"""Penult's default head, kept warm: `blend` in few coordinates, with settings that are chosen anew now and then.

In: rows Z (n, r) with class numbers. Out: weights (k, r) and intercepts (k,) of one linear classifier whose softmax is
calibrated. Between two choices of settings a fit costs one warm start of the softmax and one Cholesky factor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from penult import heads
from penult.heads import calibration
from penult.heads.discriminant import with_intercepts
from penult.heads.head import threads
from penult.heads.task import Task
from penult.solver import DenseMatrix, LogisticLoss, Loss, Problems, SoftmaxLoss, Spectrum, solve

Array = NDArray[Any]
Ints = NDArray[np.intp]

GROWTH = 1.1  # times as many rows, from which settings are chosen anew
SEARCHED = 1000  # rows that settings are chosen by
C = 10.0  # of the softmax: the best is between 3 and 100 on all sets, and hardly matters beside the discriminant
FOLDS, MORE_FOLDS, FEW = 3, 6, 60  # folds; more of them up to so many rows
TOL = 1e-4  # of the warm softmax
UNPROVEN = 0.3  # how far a model is believed of which no label can be held out
LDA_WEIGHT, SHRINKAGE, HEAT = 0.35, 0.9, 1.0  # before anything is chosen


@dataclass(frozen=True, eq=False, slots=True)
class Units:
    """The rows to learn from and their class numbers, (n,) each; rows that only judge, drawn by lot, and theirs, (m,) each."""

    rows: Ints
    codes: Ints
    judges: Ints
    judged: Ints


@dataclass(frozen=True, eq=False, slots=True)
class Settings:
    """What was chosen on held-out rows, and for how many rows."""

    rows: int
    judges: int
    lda_weight: float
    shrinkage: float
    heat: float  # of the discriminant's logits
    temperature: float
    offset: Array  # (k,)
    floor: float


class QuickHead:
    """The head and what it keeps between two fits: the last softmax, second moments of the rows, settings."""

    def __init__(self, r: int, seed: int = 0) -> None:
        self.r, self.seed = r, seed
        self._classes: tuple[int, ...] = ()
        self._settings: Settings | None = None
        self._softmax: Array | None = None  # (1, c, r + 1)
        self._second = np.zeros((r, r))
        self._inside: Ints = np.zeros(0, np.intp)  # rows that are in it

    @property
    def floor(self) -> float:
        """The smallest probability that is given."""
        return self._settings.floor if self._settings else 0.0

    def fit(self, Z: Array, units: Units, classes: tuple[int, ...]) -> tuple[Array, Array]:
        """Return calibrated weights (k, r) and intercepts (k,) of the rows Z[units.rows]; `classes` are known numbers."""
        X = Z[units.rows]  # (n, r)
        with threads(X):
            if classes != self._classes:
                self._classes, self._softmax, self._settings = classes, None, None
            known = self._settings
            if known is None or self._grown(known, units):
                known = self._settings = self._choose(Z, X, units)
            linear, lda = self._fit_softmax(X, units.codes), self._fit_lda(Z, X, units, known.shrinkage)
        both = (1 - known.lda_weight) * linear + known.lda_weight / known.heat * lda  # (k, r + 1)
        both[:, -1] += known.offset
        both /= known.temperature
        return both[:, :-1].astype(np.float32), both[:, -1].astype(np.float32)

    def _grown(self, known: Settings, units: Units) -> bool:
        n, m = len(units.rows), len(units.judges)
        return n >= GROWTH * known.rows or n < known.rows / GROWTH or m >= 2 * known.judges + 8

    def _fit_softmax(self, X: Array, codes: Ints) -> Array:
        """Return softmax regression as weights and intercepts (k, r + 1) that add up to 0, from where the last fit ended."""
        k = len(self._classes)
        loss: Loss = LogisticLoss(codes, X.dtype) if k == 2 else SoftmaxLoss(codes, k, X.dtype)
        problems = Problems(DenseMatrix(X), loss, np.full((1, len(X)), C, X.dtype))
        spread = Spectrum(np.einsum("nr,nr->r", X, X, dtype=float) / len(X), None, 0.0)
        self._softmax = solve(problems, np.zeros(1), spread, self._softmax, TOL)
        found = self._softmax[0].astype(np.float64)  # (c, r + 1)
        return np.vstack([-found / 2, found / 2]) if k == 2 else found - found.mean(axis=0)

    def _fit_lda(self, Z: Array, X: Array, units: Units, shrinkage: float) -> Array:
        """Return a discriminant with shrunk covariance as weights and intercepts (k, r + 1) that add up to 0."""
        # 1. second moments: only what came and went is added up
        came, gone = np.setdiff1d(units.rows, self._inside), np.setdiff1d(self._inside, units.rows)
        for rows, sign in ((came, 1), (gone, -1)):
            part = Z[rows].astype(np.float64)
            self._second += sign * (part.T @ part)
        self._inside = units.rows
        # 2. the scatter within classes, shrunk towards its mean variance
        member = np.eye(len(self._classes))[units.codes]  # (n, k)
        counts = member.sum(axis=0)
        means = member.T @ X / counts[:, None]  # (k, r)
        scatter = (self._second - (means.T * counts) @ means) / len(X)
        level = max(float(np.trace(scatter)), 1e-12) / self.r
        scatter *= 1 - shrinkage
        scatter[np.diag_indices_from(scatter)] += shrinkage * level
        # 3. the differences of the means, solved
        apart = (means[1:] - means[:1]).T
        solved = cho_solve(cho_factor(scatter, overwrite_a=True, check_finite=False), apart, check_finite=False).T
        coef, intercept = with_intercepts(solved, means, np.log(counts))
        found = np.column_stack([coef, intercept])
        return np.asarray(found - found.mean(axis=0))

    def _choose(self, Z: Array, X: Array, units: Units) -> Settings:
        """Return the settings that held-out rows choose, and how sure the model may be."""
        n, k = len(X), len(self._classes)
        some = np.sort(np.random.default_rng(self.seed).permutation(n)[:SEARCHED]) if n > SEARCHED else np.arange(n)
        codes = units.codes[some]
        fold = deal(codes, MORE_FOLDS if n <= FEW else FOLDS, self.seed)
        held = np.flatnonzero(fold >= 0)
        parts = np.unique(fold[held])
        if len(parts) < 2 or len(np.unique(codes)) < k:
            return Settings(n, len(units.judges), LDA_WEIGHT, SHRINKAGE, HEAT, 1 / UNPROVEN, np.zeros(k), 0.0)
        folds = tuple((np.flatnonzero(fold != part), np.flatnonzero(fold == part)) for part in parts)
        task = Task(X[some], codes, k, np.ones(len(codes)), np.ones(k), folds, (self.r,), self.seed)
        search = heads.make_head("blend", scaling="none", C=C).search(task)
        best = search.best(task, held)
        chosen = search.candidates[best]
        logits, weight = search.logits[best][held], np.ones(len(held))
        other = search.parts[1]
        heats = [
            t for one, (_, t) in zip(other.candidates, other.judged(), strict=True) if one["shrinkage"] == chosen["shrinkage"]
        ]
        temperature = calibration.temperature(logits, codes[held], weight, False)
        prior = np.log(np.bincount(codes, minlength=k) + 1.0)
        believed = calibration.evidence(logits / temperature, codes[held], weight, prior)
        temperature /= believed
        offset = (1 - believed) * temperature * (prior - prior.mean())
        sharp = calibration.probabilities(logits + offset, temperature, 0.0)
        floor = calibration.best_floor(sharp, codes[held], weight)
        share = float(chosen["lda_weight"])
        shrinkage = float(chosen["shrinkage"] or SHRINKAGE)
        return Settings(n, len(units.judges), share, shrinkage, heats[0] if heats else HEAT, temperature, offset, floor)


def deal(codes: Ints, folds: int, seed: int) -> Ints:
    """Return the fold (n,) of each row: each class dealt evenly; -1 for a class's only row, which is always learnt."""
    rng = np.random.default_rng(seed)
    fold = np.full(len(codes), -1, np.intp)
    for code in np.unique(codes).tolist():
        rows = np.flatnonzero(codes == code)
        if len(rows) > 1:
            fold[rng.permutation(rows)] = (np.arange(len(rows)) + rng.integers(folds)) % folds
    return fold

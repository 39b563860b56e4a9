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
from penult.heads.contexts import threads
from penult.heads.discriminant import with_intercepts
from penult.heads.task import Task
from penult.solver import DenseMatrix, LogisticLoss, Loss, Problems, SoftmaxLoss, Spectrum, solve

Array = NDArray[Any]
Ints = NDArray[np.intp]

GROWTH = ((400, 1.15), (1000, 1.2), (10**9, 1.3))  # up to so many rows settings are chosen anew at so many times as many
JUDGES = 2  # rows drawn by lot by which the model is calibrated anew
SEARCHED = 2000  # rows that settings are chosen by
C = 10.0  # of the softmax: the best is between 3 and 100 on all sets, and hardly matters beside the discriminant
FOLDS = ((60, 10), (400, 5), (10**9, 3))  # up to so many rows so many folds: they cost more, and a fold lacks less
TOL = 1e-4  # of the warm softmax
POOL, BINS, MOST = 2000, 8, 6.0  # photos and bins by which labelled rows are weighed, and what one may weigh
LDA_WEIGHT, SHRINKAGE, HEAT = 0.0, 0.9, 1.0  # before anything is chosen: one row a class has no scatter
LEAST_SCATTER = 1e-6  # share of all variance that is taken for the scatter within classes at least


@dataclass(frozen=True, eq=False, slots=True)
class Units:
    """The rows to learn from and their class numbers, (n,) each; rows that only judge, drawn by lot, and theirs, (m,) each."""

    rows: Ints
    codes: Ints
    judges: Ints
    judged: Ints


@dataclass(frozen=True, eq=False, slots=True)
class SearchedSettings:
    """What held-out rows chose, and their logits (h, k) and class numbers (h,); None where none could be held out.

    `heat` is the temperature of the discriminant's logits.
    """

    lda_weight: float = LDA_WEIGHT
    shrinkage: float = SHRINKAGE
    heat: float = HEAT
    logits: Array | None = None
    codes: Ints | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Settings:
    """What was chosen for so many rows, and how sure the model may be."""

    chosen: SearchedSettings
    rows: int
    judges: int
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
            fresh = known is None or self._grown(known, units)
            chosen = self._search(X, units) if known is None or fresh else known.chosen
            fresh |= known is not None and abs(len(units.judges) - known.judges) >= JUDGES
            linear, lda = self._fit_softmax(X, units.codes), self._fit_lda(Z, X, units, chosen.shrinkage)
            both = (1 - chosen.lda_weight) * linear + chosen.lda_weight / chosen.heat * lda  # (k, r + 1)
            if known is None or fresh:
                rows = len(X) if known is None or chosen is not known.chosen else known.rows
                known = self._settings = self._calibrate(chosen, both, Z, units, rows)
        both[:, -1] += known.offset
        both /= known.temperature
        return both[:, :-1].astype(np.float32), both[:, -1].astype(np.float32)

    def _grown(self, known: Settings, units: Units) -> bool:
        n = len(units.rows)
        growth = _step(GROWTH, n)
        return n >= growth * known.rows or n < known.rows / growth

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
        level = max(np.trace(scatter), LEAST_SCATTER * np.trace(self._second) / len(X), 1e-30) / self.r
        scatter *= 1 - shrinkage
        scatter[np.diag_indices_from(scatter)] += shrinkage * level
        # 3. the differences of the means, solved
        apart = (means[1:] - means[:1]).T
        solved = cho_solve(cho_factor(scatter, overwrite_a=True, check_finite=False), apart, check_finite=False).T
        coef, intercept = with_intercepts(solved, means, np.log(counts))
        found = np.column_stack([coef, intercept])
        return np.asarray(found - found.mean(axis=0))

    def _search(self, X: Array, units: Units) -> SearchedSettings:
        """Return the settings that are best for held-out rows, and what these rows were answered."""
        n, k = len(X), len(self._classes)
        some = np.sort(np.random.default_rng(self.seed).permutation(n)[:SEARCHED]) if n > SEARCHED else np.arange(n)
        codes = units.codes[some]
        fold = deal(codes, int(_step(FOLDS, n)), self.seed)
        held = np.flatnonzero(fold >= 0)
        parts = np.unique(fold[held])
        if len(parts) < 2 or len(np.unique(codes)) < k:
            return SearchedSettings()
        folds = tuple((np.flatnonzero(fold != part), np.flatnonzero(fold == part)) for part in parts)
        task = Task(X[some], codes, k, np.ones(len(codes)), np.ones(k), folds, (self.r,), self.seed)
        search = heads.make_head("blend", scaling="none", C=C).search(task)
        best = search.best(task, held)
        found, other = search.candidates[best], search.parts[1]
        judged = zip(other.candidates, other.judged(), strict=True)
        heats = [t for one, (_, t) in judged if one["shrinkage"] == found["shrinkage"]]
        return SearchedSettings(
            float(found["lda_weight"]), float(found["shrinkage"] or SHRINKAGE), heats[0] if heats else HEAT,
            search.logits[best][held], codes[held],
        )  # fmt: skip

    def _calibrate(self, chosen: SearchedSettings, both: Array, Z: Array, units: Units, rows: int) -> Settings:
        """Return how sure the model `both` (k, r + 1) may be, by its answers to held-out rows and to those drawn by lot.

        Rows were chosen to be labelled because the model was unsure, or sure; what it was told of them holds for all photos
        only where each counts as often as photos are answered like it (covariate shift: Shimodaira 2000, here by the margin of
        the two likeliest classes).
        """
        k, counts = len(self._classes), (rows, len(units.judges))
        drawn = self._logits(both, Z[units.judges])  # (m, k)
        if chosen.codes is None or chosen.logits is None:
            return Settings(chosen, *counts, 1.0, np.zeros(k), calibration.highest_floor(k))  # nothing is known of its scale
        # 1. how often a held-out row stands for photos without a label; those drawn by lot stand for themselves
        weight = np.ones(len(chosen.codes))
        others = np.setdiff1d(np.arange(0, len(Z), max(1, len(Z) // POOL)), units.rows)
        if len(others) >= BINS:
            edges = np.quantile(margins(self._logits(both, Z[others])), np.arange(1, BINS) / BINS)
            own = np.digitize(margins(chosen.logits), edges)
            weight = np.minimum(len(own) / BINS / np.bincount(own, minlength=BINS)[own], MOST)
            weight *= weight.sum() / np.square(weight).sum()  # the sum is the effective number (Kish 1965)
        # 2. how far the model is believed beside the shares of the classes: not by the rows drawn by lot, which measure it,
        # since this may change an answer
        prior = np.log(np.bincount(chosen.codes, minlength=k) + 1.0)
        scale, believed = _temperature(chosen.logits, chosen.codes, weight, prior)
        offset = (1 - believed) * scale * (prior - prior.mean())
        # 3. the temperature and the floor, which change none
        logits, codes = np.vstack([chosen.logits, drawn]), np.concatenate([chosen.codes, units.judged])
        weight = np.concatenate([weight, np.ones(len(drawn))])
        temperature, _ = _temperature(logits, codes, weight, prior)
        sharp = calibration.probabilities(logits + offset, temperature, 0.0)
        return Settings(chosen, *counts, temperature, offset, calibration.best_floor(sharp, codes, weight))

    @staticmethod
    def _logits(both: Array, Z: Array) -> Array:
        return np.asarray(Z @ both[:, :-1].T.astype(np.float32) + both[:, -1])


def _temperature(logits: Array, codes: Ints, weight: Array, prior: Array) -> tuple[float, float]:
    """Return the temperature of logits (m, k), and how far they are believed beside the classes' log shares `prior` (k,)."""
    temperature = calibration.temperature(logits, codes, weight, False)
    believed = calibration.evidence(logits / temperature, codes, weight, prior)
    return temperature / believed, believed


def _step(steps: tuple[tuple[int, float], ...], n: int) -> float:
    """Return what holds up to the first of these numbers of rows that is not below n."""
    return next(value for most, value in steps if n <= most)


def margins(logits: Array) -> Array:
    """Return how far the likeliest class of each row of logits (n, k) lies above the next, (n,)."""
    two = np.partition(logits, -2, axis=1)[:, -2:]
    return np.asarray(two[:, 1] - two[:, 0])


def deal(codes: Ints, folds: int, seed: int) -> Ints:
    """Return the fold (n,) of each row: each class dealt evenly; -1 for a class's only row, which is always learnt."""
    rng = np.random.default_rng(seed)
    fold = np.full(len(codes), -1, np.intp)
    for code in np.unique(codes).tolist():
        rows = np.flatnonzero(codes == code)
        if len(rows) > 1:
            fold[rng.permutation(rows)] = (np.arange(len(rows)) + rng.integers(folds)) % folds
    return fold

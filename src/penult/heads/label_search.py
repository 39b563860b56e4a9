"""Logistic regression for many labels at once: every label, C and fold in one batch of the solver, over one set of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from penult.arrays import Array
from penult.heads.label_calibration import platt
from penult.heads.linear import FINE, HIGHEST, LOWEST, STEP, WORTH, nearest
from penult.heads.scoring import HeadState
from penult.heads.spaces import Space
from penult.heads.task import Folds, Task
from penult.solver import LogisticLoss, Problems, solve

COARSE = (-1, 0, 1, 2, 3)  # decades of C at which all labels are looked at
SHARED = 1.0  # what the loss of all labels counts in the choice of one label's C, beside its own
DEFAULT = 10.0
SEARCHED = 5000  # rows by which C is chosen where there are more
ENTRIES = 1 << 24  # of the margins that are in memory at a time
SEARCH_TOL, FIT_TOL = 1e-4, 1e-8  # of the loss
HALF = 0.5  # of a photo is added to both answers of a label that has no other (Krichevsky & Trofimov 1981)


@dataclass(frozen=True)
class LabelTask(Task):
    """The rows to learn from, each with any number of k labels."""

    ones: Array = field(kw_only=True)  # (k, n) weight of each row that has the label, 0 elsewhere
    zeros: Array = field(kw_only=True)  # (k, n) weight of each row that has it not; where it is not known both are 0

    def fewer(self, spaces: list[Space]) -> tuple[LabelTask, list[Space]]:
        """Return a task of `SEARCHED` of the rows with as many of each label's rarer answer as may be, and its spaces.

        What a label's answers weigh together stays as it is.
        """
        n, rng = len(self.codes), np.random.default_rng(self.seed)
        some, each = np.zeros(n, bool), SEARCHED // (2 * self.k)
        for one, zero in zip(self.ones > 0, self.zeros > 0, strict=True):
            for side in (one, zero):
                some[rng.permutation(np.flatnonzero(side))[:each]] = True
        rest = rng.permutation(np.flatnonzero(~some))
        some[rest[: max(SEARCHED - int(some.sum()), 0)]] = True
        rows, place = np.flatnonzero(some), np.cumsum(some) - 1

        def kept(folds: Folds) -> Folds:
            return tuple((place[train[some[train]]], place[held[some[held]]]) for train, held in folds)

        sides = []
        for side in (self.ones, self.zeros):
            own = side[:, rows]
            grown = np.divide(side.sum(axis=1), own.sum(axis=1), out=np.ones(self.k), where=own.any(axis=1))
            sides.append(own * grown[:, None])
        few = replace(
            self, X=self.X[rows], codes=self.codes[rows], sample_weight=self.sample_weight[rows],
            folds=kept(self.folds or ()), spaces={}, ones=sides[0], zeros=sides[1],
            given_weight=None if self.given_weight is None else self.given_weight[rows],
        )  # fmt: skip
        there = []
        for space in spaces:
            seen = space.spectrum.projected
            spectrum = replace(space.spectrum, projected=None if seen is None else seen[rows])
            there.append(replace(space, X=space.X.take(rows), spectrum=spectrum, folds=kept(space.folds)))
        return few, there


class LabelSearch:
    """Held-out logits of one logistic classifier a label, for any values of C, warm from the nearest C solved before."""

    def __init__(self, task: LabelTask, spaces: list[Space], whole: Callable[[], Space]) -> None:
        """`spaces` serve the folds; `whole` returns the space of all rows: theirs where they share an exact one."""
        self.task, self.spaces, self.whole = task, spaces, whole
        self.known: list[list[dict[float, Array]]] = [[{} for _ in range(task.k)] for _ in spaces]  # C -> (folds, r + 1)
        self.held: list[dict[float, Array]] = [{} for _ in range(task.k)]  # C -> (n,)
        self.common: list[float] = []  # values of C that all labels have

    def search(self, fixed: float | Sequence[float] | None) -> None:
        """Solve all labels on one coarse grid, then each beside its best; or at the `fixed` values."""
        given = None if fixed is None else sorted(set(np.atleast_1d(np.asarray(fixed, float)).tolist()))
        if len(self.task.codes) > SEARCHED and (given is None or len(given) > 1):
            self._search_some(given)
            return
        self.common = [10.0**e for e in COARSE] if given is None else given
        self.solve([(label, C) for label in range(self.task.k) for C in self.common])
        while given is None and (wanted := self._beside(self.best())):
            self.solve(wanted)

    def _search_some(self, given: list[float] | None) -> None:
        """Choose each label's C by some of the rows, then solve all rows at that C."""
        few, spaces = self.task.fewer(self.spaces)
        found = LabelSearch(few, spaces, self.whole)
        found.search(given)
        best = found.best()
        self.known = [[{C: known[C]} for C, known in zip(best, those, strict=True)] for those in found.known]
        self.solve(list(enumerate(best)))

    def _beside(self, best: list[float]) -> list[tuple[int, float]]:
        """Return the values to try next: a decade further where the best is the outermost, else what lies beside it."""
        wanted = []
        for label, C in enumerate(best):
            at, tried = np.log10(C), np.log10(np.array(list(self.held[label])))
            new = [at + way * FINE[0] for way in (-1, 1)]
            if at <= tried.min() + 1e-9 and at > LOWEST:
                new = [at - STEP]
            elif at >= tried.max() - 1e-9 and at < HIGHEST:
                new = [at + STEP]
            new = [e for e in new if LOWEST <= e <= HIGHEST]  # of labels that are told apart wholly every larger C is better
            wanted += [(label, float(10**e)) for e in new if np.abs(tried - e).min() > 1e-6]
        return wanted

    def best(self, rows: Array | None = None) -> list[float]:
        """Return the C of each label with the smallest loss on held-out rows (all when None).

        A few dozen rows with a label tell little of its C, and all labels are answered by the same features: beside the
        label's own loss that of all labels counts, each as a share of its least. The loss is that after calibration, for a
        larger C with a flatter slope ranks better than a smaller one.
        """
        losses = self._losses(rows)
        shares = [{C: loss / max(min(own.values()), 1e-300) for C, loss in own.items()} for own in losses]
        counted = [share for share, told in zip(shares, self._tell(rows), strict=True) if told] or shares
        places = np.log10(self.common) if self.common else np.zeros(1)
        mean = [float(np.mean([share[C] for share in counted])) for C in self.common] or [1.0]
        chosen = []
        for share in shares:
            tried = sorted(share)
            cost = np.array([share[C] + SHARED * float(np.interp(np.log10(C), places, mean)) for C in tried])
            good = np.flatnonzero(cost <= cost.min() * (1 + WORTH))
            chosen.append(tried[int(good[1] if len(good) > 1 and good[0] == 0 else good[0])])
        return chosen

    def _tell(self, rows: Array | None) -> Array:
        """Return which labels (k,) have two of both answers among some rows."""
        here = slice(None) if rows is None else rows
        counted = self.task.row_weight[here]
        both = [(side[:, here] > 0) @ counted for side in (self.task.ones, self.task.zeros)]
        return np.asarray(np.minimum(*both) > 1)

    def _losses(self, rows: Array | None) -> list[dict[float, float]]:
        """Return the calibrated loss of each label by C, on some held-out rows."""
        here = slice(None) if rows is None else rows
        pairs = [(label, C) for label, own in enumerate(self.held) for C in own]
        out: list[dict[float, float]] = [{} for _ in self.held]
        step = max(1, ENTRIES // 8 // len(self.task.codes))
        for start in range(0, len(pairs), step):
            some = pairs[start : start + step]
            labels = [label for label, _ in some]
            z = np.stack([self.held[label][C][here] for label, C in some])
            found = platt(z, self.task.ones[labels][:, here], self.task.zeros[labels][:, here])[2]
            for (label, C), loss in zip(some, found.tolist(), strict=True):
                out[label][C] = loss
        return out

    def solve(self, wanted: list[tuple[int, float]]) -> None:
        """Solve labels at values of C, in all folds."""
        n, folds = len(self.task.codes), max(len(self.task.folds or ()), 1)
        step = max(1, ENTRIES // (n * folds))
        for start in range(0, len(wanted), step):
            some = wanted[start : start + step]
            for label, C in some:
                self.held[label][C] = np.zeros(n)
            for space, known in zip(self.spaces, self.known, strict=True):
                self._solve(space, known, some)

    def _solve(self, space: Space, known: list[dict[float, Array]], wanted: list[tuple[int, float]]) -> None:
        f = len(space.folds)
        labels, C = np.array([label for label, _ in wanted]), np.array([C for _, C in wanted])
        learnt = np.ones((f, len(self.task.codes)), bool)
        for row, (_, held) in zip(learnt, space.folds, strict=True):
            row[held] = False
        start = None
        if all(known[label] for label in labels):
            start = np.concatenate([known[label][nearest(known[label], c)] for label, c in wanted])
        coef = self._solved(
            space, (np.repeat(labels, f), np.repeat(C, f)), np.tile(learnt, (len(wanted), 1)), start, SEARCH_TOL
        )
        margins = (space.X.matvec(coef[:, :-1]) + coef[:, -1:]).reshape(len(wanted), f, -1)
        for (label, c), found, own in zip(wanted, margins, coef.reshape(len(wanted), f, -1), strict=True):
            known[label][c] = own
            for z, (_, held) in zip(found, space.folds, strict=True):
                self.held[label][c][held] = z[held]

    def _solved(self, space: Space, of: tuple[Array, Array], learnt: Any, start: Array | None, tol: float) -> Array:
        """Return coefficients (p, r + 1) of labels and values of C (p,), learnt from some of the rows (p, n)."""
        labels, C = of
        kind = space.X.dtype
        ones, weight = self.task.ones[labels] * learnt, (self.task.ones + self.task.zeros)[labels] * learnt  # (p, n)
        with_it, every = ones.sum(axis=1), weight.sum(axis=1)
        coef = np.zeros((len(labels), space.X.shape[1] + 1), kind)
        # all that is known of a label without a second answer
        coef[:, -1] = np.log((with_it + HALF) / (every - with_it + HALF))
        both = np.flatnonzero((ones > 0).any(axis=1) & (ones < weight).any(axis=1))
        if len(both):
            loss = LogisticLoss(ones[both] > 0, kind)
            batch = Problems(space.X, loss, (weight[both] * C[both, None]).astype(kind))
            begin = None if start is None else start[both][:, None]
            coef[both] = solve(batch, C[both], space.spectrum, begin, tol)[:, 0]
        return coef

    def refit(self, C: Array) -> HeadState:
        """Return the linear scorer of all rows with the values of C (k,), warm from the folds where they share coordinates."""
        space, n, k = self.whole(), len(self.task.codes), self.task.k
        warm = len(self.spaces) == 1 and not self.spaces[0].learnt
        parts = []
        for labels in np.array_split(np.arange(k), -(-k * n // ENTRIES)):
            start = None
            if warm and all(self.known[0][label] for label in labels):
                start = np.concatenate([self._start(label, C[label], space) for label in labels])
            parts.append(self._solved(space, (labels, C[labels]), True, start, FIT_TOL))
        coef = np.concatenate(parts).astype(np.float64)  # (k, r + 1)
        return space.to_state(coef[:, :-1], coef[:, -1], {})

    def _start(self, label: int, C: float, space: Space) -> Array:
        known = self.known[0][label]
        start = known[nearest(known, C)].mean(axis=0)[None]  # (1, r + 1)
        basis = self.spaces[0].basis
        if space is self.spaces[0] or basis is None:
            return np.asarray(start)
        return np.concatenate([start[:, :-1] @ basis, start[:, -1:]], axis=-1)  # from directions of the folds to columns

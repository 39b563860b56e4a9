"""Linear classifiers for any values of C, all folds in one batch, and which values of C to try next."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from penult.arrays import Array
from penult.errors import InputError
from penult.heads.scoring import HeadState, two_sided
from penult.heads.spaces import Space
from penult.heads.task import Task
from penult.i18n import _
from penult.solver import Loss, Problems, solve

STEP = 1.0  # decades of the coarse grid
FINE = (0.5, 0.25)  # decades beside the best, one round each
LOWEST, HIGHEST = -8, 8  # decades
WORTH = 1e-3  # a wider grid must lower the loss by this share


class LinearSearch:
    """Held-out logits of linear classifiers for any values of C, warm from the nearest C solved before."""

    def __init__(
        self,
        task: Task,
        spaces: list[Space],
        whole: Callable[[], Space],
        loss: Callable[[Task, Any], Loss],
    ) -> None:
        """`spaces` serve the folds; `whole` returns the space of all rows: theirs where they share an exact one."""
        self.task, self.spaces, self.whole, self.loss = task, spaces, whole, loss
        self.known: list[dict[float, Array]] = [{} for _ in self.spaces]  # C -> (folds, c, r + 1)

    def logits(self, wanted: list[float]) -> dict[float, Array]:
        """Return held-out logits (n, k) of each C."""
        out = {C: np.zeros((len(self.task.codes), self.task.k)) for C in wanted}
        for space, known in zip(self.spaces, self.known, strict=True):
            coef = self._solve(space, known, wanted)  # (w, folds, c, r + 1)
            known |= dict(zip(wanted, coef, strict=True))
            flat = coef.reshape(-1, coef.shape[-1])
            margins = (space.X.matvec(flat[:, :-1]) + flat[:, -1:]).reshape(*coef.shape[:3], -1)  # (w, folds, c, n)
            for C, found in zip(wanted, margins, strict=True):
                for one, (_other, held) in zip(found, space.folds, strict=True):
                    out[C][held] = two_sided(one[:, held].T.astype(np.float64))
        return out

    def _solve(self, space: Space, known: dict[float, Array], wanted: list[float]) -> Array:
        weight = np.tile(self.task.sample_weight, (len(space.folds), 1))  # (f, n)
        for row, (_other, held) in zip(weight, space.folds, strict=True):
            row[held] = 0
        start = np.concatenate([known[nearest(known, C)] for C in wanted]) if known else None
        many = np.repeat(wanted, len(space.folds))
        coef = self._solved(space, np.tile(weight, (len(wanted), 1)), many, start, 1e-5)
        return coef.reshape(len(wanted), len(space.folds), *coef.shape[1:])

    def _solved(self, space: Space, weight: Array, C: Array, start: Array | None, tol: float) -> Array:
        loss = self.loss(self.task, space.X.dtype)
        batch = Problems(space.X, loss, (weight * C[:, None]).astype(space.X.dtype))
        return solve(batch, C, space.spectrum, start, tol)

    def refit(self, C: float) -> HeadState:
        """Return the linear scorer of all rows, warm from the folds where they share its coordinates."""
        space = self.whole()
        known = self.known[0] if len(self.spaces) == 1 and not self.spaces[0].learnt else {}
        start = known[nearest(known, C)].mean(axis=0)[None] if known else None  # (1, c, r + 1)
        if start is not None and space is not self.spaces[0]:  # from the directions of the folds to the columns
            basis = self.spaces[0].basis
            start = None if basis is None else np.concatenate([start[..., :-1] @ basis, start[..., -1:]], axis=-1)
        coef = self._solved(space, self.task.sample_weight[None], np.array([C]), start, 1e-8)[0].astype(
            np.float64
        )  # (c, r + 1)
        return space.to_state(coef[:, :-1], coef[:, -1], {"C": C})


def nearest(known: dict[float, Array], C: float) -> float:
    """Return the known C with the smallest ratio to this one."""
    return min(known, key=lambda other: abs(np.log(other / C)))


class Grid:
    """A grid of decades that grows while its edge is the best, then narrows around the best; or the `fixed` values."""

    def __init__(
        self,
        default: float,
        fixed: float | Sequence[float] | None = None,
        start: tuple[int, ...] = (-1, 0, 1, 2),
        fine: tuple[float, ...] = FINE,
    ) -> None:
        given = [] if fixed is None else sorted(set(np.atleast_1d(np.asarray(fixed, float)).tolist()))
        if fixed is not None and not (given and given[0] > 0 and given[-1] < math.inf):
            raise InputError(_("the values to try are {fixed!r}; give one positive number, or several", fixed=fixed))
        self.default = given[len(given) // 2] if given else default
        self.losses: dict[float, float] = {}
        self._fixed = given
        self._start = start
        self._rounds = list(fine)

    @property
    def single(self) -> bool:
        """Whether there is nothing to choose."""
        return len(self._fixed) == 1

    def next(self) -> list[float]:
        """Return the values to try next; none when the search is over."""
        if not self.losses:
            return self._fixed or [10.0**e for e in self._start]
        if self._fixed:
            return []
        at = math.log10(self.best())
        tried = [math.log10(C) for C in self.losses]
        if at <= min(tried) + 1e-9 and at > LOWEST:
            return [10 ** (at - STEP)]
        if at >= max(tried) - 1e-9 and at < HIGHEST:
            return [10 ** (at + STEP)]
        while self._rounds:
            step = self._rounds.pop(0)
            new = [10 ** (at + sign * step) for sign in (-1, 1)]
            new = [C for C in new if all(abs(math.log10(C) - e) > 1e-6 for e in tried)]
            if new:
                return sorted(new)
        return []

    def tell(self, losses: dict[float, float]) -> None:
        """Record the losses of the values that `next` gave."""
        self.losses |= losses

    def best(self) -> float:
        """Return the value that `pick` picks."""
        tried = sorted(self.losses)
        return tried[self.pick(np.array([self.losses[C] for C in tried]))]

    def pick(self, losses: Array) -> int:
        """Return the number of the smallest value within a thousandth of the least loss, so that flat ends do not run.

        `losses` are those of the values tried, in ascending order. Towards small values too: of a flat lower end the edge
        itself is left out. Of given values it is the one with the least loss.
        """
        least = losses.min()
        if self._fixed:
            return int(np.argmin(losses))
        good = np.flatnonzero(losses <= least + WORTH * abs(least))
        return int(good[1] if len(good) > 1 and good[0] == 0 else good[0])

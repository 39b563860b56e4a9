"""Which values of one positive number to try next, from coarse to fine.

In: the losses of the values tried so far. Out: the next values, until the best lies inside and is fine enough; or the values
that were given, once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from penult.errors import InputError

STEP = 1.0  # decades of the coarse grid
FINE = (0.5, 0.25)  # decades beside the best, one round each
LOWEST, HIGHEST = -8, 8  # decades
WORTH = 1e-3  # a wider grid must lower the loss by this share


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
            raise InputError(f"the values to try are {fixed!r}; give one positive number, or several")
        self.default = given[len(given) // 2] if given else default
        self.losses: dict[float, float] = {}
        self._fixed = given
        self._start = start
        self._rounds = list(fine)

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
        """Return the smallest value within a thousandth of the least loss, so that flat ends do not run.

        Towards small values too: of a flat lower end the edge itself is left out. Of given values it is the one with the
        least loss.
        """
        least = min(self.losses.values())
        if self._fixed:
            return min(self.losses, key=lambda C: self.losses[C])
        good = sorted(C for C, loss in self.losses.items() if loss <= least + WORTH * abs(least))
        flat = len(good) > 1 and good[0] == min(self.losses)
        return good[1] if flat else good[0]

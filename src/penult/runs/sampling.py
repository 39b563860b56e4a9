"""The rows of a run that the page shows where there are too many for one page, and what is counted of all of them.

In: the columns of all rows, as numbers. Out: row numbers, the same for the same run: what tells most, then a random sample.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from penult.audit import Finding

MOST = 25_000  # rows of a page: names, places and neighbors of so many are 3 MB
TELLING = 2500  # most confident mistakes, least confident answers, flagged photos and least probable labels that are kept

Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class RowTotals:
    """Of all training photos of a run: how many there are, were measured, got another class than their label, are flagged.

    `errors` are the wrong ones whose label no finding doubts.
    """

    photos: int
    measured: int
    wrong: int
    flagged: int
    errors: int


@dataclass(frozen=True, slots=True)
class RowColumns:
    """What each of n rows is chosen by; `sure` and `own` are NaN where a photo was not measured."""

    measured: Bools
    wrong: Bools
    sure: NDArray[np.float64]
    own: NDArray[np.float64]
    flagged: Bools
    doubted: Bools

    @property
    def totals(self) -> RowTotals:
        """What is counted of all rows."""
        errors = self.wrong & ~self.doubted
        counts = [int(some.sum()) for some in (self.measured, self.wrong, self.flagged, errors)]
        return RowTotals(len(self.wrong), *counts)

    def choose(self, most: int = MOST) -> Ints:
        """Return `most` rows, ascending: all where there are no more."""
        n, each = len(self.wrong), min(TELLING, most // 5)
        if n <= most:
            return np.arange(n)
        wrong, errors = np.flatnonzero(self.wrong), np.flatnonzero(self.wrong & ~self.doubted)
        measured, flagged = np.flatnonzero(self.measured), np.flatnonzero(self.flagged)
        telling = [
            wrong[np.argsort(-self.sure[wrong], kind="stable")][:each],
            errors[np.argsort(self.own[errors], kind="stable")][:each],
            measured[np.argsort(self.sure[measured], kind="stable")][:each],
            flagged[np.linspace(0, len(flagged) - 1, min(each, len(flagged))).astype(np.intp)],
        ]
        kept = np.zeros(n, bool)
        kept[np.concatenate(telling)] = True
        rest = np.random.default_rng(0).permutation(np.flatnonzero(~kept))
        kept[rest[: most - int(kept.sum())]] = True
        return np.flatnonzero(kept)


def flagged_names(findings: Iterable[Finding]) -> frozenset[str]:
    """Return the training photos that have a finding."""
    return frozenset(name for one in findings for name in (one.photos[1:] if one.kind == "leak" else one.photos))


def doubted_names(findings: Iterable[Finding]) -> frozenset[str]:
    """Return the photos whose label a finding doubts."""
    return frozenset(one.file for one in findings if one.kind == "label")


def within(near: Ints, chosen: Ints, n: int) -> Ints:
    """Return neighbors (m, k) of the chosen rows (m,) of n by their places among these, with -1 at the end."""
    place = np.full(n, -1, np.intp)
    place[chosen] = np.arange(len(chosen))
    found = place[near]
    return np.take_along_axis(found, np.argsort(found < 0, axis=1, kind="stable"), axis=1)

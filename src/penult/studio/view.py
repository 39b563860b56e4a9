"""The labels of a project as they are after one act: what is asked next, counted and shown is worked out from it alone.

In: labels and status as the store has them. Out: which photos have a label that counts, which need no question any more. The
arrays are not changed any more, so threads that answer need no lock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from penult.store.labels import EXAM, EXCLUDED, NONE_OF_THESE, SKIPPED

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class LabelView:
    """The state after some acts.

    Parameters
    ----------
    labels : array (N,) int32
        Class numbers, -1 where there is none.
    status : array (N,) uint8
        The bits of `penult.store.labels`.
    classes : int
        How many classes there are, with those that were removed, which no photo has.
    acts : int
        The number of the last act.
    asked_again : mapping of int to int
        Photos that were asked a second time, and the second answer.
    removed : frozenset of int
        Numbers of classes that are no more.
    rejected : mapping of int to array (N,)
        For a class the photos that were struck out of a page of it.
    shown : frozenset of int
        Photos that are on the screen already, here or in another tab.
    """

    labels: NDArray[np.int32]
    status: NDArray[np.uint8]
    classes: int
    acts: int = 0
    asked_again: Mapping[int, int] = field(default_factory=dict)
    removed: frozenset[int] = frozenset()
    rejected: Mapping[int, Mask] = field(default_factory=dict)
    shown: frozenset[int] = frozenset()

    @cached_property
    def labelled(self) -> Mask:
        """Return which photos have a label that counts, (N,): excluded ones have none."""
        return np.asarray((self.labels >= 0) & ((self.status & EXCLUDED) == 0))

    @cached_property
    def decided(self) -> Mask:
        """Return which photos need no question any more, (N,)."""
        return np.asarray(self.labelled | ((self.status & (EXCLUDED | NONE_OF_THESE)) != 0))

    @cached_property
    def skipped(self) -> Mask:
        """Return which photos were skipped and still have no label, (N,)."""
        return np.asarray(((self.status & SKIPPED) != 0) & (self.labels < 0))

    def select(self, status: str) -> Mask:
        """Return which photos (N,) are "labelled", "unlabelled", "excluded", "none" (of the classes) or of the "exam"."""
        kept = (self.status & EXCLUDED) == 0
        if status == "excluded":
            return np.asarray(~kept)
        if status == "none":
            return np.asarray((self.status & NONE_OF_THESE != 0) & (self.labels < 0) & kept)
        if status == "exam":
            return np.asarray(self.labelled & (self.status & EXAM != 0))
        return self.labelled if status == "labelled" else ~self.decided

    def count(self) -> dict[str, int]:
        """Return how many photos are in each state, as the page shows it."""
        states = ("labelled", "unlabelled", "excluded", "none", "exam")
        return {"photos": len(self.labels)} | {status: int(self.select(status).sum()) for status in states}

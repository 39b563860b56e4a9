"""The labels of a project as they are after one act: what is asked next, counted and shown is worked out from it alone.

In: labels and status as the store has them. Out: which photos have a label that counts, which need no question any more. The
arrays are not changed any more, so threads that answer need no lock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from penult.store.labels import EXCLUDED, NONE_OF_THESE, SKIPPED

Mask = NDArray[np.bool_]


class LabelledPhotos(Protocol):
    """What a session has to know of a project's photos (N): `penult.studio.project.Project` is one; see there."""

    @property
    def folder(self) -> Path: ...  # noqa: D102
    @property
    def order(self) -> str: ...  # noqa: D102
    @property
    def digests(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def files(self) -> Sequence[Sequence[str]]: ...  # noqa: D102
    @property
    def families(self) -> NDArray[np.intp]: ...  # noqa: D102
    @property
    def classes(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def labels(self) -> Sequence[str | None]: ...  # noqa: D102
    @property
    def guesses(self) -> Mapping[int, tuple[str, float]]: ...  # noqa: D102
    @property
    def findings(self) -> Sequence[Mapping[str, Any]]: ...  # noqa: D102
    def size(self, number: int) -> tuple[int, int]: ...  # noqa: D102
    def csv_name(self, number: int) -> list[str]: ...  # noqa: D102


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
        Questions that were answered, those that were undone apart: what the rhythm of exam questions counts.
    asked_again : mapping of int to bool
        Photos that were asked a second time, and whether the second answer was the first one.
    removed : frozenset of int
        Numbers of classes that are no more.
    rejected : mapping of int to array (N,)
        For a class the photos that were struck out of a page of it.
    shown : frozenset of int
        Photos that are on the screen already, here or in another tab.
    age : array (N,)
        How many acts ago the user labelled each photo; 0 for labels that photos came with.
    """

    labels: NDArray[np.int32]
    status: NDArray[np.uint8]
    classes: int
    acts: int = 0
    asked_again: Mapping[int, bool] = field(default_factory=dict)
    removed: frozenset[int] = frozenset()
    rejected: Mapping[int, Mask] = field(default_factory=dict)
    shown: frozenset[int] = frozenset()
    age: NDArray[np.int64] | int = 0

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
        """Return which photos (N,) are "labelled", "unlabelled", "excluded" or "none" (of the classes)."""
        kept = (self.status & EXCLUDED) == 0
        if status == "excluded":
            return np.asarray(~kept)
        if status == "none":
            return np.asarray((self.status & NONE_OF_THESE != 0) & (self.labels < 0) & kept)
        return self.labelled if status == "labelled" else ~self.decided

    def count(self, reserved: Mask) -> dict[str, int]:
        """Return how many photos are in each state, as the page shows it; `reserved` (N,) are the exam's."""
        states = ("labelled", "unlabelled", "excluded", "none")
        counts = {"photos": len(self.labels)} | {status: int(self.select(status).sum()) for status in states}
        return counts | {"exam": int((self.labelled & reserved).sum())}

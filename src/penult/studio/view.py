"""The labels of a project as they are after one act: what is asked next, counted and shown is worked out from it alone.

In: the label store. Out: arrays that nobody changes any more, so that threads that answer need no lock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from penult.store.labels import EXAM, EXCLUDED, NONE_OF_THESE, ClassName


@dataclass(frozen=True)
class LabelView:
    """The state after act number `acts`.

    `labels` (N,) are class numbers, -1 for none, `status` (N,) the bits of `penult.store.labels`. `asked_again` has the
    photos that were asked a second time, and the number of the act that answered. `rejected` has for a class the photos (N,)
    that were struck out of a page of it.
    """

    labels: NDArray[np.int32]
    status: NDArray[np.uint8]
    names: tuple[ClassName, ...] = ()
    acts: int = 0
    asked_again: Mapping[int, int] = field(default_factory=dict)
    rejected: Mapping[int, NDArray[np.bool_]] = field(default_factory=dict)

    @property
    def classes(self) -> int:
        """Return the number of classes, with those that were removed, which no photo has."""
        return len(self.names)

    @cached_property
    def live(self) -> tuple[int, ...]:
        """Return the numbers of the classes that were not removed."""
        return tuple(number for number, one in enumerate(self.names) if not one.removed)

    @cached_property
    def usable(self) -> NDArray[np.bool_]:
        """Return which photos (N,) the model learns from: labelled, not excluded, no exam questions."""
        return np.asarray((self.labels >= 0) & ((self.status & (EXCLUDED | EXAM)) == 0))

    @cached_property
    def unlabelled(self) -> NDArray[np.bool_]:
        """Return which photos (N,) have no label yet, are not excluded, and were not said to be of none of the classes."""
        return np.asarray((self.labels < 0) & ((self.status & (EXCLUDED | NONE_OF_THESE)) == 0))

    def count(self) -> dict[str, int]:
        """Return how many photos are in each state, as the page shows it; excluded ones count as that alone."""
        kept = (self.status & EXCLUDED) == 0
        return {
            "photos": len(self.labels),
            "labelled": int(((self.labels >= 0) & kept).sum()),
            "unlabelled": int(self.unlabelled.sum()),
            "excluded": int((~kept).sum()),
            "none": int(((self.status & NONE_OF_THESE != 0) & (self.labels < 0) & kept).sum()),
            "exam": int(((self.status & EXAM != 0) & (self.labels >= 0) & kept).sum()),
        }

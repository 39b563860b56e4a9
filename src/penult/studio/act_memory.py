"""What acts say beside labels: second answers, photos struck out of pages, decisions on findings.

In: acts as the store applied them, those of earlier sessions too. Out: what holds now; an act that is undone says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.store.labels import REDO, UNDO, Applied
from penult.studio.view import Mask

REMEMBERED = ("again", "page", "finding")
QUESTIONS = ("label", "exam", "again", "none", "skip")  # acts that answer one question each


class ActMemory:
    """Kept up to date by `take`, for N photos."""

    def __init__(self, photos: int) -> None:
        self._photos = photos
        self._again: dict[int, tuple[int, bool]] = {}  # by act: photo, and whether the answer was the first one
        self._struck: dict[int, NDArray[np.int32]] = {}  # by class: how often each photo was struck out
        self._decided: dict[int, tuple[str, str]] = {}  # by act: finding and decision
        self.asked_again: Mapping[int, bool] = {}
        self.rejected: Mapping[int, Mask] = {}
        self.decisions: Mapping[str, str] = {}

    @staticmethod
    def kinds() -> tuple[str, ...]:
        """Return the kinds of acts that it wants to hear of."""
        return (*REMEMBERED, UNDO, REDO)

    def take(self, applied: Applied) -> None:
        """Take up what an act, or the end of one, says."""
        act, gone = applied.act, applied.kind == UNDO
        if act.kind == "again":
            for change in act.changes:
                self._put(self._again, applied.of, (change.photo, bool(act.info["same"])), gone)
            self.asked_again = dict(self._again[of] for of in sorted(self._again))
        elif act.kind == "page":
            label = int(act.info["class"])
            counts = self._struck.setdefault(label, np.zeros(self._photos, np.int32))
            struck = [change.photo for change in act.changes if change.label != label]
            counts[struck] += -1 if gone else 1
            self.rejected = {**self.rejected, label: counts > 0}
        elif act.kind == "finding":
            self._put(self._decided, applied.of, (str(act.info["finding"]), str(act.info["decision"])), gone)
            self.decisions = dict(self._decided[of] for of in sorted(self._decided))

    @staticmethod
    def _put(kept: dict[int, Any], of: int, value: Any, gone: bool) -> None:
        if gone:
            kept.pop(of, None)
        else:
            kept[of] = value

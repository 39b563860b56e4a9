"""The k nearest rows by cosine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from penult.arrays import Array, row_chunks, unit_rows
from penult.heads import scaling
from penult.heads.choice import Search, held_out
from penult.heads.head import Head
from penult.heads.scoring import HeadState, neighbor_logits
from penult.heads.task import Task

COUNTS = (1, 2, 3, 5, 8, 13, 21, 34, 55)
CHUNK = 2048  # rows whose cosines to all others are in memory at a time


@dataclass(eq=False, repr=False)
class KNN(Head):
    """Vote among the k nearest rows by cosine; a vote counts (1 + cosine) / 2, half a vote is shared by the classes.

    `k`: None chooses it. See `Head.fit` for the rest.
    """

    name = "knn"
    weighs_rows = False
    has_intercepts = False

    k: int | None = None

    def search(self, task: Task) -> Search:
        """Return the numbers of neighbors that were tried."""
        least = min((len(train) for train, _ in task.folds), default=0) if task.folds else len(task.codes)
        counts = tuple(c for c in COUNTS if c <= least) if self.k is None else (min(int(self.k), least),)
        if task.folds is None and self.k is None:
            counts = (min(5, least),)

        def judge(train: Array, held: Array) -> list[Array]:
            rows, learnt = self._rows(task, train)
            others = unit_rows(scaling.apply(self.scaling, task.X[held], task.blocks, learnt))
            chunks = [
                neighbor_logits(others[at] @ rows.T, task.codes[train], task.class_weight, counts)
                for at in row_chunks(len(others), CHUNK)
            ]
            return list(np.concatenate(chunks, axis=1))

        def refit(i: int) -> HeadState:
            rows, learnt = self._rows(task, np.arange(len(task.codes)))
            arrays = {
                "rows": rows.astype(np.float32),
                "codes": task.codes.astype(np.int32),
                "votes": task.class_weight,
                **learnt,
            }
            return HeadState("neighbours", arrays, {"k": counts[i]})

        return Search([{"k": c} for c in counts], held_out(task, judge, len(counts)), refit)

    def _rows(self, task: Task, train: Array) -> tuple[Array, dict[str, Array]]:
        learnt = scaling.fit(self.scaling, task.X[train], task.blocks)
        return unit_rows(scaling.apply(self.scaling, task.X[train], task.blocks, learnt)), learnt

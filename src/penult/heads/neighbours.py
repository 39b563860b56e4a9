"""Heads that compare: the k nearest rows by cosine, and the nearest class mean.

In: scaled rows. Out: the rows themselves (`knn`) or a linear scorer (`centroid`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from penult.arrays import Array
from penult.heads import scaling
from penult.heads.base import Head
from penult.heads.choice import Search, held_out, own_temperature
from penult.heads.scorers import votes
from penult.heads.state import HeadState
from penult.heads.task import Task

COUNTS = (1, 2, 3, 5, 8, 13, 21, 34, 55)
CHUNK = 2048  # rows whose cosines to all others are in memory at a time


class KNN(Head):
    """Vote among the k nearest rows by cosine; a vote counts (1 + cosine) / 2, half a vote is shared by the
    classes.

    `k`: None chooses it. See `Head.fit` for the rest.
    """

    name = "knn"

    def __init__(
        self,
        k: int | None = None,
        *,
        scaling: str = "unit",
        blocks: tuple[int, ...] | None = None,
        class_weight: Any = None,
        calibrate: bool = True,
        clip: float | str | None = "auto",
        folds: int = 5,
        random_state: int = 0,
    ) -> None:
        self.k = k
        self.scaling = scaling
        self.blocks = blocks
        self.class_weight = class_weight
        self.calibrate = calibrate
        self.clip = clip
        self.folds = folds
        self.random_state = random_state

    def _search(self, task: Task) -> Search:
        least = min((len(train) for train, _ in task.folds), default=0) if task.folds else len(task.codes)
        counts = tuple(c for c in COUNTS if c <= least) if self.k is None else (min(int(self.k), least),)
        if task.folds is None and self.k is None:
            counts = (min(5, least),)

        def judge(train: Array, held: Array) -> list[Array]:
            rows, learnt = _rows(self.scaling, task, train)
            others = _unit(scaling.apply(self.scaling, task.X[held], task.blocks, learnt))
            parts = [
                votes(others[at : at + CHUNK] @ rows.T, task.codes[train], task.votes, counts)
                for at in range(0, len(others), CHUNK)
            ]
            return list(np.concatenate(parts, axis=1))

        def refit(i: int) -> HeadState:
            rows, learnt = _rows(self.scaling, task, np.arange(len(task.codes)))
            arrays = {
                "rows": rows.astype(np.float32),
                "codes": task.codes.astype(np.int32),
                "votes": task.votes,
                **learnt,
            }
            return HeadState("neighbours", arrays, {"k": counts[i]})

        return Search([{"k": c} for c in counts], held_out(task, judge, len(counts)), refit)


def _rows(name: str, task: Task, train: Array) -> tuple[Array, dict[str, Array]]:
    learnt = scaling.fit(name, task.X[train], task.blocks)
    return _unit(scaling.apply(name, task.X[train], task.blocks, learnt)), learnt


def _unit(X: Array) -> Array:
    length = np.linalg.norm(X, axis=1, keepdims=True)
    return np.asarray(X / np.where(length > 0, length, 1))


class Centroid(Head):
    """Choose the nearest class mean; logits are minus half the squared distances in units of the mean one
    within classes.

    Every class counts the same, however many rows it has; with `class_weight` as much as its rows weigh together, so that
    "balanced" only changes how sure it is. There is nothing to choose but the temperature. See `Head.fit`.
    """

    name = "centroid"
    scale_free = True

    def __init__(
        self,
        *,
        scaling: str = "unit",
        blocks: tuple[int, ...] | None = None,
        class_weight: Any = None,
        calibrate: bool = True,
        clip: float | str | None = "auto",
        folds: int = 5,
        random_state: int = 0,
    ) -> None:
        self.scaling = scaling
        self.blocks = blocks
        self.class_weight = class_weight
        self.calibrate = calibrate
        self.clip = clip
        self.folds = folds
        self.random_state = random_state

    def _search(self, task: Task) -> Search:
        def judge(train: Array, held: Array) -> list[Array]:
            arrays = self._means(task, train)
            X = scaling.apply(self.scaling, task.X[held], task.blocks, arrays)
            return [X @ arrays["weights"].T.astype(X.dtype) + arrays["intercepts"]]

        everything = np.arange(len(task.codes))
        held = held_out(task, judge, 1)
        if self.class_weight is None:
            return Search([{}], held, lambda _: HeadState("linear", self._means(task, everything), {}))
        # what classes weigh belongs to logits that have a scale: distances get theirs first
        heat = own_temperature(held[0], task, self.calibrate) if task.folds else 1.0
        prior = np.log(np.bincount(task.codes) * task.votes)  # (k,)
        prior -= prior.mean()

        def refit(_: int) -> HeadState:
            arrays = self._means(task, everything)
            scaled = {"weights": arrays["weights"] / np.float32(heat), "intercepts": arrays["intercepts"] / heat + prior}
            return HeadState("linear", {**arrays, **scaled}, {})

        return Search([{}], [held[0] / heat + prior], refit)

    def _means(self, task: Task, train: Array) -> dict[str, Array]:
        """Return the linear scorer of the class means: x . m_c / s - |m_c|^2 / 2s."""
        learnt = scaling.fit(self.scaling, task.X[train], task.blocks)
        X, codes = scaling.apply(self.scaling, task.X[train], task.blocks, learnt), task.codes[train]
        means = np.stack([X[codes == c].mean(axis=0, dtype=np.float64) for c in range(task.k)])  # (k, d)
        centre = means.mean(axis=0)
        inside = X - means[codes].astype(X.dtype)
        scale = float(np.einsum("nd,nd->", inside, inside, dtype=np.float64)) / len(X)
        scale = scale if scale > 0 else 1.0
        weights = ((means - centre) / scale).astype(np.float32)
        middle = (means + centre) / 2
        intercepts = -np.einsum("kd,kd->k", weights, middle)
        return {"weights": weights, "intercepts": intercepts, **learnt}

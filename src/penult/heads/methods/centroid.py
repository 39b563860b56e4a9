"""The nearest class mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from penult.arrays import Array
from penult.heads import scaling
from penult.heads.choice import Search, candidate_temperature, held_out
from penult.heads.head import Head
from penult.heads.scoring import HeadState
from penult.heads.task import Task


@dataclass(eq=False, repr=False)
class Centroid(Head):
    """Choose the nearest class mean; logits are minus half the squared distances in units of the mean one within classes.

    Every class counts the same, however many rows it has; with `class_weight` as much as its rows weigh together, so that
    "balanced" only changes how confident it is. There is nothing to choose but the temperature. See `Head.fit`.
    """

    name = "centroid"
    scale_free = True

    def search(self, task: Task) -> Search:
        """Return the one candidate."""

        def judge(train: Array, held: Array) -> list[Array]:
            arrays = self._means(task, train)
            X = scaling.apply(self.scaling, task.X[held], task.blocks, arrays)
            return [X @ arrays["weights"].T.astype(X.dtype) + arrays["intercepts"]]

        everything = np.arange(len(task.codes))
        held = held_out(task, judge, 1)
        if self.class_weight is None:
            return Search([{}], held, lambda _: HeadState("linear", self._means(task, everything), {}))
        # what classes weigh belongs to logits that have a scale: distances get theirs first
        temperature = candidate_temperature(held[0], task, self.calibrate) if task.folds else 1.0
        prior = np.log(task.counts * task.class_weight)  # (k,)
        prior -= prior.mean()

        def refit(_: int) -> HeadState:
            arrays = self._means(task, everything)
            weights, intercepts = arrays["weights"] / np.float32(temperature), arrays["intercepts"] / temperature + prior
            return HeadState("linear", {**arrays, "weights": weights, "intercepts": intercepts}, {})

        return Search([{}], [held[0] / temperature + prior], refit)

    def _means(self, task: Task, train: Array) -> dict[str, Array]:
        """Return the linear scorer of the class means: x . m_c / s - |m_c|^2 / 2s."""
        learnt = scaling.fit(self.scaling, task.X, task.blocks, train, task.given_weight)
        X, codes = scaling.apply(self.scaling, task.X[train], task.blocks, learnt), task.codes[train]
        totals = np.bincount(codes, task.row_weight[train], task.k)
        summed = task.counted(X, train)
        means = np.stack([summed[codes == c].sum(axis=0, dtype=np.float64) for c in range(task.k)]) / totals[:, None]  # (k, d)
        centre = means.mean(axis=0)
        inside = X - means[codes].astype(X.dtype)
        scale = float(np.einsum("nd,nd->", task.counted(inside, train), inside, dtype=np.float64)) / task.total(train)
        scale = scale if scale > 0 else 1.0
        weights = ((means - centre) / scale).astype(np.float32)
        middle = (means + centre) / 2
        return {"weights": weights, "intercepts": -np.einsum("kd,kd->k", weights, middle), **learnt}

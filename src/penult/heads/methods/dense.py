"""The head of the blog post of 2017: dropout, one dense layer, Adadelta, eight epochs, with its training curves. Plain numpy.

What Keras 1.2 did is kept: Glorot uniform start, Adadelta with lr 1, rho 0.95, epsilon 1e-8 (Zeiler 2012), batches of 128 in a
new order every epoch, the last fifth of the shuffled rows held out for validation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from penult.arrays import Array
from penult.heads import calibration, scaling
from penult.heads.choice import Chosen, Search, held_out
from penult.heads.head import Head
from penult.heads.scoring import HeadState, two_sided
from penult.heads.task import Task

HUGE = 1e15  # features whose squares would overflow float32
CURVES = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy")


@dataclass(eq=False, repr=False)
class Dense(Head):
    """Fit one dense layer as the blog post did (sigmoid for two classes, softmax for more).

    `validation` of the rows are shown in `history_` and not learnt from. See `Head.fit` for calibration; three inner
    folds will do, as they choose nothing but that.
    """

    name = "dense"
    weighs_rows = False

    epochs: int = 8
    batch: int = 128
    dropout: float = 0.5
    validation: float = 0.2
    scaling: str = field(default="none", kw_only=True)
    folds: int = field(default=3, kw_only=True)

    def search(self, task: Task) -> Search:
        """Return the one candidate."""

        def judge(train: Array, held: Array) -> list[Array]:
            layer, learnt, _ = self._train(task, train)
            X = scaling.apply(self.scaling, task.X[held], task.blocks, learnt)
            return [two_sided((X @ layer.W + layer.b).astype(np.float64))]

        def refit(_: int) -> HeadState:
            layer, learnt, self._curves = self._train(task, np.arange(len(task.codes)))
            arrays = {"weights": layer.W.T.copy(), "intercepts": layer.b.astype(np.float64), **learnt}
            return HeadState("linear", arrays, {"epochs": self.epochs})

        return Search([{"epochs": self.epochs}], held_out(task, judge, 1), refit)

    def keep(self, task: Task, search: Search, chosen: Chosen) -> None:
        """Fit the layer to all rows; sets `history_` too."""
        super().keep(task, search, chosen)
        self.history_ = self._curves
        del self._curves

    def _train(self, task: Task, rows: Array) -> tuple[Layer, dict[str, Array], dict[str, list[float]]]:
        rng = np.random.default_rng(task.seed)
        rows = rng.permutation(rows)
        many = max(1, int(len(rows) * (1 - self.validation)))
        rows, seen = rows[:many], rows[many:]
        learnt = scaling.fit(self.scaling, task.X[rows], task.blocks)
        X, V = (scaling.apply(self.scaling, task.X[part], task.blocks, learnt) for part in (rows, seen))
        kind = np.float32 if np.abs(X).max() < HUGE else np.float64
        X, V = X.astype(kind), V.astype(kind)
        layer = Layer.start(X.shape[1], task.k, rng, kind)
        curves: dict[str, list[float]] = {name: [] for name in CURVES}
        for epoch in range(self.epochs):
            totals = np.zeros(2)
            order = rng.permutation(len(rows))
            for at in range(0, len(order), self.batch):
                some = order[at : at + self.batch]
                own = rows[some]
                totals += layer.learn(X[some], task.codes[own], task.sample_weight[own], self.dropout, rng) * len(some)
            measured = layer.measure(V, task.codes[seen]) if len(seen) else np.full(2, np.nan)
            for name, value in zip(CURVES, (epoch + 1, *totals / len(rows), *measured), strict=True):
                curves[name].append(int(value) if name == "epoch" else float(value))
        return layer, learnt, curves


@dataclass
class Layer:
    """One dense layer and Adadelta's two running means for each of its parameters."""

    W: Array  # (d, c)
    b: Array  # (c,)
    squares: list[Array] = field(default_factory=list)
    steps: list[Array] = field(default_factory=list)

    @classmethod
    def start(cls, d: int, k: int, rng: np.random.Generator, kind: Any = np.float32) -> Layer:
        """Return a layer with Glorot's uniform weights (Glorot & Bengio 2010), all its numbers of one kind."""
        columns = 1 if k == 2 else k
        reach = np.sqrt(6 / (d + columns))
        W = rng.uniform(-reach, reach, (d, columns)).astype(kind)
        b = np.zeros(columns, kind)
        return cls(W, b, [np.zeros_like(W), np.zeros_like(b)], [np.zeros_like(W), np.zeros_like(b)])

    def learn(self, X: Array, codes: Array, weight: Array, dropout: float, rng: np.random.Generator) -> Array:
        """Take one step on a batch; return its loss and accuracy, dropout included."""
        if dropout > 0:
            keep = 1 - dropout
            # bytes are four times cheaper than floats, and a half is exact in them
            X = X * (rng.integers(0, 256, X.shape, np.uint8) < round(256 * keep)) / X.dtype.type(keep)
        logits = two_sided((X @ self.W + self.b).astype(np.float64))
        p = np.exp(calibration.log_softmax(logits))
        gap = p.copy()
        gap[np.arange(len(codes)), codes] -= 1
        gap = ((gap if len(self.b) > 1 else gap[:, 1:]) * weight[:, None] / len(codes)).astype(X.dtype)
        self._step(0, self.W, X.T @ gap)
        self._step(1, self.b, gap.sum(axis=0))
        return _scores(p, codes, weight)

    def _step(self, at: int, value: Array, gradient: Array, rho: float = 0.95, eps: float = 1e-8) -> None:
        squares, steps = self.squares[at], self.steps[at]
        squares *= rho
        squares += (1 - rho) * gradient**2
        update = gradient * np.sqrt(steps + eps) / np.sqrt(squares + eps)
        steps *= rho
        steps += (1 - rho) * update**2
        value -= update

    def measure(self, X: Array, codes: Array) -> Array:
        """Return loss and accuracy, without dropout."""
        p = np.exp(calibration.log_softmax(two_sided((X @ self.W + self.b).astype(np.float64))))
        return _scores(p, codes, np.ones(len(codes)))


def _scores(p: Array, codes: Array, weight: Array) -> Array:
    return np.array([(calibration.row_losses(p, codes) * weight).mean(), (p.argmax(axis=1) == codes).mean()])

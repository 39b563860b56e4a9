"""The quick model beside penult's own default head, fitted on the same labels: accuracy, log loss, time.

Each set is a file NAME.npz with `X` (n, d) float32 and `y` (n,), as for `benchmarks/trust.py heads`. Of all its photos some
are labelled, drawn by lot or chosen by *doubt*; both models answer all others. The bound: 0.5 points of accuracy, as a mean
over the draws of each set and number of labels. `--time` scores 20,000 photos with 10 classes instead (photos of a set,
tiled with noise).
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import heads
from penult.heads.calibration import row_losses
from penult.store.labels import EXAM
from penult.studio.questions import Question, Questions
from penult.studio.quick_model import QuickModel, project
from penult.studio.view import LabelView

Array = NDArray[Any]
BLOCKS = (*(40, 80, 112, 192, 320, 1280) * 2, *(208, 352, 1280) * 2)  # of the default networks
LABELS = (50, 100, 200, 400, 800, 1600)
SETS = ("elpv", "cats_dogs", "trashnet", "clothing", "signs")


@dataclass
class Photos:
    """A set: its features as they are, in the directions of the studio, and the true classes."""

    name: str
    X: Array  # (n, d)
    Z: Array  # (n, r)
    y: Array  # (n,)
    k: int


def photos(features: Path, name: str) -> Photos:
    """Return a set that lies in a folder of features."""
    with np.load(features / f"{name}.npz") as found:
        known = found["y"] != "test1"  # cats and dogs: its test photos have no labels
        X, classes = found["X"][known], found["y"][known]
    y = np.unique(classes, return_inverse=True)[1]
    return Photos(name, X, project(lambda: [X], len(X), BLOCKS), y, int(y.max()) + 1)


@dataclass
class Life:
    """A project that is labelled with the true classes, as a session does it but without a store.

    Only the first `own` photos are the project's; what follows is watched.
    """

    Z: Array
    y: Array
    k: int
    seed: int = 0
    own: int = 0
    acts: int = 0
    again: dict[int, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.own = self.own or len(self.y)
        families = np.arange(self.own)
        self.model = QuickModel(self.Z[: self.own], families, self.seed)
        self.questions = Questions(self.model, families, self.seed)
        self.labels, self.status = np.full(self.own, -1, np.int32), np.zeros(self.own, np.uint8)
        self.at = np.zeros(self.own, np.int64)  # the act that labelled each photo last

    @property
    def view(self) -> LabelView:
        age = np.where(self.labels >= 0, self.acts - self.at, 0)
        return LabelView(self.labels, self.status, self.k, self.acts, self.again, age=age)

    @property
    def learnt(self) -> int:
        return int(self.questions.exam.learnable(self.view).sum())

    def ask(self, mode: str = "doubt") -> Question:
        return self.questions.next(mode, self.view, 1)[0]

    def answer(self, question: Question, fit: bool = True) -> None:
        """Give the true class of a photo that was asked."""
        if question.kind == "again":
            self.again[question.number] = True
        elif question.kind == "exam":
            self.status[question.number] |= EXAM
        self.give([question.number], fit=fit)

    def give(self, numbers: Any, acts: int = 1, fit: bool = True) -> None:
        """Label photos with their true classes."""
        self.acts += acts
        self.labels[numbers], self.at[numbers] = self.y[numbers], self.acts
        if fit:
            self.fit()

    def fit(self) -> None:
        """Let the model learn what is labelled."""
        view, exam = self.view, self.questions.exam
        self.model.update(self.labels, exam.learnable(view), self.k, view.labelled & exam.reserved)

    def watched(self) -> Array:
        """Return which of the photos behind the project's the model answers rightly."""
        answers = self.model.answer(self.Z[self.own :])
        return np.asarray(answers.argmax(axis=1) == self.y[self.own :])


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options of this topic."""
    parser.add_argument("features", type=Path, help="folder of NAME.npz")
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--labels", nargs="+", type=int, default=LABELS)
    parser.add_argument("--seeds", type=int, default=8, help="draws; half of them from 400 labels on")
    parser.add_argument("--chosen", action="store_true", help="labels chosen by doubt instead of drawn by lot")
    parser.add_argument("--time", action="store_true", help="time of a fit with 20,000 photos instead")


def run(asked: argparse.Namespace) -> None:
    """Print a line for each set and number of labels, and the worst."""
    if asked.time:
        timed(asked.features)
        return
    worst, sums = 0.0, []
    for name in asked.sets:
        data = photos(asked.features, name)
        for count in (*(c for c in asked.labels if c < 0.75 * len(data.y)), int(0.75 * len(data.y))):
            seeds = asked.seeds if count < 400 else max(2, asked.seeds // 2)
            rows = np.array([compared(data, count, seed, asked.chosen) for seed in range(seeds)])  # (s, 4)
            quick, whole, loss, loss_whole = rows.mean(axis=0)
            spread = (rows[:, 0] - rows[:, 1]).std(ddof=1) / np.sqrt(seeds) if seeds > 1 else np.nan
            gap = 100 * (quick - whole)
            worst = min(worst, gap)
            sums.append(gap)
            print(
                f"{name:10} {count:5} labels: quick {100 * quick:.2f}%, whole head {100 * whole:.2f}%, {gap:+.2f} points "
                f"(standard error {100 * spread:.2f}); log loss {loss:.3f}, {loss_whole:.3f}",
                flush=True,
            )
    print(f"mean {np.mean(sums):+.2f} points, worst {worst:+.2f} (bound -0.50)")


def compared(data: Photos, count: int, seed: int, chosen: bool) -> tuple[float, float, float, float]:
    """Return the accuracy of the quick model and of the whole head on the photos without a label, and their log losses."""
    rng = np.random.default_rng(seed)
    n = len(data.y)
    life = Life(data.Z, data.y, data.k, seed)
    if chosen:
        while life.learnt < count:
            life.answer(life.ask())
        rows = np.flatnonzero(life.questions.exam.learnable(life.view))
        others = np.flatnonzero(~life.view.labelled | life.questions.exam.reserved)
    else:
        order = rng.permutation(n)
        rows, others = np.sort(order[:count]), np.sort(order[count:])
        labels = np.full(n, -1, np.int32)
        labels[rows] = data.y[rows]
        life.model.update(labels, labels >= 0, data.k)
    head = heads.make_head("blend", blocks=BLOCKS).fit(data.X[rows], data.y[rows])
    proba = np.zeros((len(others), data.k))
    proba[:, head.classes_] = head.predict_proba(data.X[others])
    quick, truth = life.model.proba[others], data.y[others]
    return (
        float((quick.argmax(axis=1) == truth).mean()),
        float((proba.argmax(axis=1) == truth).mean()),
        float(row_losses(np.maximum(quick, 1e-6), truth).mean()),
        float(row_losses(np.maximum(proba, 1e-6), truth).mean()),
    )


def timed(features: Path) -> None:
    """Print the CPU time of one label more with 20,000 photos of 10 classes."""
    data = photos(features, "clothing")
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.standard_normal((512, data.Z.shape[1])))[0].astype(np.float32)
    drawn = rng.integers(len(data.y), size=20_000)
    Z = data.Z[drawn] @ turn.T
    Z += rng.standard_normal(Z.shape, np.float32) * (0.7 * Z.std(axis=0))
    y = data.y[drawn]
    model, order = QuickModel(Z, np.arange(len(Z))), rng.permutation(len(Z))
    labels, fits = np.full(len(Z), -1, np.int32), []
    for count in (20, 100, 200, 500, 1000, 2000, 5000):
        labels[order[:count]] = y[order[:count]]
        model.update(labels, labels >= 0, 10)  # with a choice of settings
        fits = []
        for more in order[count : count + 8]:
            labels[more] = y[more]
            start = time.process_time()
            model.update(labels, labels >= 0, 10)
            fits.append(1000 * (time.process_time() - start))
        start = time.process_time()
        model._head._settings = None
        model.update(labels, labels >= 0, 10)
        whole = 1000 * (time.process_time() - start)
        print(
            f"{count:5} labels: fit and scores of 20,000 photos {np.median(fits):.0f} ms CPU, {whole:.0f} ms with settings",
            flush=True,
        )
    start = time.process_time()
    model.near([5, 7, 9], 48)
    print(f"look-alikes of 3 photos: {1000 * (time.process_time() - start):.0f} ms CPU")

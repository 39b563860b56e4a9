"""Measure what was learnt: the chosen head, what each backbone gives alone, the other heads tried, the learning curve.

The model that is kept is measured here, what it is compared with in a process beside it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import evaluate, heads
from penult.errors import OutputError, ProgressCallback
from penult.evaluate import Evaluation, LearningCurve
from penult.heads.task import class_weights
from penult.training.material import TrainingData
from penult.training.options import TrainOptions
from penult.worker import Crashed, Worker

MANY = 5000  # images above which there is no learning curve, and a copy of X for another process is too dear
WORTH_IT = 100  # images
THREADS = max(1, (os.cpu_count() or 1) // 2)  # for each of the two processes


@dataclass(frozen=True, slots=True)
class Measured:
    """All evaluations of one run: `chosen` is the model that is kept, `others` what it is compared with."""

    chosen: Evaluation
    others: tuple[Evaluation, ...]
    curve: LearningCurve | None


@dataclass(frozen=True, slots=True)
class Trial:
    """One measurement to make: a head, by name and parameters, on a run of columns."""

    head: str
    params: dict[str, Any]
    columns: slice
    title: str


@dataclass(frozen=True, slots=True)
class Rows:
    """What trials are made on."""

    X: NDArray[np.float32]  # (n, d)
    y: NDArray[np.intp]  # (n,)
    classes: tuple[str, ...]
    groups: NDArray[np.intp] | None  # (n,)
    seed: int


class Measurer:
    """Makes the comparisons of a run, in a process of its own that loads while the features are computed.

    As a `with` block. Where no process can be had, or it dies, they are made in this one.
    """

    def __init__(self, images: int) -> None:
        """`images`: about how many there are; a process for a few of them would cost more than it gives."""
        self._aside: Worker | None = None
        if images >= WORTH_IT:
            with suppress(OutputError):
                self._aside = Worker(f"{__name__}:work", threads=THREADS)

    def measure(self, head: Any, name: str, material: TrainingData, seed: int, progress: ProgressCallback) -> Measured:
        """Cross-validate the head on all backbones, on each alone, and beside the other heads; same folds throughout."""
        rows = Rows(material.train.X, material.train.ok_y, material.classes, material.groups, seed)
        trials = _trials(head, name, material)
        beside = self._aside is not None and trials and len(rows.y) <= MANY
        if beside and self._aside is not None:
            self._aside.send(rows)
            for trial in trials[:-1]:  # the last is made here meanwhile: about as much work on each side
                self._aside.send(trial)
        total, step = len(trials) + 2, 0

        def made() -> None:
            nonlocal step
            step += 1
            progress("measuring", step, total)

        with half_the_cores() if beside else nullcontext():
            chosen = _cross_validate(head, rows, slice(None), _title(name, material))
            made()
            curve = evaluate.learning_curve(head, rows.X, chosen, seed=seed) if len(rows.y) <= MANY else None
            made()
            last = list(work(iter([rows, *trials[-1:]])))
            made()
        others = []
        for evaluation in self._others(rows, trials[:-1], bool(beside)):
            others.append(evaluation)
            made()
        return Measured(chosen, (*others, *last), curve)

    def _others(self, rows: Rows, trials: Sequence[Trial], beside: bool) -> Iterator[Evaluation]:
        done = 0
        if beside and self._aside is not None:
            try:
                for evaluation in self._aside.answers():
                    done += 1
                    yield evaluation
            except Crashed:
                pass
        yield from work(iter([rows, *trials[done:]]))

    def __enter__(self) -> Measurer:
        return self

    def __exit__(self, *error: object) -> None:
        if self._aside is not None:
            self._aside.__exit__(None, None, None)


def work(sent: Iterator[Any]) -> Iterator[Evaluation]:
    """Make the trials that are sent after their rows: the other side of `Measurer`."""
    heads.make("logistic")  # loads scikit-learn while nothing is asked yet
    rows: Rows | None = next(sent, None)
    for trial in sent:
        if rows is not None:
            yield _cross_validate(heads.make(trial.head, **trial.params), rows, trial.columns, trial.title)


def _cross_validate(head: Any, rows: Rows, columns: slice, title: str) -> Evaluation:
    return evaluate.cross_validate(
        head, rows.X[:, columns], rows.y, rows.classes, groups=rows.groups, seed=rows.seed, name=title
    )


def _title(head: str, material: TrainingData) -> str:
    names = material.names
    return f"{head} on {names[0]}" if len(names) == 1 else f"{head} on all {len(names)} backbones"


def _trials(head: Any, name: str, material: TrainingData) -> list[Trial]:
    """Return each backbone alone where there are several, and the other heads: the seed's, and all that `auto` tries."""
    trials = []
    if len(material.names) > 1:
        params = head.get_params(deep=False)
        for i, backbone in enumerate(material.names):
            alone = {**params, "blocks": material.network_blocks[i]}
            trials.append(Trial(name, alone, material.columns(i), f"{name} on {backbone} alone"))
    for other in [*heads.CANDIDATES, "dense"] if name == "auto" else ["dense"]:
        if other != name:
            same = {"random_state": head.random_state, "class_weight": head.class_weight}
            params = {"blocks": material.blocks, **same}
            trials.append(Trial(other, params, slice(None), _title(other, material)))
    return trials


@contextmanager
def half_the_cores() -> Iterator[None]:
    """Leave the other half to the process beside this one: threads that wait for each other's cores are far slower."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(THREADS):
        yield


def make_head(options: TrainOptions, material: TrainingData) -> Any:
    """Return the unfitted head of a run, for all blocks of its material."""
    extra: dict[str, Any] = {"clip": options.clip_for(len(material.classes)), "random_state": options.seed}
    if options.protocol == "blog2017":
        extra["calibrate"] = False
    return heads.make(options.head, blocks=material.blocks, class_weight=weights(options, material.classes), **extra)


def weights(options: TrainOptions, classes: Sequence[str]) -> Any:
    """Return the class weights of a run by class number. Raises `InputError` for a class that is not there."""
    wanted = options.class_weight
    if not isinstance(wanted, Mapping):
        return wanted
    found = class_weights(wanted, np.asarray(classes), np.arange(len(classes)))
    return dict(enumerate(found.tolist()))


def unseen(proba: NDArray[np.float64], material: TrainingData) -> Evaluation | None:
    """Return the scores on the test part where its folders tell the classes, else None."""
    test = material.test
    if test is None or test.y is None:
        return None
    return evaluate.score(test.y, proba, material.classes, name="test images")

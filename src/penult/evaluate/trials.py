"""Cross-validate several heads on the same rows and folds, some of them in a process beside this one.

In: features, what to measure on them, a limit of time. Out: an `Evaluation` for each trial.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import heads
from penult.errors import OutputError
from penult.evaluate.cross_validation import cross_validate
from penult.evaluate.evaluation import Evaluation
from penult.worker import Crashed, Worker

WORTH_IT = 100  # images from which a second process gains more than its start costs
THREADS = max(1, (os.cpu_count() or 1) // 2)  # for each of the two processes


@dataclass(frozen=True, slots=True)
class Trial:
    """One measurement: a head by name and parameters, on columns of some of the feature arrays, side by side.

    An `optional` one is left out where there is no time for it.
    """

    head: str
    params: Mapping[str, Any]
    columns: tuple[tuple[int, slice], ...]
    title: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class TrialData:
    """What trials are made on: arrays of features of the same n images, their classes, and what is never split."""

    arrays: tuple[NDArray[np.float32] | None, ...]  # each (n, d)
    y: NDArray[np.intp]  # (n,)
    classes: tuple[str, ...]
    groups: NDArray[np.intp] | None  # (n,)
    seed: int
    folds: NDArray[np.intp] | None = None  # (n,) in which each is held out, where that is given
    weights: NDArray[np.float64] | None = None  # (n,)

    def needed(self, trials: Sequence[Trial]) -> TrialData:
        """Return the same without the arrays that these trials do not use: what another process need not be sent."""
        used = {i for trial in trials for i, _ in trial.columns}
        return replace(self, arrays=tuple(X if i in used else None for i, X in enumerate(self.arrays)))


def run_trials(
    data: TrialData, trials: Sequence[Trial], seconds: float = np.inf, longest: float = 0.0
) -> Iterator[tuple[int, Evaluation]]:
    """Yield the number of each trial and what it measured.

    An optional one is begun only if there is time for one as long as the longest.
    """
    end = time.monotonic() + seconds
    for i, trial in enumerate(trials):
        began = time.monotonic()
        if not trial.optional or began + longest <= end:
            yield i, _measured(data, trial)
            longest = max(longest, time.monotonic() - began)


def _measured(data: TrialData, trial: Trial) -> Evaluation:
    parts = [np.asarray(data.arrays[i])[:, columns] for i, columns in trial.columns]
    X = parts[0] if len(parts) == 1 else np.hstack(parts)  # (n, d)
    head = heads.make_head(trial.head, **trial.params)
    how: dict[str, Any] = {"folds": 5 if data.folds is None else data.folds, "sample_weight": data.weights}
    return cross_validate(head, X, data.y, data.classes, data.groups, seed=data.seed, name=trial.title, **how)


class TrialProcess:
    """A process that makes trials beside this one and loads scikit-learn while features are computed, as a `with` block.

    Where no process can be had, or it dies, or there are too few images for one, `collect` makes its trials in this process.
    """

    def __init__(self, images: int) -> None:
        self._wanted = images >= WORTH_IT
        self._worker: Worker | None = None
        self._sent: tuple[TrialData, Sequence[Trial], float] | None = None
        self.start()

    def start(self) -> None:
        """Start the process, unless it runs: one answers once."""
        if self._wanted and self._worker is None:
            with suppress(OutputError):
                self._worker = Worker(f"{__name__}:work", threads=THREADS)

    @property
    def running(self) -> bool:
        """Whether there is a process to share the work with."""
        return self._worker is not None

    def send(self, data: TrialData, trials: Sequence[Trial], seconds: float = np.inf, longest: float = 0.0) -> None:
        """Let the process begin with these trials; see `run_trials`."""
        self._sent = data, trials, time.monotonic() + seconds
        if self._worker is not None and trials:
            self._worker.send((data.needed(trials), tuple(trials), seconds, longest))

    def collect(self) -> Iterator[tuple[int, Evaluation]]:
        """Yield what became of the trials that were sent, as `run_trials` does; what a dead process owes is made here."""
        if self._sent is None:
            return
        data, trials, end = self._sent
        worker, self._worker, self._sent = self._worker, None, None
        owed = list(range(len(trials)))
        if worker is not None:
            with worker, suppress(Crashed):
                for i, evaluation in worker.answers():
                    owed.remove(i)
                    yield i, evaluation
                owed = []  # the others had no time
        for place, evaluation in run_trials(data, [trials[i] for i in owed], end - time.monotonic()):
            yield owed[place], evaluation

    def sharing(self) -> AbstractContextManager[Any]:
        """Return a `with` block that leaves the other half of the cores to the process, where there is one.

        Threads that wait for each other's cores are far slower.
        """
        from threadpoolctl import threadpool_limits

        return threadpool_limits(THREADS) if self._wanted and self._worker is not None else nullcontext()

    def __enter__(self) -> TrialProcess:
        return self

    def __exit__(self, *error: object) -> None:
        if self._worker is not None:
            self._worker.__exit__(None, None, None)


def work(sent: Iterator[Any]) -> Iterator[tuple[int, Evaluation]]:
    """Make the trials that are sent: the other side of `TrialProcess`, which listens only when its own are made."""
    heads.make_head("logistic")  # loads scikit-learn while nothing is asked yet
    for data, trials, seconds, longest in sent:
        yield from list(run_trials(data, trials, seconds, longest))

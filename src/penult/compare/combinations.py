"""Cross-validate every network alone and every combination on the same folds.

In: a `ComparisonData`, a budget. Out: an `Evaluation` for each set of networks.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from contextlib import nullcontext

import numpy as np

from penult import heads
from penult.compare.candidates import DRAWING, ComparisonData
from penult.compare.options import Budget, CompareOptions
from penult.errors import ProgressCallback
from penult.evaluate import Evaluation, LabelEvaluation, Trial, TrialData, TrialProcess, cross_validate_labels, run_trials
from penult.fit import head_for_labels

ALL = 4  # up to so many networks every pair and trio is tried, above that those of the best so many
LARGEST = 3

Members = tuple[int, ...]  # which of the networks, by number


def combinations(networks: Sequence[int]) -> list[Members]:
    """Return the pairs, then the trios."""
    return [c for size in range(2, LARGEST + 1) for c in itertools.combinations(sorted(networks), size)]


class CombinationTrials:
    """Measures networks and combinations: in this process, and in one beside it that loads while features are computed.

    As a `with` block; `found` is what was measured.
    """

    def __init__(self, options: CompareOptions, images: int, budget: Budget, progress: ProgressCallback) -> None:
        """`images`: about how many there are; a process for a few of them would cost more than it gives."""
        self.options, self.budget, self.progress = options, budget, progress
        self.found: dict[Members, Evaluation | LabelEvaluation] = {}
        self._longest = 0.0  # seconds that a trial took
        self._process = TrialProcess(images)

    def first(self, data: ComparisonData) -> float:
        """Measure the first network alone, only to see how many seconds that takes."""
        heads.make_head(self.options.head)  # loads scikit-learn
        began = time.monotonic()
        if data.Y is not None:
            self._labels(data, (0,))
            self._longest = time.monotonic() - began
            return self._longest
        for _ in run_trials(self._rows(data), [self._trial(data, (0,))]):
            self._longest = time.monotonic() - began
        return self._longest

    def every(self, data: ComparisonData) -> list[Members]:
        """Measure the networks and the combinations of the best; return those for which the time was too short."""
        n = len(data.embedded)
        singles = [(i,) for i in range(n)]
        if n <= ALL:
            return self._share(data, [*singles, *combinations(range(n))])
        self._share(data, singles)
        self._process.start()
        best = sorted(range(n), key=lambda i: (_loss(self.found[i,]), i))[:ALL]
        return self._share(data, combinations(best))

    def _share(self, data: ComparisonData, wanted: Sequence[Members]) -> list[Members]:
        """Make trials, every other one in the other process; return those for which there was no time."""
        if data.Y is not None:
            for done, members in enumerate(wanted, 1):
                if len(members) == 1 or self.budget.left - DRAWING > self._longest:
                    self.found[members] = self._labels(data, members)
                self.progress("measuring", done, len(wanted))
            return [members for members in wanted if members not in self.found]
        theirs = wanted[1::2] if self._process.running else []
        ours = wanted[::2] if theirs else wanted
        rows, left = self._rows(data), self.budget.left - DRAWING
        self._process.send(rows, [self._trial(data, members) for members in theirs], left, self._longest)
        with self._process.sharing() if theirs else nullcontext():
            trials = [self._trial(data, members) for members in ours]
            for done, (i, evaluation) in enumerate(run_trials(rows, trials, left, self._longest), 1):
                self.found[ours[i]] = evaluation
                self.progress("measuring", done, len(wanted))
        self.found |= {theirs[i]: evaluation for i, evaluation in self._process.collect()}
        return [members for members in wanted if members not in self.found]

    def _labels(self, data: ComparisonData, members: Members) -> LabelEvaluation:
        """Measure these networks on photos with any number of labels; the folds are the same for all."""
        blocks = sum((data.embedded[i].candidate.backbone.blocks for i in members), ())
        head = head_for_labels(self.options.head, blocks, self.options.class_weight, self.options.seed)
        X, name = np.hstack([data.embedded[i].X for i in members]), " + ".join(map(str, members))
        assert data.Y is not None  # noqa: S101 - for the type checker
        how = {"groups": data.groups, "seed": self.options.seed}
        return cross_validate_labels(head, X, data.Y, data.classes, name=name, **how)  # type: ignore[arg-type]

    def _rows(self, data: ComparisonData) -> TrialData:
        return TrialData(tuple(one.X for one in data.embedded), data.y, data.classes, data.groups, self.options.seed)

    def _trial(self, data: ComparisonData, members: Members) -> Trial:
        """Return the trial of these networks: one alone is measured in any case."""
        blocks = sum((data.embedded[i].candidate.backbone.blocks for i in members), ())
        params = {"blocks": blocks, "class_weight": self.options.class_weight, "random_state": self.options.seed}
        columns = tuple((i, slice(None)) for i in members)
        return Trial(self.options.head, params, columns, " + ".join(map(str, members)), optional=len(members) > 1)

    def __enter__(self) -> CombinationTrials:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.__exit__()


def _loss(evaluation: Evaluation | LabelEvaluation) -> float:
    value = evaluation.scores["log_loss"].value
    return float("inf") if value is None else value

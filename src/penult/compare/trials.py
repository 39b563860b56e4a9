"""Cross-validate every single and every combination on the same folds, half of them in a process beside this one.

In: a `Field`. Out: an `Evaluation` for each set of players.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import evaluate, heads
from penult.compare.field import DRAWING, ComparisonData
from penult.compare.options import Budget, CompareOptions
from penult.errors import OutputError, ProgressCallback
from penult.evaluate import Evaluation
from penult.training.measuring import THREADS, WORTH_IT, half_the_cores
from penult.worker import Crashed, Worker

ALL = 4  # up to so many players every pair and trio is tried, above that those of the best so many
LARGEST = 3

Members = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """What trials are made on: the columns of each player, and the blocks that these consist of."""

    head: str
    class_weight: str | None
    columns: Mapping[int, NDArray[np.float32]]  # each (n, d)
    blocks: Mapping[int, tuple[int, ...]]
    y: NDArray[np.intp]  # (n,)
    classes: tuple[str, ...]
    groups: NDArray[np.intp] | None  # (n,)
    seed: int


@dataclass(frozen=True, slots=True)
class Order:
    """Trials in the order of their worth, the seconds there are, and those that one takes.

    Singles are measured in any case.
    """

    rows: Rows
    trials: tuple[Members, ...]
    left: float
    each: float


def combinations(players: Sequence[int]) -> list[Members]:
    """Return the pairs, then the trios."""
    return [c for size in range(2, LARGEST + 1) for c in itertools.combinations(sorted(players), size)]


class Bench:
    """Where trials are made: in this process, and in one beside it that loads while features are computed.

    As a `with` block. Where no process can be had, or it dies, all are made in this one.
    """

    def __init__(self, options: CompareOptions, images: int, budget: Budget, progress: ProgressCallback) -> None:
        """`images`: about how many there are; a process for a few of them would cost more than it gives."""
        self.options, self.budget, self.progress = options, budget, progress
        self.found: dict[Members, Evaluation] = {}
        self._each = 0.0
        self._stack = ExitStack()
        self._worth_it = images >= WORTH_IT
        self._aside = self._start()

    def _start(self) -> Worker | None:
        if self._worth_it:
            with suppress(OutputError):
                return self._stack.enter_context(Worker(f"{__name__}:work", threads=THREADS))
        return None

    def one(self, field: ComparisonData) -> float:
        """Measure the first player alone, only to see how many seconds that takes."""
        heads.make(self.options.head)  # loads scikit-learn
        began = time.monotonic()
        for _ in _made(self._order(field, [(0,)])):
            self._each = time.monotonic() - began
        return self._each

    def every(self, field: ComparisonData) -> list[Members]:
        """Measure the singles and the combinations of the best; return those for which the time was too short."""
        n = len(field.players)
        singles = [(i,) for i in range(n)]
        if n <= ALL:
            return self._share(field, [*singles, *combinations(range(n))])
        self._share(field, singles)
        self._aside = self._start()
        best = sorted(range(n), key=lambda i: (_loss(self.found[i,]), i))[:ALL]
        return self._share(field, combinations(best))

    def _share(self, field: ComparisonData, trials: Sequence[Members]) -> list[Members]:
        """Make the trials, every other one beside this process; return those that were not made."""
        beside, self._aside = self._aside, None
        theirs = tuple(trials[1::2]) if beside is not None else ()
        ours = tuple(trials[::2]) if theirs else tuple(trials)
        if beside is not None and theirs:
            beside.send(self._order(field, theirs))
        self._make(self._order(field, ours), len(theirs))
        if beside is not None and theirs:
            with suppress(Crashed):
                self.found |= dict(beside.answers())
        lost = [t for t in theirs if t not in self.found and len(t) == 1]
        self._make(self._order(field, lost))  # where the other process died
        return [t for t in trials if t not in self.found]

    def _make(self, order: Order, elsewhere: int = 0) -> None:
        total = len(order.trials) + elsewhere
        with half_the_cores() if self._worth_it else nullcontext():
            for done, (members, evaluation) in enumerate(_made(order), 1):
                self.found[members] = evaluation
                self.progress("measuring", done, total)

    def _order(self, field: ComparisonData, trials: Sequence[Members]) -> Order:
        wanted = sorted({i for members in trials for i in members})
        columns = {i: field.players[i].X for i in wanted}
        blocks = {i: field.players[i].candidate.backbone.blocks for i in wanted}
        asked = self.options
        rows = Rows(asked.head, asked.class_weight, columns, blocks, field.y, field.classes, field.groups, asked.seed)
        return Order(rows, tuple(trials), self.budget.left - DRAWING, self._each)

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()


def work(sent: Iterator[Order]) -> Iterator[tuple[Members, Evaluation]]:
    """Make the trials that are sent: the other side of `Bench`, which listens only when its own trials are made."""
    heads.make("logistic")  # loads scikit-learn while nothing is asked yet
    for order in sent:
        yield from list(_made(order))


def _made(order: Order) -> Iterator[tuple[Members, Evaluation]]:
    """Yield the trials as they are made; a combination is begun only if there is time for one as long as the longest."""
    end, longest = time.monotonic() + order.left, order.each
    for members in order.trials:
        began = time.monotonic()
        if len(members) == 1 or began + longest <= end:
            yield members, _cross_validate(order.rows, members)
            longest = max(longest, time.monotonic() - began)


def _cross_validate(rows: Rows, members: Members) -> Evaluation:
    X = np.hstack([rows.columns[i] for i in members])  # (n, d)
    blocks = sum((rows.blocks[i] for i in members), ())
    head: Any = heads.make(rows.head, blocks=blocks, class_weight=rows.class_weight, random_state=rows.seed)
    name = " + ".join(map(str, members))
    return evaluate.cross_validate(head, X, rows.y, rows.classes, groups=rows.groups, seed=rows.seed, name=name)


def _loss(evaluation: Evaluation) -> float:
    value = evaluation.scores["log_loss"].value
    return float("inf") if value is None else value

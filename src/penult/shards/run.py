"""All shards of a plan: hand out those that are not done, and write the manifest when the last one is there.

In: a place that is ready. Out: Parquet shards and a manifest. Running it again does what is missing; parts (`part`) may
run at the same time on several machines.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from penult.errors import ProgressCallback, quiet
from penult.i18n import N_
from penult.shards.attempts import DEATHS, AttemptFiles, forget_attempts
from penult.shards.extractor import Extractor
from penult.shards.manifest import Manifest, write_manifest
from penult.shards.networks import files_beside
from penult.shards.output import PLAN, Output, name_below, open_output, sha256_at
from penult.shards.plan import Plan, ShardTask
from penult.shards.writer import ShardStatus, TaskList, TaskT_co, done_names, foreign_files

Runner = Callable[[str, Sequence[ShardTask]], Iterator[ShardStatus]]  # a place and its shards to do; what became of each


@dataclass(slots=True)
class ShardsResult:
    """What a run did: `manifest` where all shards are there now; counts of this run, and of shards that others still have."""

    out: str
    manifest: Manifest | None = None
    planned: int = 0  # shards
    done: int = 0  # by this run
    images: int = 0  # by this run
    failed: int = 0  # by this run
    left: int = 0  # shards that are not done yet
    seconds: float = 0.0
    foreign: list[str] = field(default_factory=list)


def todo(plan: TaskList[TaskT_co], output: Output, part: tuple[int, int] | None = None) -> list[TaskT_co]:
    """Return the shards that are not done, in the order of the plan; of part i of n every n-th, from the i-th on."""
    done = done_names(output)
    tasks = plan.tasks()
    i, n = part or (1, 1)
    return [task for task in (tasks[k] for k in range(i - 1, len(tasks), n)) if task.name not in done]


def in_random_order(tasks: Sequence[Any], rng: random.Random | None = None) -> list[Any]:
    """Return the shards in an order of this run's own: of two runs on one place, neither does what the other is doing.

    In the order of the plan both would keep step, and do everything twice (`benchmarks/billions.py`).
    """
    order = list(tasks)
    (rng or random.Random()).shuffle(order)  # noqa: S311 - no secret
    return order


class ShardProgress:
    """Tells how many images and shards this run has done, of how many: a shard that was there already is none of its own.

    Time left follows from that, also where other parts, or other runs, do some of the shards meanwhile.
    """

    def __init__(self, tasks: Sequence[ShardTask], progress: ProgressCallback) -> None:
        self._tell, self._done, self._left = progress, [0, 0], [sum(task.rows for task in tasks), len(tasks)]
        if tasks:
            self.within("", 0, 0)
            progress(N_("shards"), 0, len(tasks))

    def within(self, step: str, done: int, total: int) -> None:
        """Take how many images are done of the shard that is under way; a `ProgressCallback`."""
        self._tell("images", self._done[0] + done, self._done[0] + self._left[0])

    def ended(self, status: ShardStatus) -> None:
        """Take a shard that ended."""
        for i, (step, count) in enumerate((("images", status.rows), ("shards", 1))):
            self._left[i] -= count
            self._done[i] += 0 if status.skipped else count
            self._tell(step, self._done[i], self._done[i] + self._left[i])


def local_runner(
    out: str,
    tasks: Sequence[ShardTask],
    *,
    make: Callable[[str, int | None], Extractor] = Extractor,
    workers: int | None = None,
    progress: ProgressCallback = quiet,
) -> Iterator[ShardStatus]:
    """Do the shards one after the other in this process; one that ended such a process `DEATHS` times is done in parts.

    `progress` is told of the images of the shard that is under way.
    """
    attempts = AttemptFiles(open_output(out))
    with make(out, workers) as extractor, closing(attempts):
        for task in tasks:
            deaths = attempts.begin(task.name)
            yield extractor.run(task, progress) if deaths < DEATHS else extractor.give_up(task, attempts)
            attempts.end(task.name)


def run_shards(
    out: str,
    *,
    part: tuple[int, int] | None = None,
    runner: Runner | None = None,
    make: Callable[[str, int | None], Extractor] = Extractor,
    workers: int | None = None,
    progress: ProgressCallback = quiet,
) -> ShardsResult:
    """Do what is missing of the plan in a place, and write the manifest where that was all.

    `part` (i, n) does the i-th of n parts. Without a `runner` shards are done in this process, by what `make(out, workers)`
    returns.
    """
    began = time.perf_counter()
    output = open_output(out)
    plan = Plan.open(name_below(out, PLAN))
    tasks = todo(plan, output, part)
    result = ShardsResult(out, planned=len(plan.tasks()), foreign=foreign_files(plan, output))
    shown = ShardProgress(tasks, progress)
    runner = runner or partial(local_runner, make=make, workers=workers, progress=shown.within)
    for status in runner(out, in_random_order(tasks)) if tasks else ():
        result.done += not status.skipped
        result.images += 0 if status.skipped else status.rows
        result.failed += 0 if status.skipped else status.failed
        shown.ended(status)
    result.left = len(todo(plan, output))
    if not result.left:
        planned = plan.tasks()
        replaced = {planned[number].name: rows for number, rows in plan.notes.replaced.items()}
        files = {name: sha256_at(name_below(out, name)) for name in files_beside(plan.facts)}
        result.manifest = write_manifest(plan, output, plan.facts, sha256_at(plan.path), replaced, files)
        forget_attempts(output)
    result.seconds = time.perf_counter() - began
    return result

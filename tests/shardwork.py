"""Workers for tests of the cluster that compute nothing: a shard is a small file, and some of them go wrong."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penult.errors import InputError


@dataclass(frozen=True, slots=True)
class Task:
    """Stands for `ShardTask`; the name says what happens: `poison`, `killed-once`, `flaky`, `refused`, `broken`."""

    name: str
    rows: int = 10


@dataclass(frozen=True, slots=True)
class Status:
    """Stands for `ShardStatus`."""

    name: str
    embedded: int
    failed: int
    skipped: bool = False


class FileWorker:
    """Writes its process number and cores into OUT/NAME."""

    def __init__(self, out: str) -> None:
        self.out = Path(out)

    def run(self, task: Task) -> Status:
        """Do a shard as its name says."""
        path, kind = self.out / task.name, task.name.partition("_")[0]
        if path.exists():
            return Status(task.name, 0, 0, skipped=True)
        with (self.out / "begun").open("a") as log:
            log.write(f"{task.name}\n")
        begun = (self.out / "begun").read_text().split().count(task.name)
        if kind == "poison" or (kind == "killed-once" and begun == 1):
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "flaky" and begun < 3:
            raise OSError("the store does not answer")
        if kind == "refused":
            raise InputError("this machine lacks bf16; take another.")
        if kind == "broken":
            raise ZeroDivisionError("a bug")
        time.sleep(0.02)
        path.write_text(f"{os.getpid()} {sorted(os.sched_getaffinity(0))}")
        return Status(task.name, task.rows, 0)

    def give_up(self, task: Task, attempts: Any) -> Status:
        """Write a shard that ends its process."""
        assert attempts.begin(f"{task.name}.0.{task.rows}") == 0
        (self.out / task.name).write_text("given up")
        return Status(task.name, 0, task.rows)


def tasks(count: int, first: str = "plain", **others: int) -> list[Task]:
    """Return descriptors of so many plain shards, and of others by their kind."""
    kinds = [first] * count + [kind.replace("_", "-") for kind, many in others.items() for _ in range(many)]
    return [Task(f"{kind}_{i}") for i, kind in enumerate(kinds)]


Make = Callable[[str], FileWorker]

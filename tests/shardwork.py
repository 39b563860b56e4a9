"""A worker for tests of the cluster that computes nothing: a shard is a small file, and some of them go wrong."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from penult.errors import InputError
from penult.shards import AttemptCounter, ShardStatus, ShardTask


def task(name: str) -> ShardTask:
    """Return a descriptor; its name says what happens: `poison`, `killed-once`, `flaky`, `refused`, `broken`, `plain`."""
    return ShardTask("", 0, name, 10)


def tasks(**kinds: int) -> list[ShardTask]:
    """Return so many descriptors of each kind."""
    names = [kind.replace("_", "-") for kind, many in kinds.items() for _ in range(many)]
    return [task(f"{kind}_{i}") for i, kind in enumerate(names)]


class FileWorker:
    """Writes its process number and cores into OUT/NAME."""

    def __init__(self, out: str) -> None:
        self.out = Path(out)

    def run(self, task: ShardTask) -> ShardStatus:
        """Do a shard as its name says."""
        path, kind = self.out / task.name, task.name.partition("_")[0]
        if path.exists():
            return ShardStatus(task.name, task.rows, task.rows, 0, skipped=True)
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
        path.write_text(f"{os.getpid()} {len(os.sched_getaffinity(0))}")
        return ShardStatus(task.name, task.rows, task.rows, 0)

    def give_up(self, task: ShardTask, attempts: AttemptCounter) -> ShardStatus:
        """Write a shard that ends its process."""
        assert attempts.begin(f"{task.name}.0.{task.rows}") == 0
        (self.out / task.name).write_text("given up")
        return ShardStatus(task.name, task.rows, 0, task.rows)

"""Workers for the measurements on Ray, found there by name: one that logs what it begins, one that does nothing."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from penult.shards.extractor import Extractor
from penult.shards.writer import ShardStatus


class LoggedExtractor(Extractor):
    """An extractor that notes each shard it begins, with its node's raylet, in the file that PENULT_BENCH_LOG names.

    It rests between the two for the seconds in the file beside it, so that there is time to kill, and to come back.
    """

    def run(self, task: Any, *more: Any) -> ShardStatus:
        """Note the shard, and do it."""
        if self._writer.status(task) is None:
            line = f"{task.name} {os.getppid()}\n".encode()
            log = os.open(os.environ["PENULT_BENCH_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(log, line)  # one call: lines of several processes do not mix
            os.close(log)
            time.sleep(float(Path(os.environ["PENULT_BENCH_LOG"] + ".rest").read_text()))
        return super().run(task, *more)


class NoWorker:
    """Gives a status and does nothing."""

    def __init__(self, out: str) -> None:
        self.out = Path(out)

    def run(self, task: Any) -> ShardStatus:
        """Say that all is done."""
        return ShardStatus(task.name, task.rows, task.rows, 0)

    give_up = run

"""What an actor does with a shard, whatever happens: the rules for mistakes and deaths, without Ray.

In: a shard's descriptor. Out: a status, or the error that ends the job; never an exception, which Ray would try again, or
leave as a gap.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable
from typing import Protocol

from penult.errors import InternalError, OutputError, PenultError
from penult.i18n import _
from penult.shards import DEATHS, AttemptCounter, ShardStatus, ShardTask

log = logging.getLogger(__name__)

_TRIES, _PAUSE = 4, 5.0  # for a store that does not answer: how often, and seconds before the second try


_MOST, _ROUNDS = 32, 4  # descriptors in a block, which costs its driver some 8 ms; blocks that each actor still gets


def block_sizes(tasks: int, actors: int) -> list[int]:
    """Return how many descriptors each block gets: fewer toward the end, so that no actor is left alone with many.

    This is guided self-scheduling (Polychronopoulos & Kuck 1987).
    """
    sizes = []
    while tasks:
        sizes.append(max(1, min(_MOST, tasks // (_ROUNDS * actors))))
        tasks -= sizes[-1]
    return sizes


class ShardWorker(Protocol):
    """What turns a descriptor into a shard; `shards.Extractor` is one."""

    def run(self, task: ShardTask) -> ShardStatus:
        """Write the shard, unless it is there."""

    def give_up(self, task: ShardTask, attempts: AttemptCounter) -> ShardStatus:
        """Write a shard that ended its process again and again: what ends it by itself as failed rows."""


class ActorAttempts:
    """An `AttemptCounter` in memory; it lives in a process that outlives the actors."""

    def __init__(self) -> None:
        self._open: dict[str, int] = {}

    def begin(self, key: str) -> int:
        """Return how often a shard, or a part of one, was begun before without an end; it is begun once more now."""
        before = self._open.get(key, 0)
        self._open[key] = before + 1
        return before

    def end(self, key: str) -> None:
        """Forget a shard, with all its parts, that has ended; or one part."""
        for ended in [open_key for open_key in self._open if open_key == key or open_key.startswith(f"{key}.")]:
            del self._open[ended]


class ShardWork:
    """Answers for shards, one after the other, with one worker that stays warm.

    `make` opens the worker when the first shard comes, and again after an error that nobody expected.
    """

    def __init__(
        self, make: Callable[[], ShardWorker], attempts: AttemptCounter, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._make, self._attempts, self._pause = make, attempts, pause
        self._worker: ShardWorker | None = None

    def answer(self, task: ShardTask) -> ShardStatus | PenultError:
        """Return the status of a shard, or the `PenultError` that the whole job ends with."""
        deaths = self._attempts.begin(task.name)
        try:
            status = self._opened().give_up(task, self._attempts) if deaths >= DEATHS else self._run(task)
        except Exception as error:
            return _told(error, task)
        self._attempts.end(task.name)
        return status

    def _run(self, task: ShardTask) -> ShardStatus:
        for left in reversed(range(_TRIES)):
            try:
                return self._opened().run(task)
            except Exception as error:
                # The store or the disk may answer later, and a fresh worker fare better; what penult refuses stays refused.
                if not left or (isinstance(error, PenultError) and not isinstance(error, OSError)):
                    raise
                log.warning("shard %s is tried again: %s", task.name, error, exc_info=not isinstance(error, OSError))
                self._worker = self._worker if isinstance(error, OSError) else None
                self._pause(_PAUSE * 2 ** (_TRIES - 1 - left))
        raise AssertionError

    def _opened(self) -> ShardWorker:
        if self._worker is None:
            self._worker = self._make()
        return self._worker


def _told(error: Exception, task: ShardTask) -> PenultError:
    """Return an error as it can travel: with the machine it happened on, and of a class that the other end knows."""
    kind = type(error) if isinstance(error, PenultError) else OutputError if isinstance(error, OSError) else InternalError
    told = {"name": task.name, "host": socket.gethostname(), "pid": os.getpid(), "error": error}
    return kind(_("shard {name} on {host} (process {pid}): {error}", **told))

"""Decoders that stay: photos one by one as they come, from memory, answers as soon as they are ready, in any order.

In: recipes, then numbered contents of files. Out: `Prepared`s whose `index` is that number. One thread uses them; any other
may wake it. Limits of time, memory and pixels, second tries and failures are those of `prepare_all`.
"""

from __future__ import annotations

import logging
import select
import socket
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from penult.pixels.decoding import MAX_PIXELS
from penult.pixels.pipeline import DECODER, Prepared
from penult.pixels.preparing import can_start_workers, plan
from penult.pixels.recipe import Recipe
from penult.pixels.worker_pool import WorkerPool
from penult.sources import FileContent

log = logging.getLogger(__name__)

_PATIENCE = 20.0  # seconds that a worker may take beside the picture's own time: to start, to read it


class Wake:
    """Wakes a thread that waits in `poll`; any thread may call it, also from within a callback of a library."""

    def __init__(self) -> None:
        self._waits, self._calls = socket.socketpair()
        self._calls.setblocking(False)

    def __call__(self) -> None:
        """Wake it, now or when it waits next."""
        with suppress(OSError):  # full: it is awake anyhow; closed: nobody waits any more
            self._calls.send(b"!")

    def fileno(self) -> int:
        """Return the descriptor that can be read once somebody called."""
        return self._waits.fileno()

    def wait(self, seconds: float | None) -> None:
        """Wait up to so long (None: for ever) for a call, and forget all calls so far."""
        self._waits.settimeout(seconds)
        with suppress(TimeoutError, BlockingIOError):
            self._waits.recv(1 << 16)

    def close(self) -> None:
        """Give the descriptors back."""
        self._calls.close()
        self._waits.close()


class LiveDecoders:
    """Worker processes that stay, each busy with one photo at most, so that a death concerns one photo.

    `workers`: their number, by default as `prepare_all` takes; with 0, or where none can be started, photos are decoded in the
    calling thread. Raises what `prepare_all` does.
    """

    def __init__(
        self,
        recipes: Sequence[Recipe],
        wake: Wake,
        workers: int | None = None,
        *,
        seconds: float = 30.0,
        decoder: str = DECODER,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        found = plan(recipes, None, workers, seconds=seconds, decoder=decoder, max_pixels=max_pixels)
        self._pipeline, count, self._config = found
        self.count = count if count > 0 and can_start_workers() else 0
        self._wake = wake
        self._pool: WorkerPool | None = None
        self._deaths = 0  # of pools that are gone
        self._here: deque[tuple[int, FileContent]] = deque()

    @property
    def room(self) -> int:
        """How many photos may be put now."""
        if self.count == 0:
            return 1 - len(self._here)
        return self.count if self._pool is None else self.count - len(self._pool.sources)

    @property
    def deaths(self) -> int:
        """How many workers died and were replaced."""
        pool = self._pool  # another thread may close it
        return self._deaths + (0 if pool is None else pool.deaths)

    def start(self) -> None:
        """Start the workers, if they are not there. Raises `NoWorkers`."""
        if self.count == 0 or self._pool is not None:
            return
        pool = WorkerPool(self._config, self._pipeline.known, self.count, queued=1)
        try:
            pool.poller.register(self._wake, select.POLLIN)
            pool.start(pool.count)
        except BaseException:
            pool.close()
            raise
        self._pool, self.count = pool, pool.count  # fewer where pictures are huge

    def put(self, number: int, content: FileContent) -> None:
        """Take a photo. Raises `NoWorkers` where no worker can be started."""
        self.start()
        if self._pool is None:
            self._here.append((number, content))
            return
        self._pool.sources[number] = (number, content)
        self._pool.todo.append(number)
        self._assign(self._pool)

    def collect(self, seconds: float | None) -> list[Prepared]:
        """Wait up to so long (None: for ever), or until woken, for photos; return those that are done. Raises `NoWorkers`."""
        if self._pool is None:
            self._wake.wait(0 if self._here else seconds)
            done = [self._pipeline.prepare(*photo) for photo in self._here]
            self._here.clear()
            return done
        pool = self._pool
        pool.collect(seconds)
        self._wake.wait(0)
        self._end_overdue(pool)
        self._assign(pool)  # second tries
        done, pool.done = list(pool.done.values()), {}
        for one in done:
            del pool.sources[one.index], pool.tries[one.index, False], pool.tries[one.index, True]
        return done

    def close(self) -> None:
        """End the workers; what was put is forgotten, and the next `put` starts others."""
        pool, self._pool = self._pool, None
        self._here.clear()
        if pool is not None:
            self._deaths += pool.deaths
            pool.close()

    def _assign(self, pool: WorkerPool) -> None:
        for worker in pool.workers:
            if pool.todo and not worker.tasks:
                pool.assign_to(worker)

    def _end_overdue(self, pool: WorkerPool) -> None:
        """Kill workers that their alarm did not end: stopped ones, or such as do not even start."""
        limit = time.monotonic() - self._config.seconds - _PATIENCE
        for worker in pool.workers:
            if worker.tasks and worker.since < limit and not worker.overdue:
                log.warning("a decoder that gives no answer is replaced")
                worker.overdue = True
                worker.process.kill()

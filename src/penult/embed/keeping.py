"""Write rows to a cache beside the loop: checksums and waiting for the disk take a quarter of the loop's time otherwise.

In: digests and vectors. Out: rows in the cache, in a thread of its own.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from penult import store

_BEHIND = 4  # batches that may wait for the disk; then the loop waits, too


class CacheWriter:
    """Writes the rows of one cache. What goes wrong is raised by the next call; `close` ends the thread."""

    def __init__(self, cache: store.Rows):
        self.cache = cache
        self._pool = ThreadPoolExecutor(1, "penult-rows")  # its thread starts with the first rows
        self._waiting: deque[Future[None]] = deque()

    def add(self, digests: NDArray[np.uint8], vectors: NDArray[np.float32]) -> None:
        """Take rows (m, 32), (m, d), which the caller leaves alone from now on. Raises what `Cache.add` raises."""
        self._settle(_BEHIND)
        self._waiting.append(self._pool.submit(self.cache.add, digests, vectors))

    def flush(self) -> None:
        """Wait until all rows are where they stay. Raises what `Cache.flush` raises."""
        self._settle(0)
        self.cache.flush()

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown()

    def _settle(self, most: int) -> None:
        while self._waiting and (len(self._waiting) > most or self._waiting[0].done()):
            self._waiting.popleft().result()

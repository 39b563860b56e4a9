"""Decoder processes that stay open from one set of pictures to the next: to start them takes as long as a hundred photos.

In: sources and recipes, again and again. Out: what `prepare_all` gives.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from penult.pixels.decoding import MAX_PIXELS
from penult.pixels.pipeline import Prepared, WorkerConfig
from penult.pixels.preparing import plan, run_pipeline
from penult.pixels.recipe import Recipe
from penult.pixels.sources import check_pictures

if TYPE_CHECKING:
    from penult.pixels.sources import Source
    from penult.pixels.worker_pool import WorkerPool


class DecoderPool:
    """Worker processes that stay from one set of sources to the next; `close` ends them.

    With the same recipes and limits they are started once; after a run that was left early, anew.
    """

    def __init__(self) -> None:
        self._pool: WorkerPool | None = None
        self._config: WorkerConfig | None = None

    def prepare(
        self, sources: Sequence[Source], recipes: Sequence[Recipe], workers: int | None = None, max_pixels: int = MAX_PIXELS
    ) -> Generator[Prepared, None, None]:
        """Do what `prepare_all` does."""
        check_pictures(sources)
        return run_pipeline(sources, *plan(recipes, None, workers, max_pixels=max_pixels), self)

    @contextmanager
    def lend(self, config: WorkerConfig, known: Sequence[memoryview], count: int) -> Iterator[WorkerPool]:
        """Lend the pool for one run. Raises `NoWorkers`."""
        from penult.pixels.worker_pool import WorkerPool  # which knows no Windows

        if self._pool is None or self._config != config:
            self.close()
            self._pool, self._config = WorkerPool(config, known, count, contents=True), config
        try:
            yield self._pool
        except BaseException:  # tasks may be under way
            self.close()
            raise

    def close(self) -> None:
        """End the workers; the next run starts others."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

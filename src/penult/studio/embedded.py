"""The features of a project's photos: computed in the one loop of every command, read from the cache when they are asked for.

In: files and their digests. Out: rows in the photos' order. Networks are looked up only when features are needed: a project
that is prepared opens without them.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import audit
from penult.embed import Embedding, at_depth, embed
from penult.errors import ProgressCallback, quiet
from penult.i18n import N_
from penult.studio.options import StudioOptions
from penult.training.options import TrainOptions, find_backbones

STEP = 2048  # photos read at a time
IN_MEMORY = 1 << 30  # bytes of features; more lie in a file
NICE = 10


class PhotoFeatures:
    """The features of N photos, each by one of its files and its digest (N, 32)."""

    def __init__(self, paths: Sequence[str], digests: NDArray[np.uint8], options: StudioOptions) -> None:
        self.paths, self.digests, self.options = tuple(paths), digests, options
        self._lock = threading.Lock()
        self._opened: Embedding | None = None

    @staticmethod
    def of_files(
        paths: Sequence[str], every: Sequence[str], options: StudioOptions, progress: ProgressCallback = quiet
    ) -> Embedding:
        """Compute what the cache lacks of some of `every` file, and say what became of each.

        How 16-bit files are read, and how networks become 8-bit ones, is settled by all of them.
        """
        settings = options.settings.with_thumbnails()
        training = TrainOptions(backbones=options.backbones, settings=settings)
        networks = at_depth(find_backbones(training, progress), every, settings, progress)
        return embed(paths, networks, settings, progress, thumbnails=True, calibration=every)

    @property
    def _embedding(self) -> Embedding:
        with self._lock:
            if self._opened is None:
                done = self.of_files(self.paths[:1], self.paths, self.options)
                every = np.ones(len(self.digests), bool)
                self._opened = replace(done, digests=self.digests, ok=every, failures={}, sources=self.paths, remarks={})
            return self._opened

    @property
    def blocks(self) -> tuple[int, ...]:
        """The widths of the runs of columns that are scaled together."""
        return self._embedding.blocks

    @property
    def widths(self) -> tuple[int, ...]:
        """The number of columns of each network."""
        return self._embedding.widths

    @property
    def depth(self) -> int:
        """How many bits of photos in 16-bit files are used."""
        return self._embedding.backbones[0].recipe.depth

    def rows(self, numbers: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return the whole features of some photos, (m, d)."""
        whole = self._embedding
        some = replace(
            whole,
            digests=self.digests[numbers],
            ok=np.ones(len(numbers), bool),
            sources=tuple(self.paths[n] for n in numbers.tolist()),
        )
        return some.features()

    def thumbnails(self) -> NDArray[np.float32] | None:
        """Return the gray thumbnails by which copies are found, (N, 256)."""
        return self._embedding.thumbnails()

    def quality(self) -> NDArray[np.float32]:
        """Return brightness, spread, brightest and blur, (N, 4)."""
        found = self._embedding.quality()
        assert found is not None  # noqa: S101 - for the type checker: it was asked for
        return found

    def large_thumbnails(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return larger gray thumbnails of some photos, (m, 9216)."""
        return self._embedding.large_thumbnails(rows)

    @contextmanager
    def whole(self, progress: ProgressCallback = quiet) -> Iterator[NDArray[np.float32]]:
        """Yield the features of all photos, (N, d): in memory, or in a file where they are many."""
        n, d = len(self.digests), sum(self.widths)
        with tempfile.TemporaryFile() as file:
            X: Any = np.empty((n, d), np.float32)
            if X.nbytes > IN_MEMORY:
                X = np.memmap(file, np.float32, "w+", shape=(n, d))
            for start in range(0, n, STEP):
                X[start : start + STEP] = self.rows(np.arange(start, min(start + STEP, n)))
                progress(N_("reading features"), min(start + STEP, n), n)
            yield X


def place(asked: Iterator[Any]) -> Iterator[NDArray[np.float64]]:
    """Be the child process that makes the map of some photos, (N, 2), and gives way to everything else."""
    if hasattr(os, "nice"):
        os.nice(NICE)
    for paths, digests, options in asked:
        features = PhotoFeatures(paths, digests, options)
        with features.whole() as X:
            yield audit.photo_map(X, features.blocks, options.seed).places

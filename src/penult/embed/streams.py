"""One backbone's way through the loop: what its cache knows, its engine, and what is under way."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from penult import engines, pixels, store
from penult.backbones import Backbone
from penult.embed.options import EmbedOptions
from penult.embed.throughput import ThroughputMeter
from penult.engines import Compute, Engine

_BEHIND = 4  # batches that may wait for the disk; then the loop waits, too


class EnginePool:
    """Engines opened when the first image needs them, kept until `close`; `cache` is the cache folder, if there is one."""

    def __init__(self, compute: Compute, cache: Path | None = None):
        self.compute, self._cache = compute, cache
        self._open: dict[str, Engine] = {}

    def get(self, backbone: Backbone) -> Engine:
        """Return the engine of a backbone; a new one is compiled in the background."""
        if backbone.digest not in self._open:
            self._open[backbone.digest] = engines.open_engine(backbone, *self.compute, cache=self._cache)
        return self._open[backbone.digest]

    def close(self) -> None:
        """Give back what the engines hold."""
        for engine in self._open.values():
            engine.close()
        self._open.clear()


class RowStore(Protocol):
    """Where a stream gets known digests from and leaves its rows: the feature cache, or memory."""

    def known(self) -> NDArray[np.uint8]:
        """Return the sorted digests (m, 32) that need no computing."""

    def add(self, digests: NDArray[np.uint8], vectors: NDArray[np.float32]) -> None:
        """Take rows: digests (m, 32), vectors (m, d)."""

    def flush(self) -> None:
        """Return when all rows are where they stay."""


class CacheWriter:
    """Writes the rows of one cache in a thread: checksums and the disk take a quarter of the loop's time otherwise.

    What goes wrong is raised by the next call; `close` ends the thread.
    """

    def __init__(self, cache: RowStore):
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


class BackboneStream:
    """One backbone's way through the loop: its cache, and an engine that is opened when the first image needs it.

    Each view of an image is a request of its own to the engine; the row is the mean of their vectors.
    """

    def __init__(self, backbone: Backbone, cache: RowStore, pool: EnginePool, meter: ThroughputMeter):
        self.backbone, self.cache, self.pool, self.meter = backbone, cache, pool, meter
        self.views, self._count = backbone.recipe.views, backbone.recipe.view_count
        self.writer = CacheWriter(cache)
        self.known = cache.known()  # (m, 32)
        self.engine = None if len(self.known) else self._open()
        self.seen: set[bytes] = set()
        self._digests: list[bytes] = []
        self._pixels: NDArray[np.uint8] | None = None  # (b, views, s, s, 3); filled again and again, new memory is slow

    def put(self, digest: bytes, prepared: Iterator[NDArray[np.uint8] | None]) -> bool:
        """Take the next of these, one for each of `views`, as an image; return False when it is known already."""
        seen = [view for view in islice(prepared, len(self.views)) if view is not None]
        if not seen or digest in self.seen:
            return False
        self.seen.add(digest)
        if self.engine is None:
            self.engine = self._open()
        if self._pixels is None:
            images = max(1, self.engine.batch // self._count)
            self._pixels = np.empty((images, self._count, *seen[0].shape), np.uint8)
        for place, view in enumerate(self.backbone.recipe.with_mirror_images(seen)):
            self._pixels[len(self._digests), place] = view
        self._digests.append(digest)
        if len(self._digests) == len(self._pixels):
            self._send(self.engine, self._pixels)
        return True

    def _open(self) -> Engine:
        engine = self.pool.get(self.backbone)
        if self.backbone.function is None:
            self.meter.watch(self.backbone, engine)
        return engine

    def _send(self, engine: Engine, pixels: NDArray[np.uint8]) -> None:
        tag = np.frombuffer(b"".join(self._digests), np.uint8).reshape(-1, 32)  # (b, 32)
        self._digests = []
        engine.submit(pixels[: len(tag)].reshape(-1, *pixels.shape[2:]), tag)
        self._collect(engine.results())

    def _collect(self, results: Any) -> None:
        for tag, vectors in results:
            self.writer.add(tag, self.backbone.mean_over_views(vectors))

    def finish(self) -> None:
        """Send the last short batch, wait for what is under way, and write it all to the cache."""
        if self.engine is not None:
            if self._digests and self._pixels is not None:
                self._send(self.engine, self._pixels)
            self._collect(self.engine.drain())
        self.writer.flush()

    def close(self) -> None:
        """Keep what is computed, also when the run is interrupted."""
        try:
            if self.engine is not None:
                self._collect(self.engine.drain())
            self.writer.flush()
        finally:
            self.writer.close()


class RowStream:
    """Photos one by one through engines that stay open; their rows come out when they are ready, and nothing is kept.

    What it computes is what `BackboneStream` does: each view of a photo is a request of its own. `on_done` is called, in any
    thread, when there may be rows. The pool belongs to it.
    """

    def __init__(self, backbones: Sequence[Backbone], pool: EnginePool, on_done: Callable[[], None]):
        self.backbones, self._pool, self._on_done = backbones, pool, on_done
        self._engines: list[Engine] = []
        self._open()
        self._parts: dict[int, list[NDArray[np.float32] | None]] = {}  # by number, a row (d,) of each network

    @property
    def recipes(self) -> list[pixels.Recipe]:
        """The recipes in whose order `put` wants the pixels."""
        return [view for backbone in self.backbones for view in backbone.recipe.views]

    def put(self, number: int, prepared: Sequence[NDArray[np.uint8] | None]) -> None:
        """Take a photo: the pixels (s, s, 3) of each of `recipes`."""
        self._parts[number] = [None] * len(self.backbones)
        views = iter([view for view in prepared if view is not None])
        for backbone, engine in zip(self.backbones, self._engines, strict=True):
            own = list(islice(views, len(backbone.recipe.views)))
            engine.submit(np.stack(backbone.recipe.with_mirror_images(own)), number)

    def rows(self, wait: bool = False) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield number and row (1, sum of d) of the photos that are ready, or of all that were taken."""
        for place, (backbone, engine) in enumerate(zip(self.backbones, self._engines, strict=True)):
            for number, vectors in engine.drain() if wait else engine.results():
                self._parts[number][place] = backbone.mean_over_views(vectors)
        ready = [number for number, parts in self._parts.items() if all(part is not None for part in parts)]
        for number in ready:
            yield number, np.hstack([part for part in self._parts.pop(number) if part is not None])

    def _open(self) -> None:
        """Open the engines; they are made ready in the background."""
        self._engines = [self._pool.get(backbone) for backbone in self.backbones]
        for engine in self._engines:
            engine.on_done = self._on_done

    def reset(self) -> None:
        """Forget what is under way, and open the engines anew."""
        self.close()
        self._open()

    def close(self) -> None:
        """Close the engines; what is under way is forgotten."""
        self._parts.clear()
        self._pool.close()


def cache_facts(backbone: Backbone, engine: str, precision: str) -> dict[str, str]:
    """Return what the values of a feature row depend on besides the image: the key of the cache."""
    return {
        "backbone": backbone.name,
        "backbone_digest": backbone.digest,
        "width": str(backbone.width),
        "road": pixels.preprocessing_version(),
        "engine": engine,
        "precision": precision,
    }


def open_cache(backbone: Backbone, compute: Compute, settings: EmbedOptions) -> store.FeatureCache:
    """Return the rows of a backbone, as these engine and precision compute them, where the settings keep them."""
    name = engines.engine_name(backbone, compute.device)
    engine = f"{name} {compute.device}" if name == "onnxruntime" else name  # two kinds of accelerator round differently
    return settings.rows(cache_facts(backbone, engine, "f32" if name == "numpy" else compute.precision))


def is_cached(backbone: Backbone, digests: NDArray[np.uint8], settings: EmbedOptions) -> NDArray[np.bool_]:
    """Return which of these pictures (n, 32) have their row of this backbone in the cache already, (n,)."""
    cache = open_cache(backbone, settings.compute([backbone]), settings)
    rows = {row.tobytes() for row in cache.known()}
    return np.array([row.tobytes() in rows for row in digests], bool)  # (n,)

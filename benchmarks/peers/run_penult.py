"""penult: `embed` with everything as a user has it, into an empty cache folder; then its engine alone, in the same process.

    python -m peers.run_penult PHOTOS bf16 resnet50@resnet50.safetensors ...         (or: f32, int8)

All networks go in one pass. The engine alone computes pixels that are ready in memory, one network after the other, at the
same precision, for as long as the extraction took (2 to 8 s each): what it reaches is the roof of the extraction.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from peers import quantised
from peers.clock import Clock, tell
from penult import embed, zoo
from penult.engines import Compute


class Watched:
    """An engine that tells the clock how many images are out."""

    def __init__(self, engine: Any, clock: Clock) -> None:
        self._engine, self._clock, self._out = engine, clock, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def __call__(self, batch: Any) -> Any:
        return self._engine(batch)

    def _seen(self, results: Iterator[Any]) -> Iterator[Any]:
        for tag, vectors in results:
            self._out += len(vectors)
            self._clock.batch(self._out)
            yield tag, vectors

    def results(self) -> Iterator[Any]:
        return self._seen(self._engine.results())

    def drain(self) -> Iterator[Any]:
        return self._seen(self._engine.drain())


class WatchedPool(embed.EnginePool):
    """Engines of which the last is watched."""

    def watch(self, backbone: Any, clock: Clock) -> None:
        self._open[backbone.digest] = Watched(self.get(backbone), clock)  # type: ignore[assignment]


def main(photos: str, precision: str, *names: str) -> None:
    """Extract the features of every photo with all networks at once and tell how long it took."""
    clock = Clock()
    paths = sorted(p for p in Path(photos).rglob("*") if p.is_file())
    backbones = quantised.networks(photos, *names) if precision == "int8" else [zoo.find_backbone(name) for name in names]
    opened = WatchedPool(Compute("cpu", precision))
    for backbone in backbones:
        size = backbone.recipe.size
        opened.get(backbone)(np.empty((0, size, size, 3), np.uint8))  # no image: waits until the network is compiled
    opened.watch(backbones[-1], clock)
    with tempfile.TemporaryDirectory() as cache:
        settings = embed.EmbedOptions(device="cpu", precision=precision, cache=cache)
        clock.ready()
        done = embed.embed(paths, backbones, settings, pool=opened)
        X = done.features()  # (n, d)
        clock.done()
    facts = clock.facts(len(X))
    seconds = min(8.0, max(2.0, facts["seconds"] / len(backbones)))
    engines = [alone(opened.get(b), b.recipe.size, seconds) for b in backbones]
    opened.close()
    roof = 1 / sum(1 / rate for rate in engines)  # images/s through all of them
    tell(
        "penult", "openvino", "numpy", **facts, engine=roof, engines=engines, shape=X.shape, finite=bool(np.isfinite(X).all())
    )


def alone(engine: Any, size: int, seconds: float) -> float:
    """Return images per second of an engine that gets its pixels from memory."""
    noise = np.random.default_rng(0).integers(0, 256, (engine.batch, size, size, 3), dtype=np.uint8)  # (b, s, s, 3)
    engine(noise)  # the first ones find memory not yet asked for
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        engine.submit(noise)
        count += len(noise)
        for _ in engine.results():
            pass
    for _ in engine.drain():
        pass
    return count / (time.perf_counter() - began)


if __name__ == "__main__":
    main(*sys.argv[1:])

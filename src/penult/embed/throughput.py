"""How fast each network is on this machine: measured while it works, kept in the cache folder, read back."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np

from penult import engines, store
from penult.backbones import Backbone
from penult.embed.options import EmbedOptions
from penult.engines import Engine, Throughput
from penult.errors import OutputError

log = logging.getLogger(__name__)

KIND = "speeds"  # of cache entry
ENOUGH = 32  # images; fewer say little
_SAME = 0.05  # of a speed: no reason to write it again
_FASTEST = 1e9  # images a second; what is above is no speed, and NaN is not below
_SECONDS = 1.0  # that `measure_speed` measures


@dataclass(frozen=True, slots=True)
class EngineSpeed:
    """How fast one network was, and on how many images that was seen."""

    backbone: Backbone
    engine: Engine
    images: int
    images_per_second: float


class ThroughputMeter:
    """Watches the engines of one loop.

    While other networks and the decoders want the same cores, an image takes longer than the network needs: its thread waits
    for a core. So the seconds of all engines are scaled down to the processor time that this process spent outside the
    thread of the caller, less what compiling took. With several threads for a stream they are less than that as they
    are, and stay what they are.
    """

    def __init__(self) -> None:
        self._watched: list[tuple[Backbone, Engine, Throughput]] = []  # and how far each had counted when the watch began
        self._began = _cpu_time_of_other_threads()

    def watch(self, backbone: Backbone, engine: Engine) -> None:
        """Count from here on what this engine does."""
        self._watched.append((backbone, engine, copy(engine.throughput)))

    def rates(self) -> list[EngineSpeed]:
        """Return for each engine that did something how fast it would be with all cores for itself."""
        # A GPU has its own clock.
        threaded = [(engine.throughput, before) for _, engine, before in self._watched if engine.name == "openvino"]
        busy = sum(now.seconds - before.seconds for now, before in threaded)
        compiling = sum(now.compiling - before.compiling for now, before in threaded)
        spent = _cpu_time_of_other_threads() - self._began - compiling
        inflation = max(1.0, busy / spent) if spent > 0 else 1.0
        found = []
        for backbone, engine, before in self._watched:
            now = engine.throughput
            views = backbone.recipe.view_count
            images, seconds = (now.images - before.images) // views, now.seconds - before.seconds
            if images and seconds > 0:
                rate = now.streams * images / seconds * (inflation if engine.name == "openvino" else 1.0)
                found.append(EngineSpeed(backbone, engine, images, rate))
        return found


def _cpu_time_of_other_threads() -> float:
    """Return the processor time (s) of all threads of this process but this one."""
    return time.process_time() - time.thread_time()


def record(rates: Sequence[EngineSpeed], settings: EmbedOptions, enough: int = ENOUGH) -> None:
    """Keep the speeds that were seen on enough images, where they are news; a folder that cannot be written is only logged."""
    for rate in rates:
        entry = _entry(rate.backbone, rate.engine.name, engines.Compute(rate.engine.device, rate.engine.precision), settings)
        if entry is None or rate.images < enough or abs((_read(entry) or 0.0) / rate.images_per_second - 1) < _SAME:
            continue
        rounded = round(rate.images_per_second, 3)
        try:
            entry.put({}, backbone=rate.backbone.name, images=rate.images, images_per_second=rounded)
        except OutputError as error:
            told = store.is_permanent(error) and (settings.cache_optional or not settings.chosen)  # by the rows, already
            level = logging.INFO if told else logging.WARNING
            log.log(level, "the speed of %s is not kept: %s", rate.backbone.name, error)


def speed(backbone: Backbone, settings: EmbedOptions | None = None) -> float | None:
    """Return how many images per second the network alone did when it last ran on this machine; None if it never did."""
    settings = settings or EmbedOptions()
    if settings.folder is None or not store.is_folder(settings.folder / KIND):
        return None
    compute = _compute(backbone, settings)
    entry = _entry(backbone, engines.engine_name(backbone, compute.device), compute, settings)
    return None if entry is None else _read(entry)


def _compute(backbone: Backbone, settings: EmbedOptions) -> engines.Compute:
    """Return what the network runs on; one that is still to be quantised runs as it does without that."""
    before = settings.precision == "int8" and not backbone.quantized
    return engines.resolve(settings.device, "auto" if before else settings.precision, [backbone])


def _read(entry: store.CacheEntry) -> float | None:
    rate = (entry.values() or {}).get("images_per_second")
    return float(rate) if isinstance(rate, int | float) and 0 < rate < _FASTEST else None


def measure_speed(backbone: Backbone, settings: EmbedOptions | None = None) -> float:
    """Return images per second of the network alone, measured on noise for about a second, and keep it.

    Raises what opening an engine raises.
    """
    settings = settings or EmbedOptions()
    engine = engines.open_engine(backbone, *_compute(backbone, settings))
    try:
        size = backbone.recipe.size
        noise = np.random.default_rng(0).integers(0, 256, (4, size, size, 3), dtype=np.uint8)  # (4, s, s, 3)
        engine(noise)  # the first ones find memory not yet asked for
        meter = ThroughputMeter()
        meter.watch(backbone, engine)
        end = time.perf_counter() + _SECONDS
        while time.perf_counter() < end:
            for _ in range(engine.throughput.streams):
                engine.submit(noise)
            for _ in engine.drain():
                pass
        rates = meter.rates()
    finally:
        engine.close()
    record(rates, settings, enough=1)
    return rates[0].images_per_second


def _entry(backbone: Backbone, engine: str, compute: engines.Compute, settings: EmbedOptions) -> store.CacheEntry | None:
    if settings.folder is None:
        return None
    facts = {"backbone_digest": backbone.digest, "engine": engine, **compute._asdict()}
    return store.CacheEntry.of(settings.folder, KIND, {**facts, "machine": engines.cpu_name()})

"""How fast each network was on this machine: kept in the cache folder, read back, measured where nothing is known.

In: backbones, what a meter showed. Out: images per second of the network alone.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

import numpy as np

from penult import engines, store
from penult.backbones import Backbone
from penult.embed.meter import EngineSpeed, ThroughputMeter
from penult.embed.options import EmbedOptions
from penult.errors import OutputError

log = logging.getLogger(__name__)

KIND = "speeds"  # of cache entry
ENOUGH = 32  # images; fewer say little
_SAME = 0.05  # of a speed: no reason to write it again
_FASTEST = 1e9  # images a second; what is above is no speed, and NaN is not below
_SECONDS = 1.0  # that `measure_speed` measures


def record(rates: Sequence[EngineSpeed], settings: EmbedOptions, enough: int = ENOUGH) -> None:
    """Keep the speeds that were seen on enough images, where they are news; a folder that cannot be written is only logged."""
    for rate in rates:
        entry = _entry(rate.backbone, rate.engine.name, rate.engine.device, rate.engine.precision, settings)
        if entry is None or rate.images < enough or abs((_read(entry) or 0.0) / rate.images_per_second - 1) < _SAME:
            continue
        rounded = round(rate.images_per_second, 3)
        try:
            entry.put({}, backbone=rate.backbone.name, images=rate.images, images_per_second=rounded)
        except OutputError as error:
            told = store.fallback.never(error) and (settings.cache_optional or not settings.chosen)  # by the rows, already
            level = logging.INFO if told else logging.WARNING
            log.log(level, "the speed of %s is not kept: %s", rate.backbone.name, error)


def speed(backbone: Backbone, settings: EmbedOptions | None = None) -> float | None:
    """Return how many images per second the network alone did when it last ran on this machine; None if it never did."""
    settings = settings or EmbedOptions()
    if settings.folder is None or not store.is_folder(settings.folder / KIND):
        return None
    device, precision = _road(backbone, settings)
    entry = _entry(backbone, engines.engine_name(backbone, device), device, precision, settings)
    return None if entry is None else _read(entry)


def _road(backbone: Backbone, settings: EmbedOptions) -> tuple[str, str]:
    """Return device and precision; those of a network that is still to be quantised are what it has without that."""
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
    device, precision = _road(backbone, settings)
    engine = engines.open_engine(backbone, device, precision)
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


def _entry(backbone: Backbone, engine: str, device: str, precision: str, settings: EmbedOptions) -> store.CacheEntry | None:
    if settings.folder is None:
        return None
    facts = {"backbone_digest": backbone.digest, "engine": engine, "device": device, "precision": precision}
    return store.CacheEntry.of(settings.folder, KIND, {**facts, "machine": engines.cpu_name()})

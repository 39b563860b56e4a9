"""How fast networks are, measured while they work for somebody.

In: engines at work. Out: images per second of each network alone, on all its streams.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from penult.backbones import Backbone
from penult.engines import Engine


@dataclass(frozen=True, slots=True)
class Watched:
    """A network in use, and how far its engine had counted when the watch began."""

    backbone: Backbone
    engine: Engine
    images: int
    seconds: float
    compiling: float


@dataclass(frozen=True, slots=True)
class EngineSpeed:
    """What a meter showed of one network."""

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
        self._watched: list[Watched] = []
        self._began = _beside()

    def watch(self, backbone: Backbone, engine: Engine) -> None:
        """Count from here on what this engine does."""
        seen = engine.throughput
        self._watched.append(Watched(backbone, engine, seen.images, seen.seconds, seen.compiling))

    def rates(self) -> list[EngineSpeed]:
        """Return for each engine that did something how fast it would be with all cores for itself."""
        threaded = [w for w in self._watched if w.engine.name == "openvino"]  # a GPU has its own clock
        busy = sum(w.engine.throughput.seconds - w.seconds for w in threaded)
        spent = _beside() - self._began - sum(w.engine.throughput.compiling - w.compiling for w in threaded)
        inflation = max(1.0, busy / spent) if spent > 0 else 1.0
        found = []
        for w in self._watched:
            seen = w.engine.throughput
            images, seconds = seen.images - w.images, seen.seconds - w.seconds
            if images and seconds > 0:
                rate = seen.streams * images / seconds * (inflation if w in threaded else 1.0)
                found.append(EngineSpeed(w.backbone, w.engine, images, rate))
        return found


def _beside() -> float:
    """Return the processor time (s) of all threads of this process but this one."""
    return time.process_time() - time.thread_time()

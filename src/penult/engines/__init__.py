"""Engines: pixels in, vectors out.

In: a `Backbone`, a device, a precision, batches of uint8 (b, s, s, 3). Out: float32 (b, d).
It must not know files, labels or caches.
"""

from penult.engines.engine import Engine
from penult.engines.machine import machine
from penult.engines.opening import BATCH, engine_name, engine_of, open_engine, precisions, resolve
from penult.engines.work import Work

__all__ = ["BATCH", "Engine", "Work", "engine_name", "engine_of", "machine", "open_engine", "precisions", "resolve"]

"""Engines: pixels in, vectors out.

In: a `Backbone`, a device, a precision, batches of uint8 (b, s, s, 3). Out: float32 (b, d).
It must not know files, labels or caches.
"""

from penult.engines.devices import cpu_name
from penult.engines.engine import Compute, Engine, Throughput
from penult.engines.runtimes import open_graph, openvino_files, runtimes
from penult.engines.select import BATCH, engine_name, engine_of, open_engine, precisions, resolve

__all__ = [
    "BATCH",
    "Compute",
    "Engine",
    "Throughput",
    "cpu_name",
    "engine_name",
    "engine_of",
    "open_engine",
    "open_graph",
    "openvino_files",
    "precisions",
    "resolve",
    "runtimes",
]

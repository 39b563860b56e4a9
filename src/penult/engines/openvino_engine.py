"""The engine for processors: OpenVINO.

Every image is a request of its own: a graph of fixed shape (1, s, s, 3), one stream for each core. Measured
on two cores this beats batches of 8 to 32 by a quarter to a half (activations stay in the core's own cache),
needs one compilation for any number of images, and makes the batch size and the order of rows unable to touch
the vectors.
"""

from __future__ import annotations

import functools
import importlib
import logging
import math
import sys
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.backbones import Backbone
from penult.engines.devices import cpu_name
from penult.engines.engine import CompiledCache, Compute, GraphEngine, PendingBatch, Pixels, Result
from penult.errors import DamagedFile
from penult.i18n import _

log = logging.getLogger(__name__)

_CONVERTER = "openvino.tools.ovc"
_MOST_NUMBERS = 1 << 28  # of a tensor; 256 maps of 1024 x 1024 positions
_AHEAD = 2  # batches under way before `submit` waits


def load() -> Any:
    """Import openvino so that it sends nothing: its import reports each use to Google Analytics by default.

    That is done by its converter, whose import takes as long as all else of it; it does without when that is not there to
    import. An openvino that was imported before is returned as it is.
    """
    if "openvino" in sys.modules:
        return importlib.import_module("openvino")
    openvino = _imported("openvino", without=_CONVERTER)
    openvino.convert_model = _convert_model
    return openvino


def _imported(name: str, without: str) -> Any:
    """Import a module as if another were not installed."""
    if without in sys.modules:
        return importlib.import_module(name)
    sys.modules[without] = None  # type: ignore[assignment]
    try:
        return importlib.import_module(name)
    finally:
        del sys.modules[without]


def _convert_model(*args: Any, **kwargs: Any) -> Any:
    """Be `openvino.convert_model`, for whoever else uses openvino in this process: imported when it is called, and silent."""
    return _imported(_CONVERTER, without="openvino_telemetry").convert_model(*args, **kwargs)


@functools.cache
def _core() -> Any:
    return load().Core()


@functools.cache
def float_precisions() -> tuple[str, ...]:
    """Return the precisions in which this processor computes any network by itself, the fastest first."""
    return ("bf16", "f32") if "BF16" in _capabilities() else ("f32",)


def int_precisions() -> tuple[str, ...]:
    """Return the whole numbers in which this processor computes networks that are quantised: ("int8",) or ()."""
    return ("int8",) if "INT8" in _capabilities() else ()


@functools.cache
def _capabilities() -> tuple[str, ...]:
    return tuple(_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


def describe() -> dict[str, Any]:
    """Return OpenVINO's version and devices, the precisions that the processor computes in, and the one that `auto` takes."""
    return {
        "version": str(load().__version__),
        "devices": list(_core().available_devices),
        "precisions": [*float_precisions(), *int_precisions()],
        "auto": float_precisions()[0],
    }


def _refuse_endless(model: Any, name: str) -> None:
    """Raise `DamagedFile` where a tensor of the graph has no known size, or one that no network needs.

    Two nodes can ask for a terabyte of zeros, which compiling would make at once; their shapes are known before.
    """
    for node in model.get_ops():
        for output in node.outputs():
            shape = output.get_partial_shape()
            if shape.is_dynamic or math.prod(shape.to_shape()) > _MOST_NUMBERS:
                raise DamagedFile(
                    _(
                        "the graph of {name} cannot be used: its node {node!r} gives {shape} numbers, "
                        "which is no fixed size, or does not fit into memory; take a smaller network.",
                        name=name,
                        node=node.get_friendly_name()[:80],
                        shape=shape,
                    )
                )


def read(backbone: Backbone, output: str) -> Any:
    """Return the graph for one image, of fixed shape and with the one output. Raises `DamagedFile` for one that cannot be."""
    graph, size = backbone.graph(), backbone.recipe.size
    try:
        model = _core().read_model(graph)
        model = load().Model([model.output(output)], model.get_parameters())
        model.reshape([1, size, size, 3])
    except RuntimeError as error:
        said = " ".join(str(error).split())[:400]
        raise DamagedFile(_("the graph of {name} cannot be used: {said}", name=backbone.name, said=said)) from error
    _refuse_endless(model, backbone.name)
    width = backbone.width if output == "features" else backbone.map_channels
    if model.outputs[0].shape[1] != width:
        raise DamagedFile(
            _(
                "the graph of {name} gives {columns} numbers for an image where its record says {width}; one of the "
                "two was changed.",
                name=backbone.name,
                columns=model.outputs[0].shape[1],
                width=width,
            )
        )
    return model


class OpenVinoEngine(GraphEngine):
    """Runs a backbone's graph on the processor; see `Engine`.

    It is compiled in the background: opening several engines compiles them side by side, and the first
    batches can be submitted meanwhile. `output` is the graph's output that is computed; the others are cut
    off.
    """

    name = "openvino"

    def __init__(self, backbone: Backbone, compute: Compute, batch: int, output: str, cache: CompiledCache):
        super().__init__(backbone, compute, batch, output, cache)
        self._held: deque[PendingBatch] = deque()  # taken before the graph was ready
        self._jobs: deque[PendingBatch] = deque()  # all that nobody fetched
        self._writer: Thread | None = None
        load()  # in this thread: an import must not be under way when the process ends
        pool = ThreadPoolExecutor(1, "penult-compile")
        self._queue: Future[Any] = pool.submit(self._compile)
        self._queue.add_done_callback(lambda _: self.on_done())
        pool.shutdown(wait=False)

    def _compile(self) -> Any:
        """Return the queue of requests for the compiled graph, cut to the one output."""
        began = time.thread_time()
        rest = "f32" if self.precision == "int8" else self.precision  # the graph itself says what is in 8 bits
        settings = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": rest}
        facts = {
            "backbone_digest": self._backbone.digest,
            "output": self._output,
            "version": load().__version__,
            "machine": cpu_name(),
            **settings,
        }
        compiled = self._recall(facts, settings)
        if compiled is None:
            compiled = _core().compile_model(read(self._backbone, self._output), "CPU", settings)
            if self._cache.cache is not None:
                self._writer = Thread(target=lambda: self._cache.put(facts, _bytes(compiled.export_model())))
                self._writer.start()  # beside the first images
        requests = max(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"), _AHEAD * self.batch)
        self.throughput.streams = compiled.get_property("NUM_STREAMS")
        queue = load().AsyncInferQueue(compiled, requests)
        queue.set_callback(self._keep)
        self.throughput.compiling = time.thread_time() - began
        return queue

    def _recall(self, facts: dict[str, str], settings: dict[str, str]) -> Any:
        """Return the graph as an earlier process compiled it, or None."""
        blob = self._cache.get(facts)
        if blob is None:
            return None
        try:
            return _core().import_model(blob, "CPU", settings)
        except RuntimeError as error:
            log.warning("the compiled graph of %s cannot be read, it is compiled again: %s", self._backbone.name, error)
            return None

    def __call__(self, batch: Pixels) -> NDArray[np.float32]:
        """Return the vectors of one batch: (b, d), or maps (b, d, h, w) where it was opened for them."""
        job = self._take(batch, None)
        self._start()
        self._queue.result().wait_all()
        self._jobs.remove(job)
        self.throughput.settle()
        return job.vectors

    def submit(self, batch: Pixels, tag: Any = None) -> None:
        """Take a batch; waits when two batches are under way already."""
        self._take(batch, tag)
        if self._queue.done() or len(self._held) > _AHEAD:
            self._start()

    def _take(self, batch: Pixels, tag: Any) -> PendingBatch:
        job = PendingBatch(tag, self._accept(batch))
        self._held.append(job)
        self._jobs.append(job)
        return job

    def _start(self) -> None:
        """Hand over what was held back; waits for the compiled graph."""
        queue = self._queue.result()
        while self._held:
            job = self._held.popleft()
            pixels, job.pixels = job.pixels, None
            if pixels is not None:
                job.vectors = np.empty((len(pixels), *queue[0].model_outputs[0].shape[1:]), np.float32)
                for row in range(len(pixels)):
                    self.throughput.enter()
                    queue.start_async({0: pixels[row : row + 1]}, (job, row))

    def _keep(self, request: Any, place: tuple[PendingBatch, int]) -> None:
        """Copy a row out of the request, which will be used again; runs in a thread of OpenVINO's."""
        self.throughput.leave()
        job, row = place
        job.vectors[row] = request.get_output_tensor(0).data[0]
        job.done.append(row)
        if len(job.done) == len(job.vectors):
            self.on_done()

    def results(self) -> Iterator[Result]:
        """Yield what is ready."""
        if self._held and self._queue.done():
            self._start()
        self.throughput.settle()
        while self._jobs and self._jobs[0].ready:
            job = self._jobs.popleft()
            yield job.tag, job.vectors

    def drain(self) -> Iterator[Result]:
        """Wait for everything and yield it."""
        if self._jobs:
            self._start()
            self._queue.result().wait_all()
        yield from self.results()

    def close(self) -> None:
        """Wait for what is under way and let the compiled graph go."""
        if not self._queue.cancel() and self._queue.exception() is None:
            self._queue.result().wait_all()
        if self._writer is not None:
            self._writer.join()
        self._held.clear()
        self._jobs.clear()
        self._queue = Future()
        self._queue.set_exception(self._closed())


def _bytes(blob: Any) -> bytes:
    """Return what `export_model` gave, bytes or a stream by the version of openvino, as bytes."""
    return blob if isinstance(blob, bytes) else bytes(blob.getbuffer())

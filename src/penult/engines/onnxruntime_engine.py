"""The engine for GPUs and other accelerators: ONNX Runtime.

A graph is opened for one number of images, and every run is of that many, padded with zeros: libraries choose their kernels by
the batch, so in this way the vector of an image cannot depend on how many or which came with it, and every run is the same,
which CUDA graphs need. One thread runs a network, so batches come out in the order in which they went in.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.backbones import Backbone
from penult.backbones.graph_builder import BATCH as OPEN
from penult.engines import float16, openvino_engine
from penult.engines.devices import ACCELERATORS, load, one_line
from penult.engines.engine import CompiledCache, Compute, GraphEngine, Pixels, Result
from penult.errors import InputError
from penult.i18n import _

log = logging.getLogger(__name__)

_AHEAD = 2  # batches under way before `submit` waits
_MEMORY = ("out of memory", "failed to allocate", "alloc_failed", "bad allocation", "8007000e")  # as libraries say it
# While one network is captured as a CUDA graph nothing else may touch the GPU, and side by side they would be no faster.
_gpu = threading.Lock()


def out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that a device has no memory left: ONNX Runtime has no class for that."""
    return isinstance(error, MemoryError) or any(words in str(error).lower() for words in _MEMORY)


class OnnxRuntimeSession:
    """A backbone's graph on a device, with buffers for the pixels and the vectors of `size` images.

    Where the memory is too small for `size` images, `size` is halved, at opening and later. Raises `InputError` or
    `DamagedFile`.
    """

    def __init__(self, backbone: Backbone, compute: Compute, output: str, size: int, cache: CompiledCache):
        self.backbone, (self.device, self.precision), self.output = backbone, compute, output
        self.size, self._buffer = size, np.empty(0, np.uint8)  # as many images as a run takes, and their pixels
        self.shape: tuple[int, ...] = ()
        self._session: Any = None
        self._binding: Any = None
        self._pixels: Any = None
        self._vectors: Any = None
        self._graph = self._converted(cache)
        self._lock = _gpu if self.device == "cuda" else threading.Lock()
        with self._lock:
            self._open(size)

    def __call__(self, pixels: Pixels) -> NDArray[np.float32]:
        """Return the vectors (n, ...) of images (n, s, s, 3), however many."""
        vectors = np.empty((len(pixels), *self.shape), np.float32)
        start = 0
        while start < len(pixels):
            part = pixels[start : start + self.size]
            with self._lock:
                try:
                    made = self._run(part)
                except Exception as error:  # ONNX Runtime's errors have no other class in common
                    if not out_of_memory(error):
                        raise
                    self._open(self._smaller(self.size, error))
                    continue
            if self.precision == "f16" and not np.isfinite(made).all():
                raise InputError(
                    _(
                        "{name} overflows in float16; use --precision f32 on {device}.",
                        name=self.backbone.name,
                        device=self.device,
                    )
                )
            vectors[start : start + len(part)] = made
            start += len(part)
        return vectors

    def _converted(self, cache: CompiledCache) -> bytes:
        """Return the graph with the one output, in float16 where that is asked for: made once, then kept."""
        import onnx
        from onnx.utils import Extractor

        facts = {
            "backbone_digest": self.backbone.digest,
            "output": self.output,
            "precision": self.precision,
            "form": float16.FORM,
            "version": f"onnx {onnx.__version__}, onnxruntime {load().__version__}",
        }
        kept = cache.get(facts) if self.precision == "f16" else None
        if kept is not None:
            return kept
        openvino_engine.read(self.backbone, self.output)  # refuses a graph that cannot be, before ONNX Runtime sees it
        model = onnx.load_from_string(self.backbone.graph())
        model = Extractor(model).extract_model([model.graph.input[0].name], [self.output])
        if self.precision != "f16":
            return bytes(model.SerializeToString())
        half = float16.to_float16(model)
        cache.put(facts, half)
        return half

    def _open(self, size: int) -> None:
        """Open the graph for `size` images, or for as many as there is memory for."""
        while True:
            self._session = self._binding = self._pixels = self._vectors = None  # their memory is needed
            try:
                self._prepare(size)
                return
            except Exception as error:
                if out_of_memory(error):
                    size = self._smaller(size, error)
                elif size > 1:  # a graph that hard-codes a batch of 1 inside
                    why = one_line(error)
                    told = _("{name} runs one image at a time, not {n}: {why}", name=self.backbone.name, n=size, why=why)
                    log.warning("%s", told)
                    size = 1
                else:
                    cure = "--device cpu" if self.precision == "f32" else _("--precision f32, or --device cpu")
                    raise InputError(
                        _(
                            "ONNX Runtime cannot run {name} on {device} ({error}); use {cure}.",
                            name=self.backbone.name,
                            device=self.device,
                            error=one_line(error),
                            cure=cure,
                        )
                    ) from error

    def _smaller(self, size: int, error: Exception) -> int:
        """Return how many images to try next. Raises `InputError` where it was one."""
        if size == 1:
            raise InputError(
                _(
                    "{name}: the memory of {device} is too small for a single image; end what else uses it, or run it "
                    "on the processor with --device cpu.",
                    name=self.backbone.name,
                    device=self.device,
                )
            ) from error
        half = (size + 1) // 2
        told = _("{name}: the memory is too small, {n} images at once from now on", name=self.backbone.name, n=half)
        log.warning("%s", told)
        return half

    def _prepare(self, size: int) -> None:
        """Open a session, bind its arrays, and run it: memory that is too small shows, kernels and CUDA graphs are ready."""
        import onnxruntime

        self.size = size
        self._session = self._opened(size)
        side, place = self.backbone.recipe.size, ACCELERATORS[self.device].memory
        self._buffer = np.zeros((size, side, side, 3), np.uint8)
        self._pixels = onnxruntime.OrtValue.ortvalue_from_numpy(self._buffer, place, 0)
        self._binding = self._session.io_binding()
        self._binding.bind_ortvalue_input(self._session.get_inputs()[0].name, self._pixels)
        shape = self._session.get_outputs()[0].shape  # static: every run writes to the same place
        if any(type(n) is not int for n in shape) or shape[0] != size:
            raise ValueError(_("{n} images give an output of shape {shape}", n=size, shape=shape))
        self._vectors = onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, np.float32, place, 0)
        self._binding.bind_ortvalue_output(self.output, self._vectors)
        self.shape = tuple(shape[1:])
        noise = np.random.default_rng(0).integers(0, 256, self._buffer.shape, np.uint8)
        first = np.nan_to_num(self._run(noise)[0])
        noise[1:] = 255 - noise[1:]
        again = np.nan_to_num(self._run(noise)[0])
        if not np.allclose(again, first, rtol=0.01, atol=0.01 * float(np.abs(first).max())):
            raise ValueError(_("it mixes the images of a batch"))

    def _opened(self, size: int) -> Any:
        """Return the session for `size` images; on CUDA as one CUDA graph where the network can be captured."""
        one = ACCELERATORS[self.device]
        if self.device == "cuda":
            try:
                return _session(self._graph, one.provider, {**one.options, "enable_cuda_graph": "1"}, size)
            except Exception as error:
                if out_of_memory(error):
                    raise
                log.info("%s is launched node by node: %s", self.backbone.name, one_line(error))
        return _session(self._graph, one.provider, one.options, size)

    def _run(self, pixels: Pixels) -> NDArray[np.float32]:
        """Return the vectors of up to `size` images."""
        self._buffer[: len(pixels)] = pixels
        self._buffer[len(pixels) :] = 0
        self._pixels.update_inplace(self._buffer)
        self._session.run_with_iobinding(self._binding)
        return np.array(self._vectors.numpy()[: len(pixels)])


def _session(graph: bytes, provider: str, options: Mapping[str, str], size: int) -> Any:
    """Return a session for a fixed number of images on one provider; nodes that it lacks run on the processor."""
    ort = load()
    settings = ort.SessionOptions()
    settings.log_severity_level = 3  # errors
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")  # threads that wait leave the cores to decoding
    settings.add_free_dimension_override_by_name(OPEN, size)
    settings.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL  # with the next line: what DirectML asks for
    settings.enable_mem_pattern = provider != "DmlExecutionProvider"
    providers = {provider: dict(options)}
    providers.setdefault("CPUExecutionProvider", {})
    session = ort.InferenceSession(graph, settings, providers=list(providers.items()), enable_fallback=0)
    if provider not in session.get_providers():
        raise RuntimeError(_("{provider} could not be opened", provider=provider))
    return session


class OnnxRuntimeEngine(GraphEngine):
    """Runs a backbone's graph by ONNX Runtime; see `Engine`.

    The network is opened in the background; the first batches can be submitted meanwhile. `device` is one of `ACCELERATORS`.
    """

    name = "onnxruntime"

    def __init__(self, backbone: Backbone, compute: Compute, batch: int, output: str, cache: CompiledCache):
        super().__init__(backbone, compute, batch, output, cache)
        load()  # in this thread: an import must not be under way when the process ends
        self._jobs: deque[tuple[Any, Future[Any]]] = deque()  # all that nobody fetched
        self._pool: ThreadPoolExecutor | None = ThreadPoolExecutor(1, "penult-onnxruntime")
        self._session: Future[OnnxRuntimeSession] = self._pool.submit(self._opened)

    def _opened(self) -> OnnxRuntimeSession:
        began = time.thread_time()
        compute = Compute(self.device, self.precision)
        session = OnnxRuntimeSession(self._backbone, compute, self._output, self.batch, self._cache)
        self.throughput.compiling = time.thread_time() - began
        return session

    def __call__(self, batch: Pixels) -> NDArray[np.float32]:
        """Return the vectors of one batch: (b, d), or maps (b, d, h, w) where it was opened for them."""
        return self._fetch(self._take(batch))

    def submit(self, batch: Pixels, tag: Any = None) -> None:
        """Take a batch; waits when two batches are under way already."""
        self._jobs.append((tag, self._take(batch)))
        if len(self._jobs) > _AHEAD:
            self._jobs[-1 - _AHEAD][1].exception()  # waits; what went wrong is raised where its vectors are fetched

    def _take(self, batch: Pixels) -> Future[Any]:
        if self._pool is None:
            raise self._closed()
        job = self._pool.submit(self._compute, self._accept(batch))
        job.add_done_callback(lambda _: self.on_done())
        return job

    def _compute(self, pixels: Pixels) -> tuple[NDArray[np.float32], float]:
        """Return the vectors of a batch and the seconds that full runs would have taken for it; in the engine's thread."""
        session = self._session.result()
        began = time.perf_counter()
        vectors = session(pixels)
        runs = -(-len(pixels) // session.size) * session.size
        return vectors, (time.perf_counter() - began) * len(pixels) / max(1, runs)

    def _fetch(self, job: Future[Any]) -> NDArray[np.float32]:
        vectors: NDArray[np.float32]
        vectors, seconds = job.result()
        self.throughput.add(len(vectors), seconds)
        return vectors

    def results(self) -> Iterator[Result]:
        """Yield what is ready."""
        while self._jobs and self._jobs[0][1].done():
            tag, job = self._jobs.popleft()
            yield tag, self._fetch(job)

    def drain(self) -> Iterator[Result]:
        """Wait for everything and yield it."""
        while self._jobs:
            tag, job = self._jobs.popleft()
            yield tag, self._fetch(job)

    def close(self) -> None:
        """Wait for what is under way and let the session go."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None
        self._jobs.clear()
        self._session = Future()

"""Run a torch module on an NVIDIA GPU: copies overlap with computing, a whole network is one launch.

In: a backbone, a precision, slots that are filled with pixels. Out: their vectors. It must not know batches or tags.
This module imports torch; it is loaded when an engine for such a GPU is opened.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from penult.backbones import Backbone
from penult.engines.torch_runner import KINDS, SLOTS, Runner, Slot, out_of_memory

log = logging.getLogger(__name__)

_WARM = 3  # runs before a graph is captured: libraries choose and load their kernels in the first ones


@contextmanager
def _exact() -> Iterator[None]:
    """Let f32 be f32 in this block: cuDNN shortens it to TF32 by default, matrix products where the user's code asked for it.

    cuDNN does not measure here which algorithm is fastest: that gives 0 to 9 % after 2 to 8 s, and other rounding every time.
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=False, allow_tf32=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


class _Gpu:
    """What all networks on the GPU share: one stream that computes, one that copies, one pool of memory for graphs.

    One after the other is as fast as side by side on a GPU that each of them fills, and shares the memory. The lock
    keeps building apart from launching: while a graph is captured nothing else may touch the GPU.
    """

    def __init__(self) -> None:
        self.compute, self.copy = torch.cuda.Stream(), torch.cuda.Stream()
        self.pool = torch.cuda.graph_pool_handle()
        self.lock = threading.Lock()


_shared: list[_Gpu] = []
_first = threading.Lock()


def _gpu() -> _Gpu:
    with _first:
        if not _shared:
            _shared.append(_Gpu())
        return _shared[0]


class GpuSlot(Slot):
    """A slot in pinned memory, its copy on the GPU, and the events that tell how far it is."""

    def __init__(self, size: int, side: int, shape: tuple[int, ...]):
        super().__init__(torch.zeros((size, side, side, 3), dtype=torch.uint8, pin_memory=True))
        self.there = torch.zeros((size, side, side, 3), dtype=torch.uint8, device="cuda")
        self.vectors = torch.zeros((size, *shape), pin_memory=True)
        self.copied = torch.cuda.Event()
        self.began = torch.cuda.Event(enable_timing=True)
        self.done = torch.cuda.Event(enable_timing=True, blocking=True)


class GpuRunner(Runner):
    """Runs a module on an NVIDIA GPU: copies overlap with computing, a whole network is one launch.

    `launch` returns at once. Where the memory is too small for `size` images, the slots get smaller.
    """

    def __init__(self, backbone: Backbone, precision: str, output: str, size: int):
        self.backbone, self.device, self.output = backbone, "cuda", output
        self.kind, self.graph = KINDS[precision], backbone.graph()
        self.whole: Any = None  # the captured graph
        self.input: Any = None
        self.result: Any = None  # what the captured graph writes
        self.gpu = _gpu()
        with self.gpu.lock:
            while True:
                try:
                    self._prepare(size)
                    return
                except RuntimeError as error:
                    self._smaller(error, size)
                self._drop()
                size = (size + 1) // 2
                log.warning("%s: the GPU's memory is too small, %d images at once", backbone.name, size)

    def _drop(self) -> None:
        self.net = self.input = self.result = self.whole = None
        self.slots: list[Slot] = []
        torch.cuda.synchronize()
        torch.cuda.empty_cache()

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def _prepare(self, size: int) -> None:
        """Build, warm up and capture the module for `size` images, and make its slots."""
        self.size = self.at_once = size
        self.net = self._build()
        side = self.backbone.recipe.size
        self.input = torch.zeros((size, side, side, 3), dtype=torch.uint8, device="cuda")
        self.gpu.compute.wait_stream(torch.cuda.current_stream())
        with _exact(), torch.cuda.stream(self.gpu.compute):
            for _ in range(_WARM):
                self.result = self.net(self.input)
        self.gpu.compute.synchronize()
        self._capture()
        self.slots = [GpuSlot(size, side, self.shape) for _ in range(SLOTS)]

    def _capture(self) -> None:
        self.result = None
        torch.cuda.empty_cache()  # the graph's memory comes from a pool of its own
        whole = torch.cuda.CUDAGraph()
        try:
            with (
                _exact(),
                torch.cuda.graph(whole, self.gpu.pool, self.gpu.compute, capture_error_mode="thread_local"),
            ):
                self.result = self.net(self.input)
        except RuntimeError as error:
            if out_of_memory(error):
                raise
            log.warning("%s cannot be captured and is launched layer by layer: %s", self.backbone.name, error)
        else:
            self.whole = whole

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def launch(self, slot: Slot, count: int) -> None:
        """Send a slot on its way: pixels to the GPU, through the network, vectors back; returns at once."""
        if not isinstance(slot, GpuSlot):
            raise TypeError("a slot of another runner")
        gpu = self.gpu
        with gpu.lock:
            with torch.cuda.stream(gpu.copy):
                slot.there[:count].copy_(slot.here[:count], non_blocking=True)
                slot.copied.record(gpu.copy)
            with torch.cuda.stream(gpu.compute):
                gpu.compute.wait_event(slot.copied)
                slot.began.record(gpu.compute)
                self.input.copy_(slot.there, non_blocking=True)
                if self.whole is not None:
                    self.whole.replay()
                else:
                    with _exact():
                        self.result = self.net(self.input)
                slot.vectors.copy_(self.result, non_blocking=True)
                slot.done.record(gpu.compute)

    def ready(self, slot: Slot) -> bool:
        """Return whether the vectors of a slot are there."""
        return isinstance(slot, GpuSlot) and bool(slot.done.query())

    def fetch(self, slot: Slot, count: int) -> NDArray[np.float32]:
        """Return the vectors of a slot's first `count` images, copied; waits for them."""
        if not isinstance(slot, GpuSlot):
            raise TypeError("a slot of another runner")
        slot.done.synchronize()
        slot.seconds = slot.began.elapsed_time(slot.done) / 1000
        vectors: NDArray[np.float32] = slot.vectors[:count].numpy().copy()
        return vectors

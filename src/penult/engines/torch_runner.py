"""Run a torch module on slots of pixels, where torch computes at once: on the processor, and on Apple's GPU.

In: a backbone, a precision, slots that are filled with pixels. Out: their vectors. It must not know batches or tags.
This module imports torch; it is loaded when a torch engine is opened.

The module is built for one number of images, and a slot always runs whole, with whatever was in its other rows before: so
the vectors of an image cannot depend on how many came with it.
"""

from __future__ import annotations

import logging
import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from penult.backbones import Backbone
from penult.engines.torch_net import build, translate
from penult.errors import DamagedFile, InputError

log = logging.getLogger(__name__)

KINDS = {"f32": torch.float32, "bf16": torch.bfloat16}
SLOTS = 3  # one that is filled while another travels and a third is computed


class Slot:
    """Room for the pixels of one run, and for its vectors: `pixels` (size, s, s, 3) is filled from outside."""

    def __init__(self, pixels: Any):
        self.here = pixels
        self.pixels: NDArray[np.uint8] = pixels.numpy()  # the same memory
        self.vectors: Any = None
        self.seconds = 0.0


class Runner:
    """Runs a module where torch computes at once, or by itself in order: the processor, and Apple's GPU (untested).

    `size` is how many images a slot has. When memory runs out the module is built anew for half as many at once.
    """

    def __init__(self, backbone: Backbone, device: str, precision: str, output: str, size: int):
        self.backbone, self.device, self.output = backbone, device, output
        self.kind, self.size, self.at_once = KINDS[precision], size, size
        self.graph = backbone.graph()
        self.net = self._build()
        side = backbone.recipe.size
        self.slots = [Slot(torch.zeros((size, side, side, 3), dtype=torch.uint8)) for _ in range(SLOTS)]

    def _build(self) -> Any:
        side = self.backbone.recipe.size
        plan = translate(self.graph, self.output, self.backbone.name, (self.at_once, side, side, 3))
        self.shape = tuple(plan.shapes[plan.output].shape[1:])
        return build(plan, self.device, self.kind)

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def launch(self, slot: Slot, count: int) -> None:
        """Compute the vectors of a slot's first `count` images."""
        began = time.perf_counter()
        while True:
            try:
                parts = [self._run(slot.here[i : i + self.at_once]) for i in range(0, count, self.at_once)]
                break
            except RuntimeError as error:
                self._smaller(error, self.at_once)
                self.at_once = (self.at_once + 1) // 2
                log.warning("%s: the memory is too small, %d images at once from now on", self.backbone.name, self.at_once)
                self.net = self._build()
        slot.vectors = torch.cat(parts)
        slot.seconds = (time.perf_counter() - began) * self.size / count

    def _run(self, pixels: Any) -> Any:
        """Return the vectors of some images, filled up to as many as the module takes."""
        missing = self.at_once - len(pixels)
        if missing:
            pixels = torch.cat([pixels, pixels.new_zeros((missing, *pixels.shape[1:]))])
        return self.net(pixels.to(self.device)).cpu()

    def _smaller(self, error: RuntimeError, size: int) -> None:
        """Raise the error again unless half as many images at once may help."""
        if not out_of_memory(error):
            raise error
        if size == 1:
            raise InputError(
                f"{self.backbone.name}: the memory of {self.device} is too small for a single image; "
                "end what else uses it, or run it on the processor with --device cpu."
            ) from error

    def ready(self, slot: Slot) -> bool:
        """Return whether the vectors of a slot are there."""
        return slot.vectors is not None

    def fetch(self, slot: Slot, count: int) -> NDArray[np.float32]:
        """Return the vectors of a slot's first `count` images, copied; waits for them."""
        vectors: NDArray[np.float32] = slot.vectors[:count].numpy().copy()
        slot.vectors = None
        return vectors


def out_of_memory(error: BaseException) -> bool:
    """Return whether torch says that a device has no memory left."""
    return isinstance(error, torch.OutOfMemoryError) or "out of memory" in str(error)


def open_runner(backbone: Backbone, device: str, precision: str, output: str, size: int) -> Runner:
    """Return the runner for a device: "cuda", "mps" or "cpu". Raises `InputError` or `DamagedFile`."""
    if device == "cuda":
        from penult.engines.torch_gpu import GpuRunner

        runner: Runner = GpuRunner(backbone, precision, output, size)
    else:
        runner = Runner(backbone, device, precision, output, size)
    wanted = backbone.width if output == "features" else backbone.map_channels
    if runner.shape[0] != wanted:
        raise DamagedFile(
            f"the graph of {backbone.name} gives {runner.shape[0]} numbers for an image "
            f"where its record says {wanted}; one of the two was changed."
        )
    return runner

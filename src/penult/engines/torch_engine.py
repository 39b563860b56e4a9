"""The engine for GPUs: torch, which runs the graph that all engines run.

In: a backbone's graph and batches of pixels. Out: (tag, vectors). It must not know where the graph comes from.

Batches are cut into slots of a fixed number of images, the last of them padded. On an NVIDIA GPU three slots are under way
for each network: one is filled, one travels, one is computed.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from penult.backbones import Backbone
from penult.engines.engine import Job, Pixels, Result, check
from penult.engines.work import Work
from penult.errors import InputError

if TYPE_CHECKING:
    from penult.engines.torch_runner import Runner, Slot

_AHEAD = 2  # batches that are held before the network is ready; then `submit` waits for it
BATCH = {"cuda": 256, "mps": 32, "torch-cpu": 16}


@dataclass(slots=True, eq=False)
class _Part:
    """Some rows of a job, in a slot."""

    job: Job
    start: int
    count: int
    slot: Slot


class TorchEngine:
    """Runs a backbone's graph by torch; see `Engine`.

    The module is built in the background, where it finds kernels and is captured; the first batches can be submitted
    meanwhile. `device` is "cuda", "mps" or "torch-cpu".
    """

    name = "torch"

    def __init__(self, backbone: Backbone, device: str, precision: str, batch: int | None = None, output: str = "features"):
        from penult.engines import torch_runner  # in this thread: an import must not be under way when the process ends

        self.device, self.precision, self.batch = device, precision, batch or BATCH[device]
        self.width = backbone.width if output == "features" else backbone.map_channels
        self.images, self.work = 0, Work()
        self._backbone = backbone
        self._jobs: deque[Job] = deque()  # all that nobody fetched
        self._held: deque[Job] = deque()  # taken before the module was ready
        self._parts: deque[_Part] = deque()  # under way, oldest first
        self._free: deque[Slot] | None = None
        place = "cpu" if device == "torch-cpu" else device

        def build() -> Runner:
            began = time.thread_time()
            runner = torch_runner.open_runner(backbone, place, precision, output, self.batch)
            self.work.compiling = time.thread_time() - began
            return runner

        pool = ThreadPoolExecutor(1, "penult-compile")
        self._runner: Future[Runner] = pool.submit(build)
        pool.shutdown(wait=False)

    def __call__(self, batch: Pixels) -> NDArray[np.float32]:
        """Return the vectors of one batch: (b, d), or maps (b, d, h, w) where it was opened for them."""
        job = self._take(batch, None)
        self._start()
        while not job.ready:
            self._fetch()
        self._jobs.remove(job)
        return job.vectors

    def submit(self, batch: Pixels, tag: Any = None) -> None:
        """Take a batch; waits while all slots are under way."""
        self._take(batch, tag)
        if self._runner.done() or len(self._held) > _AHEAD:
            self._start()

    def _take(self, batch: Pixels, tag: Any) -> Job:
        check(batch, self._backbone.recipe.size, self._backbone.name)
        job = Job(tag, batch if self._runner.done() else batch.copy())
        self._held.append(job)
        self._jobs.append(job)
        self.images += len(batch)
        return job

    def _start(self) -> None:
        """Hand over what was held back; waits for the module."""
        runner = self._runner.result()
        while self._held:
            job = self._held.popleft()
            pixels, job.pixels = job.pixels, None
            if pixels is not None:
                job.vectors = np.empty((len(pixels), *runner.shape), np.float32)
                for start in range(0, len(pixels), runner.size):
                    self._launch(runner, job, start, pixels[start : start + runner.size])

    def _launch(self, runner: Runner, job: Job, start: int, pixels: Pixels) -> None:
        if self._free is None:
            self._free = deque(runner.slots)
        while not self._free:
            self._fetch()
        part = _Part(job, start, len(pixels), self._free.popleft())
        part.slot.pixels[: part.count] = pixels
        runner.launch(part.slot, part.count)
        self._parts.append(part)

    def _fetch(self) -> None:
        """Wait for the oldest part under way."""
        runner, part = self._runner.result(), self._parts.popleft()
        stop = part.start + part.count
        part.job.vectors[part.start : stop] = runner.fetch(part.slot, part.count)
        part.job.done.extend(range(part.start, stop))
        self.work.add(part.count, part.slot.seconds * part.count / runner.size)  # as a full slot would take for them
        if self._free is not None:
            self._free.append(part.slot)

    def results(self) -> Iterator[Result]:
        """Yield what is ready."""
        if self._held and self._runner.done():
            self._start()
        while self._parts and self._runner.result().ready(self._parts[0].slot):
            self._fetch()
        while self._jobs and self._jobs[0].ready:
            job = self._jobs.popleft()
            yield job.tag, job.vectors

    def drain(self) -> Iterator[Result]:
        """Wait for everything and yield it."""
        if self._jobs:
            self._start()
        while self._parts:
            self._fetch()
        yield from self.results()

    def close(self) -> None:
        """Wait for what is under way and let the module go."""
        if not self._runner.cancel() and self._runner.exception() is None:
            while self._parts:
                self._fetch()
        self._held.clear()
        self._jobs.clear()
        self._free = None
        self._runner = Future()
        self._runner.set_exception(InputError(f"the engine of {self._backbone.name} is closed; open another."))

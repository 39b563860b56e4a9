"""The engine for backbones that are numpy code: computes at once, in the caller's thread.

In: batches of pixels. Out: (tag, vectors).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.backbones import Backbone
from penult.engines.engine import Pixels, Result, check
from penult.engines.work import Work
from penult.errors import InputError


class NumpyEngine:
    """Runs a backbone's numpy function; see `Engine`."""

    name = "numpy"
    device = "cpu"
    precision = "f32"

    def __init__(self, backbone: Backbone, batch: int):
        if backbone.function is None:
            raise InputError(f"{backbone.name} is a graph and not a numpy function; take the engine openvino.")
        self.batch, self.width, self.images = batch, backbone.width, 0
        self.work = Work()
        self._backbone, self._function = backbone, backbone.function
        self._done: deque[Result] = deque()

    def __call__(self, batch: Pixels) -> NDArray[np.float32]:
        """Return the vectors of one batch."""
        check(batch, self._backbone.recipe.size, self._backbone.name)
        self.images += len(batch)
        began = time.perf_counter()
        vectors = self._function(batch)
        self.work.add(len(batch), time.perf_counter() - began)
        return vectors

    def submit(self, batch: Pixels, tag: Any = None) -> None:
        """Compute a batch and keep its vectors for `results`."""
        self._done.append((tag, self(batch)))

    def results(self) -> Iterator[Result]:
        """Yield what was submitted since the last call."""
        while self._done:
            yield self._done.popleft()

    drain = results

    def close(self) -> None:
        """Drop what nobody fetched."""
        self._done.clear()

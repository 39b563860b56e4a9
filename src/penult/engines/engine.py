"""What every engine promises, what all of them share, and the engine for backbones that are numpy code."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from penult import store
from penult.backbones import Backbone
from penult.errors import DamagedFile, InputError, OutputError
from penult.i18n import _

log = logging.getLogger(__name__)

MOST_EACH = 256 << 20  # bytes; beyond, a network runs so long that a second of compiling is nothing
MOST_ALL = 1 << 30  # bytes of them all; what was not used for longest goes first
_FILE = "graph.bin"
Pixels = NDArray[np.uint8]  # (b, s, s, 3)
Result = tuple[Any, NDArray[np.float32]]  # the tag, (b, d)


class Compute(NamedTuple):
    """What computes the networks of a run: the device ("cpu", "cuda", ...) and the precision ("f32", "bf16", ...)."""

    device: str
    precision: str


@dataclass(slots=True, eq=False)
class Throughput:
    """How long a network worked, seen from outside: `images` took `seconds` on its `streams`, without the time in its queue.

    Images leave the queue in the order in which they entered it, so the k-th was begun when it had been handed over and
    the (k - streams)-th to be done was done. `enter` and `leave` may be called from different threads, `settle` from the
    one that fetches results. `compiling` is the processor time (s) that making the network ready took.
    """

    streams: int = 1
    images: int = 0
    seconds: float = 0.0
    compiling: float = 0.0
    _entered: deque[float] = field(default_factory=deque)
    _left: deque[float] = field(default_factory=deque)
    _last: deque[float] = field(default_factory=deque)  # when the last `streams` images were done

    def enter(self) -> None:
        """Note that an image is handed over now."""
        self._entered.append(time.perf_counter())

    def leave(self) -> None:
        """Note that an image is done now."""
        self._left.append(time.perf_counter())

    def settle(self) -> None:
        """Add up what is done."""
        while self._left:
            end, begun = self._left.popleft(), self._entered.popleft()
            if len(self._last) == self.streams:
                begun = max(begun, self._last.popleft())
            self._last.append(end)
            self.add(1, end - begun)

    def add(self, images: int, seconds: float) -> None:
        """Add images that were done one after the other."""
        self.images += images
        self.seconds += seconds


class Engine(Protocol):
    """Something that runs one backbone: pixels in, vectors out.

    `batch` is how many images the caller had better hand over at once; any number from 0 up is taken and the
    vectors do not depend on it. `images` counts the images that were taken so far, `throughput` says how long those took
    that are done. One thread at a time may use an engine. `on_done` is called, in any thread, when results may be ready, for
    whoever does not want to ask again and again.
    """

    name: str
    device: str
    precision: str
    batch: int
    width: int
    images: int
    throughput: Throughput
    on_done: Callable[[], None]

    def __call__(self, batch: Pixels) -> NDArray[np.float32]:
        """Return the vectors of one batch: (b, s, s, 3) uint8 -> (b, d) float32. Raises `InputError`."""

    def submit(self, batch: Pixels, tag: Any = None) -> None:
        """Compute a batch in the background; its array may be reused at once. Raises `InputError`."""

    def results(self) -> Iterator[Result]:
        """Yield what is ready, in the order of submission, without waiting."""

    def drain(self) -> Iterator[Result]:
        """Wait for everything that was submitted and yield it, in the order of submission."""

    def close(self) -> None:
        """Wait for what is under way, drop its results, and give the memory back."""


@dataclass(slots=True, eq=False)
class PendingBatch:
    """One batch on its way: its `pixels` until they are handed over, then its `vectors` with the rows `done`.

    Rows come from several threads: `done` is a list because `append` is atomic and `-= 1` is not.
    """

    tag: Any
    pixels: Pixels | None
    vectors: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0), np.float32))
    done: list[int] = field(default_factory=list)

    @property
    def ready(self) -> bool:
        """Whether every row of `vectors` is there."""
        return self.pixels is None and len(self.done) == len(self.vectors)


def check_batch(batch: NDArray[Any], size: int, name: str) -> None:
    """Raise `InputError` unless the batch is uint8 (b, size, size, 3)."""
    wanted = (size, size, 3)
    if batch.dtype != np.uint8 or batch.ndim != 4 or batch.shape[1:] != wanted:
        raise InputError(
            _(
                "{name} takes uint8 images of shape (b, {size}, {size}, 3), not {dtype} {shape}; prepare them by its "
                "recipe first.",
                name=name,
                size=size,
                dtype=batch.dtype,
                shape=batch.shape,
            )
        )


class CompiledCache:
    """Compiled graphs, kept for the next start in a cache folder; None keeps nothing.

    Reading one takes a quarter of the time that compiling takes. Whatever goes wrong here costs time, never a run; no damaged
    byte reaches the reader in the engine's library.
    """

    def __init__(self, cache: str | Path | None) -> None:
        self.cache = None if cache is None else Path(cache)

    def get(self, facts: Mapping[str, str]) -> bytes | None:
        """Return what was kept under these facts, whole, or None."""
        if self.cache is None:
            return None
        entry = store.CacheEntry.of(self.cache, "compiled", facts)
        try:
            return None if entry.values() is None else entry.read(_FILE, MOST_EACH)
        except DamagedFile as error:
            log.warning("a compiled graph is made again: %s", error)
            return None

    def put(self, facts: Mapping[str, str], graph: bytes) -> None:
        """Keep a compiled graph, if it is not too large; a folder that cannot be written is only logged."""
        if self.cache is None or len(graph) > MOST_EACH:
            return
        try:
            store.CacheEntry.of(self.cache, "compiled", facts).put({_FILE: graph})
        except OutputError as error:
            log.info("a compiled graph is not kept: %s", error)
            return
        store.inventory.keep_below(self.cache, "compiled", MOST_ALL)


def _nothing() -> None:
    """Do nothing when something is done."""


class GraphEngine:
    """What the engines of graphs have in common: what they were opened for, and the check of what they are given."""

    on_done: Callable[[], None] = staticmethod(_nothing)

    def __init__(self, backbone: Backbone, compute: Compute, batch: int, output: str, cache: CompiledCache):
        self.device, self.precision = compute
        self.batch, self.images, self.throughput = batch, 0, Throughput()
        self.width = backbone.width if output == "features" else backbone.map_channels
        self._backbone, self._output, self._cache = backbone, output, cache

    def _accept(self, batch: Pixels) -> Pixels:
        """Return a copy of a batch that is taken. Raises `InputError` for one of another shape."""
        check_batch(batch, self._backbone.recipe.size, self._backbone.name)
        self.images += len(batch)
        return batch.copy()

    def _closed(self) -> InputError:
        return InputError(_("the engine of {name} is closed; open another.", name=self._backbone.name))


class NumpyEngine:
    """Runs a backbone's numpy function; see `Engine`."""

    name = "numpy"
    device = "cpu"
    precision = "f32"
    on_done: Callable[[], None] = staticmethod(_nothing)  # never called: all is done when `submit` returns

    def __init__(self, backbone: Backbone, batch: int):
        if backbone.function is None:
            raise InputError(_("{name} is a graph and not a numpy function; take the engine openvino.", name=backbone.name))
        self.batch, self.width, self.images = batch, backbone.width, 0
        self.throughput = Throughput()
        self._backbone, self._function = backbone, backbone.function
        self._done: deque[Result] = deque()

    def __call__(self, batch: Pixels) -> NDArray[np.float32]:
        """Return the vectors of one batch."""
        check_batch(batch, self._backbone.recipe.size, self._backbone.name)
        self.images += len(batch)
        began = time.perf_counter()
        vectors = self._function(batch)
        self.throughput.add(len(batch), time.perf_counter() - began)
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

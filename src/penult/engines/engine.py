"""What every engine promises, and the bookkeeping that all of them share.

In: batches of pixels with a tag each. Out: (tag, vectors), each batch exactly once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from penult.engines.work import Work
from penult.errors import InputError

Pixels = NDArray[np.uint8]  # (b, s, s, 3)
Result = tuple[Any, NDArray[np.float32]]  # the tag, (b, d)


class Engine(Protocol):
    """Something that runs one backbone: pixels in, vectors out.

    `batch` is how many images the caller had better hand over at once; any number from 0 up is taken and the
    vectors do not depend on it. `images` counts the images that were taken so far, `work` says how long those took
    that are done. One thread at a time may use an engine.
    """

    name: str
    device: str
    precision: str
    batch: int
    width: int
    images: int
    work: Work

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
class Job:
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


def check(batch: NDArray[Any], size: int, name: str) -> None:
    """Raise `InputError` unless the batch is uint8 (b, size, size, 3)."""
    wanted = (size, size, 3)
    if batch.dtype != np.uint8 or batch.ndim != 4 or batch.shape[1:] != wanted:
        raise InputError(
            f"{name} takes uint8 images of shape (b, {size}, {size}, 3), not {batch.dtype} {batch.shape}; "
            "prepare them by its recipe first."
        )

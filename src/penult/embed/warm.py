"""Images in, rows out, one set after the other: engines and decoder processes stay open in between, and nothing is kept.

What it computes is what `embed` does, by the same streams; it neither asks nor fills the feature cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import pixels
from penult.arrays import default_errors
from penult.backbones import Backbone
from penult.embed.loop import run_streams
from penult.embed.options import EmbedOptions
from penult.embed.streams import BackboneStream, EnginePool
from penult.embed.throughput import ThroughputMeter
from penult.engines import Compute
from penult.errors import InternalError, ProgressCallback, quiet
from penult.pixels import Failure


@dataclass(frozen=True, slots=True)
class EmbeddedRows:
    """What became of n images: `ok` (n,) have `vectors` (n_ok, d), not looked at whether they are finite."""

    digests: NDArray[np.uint8]  # (n, 32), zeros for a file that could not be read
    ok: NDArray[np.bool_]  # (n,)
    failures: dict[int, Failure]
    vectors: NDArray[np.float32]  # (n_ok, d), all networks side by side
    sizes: NDArray[np.int32]  # (n, 2): width and height of what was decoded, else zeros


class MemoryRows:
    """Rows of one network by digest, in memory: stands for the feature cache in a `BackboneStream`, and refuses nothing."""

    def __init__(self, width: int) -> None:
        self.width = width
        self._parts: list[tuple[NDArray[np.uint8], NDArray[np.float32]]] = []

    def known(self) -> NDArray[np.uint8]:
        """Return no digests, (0, 32)."""
        return np.empty((0, 32), np.uint8)

    def add(self, digests: NDArray[np.uint8], vectors: NDArray[np.float32]) -> None:
        """Take rows: digests (m, 32), vectors (m, d)."""
        self._parts.append((digests, vectors))

    def flush(self) -> None:
        """Do nothing: they are where they stay."""

    def fill(self, digests: NDArray[np.uint8], out: NDArray[np.float32]) -> None:
        """Copy the rows of these digests (n, 32) to `out` (n, d); copies of a picture get the same row."""
        places: dict[bytes, list[int]] = {}
        for i, digest in enumerate(digests):
            places.setdefault(digest.tobytes(), []).append(i)
        filled = 0
        for known, vectors in self._parts:
            for digest, vector in zip(known, vectors, strict=True):
                at = places[digest.tobytes()]
                out[at] = vector
                filled += len(at)
        if filled != len(digests):
            raise InternalError(f"{len(digests) - filled} images have no features: a bug in penult; report it, please.")


class WarmEmbedder:
    """Networks that are opened once, for one set of images after the other; `workers` as of `EmbedOptions`."""

    def __init__(self, backbones: Sequence[Backbone], compute: Compute, settings: EmbedOptions) -> None:
        self.backbones, self._settings = tuple(backbones), settings
        self._pool = EnginePool(compute, settings.folder)
        self._decoders = pixels.DecoderPool()

    @default_errors
    def run(self, sources: Sequence[Any], progress: ProgressCallback = quiet) -> EmbeddedRows:
        """Compute the rows of all sources (as of `embed`); an image that cannot be read is one of the failures."""
        rows = [MemoryRows(b.width) for b in self.backbones]
        with ExitStack() as stack:
            meter = ThroughputMeter()
            streams = [BackboneStream(b, r, self._pool, meter) for b, r in zip(self.backbones, rows, strict=True)]
            for stream in streams:
                stack.enter_context(closing(stream))
            recipes = [view for stream in streams for view in stream.views]
            options = self._settings
            prepared = self._decoders.prepare(sources, recipes, options.workers, options.max_pixels)
            done = run_streams(stack.enter_context(closing(prepared)), streams, len(sources), progress)
        n_ok = int(done.ok.sum())
        if n_ok + len(done.failures) != len(sources):
            raise InternalError(
                f"{len(sources)} images came in, {n_ok} vectors + {len(done.failures)} failures went out: a bug in penult; "
                "report it, please."
            )
        vectors = np.empty((n_ok, sum(r.width for r in rows)), np.float32)  # (n_ok, d)
        start = 0
        for one in rows:
            one.fill(done.digests[done.ok], vectors[:, start : start + one.width])
            start += one.width
        return EmbeddedRows(done.digests, done.ok, done.failures, vectors, done.sizes)

    def close(self) -> None:
        """Close the engines and end the decoder processes."""
        self._decoders.close()
        self._pool.close()

"""THE loop: images in, feature rows in the cache out; training, prediction and the Python API all come through here.

Every image ends in exactly one of embedded, reused, failed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import engines, pixels, quantize, store
from penult.arrays import default_errors
from penult.backbones import Backbone, large_thumbnail, quality, thumbnail
from penult.embed.options import EmbedOptions
from penult.embed.photo_thumbnails import PhotoThumbnails, open_thumbnails
from penult.embed.remarks import incomplete
from penult.embed.streams import BackboneStream, EnginePool, open_cache
from penult.embed.throughput import ThroughputMeter, record
from penult.engines import Compute
from penult.errors import PenultError, ProgressCallback, quiet
from penult.i18n import N_, _
from penult.pixels import Failure, Remark
from penult.sources import reading_order

log = logging.getLogger(__name__)

_PART = 256 << 20  # bytes of rows in memory; rows in no order may need every shard for each part, so not less


@dataclass(frozen=True, slots=True)
class Embedding:
    """What became of n images, and where their rows are.

    `ok` (n,) says which images have features; `digests` (n, 32) are zero for a file that could not be read.
    `thumbnail_cache` and `quality_cache` are there where `embed` was asked for thumbnails. `remarks` are of photos of which
    a part is missing.
    """

    digests: NDArray[np.uint8]  # (n, 32)
    ok: NDArray[np.bool_]  # (n,)
    failures: dict[int, Failure]
    embedded: int
    reused: int
    seconds: float
    backbones: tuple[Backbone, ...]
    caches: tuple[store.FeatureCache, ...]
    engine: str
    compute: Compute
    sources: tuple[Any, ...]
    settings: EmbedOptions
    thumbnail_cache: store.FeatureCache | None
    quality_cache: store.FeatureCache | None
    remarks: dict[int, Remark] = field(default_factory=dict)
    picture_cache: store.BlobCache | None = None

    @property
    def widths(self) -> tuple[int, ...]:
        """The number of columns of each backbone in `features()`."""
        return tuple(b.width for b in self.backbones)

    @property
    def network_blocks(self) -> tuple[tuple[int, ...], ...]:
        """For each backbone its blocks: the widths of the runs of columns that a head scales separately."""
        return tuple(b.blocks for b in self.backbones)

    @property
    def blocks(self) -> tuple[int, ...]:
        """The blocks of all backbones, in the order of the columns."""
        return sum(self.network_blocks, ())

    def thumbnails(self) -> NDArray[np.float32] | None:
        """Return grey thumbnails of the readable images (n_ok, 256), or None if they were not asked for."""
        return None if self.thumbnail_cache is None else self._rows(_like(thumbnail(), self.backbones), self.thumbnail_cache)

    def large_thumbnails(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return gray thumbnails, 96 pixels a side, of some of the readable images, (m, 9216), made now if need be.

        An image that is gone meanwhile has a black one.
        """
        sources = [self.sources[i] for i in np.flatnonzero(self.ok)[rows]]
        done = embed(sources, [_like(large_thumbnail(), self.backbones)], self.settings, compute=self.compute)
        out = np.zeros((len(rows), done.backbones[0].width), np.float32)
        out[done.ok] = done.rows(0)
        return out

    def photo_thumbnails(self) -> PhotoThumbnails:
        """Return the color thumbnails of all n images, by number; what was not kept is made when it is asked for."""
        depth = self.backbones[0].recipe.depth
        made = PhotoThumbnails(self.sources, self.digests, self.settings, depth, self.picture_cache)
        made.failures.update(self.failures)  # what could not be decoded is not tried again
        return made

    def quality(self) -> NDArray[np.float32] | None:
        """Return brightness, spread, brightest and blur of the readable images (n_ok, 4), or None if not asked for."""
        return None if self.quality_cache is None else self._rows(_like(quality(), self.backbones), self.quality_cache)

    def rows(self, index: int) -> NDArray[np.float32]:
        """Return the rows of one backbone for the readable images, in order: (n_ok, d).

        Rows that vanished since (a damaged shard was dropped, the cache was emptied) are computed once more.
        """
        return self._rows(self.backbones[index], self.caches[index])

    def row_blocks(self, index: int, start: int = 0, stop: int | None = None) -> store.RowBlocks:
        """Return what `rows` does, a part at a time, so that it need not fit into memory; to be read once.

        `start` and `stop` say of which images.
        """
        backbone, readable = self.backbones[index], np.flatnonzero(self.ok[:stop])  # (n_ok,)
        readable = readable[readable >= start]
        step = max(1, _PART // (4 * backbone.width))
        chunks = (
            self._rows(backbone, self.caches[index], readable[first : first + step]) for first in range(0, len(readable), step)
        )
        return store.RowBlocks((len(readable), backbone.width), chunks)

    def _rows(
        self, backbone: Backbone, cache: store.FeatureCache, places: NDArray[np.intp] | None = None
    ) -> NDArray[np.float32]:
        places = np.flatnonzero(self.ok) if places is None else places  # (m,)
        rows, found = cache.read(self.digests[places])  # (m, d), (m,)
        if not found.all():
            lost = places[~found]
            told = N_("{n} rows of {name} vanished from the cache and are computed again")
            log.warning("%s", _(told, n=len(lost), name=backbone.name))
            embed([self.sources[i] for i in lost], [backbone], self.settings, compute=self.compute)
            cache.known()  # see what was written meanwhile
            rows, found = cache.read(self.digests[places])
        if not found.all():
            raise PenultError(
                _(
                    "{n} feature rows of {name} are lost: their images changed, or the cache was emptied again, "
                    "during the run; run the same command again.",
                    n=int((~found).sum()),
                    name=backbone.name,
                )
            )
        return rows

    def features(self) -> NDArray[np.float32]:
        """Return the columns of all backbones side by side for the readable images: (n_ok, sum of d)."""
        n = int(self.ok.sum())
        X = np.empty((n, sum(self.widths)), np.float32)  # (n_ok, d)
        start = 0
        for i, width in enumerate(self.widths):
            X[:, start : start + width] = self.rows(i)
            start += width
        return X


def _like(backbone: Backbone, others: Sequence[Backbone]) -> Backbone:
    """Return a backbone that takes photos in 16-bit files as the others do."""
    return backbone.at_depth(others[0].recipe.depth)


@default_errors
def embed(
    sources: Sequence[Any],
    backbones: Sequence[Backbone],
    settings: EmbedOptions | None = None,
    progress: ProgressCallback = quiet,
    *,
    compute: Compute | None = None,
    pool: EnginePool | None = None,
    thumbnails: bool = False,
    calibration: Sequence[Any] | None = None,
) -> Embedding:
    """Compute what the cache does not have, and say what became of every image.

    `sources` are paths, uint8 arrays (h, w, 3) or Pillow images; with `thumbnails` a thumbnail of each is kept too, by
    which near copies are found, and how bright and sharp it is. `compute` is what `settings` come to, where that is known;
    a `pool` has it, and engines that stay open. In int8, backbones that are not quantised yet are, with some of `calibration`
    (default: of the sources); the `Embedding` has the quantised ones. Raises `OutputError` when the cache cannot be written;
    an unreadable image raises nothing, it is one of the `failures`.
    """
    settings = settings or EmbedOptions()
    compute = pool.compute if pool else compute or settings.compute(backbones)
    if compute.precision == "int8":
        calibration = sources if calibration is None else calibration
        backbones = quantize.in_int8(backbones, calibration, settings.folder, progress)
    began = time.perf_counter()
    every = (*backbones, _like(thumbnail(), backbones), _like(quality(), backbones)) if thumbnails else tuple(backbones)
    caches = tuple(open_cache(b, compute, settings) for b in every)
    with ExitStack() as stack:
        if pool is None:
            pool = stack.enter_context(closing(EnginePool(compute, settings.folder)))
        meter = ThroughputMeter()
        streams = [BackboneStream(b, c, pool, meter) for b, c in zip(every, caches, strict=True)]
        for stream in streams:
            stack.enter_context(closing(stream))
        pictures = open_thumbnails(settings, backbones[0].recipe.depth) if settings.photo_thumbnails else None
        prepared: Iterable[pixels.Prepared] = stack.enter_context(closing(_prepare(sources, streams, pictures, settings)))
        if pictures is not None:
            prepared = _keep_thumbnails(prepared, stack.enter_context(pictures))
        done = run_streams(prepared, streams, len(sources), progress)
        record(meter.rates(), settings)
    ok, embedded, reused, failed = done.ok, done.embedded, done.reused, len(done.failures)
    if embedded + reused + failed != len(sources) or int(ok.sum()) != embedded + reused:
        raise PenultError(
            _(
                "{sources} images came in, {embedded} embedded + {reused} reused + {failed} failed went out: a bug in "
                "penult, nothing was learnt from them; report it, please.",
                sources=len(sources), embedded=embedded, reused=reused, failed=failed,
            )
        )  # fmt: skip
    seconds = time.perf_counter() - began
    return Embedding(
        done.digests,
        ok,
        done.failures,
        embedded,
        reused,
        seconds,
        tuple(backbones),
        caches[: len(backbones)],
        engines.engine_of(backbones, compute.device),
        compute,
        tuple(sources),
        settings,
        caches[-2] if thumbnails else None,
        caches[-1] if thumbnails else None,
        incomplete(done.digests, ok, done.remarks, settings),
        pictures,
    )


def _prepare(
    sources: Sequence[Any], streams: Sequence[BackboneStream], pictures: store.BlobCache | None, settings: EmbedOptions
) -> Generator[pixels.Prepared, None, None]:
    """Decode what the streams do not know, with thumbnails of what `pictures` has none of.

    Members of archives come in the order of those.
    """
    recipes = [view for stream in streams for view in stream.views]
    known = [stream.known for stream in streams for _ in stream.views]
    order = reading_order(sources)
    if order is not None:
        sources = [sources[i] for i in order]
    if pictures is None:
        prepared = pixels.prepare_all(sources, recipes, known, settings.workers, max_pixels=settings.max_pixels)
    else:
        prepared = pixels.prepare_with_thumbnails(
            sources, recipes, known, pictures.known(), settings.workers, max_pixels=settings.max_pixels
        )
    with closing(prepared):
        for image in prepared:
            yield image if order is None else replace(image, index=order[image.index])


def _keep_thumbnails(prepared: Iterable[pixels.Prepared], pictures: store.BlobCache) -> Iterator[pixels.Prepared]:
    for image in prepared:
        if image.thumbnail is not None and image.digest is not None:
            pictures.add(image.digest, image.thumbnail)
        yield image


@dataclass(slots=True)
class StreamedImages:
    """What became of n images that went through streams; the rows are where the streams keep them."""

    digests: NDArray[np.uint8]  # (n, 32)
    ok: NDArray[np.bool_]  # (n,)
    sizes: NDArray[np.int32]  # (n, 2): width and height of what was decoded, else zeros
    failures: dict[int, Failure] = field(default_factory=dict)
    remarks: dict[bytes, Remark] = field(default_factory=dict)  # on what was decoded, by digest
    embedded: int = 0
    reused: int = 0


def run_streams(
    prepared: Iterable[pixels.Prepared], streams: Sequence[BackboneStream], n: int, progress: ProgressCallback
) -> StreamedImages:
    """Send n prepared images through all streams, and wait for their rows."""
    out = StreamedImages(np.zeros((n, 32), np.uint8), np.zeros(n, bool), np.zeros((n, 2), np.int32))
    for done, image in enumerate(prepared, 1):
        digest = image.digest or bytes(32)
        out.digests[image.index] = np.frombuffer(digest, np.uint8)
        if image.remark is not None:
            out.remarks[digest] = image.remark
        if image.failure is not None:
            out.failures[image.index] = image.failure
        else:
            out.ok[image.index] = True
            out.sizes[image.index] = image.size or (0, 0)
            views = iter(image.pixels)
            new = sum(stream.put(digest, views) for stream in streams) > 0
            out.embedded, out.reused = out.embedded + new, out.reused + (not new)
        progress(N_("features"), done, n)
    for stream in streams:
        stream.finish()
    return out

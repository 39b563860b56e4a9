"""Prepare many sources for many recipes: in order, one decode each, in worker processes.

In: paths or pictures, recipes, the digests that need no work. Out: one `Prepared` per source, in the order given.
"""

from __future__ import annotations

import logging
import math
import os
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

from penult import system
from penult.errors import InputError
from penult.i18n import _
from penult.pixels.decoding import MAX_PIXELS
from penult.pixels.pipeline import DECODER, Pipeline, Prepared, WorkerConfig, load_decoder
from penult.pixels.recipe import Failure, Recipe
from penult.pixels.sources import FILE, check_pictures, content_digest, failure_of
from penult.sources import FileContent, Member, read_ahead, reading_order
from penult.worker import NoInterpreter, interpreter, tell_alone

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from penult.pixels.decoder_pool import DecoderPool
    from penult.pixels.sources import Source
    from penult.pixels.worker_pool import WorkerPool

log = logging.getLogger(__name__)

_SENT = (*FILE, Failure)  # what a pool takes; pictures stay here
_HANDFUL = 8  # files that do not repay the start of a second process; the first costs 0.1 s and is worth it
_MOST_WORKERS = 32  # one thread hears them all; more would wait for it
_WORKER_BYTES = 512 << 20  # of memory for each: a picture of 80 million pixels; photos need a tenth
_CONTAINER = Path("/sys/fs/cgroup")  # where Linux says what a container may use


def prepare_all(
    sources: Sequence[Source],
    recipes: Sequence[Recipe],
    known: Sequence[NDArray[np.uint8] | None] | None = None,
    workers: int | None = None,
    *,
    seconds: float = 30.0,
    memory: int = 4 << 30,
    decoder: str = DECODER,
    max_pixels: int = MAX_PIXELS,
) -> Generator[Prepared, None, None]:
    """Yield one `Prepared` for each source, in order; each is read once and decoded at most once.

    `sources` are paths, contents of files, members of archives, uint8 arrays (h, w, 3) or (h, w), or Pillow images (the last
    two stay in this process). `known` has, for each recipe, the sorted SHA-256 digests (m, 32) uint8 that need no pixels, or
    None; a file whose digest all recipes know is not decoded. `workers` is the number of processes (default:
    one per core); at most 8 files get one. There a picture may take `seconds` and `memory` bytes, and a decoder
    that dies costs that picture alone. With 0 everything is done in this process, which a crash takes along:
    for files that are known to be sound, one by one. Closing the iterator ends the workers. `max_pixels` is the limit
    of a picture (see `decode`); a higher one gives each more time and memory and starts fewer workers.

    Bad pictures are `Prepared` with a failure; raises InputError only for arguments that cannot be right.
    """
    check_pictures(sources)
    return run_pipeline(
        sources, *plan(recipes, known, workers, seconds=seconds, memory=memory, decoder=decoder, max_pixels=max_pixels)
    )


def prepare_with_thumbnails(
    sources: Sequence[Source],
    recipes: Sequence[Recipe],
    known: Sequence[NDArray[np.uint8] | None],
    pictured: NDArray[np.uint8],
    workers: int | None = None,
    *,
    max_pixels: int = MAX_PIXELS,
) -> Generator[Prepared, None, None]:
    """Do what `prepare_all` does, and give what is decoded a thumbnail, but for the sorted digests `pictured` (m, 32)."""
    check_pictures(sources)
    return run_pipeline(sources, *plan(recipes, known, workers, max_pixels=max_pixels, pictured=pictured))


def plan(
    recipes: Sequence[Recipe],
    known: Sequence[NDArray[np.uint8] | None] | None = None,
    workers: int | None = None,
    *,
    seconds: float = 30.0,
    memory: int = 4 << 30,
    decoder: str = DECODER,
    max_pixels: int = MAX_PIXELS,
    pictured: NDArray[np.uint8] | None = None,
) -> tuple[Pipeline, int, WorkerConfig]:
    """Return what is done to each picture, in how many workers, within which limits; arguments as of `prepare_all`.

    With `pictured` what is decoded gets a thumbnail, see `prepare_with_thumbnails`.
    """
    if not recipes:
        raise InputError(_("prepare_all got no recipe; give at least one."))
    for recipe in recipes:
        recipe.check_one_view()
    if len({recipe.depth for recipe in recipes}) > 1:
        raise InputError(_("these networks read 16-bit photos at different depths; train again, with all of them at once."))
    known = [None] * len(recipes) if known is None else known
    if len(known) != len(recipes):
        raise InputError(_("known has {n} entries for {m} recipes; give one for each.", n=len(known), m=len(recipes)))
    rows = [*known] if pictured is None else [*known, pictured]
    pipeline = Pipeline(tuple(recipes), tuple(map(_flat, rows)), load_decoder(decoder), max_pixels)
    more = max(1.0, max_pixels / MAX_PIXELS)
    count = worker_count(more) if workers is None else workers
    config = WorkerConfig(pipeline.recipes, seconds * more, int(memory * more), decoder, max_pixels)
    return pipeline, count, config


def decode_failures(
    sources: Sequence[Source], decoder: str = DECODER, max_pixels: int = MAX_PIXELS
) -> Generator[Failure | None, None, None]:
    """Yield why each source cannot be decoded, found out in a worker: what has gone well there can be decoded here."""
    with closing(prepare_all(sources, [Recipe(1)], decoder=decoder, max_pixels=max_pixels)) as prepared:
        for one in prepared:
            yield one.failure


def _flat(rows: NDArray[np.uint8] | None) -> memoryview:
    """Return sorted digests (m, 32) as one flat buffer."""
    import numpy as np

    if rows is None:
        return memoryview(b"")
    if rows.dtype != np.uint8 or rows.ndim != 2 or rows.shape[1] != 32:
        raise InputError(
            _(
                "known digests are a uint8 array (m, 32); this one is {dtype} {shape}: convert it.",
                dtype=rows.dtype,
                shape=rows.shape,
            )
        )
    return memoryview(np.ascontiguousarray(rows).reshape(-1).data)


def worker_count(more: float = 1.0) -> int:
    """Return one for each core that this process may use, as far as the memory goes; `more`: how much more each may need."""
    return max(1, min(core_count(), _MOST_WORKERS, int(memory_bytes() / (_WORKER_BYTES * more))))


def core_count() -> int:
    """Return the cores that this process may use."""
    cores = system.core_count()
    try:  # a container may have the time of fewer than it sees
        quota, period = (_CONTAINER / "cpu.max").read_text(encoding="ascii").split()
        return min(cores, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError):  # no such thing here; or "max"
        return cores


def memory_bytes() -> int:
    """Return the bytes of memory that this machine, or this container, has; very many where it does not tell."""
    try:
        whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return sys.maxsize
    try:
        return min(whole, int((_CONTAINER / "memory.max").read_text(encoding="ascii")))
    except (OSError, ValueError):
        return whole


SourceRead = tuple[int, "Source | Failure"]


def read_members(
    sources: Sequence[Source], wanted: Callable[[Member], bool] = lambda member: True
) -> Generator[Source | Failure, None, None]:
    """Return the sources in order; of wanted members that are read many together the content, read ahead, or why not."""
    return (source for _, source in _read_sources(sources, range(len(sources)), wanted))


def content_digests(sources: Sequence[Source]) -> list[bytes | None]:
    """Return what `content_digest` says of each source; archives are gone through once, from front to back."""
    order = reading_order(sources) or range(len(sources))
    seen = read_members([sources[i] for i in order])
    found = {i: None if isinstance(one, Failure) else content_digest(one) for i, one in zip(order, seen, strict=True)}
    return [found[i] for i in range(len(sources))]


def _read_sources(
    sources: Sequence[Source], indices: range, wanted: Callable[[Member], bool] = lambda member: True
) -> Generator[SourceRead, None, None]:
    def read_here(source: Source) -> TypeGuard[Member]:
        return _read_here(source) and wanted(source)

    with closing(read_ahead(s for i in indices if read_here(s := sources[i]))) as contents:
        for index in indices:
            source = sources[index]
            if read_here(source):
                _, content = next(contents)
                yield index, failure_of(content) if isinstance(content, OSError) else FileContent(content)
            else:
                yield index, source


def _read_here(source: Source) -> TypeGuard[Member]:
    return isinstance(source, Member) and not source.in_place


def run_pipeline(
    sources: Sequence[Source], pipeline: Pipeline, count: int, config: WorkerConfig, shared_pool: DecoderPool | None = None
) -> Generator[Prepared, None, None]:
    """Go through what needs no decoding, then start workers for the rest if it is more than a handful."""
    with closing(_read_sources(sources, range(len(sources)))) as sources_read:
        for index, source in sources_read:
            if (done := pipeline.run_if_known(source)) is not None:
                yield pipeline.to_prepared(index, done)
                continue
            rest, pending = range(index, len(sources)), chain([(index, source)], sources_read)
            if count < 1:
                yield from _here(pending, pipeline)
            elif not can_start_workers():
                yield from _in_threads(pending, pipeline, count)
            else:
                count = 1 if len(rest) <= _HANDFUL and shared_pool is None else count
                yield from _in_processes(
                    sources, pending, rest, pipeline, _workers(sources, rest, pipeline, count, config, shared_pool)
                )
            return


def can_start_workers() -> bool:
    """Return whether there is a Python to start workers with, one that inherits descriptors; say once where there is none."""
    if not system.can_isolate():
        return False
    try:
        interpreter()
    except NoInterpreter as error:
        tell_alone(error)
        return False
    return True


def _here(sources_read: Iterator[SourceRead], pipeline: Pipeline) -> Generator[Prepared, None, None]:
    for index, source in sources_read:
        yield pipeline.prepare(index, source)


def _in_threads(sources_read: Iterator[SourceRead], pipeline: Pipeline, count: int) -> Generator[Prepared, None, None]:
    """Decode in threads: as fast, since Pillow releases the GIL, but a crash ends the whole process."""
    from concurrent.futures import Future, ThreadPoolExecutor

    ahead: deque[Future[Prepared]] = deque()
    with ThreadPoolExecutor(count) as pool:
        try:
            for index, source in sources_read:
                ahead.append(pool.submit(pipeline.prepare, index, source))
                if len(ahead) > 8 * count:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _workers(
    sources: Sequence[Source],
    indices: range,
    pipeline: Pipeline,
    count: int,
    config: WorkerConfig,
    shared_pool: DecoderPool | None,
) -> Iterator[WorkerPool]:
    """Lend a pool for these sources: one that stays, or one that ends with the run. Raises `NoWorkers`."""
    from penult.pixels.worker_pool import WorkerPool

    if shared_pool is not None:
        with shared_pool.lend(config, pipeline.known, count) as pool:
            yield pool
        return
    contents = any(isinstance(s := sources[i], FileContent) or _read_here(s) for i in indices)
    with WorkerPool(config, pipeline.known, count, contents=contents) as pool:
        yield pool


def _in_processes(
    sources: Sequence[Source],
    sources_read: Iterator[SourceRead],
    indices: range,
    pipeline: Pipeline,
    workers: AbstractContextManager[WorkerPool],
) -> Generator[Prepared, None, None]:
    from penult.pixels.worker_pool import NoWorkers

    files = sum(isinstance(sources[index], FILE) for index in indices)
    index = indices.start
    try:
        with workers as pool:
            done = pool.run(((i, source) for i, source in sources_read if isinstance(source, _SENT)), files)
            for index in indices:
                source = sources[index]
                yield next(done) if isinstance(source, FILE) else pipeline.prepare(index, source)
    except NoWorkers as error:
        log.warning(_("decoding in this process, because worker processes cannot be started: {error}", error=error))
        yield from _here(_read_sources(sources, range(index, indices.stop)), pipeline)

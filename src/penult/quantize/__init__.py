"""Networks in 8 bits: what is cut off in rounding is chosen by looking at some of the user's own images.

In: backbones, images. Out: the same backbones with quantised graphs, from the cache where these images were seen before.
It must not know features, labels or heads. NNCF is loaded in a child process only.

The images that a network is quantised with are always the same ones, however the others come and go; the features of some
are held against the original's.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import engines, pixels, store, untrusted
from penult.arrays import median_cosine
from penult.backbones import Backbone, StoredGraph
from penult.errors import DamagedFile, InputError, MissingExtra, OutputError, PenultError, ProgressCallback, quiet
from penult.i18n import _
from penult.pixels import Recipe
from penult.quantize.nncf import QuantizeRequest
from penult.sources import Member, reading_order
from penult.worker import Crashed, Worker

__all__ = ["IMAGES", "in_int8"]

log = logging.getLogger(__name__)

IMAGES = 128  # `benchmarks/int8.py` tries others
_AT_ONCE = 1024  # digests under way
MIN_COSINE = 0.9  # the middle cosine of features and their originals; a sound network has more than 0.98
VERIFIED = 16  # images
WORK = "penult.quantize.nncf:work"  # what the child process does
SAME = 0.5  # of the images that a kept graph was quantised with: so many must be among these
KIND, _FILE = "int8", "graph.onnx"
_SUM, _COUNT = 32, 4
_in_memory: dict[str, dict[frozenset[bytes], bytes]] = {}  # where there is no folder


def in_int8(
    backbones: Sequence[Backbone], sources: Sequence[Any], cache: Path | None, progress: ProgressCallback = quiet
) -> tuple[Backbone, ...]:
    """Return the backbones with graphs in 8 bits; numpy functions and quantised graphs as they are.

    A graph is quantised with `IMAGES` of the `sources` (paths, arrays, Pillow images), and kept in the folder
    `cache` (None: for this process). It is used again as long as half of those images are among the sources: some more
    or fewer photos compute nothing anew, other photos get a graph of their own.

    Raises `MissingExtra` without NNCF, `InputError` where no image can be read or 8 bits change a network's features too much.
    """
    todo = [b for b in backbones if b.function is None and not b.quantized]
    if not todo:
        return tuple(backbones)
    taken = calibration_set(sources, [b.recipe for b in todo])
    if not taken.digests:
        raise InputError(
            _(
                "none of the {sources} images can be read, and int8 needs some to calibrate on; use --precision auto.",
                sources=len(sources),
            )
        )
    every: set[bytes] = set()
    made = {}
    for i, backbone in enumerate(todo):
        kept = QuantizedCache(cache, backbone.digest, backbone.name)
        if any(_foreign(one, taken.digests) for one in kept.samples()) and not every:
            every.update(digests(sources))
        graph = _find(kept, taken.digests | every)
        if graph is None:
            graph = _quantize(backbone, taken, i, progress)
            kept.put(taken.digests, graph)
        made[backbone.digest] = _quantized(backbone, graph)
    return tuple(made.get(b.digest, b) for b in backbones)


def _foreign(one: frozenset[bytes], ours: frozenset[bytes]) -> bool:
    """Tell whether the sample alone does not show that a kept graph was made with images of these."""
    return len(one & ours) < SAME * len(one)


def _find(kept: QuantizedCache, ours: frozenset[bytes]) -> bytes | None:
    """Return the kept graph whose images are here, the most of them first; None where no graph has half of its own here."""
    shares = {one: len(one & ours) / len(one) for one in kept.samples()}
    fitting = [one for one, share in shares.items() if share >= SAME]
    return kept.get(max(fitting, key=lambda one: (shares[one], sorted(one)))) if fitting else None


def _quantized(backbone: Backbone, graph: bytes) -> Backbone:
    weights = hashlib.sha256(backbone.weights.encode() + graph).hexdigest()
    return replace(backbone, weights=weights, network=StoredGraph(graph, backbone.recipe), quantized=True)


def _quantize(backbone: Backbone, taken: CalibrationSet, index: int, progress: ProgressCallback) -> bytes:
    """Have a child process quantise a network, and hold the answer against the original."""
    missing = [module for module in ("nncf", "onnxruntime") if importlib.util.find_spec(module) is None]
    if missing:
        raise MissingExtra(
            _("precision int8 needs {missing}, once for each network: pip install 'penult[int8]'", missing=", ".join(missing))
        )
    step = _("int8 {name}", name=backbone.name)
    progress(step, 0, 1)
    seen = taken.pixels[index]
    graph = _ask(QuantizeRequest(backbone.name, backbone.graph(), seen))
    verify(backbone, _quantized(backbone, graph), seen)
    progress(step, 1, 1)
    return graph


def _ask(request: QuantizeRequest) -> bytes:
    """Return the graph that a child process makes of an request."""
    with Worker(WORK, threads=os.cpu_count() or 1) as child:
        child.send(request)
        try:
            return bytes(next(iter(child.answers())))
        except (Crashed, StopIteration) as error:
            raise PenultError(
                _(
                    "quantising {label} ended without an answer ({error}), most often for lack of memory; close other "
                    "programs, or use --precision auto.",
                    label=request.label,
                    error=error,
                )
            ) from error


class QuantizedCache:
    """The quantised graphs of one network, by its digest; `cache` None keeps them for this process."""

    def __init__(self, cache: Path | None, digest: str, name: str = "") -> None:
        self._cache, self._digest, self._name = cache, digest, name
        # Graphs, or the entries that have them. Those of earlier versions are in one file each.
        self._graphs: dict[frozenset[bytes], bytes | store.CacheEntry]
        self._graphs = {**_old(cache, digest), **self._entries(cache)} if cache else {**_in_memory.get(digest, {})}

    def samples(self) -> list[frozenset[bytes]]:
        """Return for each graph the digests of the images that it was quantised with."""
        return list(self._graphs)

    def get(self, sample: frozenset[bytes]) -> bytes | None:
        """Return the graph that was quantised with these images, None where it is damaged."""
        found = self._graphs[sample]
        try:
            return found if isinstance(found, bytes) else found.read(_FILE)
        except DamagedFile as error:
            log.warning("%s", error)
            return None

    def put(self, sample: frozenset[bytes], graph: bytes) -> None:
        """Keep a graph; in memory only where the folder can never be written. Raises `OutputError`."""
        self._graphs[sample] = graph
        if self._cache is None:
            _in_memory.setdefault(self._digest, {})[sample] = graph
            return
        facts = {"backbone_digest": self._digest, "images": sorted(digest.hex() for digest in sample)}
        try:
            store.CacheEntry.of(self._cache, KIND, facts).put({_FILE: graph}, backbone=self._name)
        except OutputError as error:
            if not store.is_permanent(error):
                raise
            log.warning("a network in 8 bits is not kept: %s", error)

    def _entries(self, cache: Path) -> dict[frozenset[bytes], store.CacheEntry]:
        found = {}
        for entry in store.entries(cache, KIND):
            facts = (entry.values() or {}).get("facts", {})
            if facts.get("backbone_digest") == self._digest:
                try:
                    found[frozenset(map(bytes.fromhex, facts["images"]))] = entry
                except (KeyError, TypeError, ValueError) as error:
                    log.warning("%s is not used: %r", entry.folder, error)
        return {sample: entry for sample, entry in found.items() if sample}


def _old(cache: Path, digest: str) -> dict[frozenset[bytes], bytes]:
    """Return the graphs that earlier versions kept in `int8/<backbone digest>/<sample>.int8`.

    Such a file is the SHA-256 of the rest, the number of digests (4 bytes, big endian), the digests, the graph.
    """
    found = {}
    for path in sorted((cache / KIND / digest[:32]).glob("*.int8")):
        try:
            content = untrusted.read_bytes(path)
        except OSError as error:
            log.warning("%s cannot be read: %s", path, error)
            continue
        rest = content[_SUM:]
        end = _COUNT + 32 * int.from_bytes(rest[:_COUNT], "big")
        if hashlib.sha256(rest).digest() != content[:_SUM] or not _COUNT < end < len(rest):
            log.warning("%s is damaged and is not used", path)
            continue
        found[frozenset(rest[at : at + 32] for at in range(_COUNT, end, 32))] = rest[end:]
    return found


def verify(original: Backbone, quantized: Backbone, pixels: NDArray[np.uint8]) -> None:
    """Raise `InputError` where the features of these pixels (m, s, s, 3) do not keep their direction."""
    exact, ours = (_features(*one, pixels[:VERIFIED]) for one in ((original, "f32"), (quantized, "int8")))  # (m, d) each
    cosine = median_cosine(exact, ours)
    log.info("%s in int8: features keep a cosine of %.4f", original.name, cosine)
    if not cosine >= MIN_COSINE:
        raise InputError(
            _(
                "8 bits change the features of {name} too much (median cosine {cosine:.2f}, at least {min_cosine} is "
                "needed); use --precision auto.",
                name=original.name,
                cosine=cosine,
                min_cosine=MIN_COSINE,
            )
        )


def _features(backbone: Backbone, precision: str, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    engine = engines.open_engine(backbone, "cpu", precision)
    try:
        return engine(pixels)
    finally:
        engine.close()


@dataclass(frozen=True, slots=True)
class CalibrationSet:
    """Images as each recipe wants them, and what they are; of several views each image shows one, in turn."""

    digests: frozenset[bytes]
    pixels: tuple[NDArray[np.uint8], ...]  # for each recipe (m, s, s, 3)


def by_name(sources: Sequence[Any]) -> list[Any]:
    """Return the sources in an order that their own names decide: what comes or goes moves no other.

    Names of folders do not count, so that a moved folder has the same sample. Pictures in memory keep their order.
    """
    paths = [source.id if isinstance(source, Member) else source for source in sources]
    names = [os.fsencode(Path(s).name) if isinstance(s, str | os.PathLike) else str(i).encode() for i, s in enumerate(paths)]
    keys = [hashlib.sha256(name).digest() for name in names]
    return [sources[i] for i in sorted(range(len(sources)), key=keys.__getitem__)]


def calibration_set(sources: Sequence[Any], recipes: Sequence[Recipe], images: int = IMAGES) -> CalibrationSet:
    """Return up to `images` different, readable sources, prepared for each recipe."""
    found: dict[bytes, tuple[NDArray[np.uint8], ...]] = {}
    order, views = by_name(sources), [view for recipe in recipes for view in recipe.views]
    for start in range(0, len(order), images):
        some = order[start : start + images]
        reading = reading_order(some) or range(len(some))
        prepared = {reading[one.index]: one for one in pixels.prepare_all([some[i] for i in reading], views)}
        for _other, one in sorted(prepared.items()):
            whole = [p for p in one.pixels if p is not None]
            if one.failure is None and one.digest is not None and len(whole) == len(views) and len(found) < images:
                found.setdefault(one.digest, tuple(_one_each(iter(whole), recipes, len(found))))
        if len(found) >= images:
            break
    seen = tuple(np.stack([views[i] for views in found.values()]) for i in range(len(recipes))) if found else ()
    return CalibrationSet(frozenset(found), seen)


def _one_each(prepared: Iterator[NDArray[np.uint8]], recipes: Sequence[Recipe], number: int) -> Iterator[NDArray[np.uint8]]:
    """Yield for each recipe one of the views of image number `number`, given those that are prepared of all recipes."""
    for recipe in recipes:
        seen = recipe.with_mirror_images(list(islice(prepared, len(recipe.views))))
        yield seen[number % len(seen)]


def digests(sources: Sequence[Any]) -> Iterator[bytes]:
    """Yield the digest of each source that can be read; nothing is decoded."""
    in_turn = [source for source in sources if isinstance(source, Member) and not source.in_place]
    yield from (digest for digest in pixels.content_digests(in_turn) if digest is not None)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        waiting = (source for source in sources if not isinstance(source, Member) or source.in_place)
        while some := list(islice(waiting, _AT_ONCE)):
            yield from (digest for digest in pool.map(pixels.content_digest, some) if digest is not None)

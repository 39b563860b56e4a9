"""Backbones in, the same in 8 bits out: from the cache where it knows these images, else quantised now, once.

In: backbones, the images that they are for. Out: backbones whose graphs are quantised.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from penult.backbones import Backbone, StoredGraph
from penult.errors import InputError, MissingExtra, PenultError, ProgressCallback, quiet
from penult.quantize import sample
from penult.quantize.kept import Kept
from penult.quantize.proof import prove
from penult.quantize.sample import Sample
from penult.worker import Crashed, Worker

WORK = "penult.quantize.by_nncf:work"  # what the child process does
SAME = 0.5  # of the images that a kept graph was quantised with: so many must be among these


@dataclass(frozen=True, slots=True)
class Order:
    """One graph and the pixels to quantise it with."""

    label: str
    graph: bytes
    pixels: Any  # (m, s, s, 3) uint8


def in_int8(
    backbones: Sequence[Backbone], sources: Sequence[Any], cache: Path | None, progress: ProgressCallback = quiet
) -> tuple[Backbone, ...]:
    """Return the backbones with graphs in 8 bits; numpy functions and quantised graphs as they are.

    A graph is quantised with `sample.IMAGES` of the `sources` (paths, arrays, Pillow images), and kept in the folder
    `cache` (None: for this process). It is used again as long as half of those images are among the sources: some more
    or fewer photos compute nothing anew, other photos get a graph of their own.

    Raises `MissingExtra` without NNCF, `InputError` where no image can be read or a network does not stand 8 bits.
    """
    todo = [b for b in backbones if b.function is None and not b.quantized]
    if not todo:
        return tuple(backbones)
    taken = sample.take(sources, [b.recipe for b in todo])
    if not taken.digests:
        raise InputError(
            f"none of the {len(sources)} images can be read, and int8 needs some to look at; use --precision auto."
        )
    every: set[bytes] = set()
    made = {}
    for i, backbone in enumerate(todo):
        kept = Kept(cache, backbone.digest, backbone.name)
        if any(_foreign(one, taken.digests) for one in kept.samples()) and not every:
            every.update(sample.digests(sources))
        graph = _find(kept, taken.digests | every)
        if graph is None:
            graph = _quantise(backbone, taken, i, progress)
            kept.put(taken.digests, graph)
        made[backbone.digest] = _dressed(backbone, graph)
    return tuple(made.get(b.digest, b) for b in backbones)


def _foreign(one: frozenset[bytes], ours: frozenset[bytes]) -> bool:
    """Tell whether the sample alone does not show that a kept graph was made with images of these."""
    return len(one & ours) < SAME * len(one)


def _find(kept: Kept, ours: frozenset[bytes]) -> bytes | None:
    """Return the kept graph whose images are here, the most of them first; None where no graph has half of its own here."""
    shares = {one: len(one & ours) / len(one) for one in kept.samples()}
    fitting = [one for one, share in shares.items() if share >= SAME]
    return kept.get(max(fitting, key=lambda one: (shares[one], sorted(one)))) if fitting else None


def _dressed(backbone: Backbone, graph: bytes) -> Backbone:
    weights = hashlib.sha256(backbone.weights.encode() + graph).hexdigest()
    return replace(backbone, weights=weights, network=StoredGraph(graph, backbone.recipe), quantized=True)


def _quantise(backbone: Backbone, taken: Sample, place: int, progress: ProgressCallback) -> bytes:
    """Have a child process quantise a network, and hold the answer against the original."""
    missing = [module for module in ("nncf", "onnxruntime") if importlib.util.find_spec(module) is None]
    if missing:
        raise MissingExtra(f"precision int8 needs {', '.join(missing)}, once for each network: pip install 'penult[int8]'")
    step = f"int8 {backbone.name}"
    progress(step, 0, 1)
    seen = taken.seen[place]
    graph = _ask(Order(backbone.name, backbone.graph(), seen))
    prove(backbone, _dressed(backbone, graph), seen)
    progress(step, 1, 1)
    return graph


def _ask(order: Order) -> bytes:
    """Return the graph that a child process makes of an order."""
    with Worker(WORK, threads=os.cpu_count() or 1) as child:
        child.send(order)
        try:
            return bytes(next(iter(child.answers())))
        except (Crashed, StopIteration) as error:
            raise PenultError(
                f"quantising {order.label} ended without an answer ({error}): most often this machine's memory was too "
                "small; close other programs, or use --precision auto."
            ) from error

"""Which of the user's images a network is quantised with: always the same ones, however the others come and go.

In: sources. Out: a few of them, prepared, with their digests.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import pixels
from penult.pixels import Recipe

IMAGES = 128  # `benchmarks/int8.py` tries others
_AT_ONCE = 1024  # digests under way


@dataclass(frozen=True, slots=True)
class Sample:
    """Images as each recipe wants them, and what they are."""

    digests: frozenset[bytes]
    seen: tuple[NDArray[np.uint8], ...]  # for each recipe (m, s, s, 3)


def choose(sources: Sequence[Any]) -> list[Any]:
    """Return the sources in an order that their own names decide: what comes or goes moves no other.

    Names of folders do not count, so that a moved folder has the same sample. Pictures in memory keep their order.
    """
    names = [os.fsencode(Path(s).name) if isinstance(s, str | os.PathLike) else str(i).encode() for i, s in enumerate(sources)]
    keys = [hashlib.sha256(name).digest() for name in names]
    return [sources[i] for i in sorted(range(len(sources)), key=keys.__getitem__)]


def take(sources: Sequence[Any], recipes: Sequence[Recipe], images: int = IMAGES) -> Sample:
    """Return up to `images` different, readable sources, prepared for each recipe."""
    found: dict[bytes, tuple[NDArray[np.uint8], ...]] = {}
    order = choose(sources)
    for start in range(0, len(order), images):
        for one in pixels.prepare_all(order[start : start + images], recipes):
            whole = tuple(p for p in one.pixels if p is not None)
            if one.failure is None and one.digest is not None and len(whole) == len(recipes) and len(found) < images:
                found.setdefault(one.digest, whole)
        if len(found) >= images:
            break
    seen = tuple(np.stack([views[i] for views in found.values()]) for i in range(len(recipes))) if found else ()
    return Sample(frozenset(found), seen)


def digests(sources: Sequence[Any]) -> Iterator[bytes]:
    """Yield the digest of each source that can be read; nothing is decoded."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        waiting = iter(sources)
        while some := list(islice(waiting, _AT_ONCE)):
            yield from (digest for digest in pool.map(pixels.digest, some) if digest is not None)

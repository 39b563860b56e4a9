"""How many bits the photos of a run use that lie in 16-bit files: found out once, before features are computed.

In: sources, networks. Out: the networks, told the depth. Where no file stores 16 bits a sample nothing is decoded or changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any

import numpy as np

from penult import pixels
from penult.backbones import Backbone
from penult.embed.options import EmbedOptions
from penult.embed.remarks import keep, recall
from penult.errors import ProgressCallback, quiet
from penult.pixels import FULL_DEPTH, Recipe, Remark
from penult.pixels.modes import levels
from penult.pixels.sources import PATH

_LOOK = "penult.pixels.decoding:open_counting_levels"


def at_depth(
    backbones: Sequence[Backbone],
    sources: Sequence[Any],
    settings: EmbedOptions | None = None,
    progress: ProgressCallback = quiet,
) -> tuple[Backbone, ...]:
    """Return the networks with the depth that these sources use; as they are where that is 16 bits, or none stores 16."""
    depth = find_depth(sources, settings or EmbedOptions(), progress)
    return tuple(b if depth == FULL_DEPTH else b.at_depth(depth) for b in backbones)


def find_depth(sources: Sequence[Any], settings: EmbedOptions, progress: ProgressCallback = quiet) -> int:
    """Return how many bits sources (paths, arrays, Pillow images) use that store 16: 8, 10, 12, 14, or 16 if none does."""
    files = [s for s in sources if isinstance(s, PATH) and pixels.stores_sixteen(s)]
    images = [s for s in sources if str(getattr(s, "mode", "")).startswith("I;16")]
    counts = [levels(np.asarray(image).astype(np.uint16), alpha=False) for image in images]
    return pixels.choose_depth([*counts, *_of_files(files, settings, progress)])


def depth_notes(backbones: Sequence[Backbone]) -> tuple[str, ...]:
    """Return the sentence about the depth of a run's photos; none where they use all bits of their files."""
    depths = {b.recipe.depth for b in backbones} - {FULL_DEPTH}
    return tuple(pixels.describe_depth(depth) for depth in sorted(depths))


def _of_files(files: Sequence[Any], settings: EmbedOptions, progress: ProgressCallback) -> list[tuple[int, ...]]:
    """Return the counts of levels of files that can be decoded, each picture once: from the cache, else by a look at it."""
    if not files:
        return []
    by_digest = {d: file for file in files if (d := pixels.digest(file)) is not None}
    digests = np.frombuffer(b"".join(by_digest), np.uint8).reshape(-1, 32)  # (m, 32)
    known = {digest: remark for digest, remark in recall(digests, settings).items() if remark.levels}
    rest = [file for digest, file in by_digest.items() if digest not in known]
    seen: dict[bytes, Remark] = {}
    looks = pixels.prepare_all(rest, [Recipe(1)], workers=settings.workers, decoder=_LOOK, max_pixels=settings.max_pixels)
    with closing(looks):
        for done, one in enumerate(looks, 1):
            if one.remark is not None and one.digest is not None and one.remark.levels:
                seen[one.digest] = one.remark
            progress("bits", done, len(rest))
    keep(seen, settings)
    return [remark.levels for remark in (*known.values(), *seen.values())]

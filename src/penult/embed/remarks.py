"""What decoding finds out about photos beside their pixels: what is missing of them, and how many bits 16-bit files use.

Remarks are kept by digest, since a later run finds features and decodes nothing. The bits are found out once, before features
are computed; where no file stores 16 bits a sample nothing is decoded or changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import pixels, store
from penult.backbones import Backbone
from penult.embed.options import EmbedOptions
from penult.errors import ProgressCallback, quiet
from penult.i18n import N_
from penult.pixels import FULL_DEPTH, Recipe, Remark
from penult.pixels.modes import levels
from penult.sources import Member, reading_order
from penult.store.shard_cache import place_of

_LOOK = "penult.pixels.decoding:open_counting_levels"
_EIGHT_BITS = (".jpg", ".jpeg", ".webp", ".gif", ".bmp")
_WIDTH = 8  # the share of rows missing, whether scans are, and the six counts of levels


def incomplete(
    digests: NDArray[np.uint8], ok: NDArray[np.bool_], seen: Mapping[bytes, Remark], settings: EmbedOptions
) -> dict[int, Remark]:
    """Return the remarks on photos of which a part is missing, by their place among `digests` (n, 32).

    `seen` are those of this run; they are kept, and those of earlier runs remembered.
    """
    keep(seen, settings)
    known = {**recall(digests[ok], settings), **seen}
    if not known:
        return {}
    found = ((int(i), known.get(digests[i].tobytes())) for i in np.flatnonzero(ok))
    return {i: remark for i, remark in found if remark is not None and remark.incomplete}


def keep(seen: Mapping[bytes, Remark], settings: EmbedOptions) -> None:
    """Write remarks to the cache. Raises `OutputError` where that cannot be written."""
    if not seen or settings.folder is None:
        return
    rows = [(r.rows, r.scans, *(r.levels or (0,) * (_WIDTH - 2))) for r in seen.values()]
    digests = np.frombuffer(b"".join(seen), np.uint8).reshape(-1, 32)
    with store.FeatureCache(settings.folder, _facts()) as cache:
        cache.add(digests, np.array(rows, np.float32))  # (m, 32), (m, 8)


def recall(digests: NDArray[np.uint8], settings: EmbedOptions) -> dict[bytes, Remark]:
    """Return the remarks that are kept on pictures with these digests (n, 32)."""
    if settings.folder is None or not place_of(settings.folder, _facts()).is_dir():
        return {}  # most users never have such a photo, and get no folder for it
    rows, found = store.FeatureCache(settings.folder, _facts()).read(digests)  # (n, 8), (n,)
    return {
        digest.tobytes(): Remark(float(row[0]), bool(row[1]), tuple(int(v) for v in row[2:]) if row[2] else ())
        for digest, row in zip(digests[found], rows[found], strict=True)
    }


def _facts() -> dict[str, str]:
    kind = {"backbone": "remarks", "backbone_digest": "remarks 1", "engine": "none", "precision": "none"}
    return {**kind, "width": str(_WIDTH), "road": pixels.preprocessing_version()}


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
    """Return how many bits sources (files, arrays, Pillow images) use that store 16: 8, 10, 12, 14, or 16 if none does."""
    if (order := reading_order(sources)) is not None:
        sources = [sources[i] for i in order]
    looked_at = pixels.read_members(sources, _may_store_sixteen)
    files = [source for source, one in zip(sources, looked_at, strict=True) if pixels.stores_sixteen(one)]
    images = [s for s in sources if str(getattr(s, "mode", "")).startswith("I;16")]
    counts = [levels(np.asarray(image).astype(np.uint16), alpha=False) for image in images]
    return pixels.choose_depth([*counts, *_of_files(files, settings, progress)])


def _may_store_sixteen(member: Member) -> bool:
    """Whether to look at it: an object in a store is fetched for it only where its name is not that of an 8-bit format."""
    return member.packing != "object" or not member.id.lower().endswith(_EIGHT_BITS)


def depth_notes(backbones: Sequence[Backbone]) -> tuple[str, ...]:
    """Return the sentence about the depth of a run's photos; none where they use all bits of their files."""
    depths = {b.recipe.depth for b in backbones} - {FULL_DEPTH}
    return tuple(pixels.describe_depth(depth) for depth in sorted(depths))


def _of_files(files: Sequence[Any], settings: EmbedOptions, progress: ProgressCallback) -> list[tuple[int, ...]]:
    """Return the counts of levels of files that can be decoded, each picture once: from the cache, else by a look at it."""
    if not files:
        return []
    by_digest = {d: file for d, file in zip(pixels.content_digests(files), files, strict=True) if d is not None}
    digests = np.frombuffer(b"".join(by_digest), np.uint8).reshape(-1, 32)  # (m, 32)
    known = {digest: remark for digest, remark in recall(digests, settings).items() if remark.levels}
    rest = [file for digest, file in by_digest.items() if digest not in known]
    seen: dict[bytes, Remark] = {}
    looks = pixels.prepare_all(rest, [Recipe(1)], workers=settings.workers, decoder=_LOOK, max_pixels=settings.max_pixels)
    with closing(looks):
        for done, one in enumerate(looks, 1):
            if one.remark is not None and one.digest is not None and one.remark.levels:
                seen[one.digest] = one.remark
            progress(N_("bits"), done, len(rest))
    keep(seen, settings)
    return [remark.levels for remark in (*known.values(), *seen.values())]

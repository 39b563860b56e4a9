"""What decoding found out about photos beside their pixels, kept by digest: a later run finds features and decodes nothing.

In: remarks by digest. Out: remarks.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from penult import pixels, store
from penult.embed.options import EmbedOptions
from penult.pixels import Remark
from penult.store.cache import place_of

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
    with store.Cache(settings.folder, _facts()) as cache:
        cache.add(digests, np.array(rows, np.float32))  # (m, 32), (m, 8)


def recall(digests: NDArray[np.uint8], settings: EmbedOptions) -> dict[bytes, Remark]:
    """Return the remarks that are kept on pictures with these digests (n, 32)."""
    if settings.folder is None or not place_of(settings.folder, _facts()).is_dir():
        return {}  # most users never have such a photo, and get no folder for it
    rows, found = store.Cache(settings.folder, _facts()).read(digests)  # (n, 8), (n,)
    return {
        digest.tobytes(): Remark(float(row[0]), bool(row[1]), tuple(int(v) for v in row[2:]) if row[2] else ())
        for digest, row in zip(digests[found], rows[found], strict=True)
    }


def _facts() -> dict[str, str]:
    kind = {"backbone": "remarks", "backbone_digest": "remarks 1", "engine": "none", "precision": "none"}
    return {**kind, "width": str(_WIDTH), "road": pixels.preprocessing_version()}

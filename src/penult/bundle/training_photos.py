"""Which photos a model was trained on: the beginnings of their digests, by which an exact copy is told.

In: sha256 digests. Out: eight bytes of each, sorted, and whether others are among them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST = 1_000_000  # photos, 8 MB; of more the smallest digests are kept: a sample that chance has drawn
KIND = np.dtype("<u8")


def seen_digests(digests: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return what a model keeps of the digests (n, 32) of its training photos: different numbers, ascending (m,)."""
    return np.unique(_beginnings(digests))[:MOST]


def were_seen(digests: NDArray[np.uint8], kept: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return which digests (n, 32) are those of training photos, (n,); two others are taken for one with p = 2^-64 each."""
    return np.isin(_beginnings(digests), kept)


def check(kept: NDArray[np.uint64]) -> None:
    """Raise `ValueError` for digests that `seen_digests` would not return."""
    if kept.dtype != KIND or kept.ndim != 1 or not 1 <= len(kept) <= MOST or (kept[1:] <= kept[:-1]).any():
        raise ValueError("its list of training photos is not sorted digests")


def _beginnings(digests: NDArray[np.uint8]) -> NDArray[np.uint64]:
    first = np.ascontiguousarray(digests[:, :8])  # (n, 8)
    return first.view(">u8").reshape(-1).astype(KIND)

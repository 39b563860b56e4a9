"""Features in shards, made of drawn photos in a moment, and what `embed` says of the same photos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from penult import shards, zoo
from penult.embed import Embedding, EmbedOptions, embed
from penult.shards import ShardedFeatures

NETWORK = "colour_histogram"


def make_shards(
    source: Path | str, out: Path | str, rows: int = 4, float32: bool = False, names: Sequence[str] = (NETWORK,)
) -> str:
    """Write all shards of a source, and the manifest; return the place."""
    make_place(source, out, rows, float32, names)
    assert shards.run_shards(str(out), workers=0).manifest is not None
    return str(out)


def make_place(
    source: Path | str, out: Path | str, rows: int = 4, float32: bool = False, names: Sequence[str] = (NETWORK,)
) -> str:
    """Write plan, networks and pictures, and no shard; return the place."""
    networks = [zoo.find_backbone(name) for name in names]
    shards.make_ready(str(source), str(out), networks, EmbedOptions(workers=0), rows=rows, float32=float32)
    return str(out)


def laptop(folder: Path, ids: Sequence[str], names: Sequence[str] = (NETWORK,)) -> Embedding:
    """Return what `embed` makes of the files of these names."""
    networks = [zoo.find_backbone(name) for name in names]
    return embed([str(folder / name) for name in ids], networks, EmbedOptions(cache=False, workers=0))


def in_float16(X: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return rows as they come back from float16."""
    return X.astype(np.float16).astype(np.float32)


def rows_of(X: ShardedFeatures) -> dict[str, tuple[bytes, bytes]]:
    """Return vector and digest of each image by its name."""
    return {name: (row.tobytes(), digest.tobytes()) for name, row, digest in zip(X.ids(), X[:], X.digests(), strict=True)}

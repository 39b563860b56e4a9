"""Features that were computed before: a folder or address of shards, or feature files; they may be larger than memory.

In: where they are. Out: `StoredFeatures`: rows that are read when they are asked for, with names, labels and digests, and what
is known of the networks that made them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from penult import shards
from penult.arrays import Array
from penult.backbones import Backbone
from penult.engines import Compute
from penult.pixels import Failure
from penult.pixels.preparing import memory_bytes

Rows: TypeAlias = "slice | NDArray[np.intp]"  # of which something is asked: a slice, or numbers

STEP = 1 << 15  # names or digests in memory at a time
CPU = Compute("cpu", "f32")
LISTED = 10_000  # images without features that are named
COPIES = 6  # of X that training in memory takes at its height


@dataclass(frozen=True)
class StoredFeatures:
    """Rows X (n, d), read in slices, and what is told of them.

    `ids`, `labels` (texts, None where unknown) and `digests` (m, 32) answer for the rows that are asked for. `codes` (n,) are
    class numbers of feature files, `classes` their names. `backbones` is empty where the networks are not known by value.
    `failures` are the images without a row, `failed` of them in all, of which some are named; `record` is what
    `metrics.json` says of the source; `selftest` drawn pictures with their rows.
    """

    source: str
    X: Any  # (n, d)
    names: tuple[str, ...]
    widths: tuple[int, ...]
    network_blocks: tuple[tuple[int, ...], ...]
    ids: Callable[[Rows], Sequence[str]]
    labels: Callable[[Rows], Sequence[str | None]]
    digests: Callable[[Rows], NDArray[np.uint8]]
    codes: NDArray[np.intp] | None = None  # (n,)
    classes: tuple[str, ...] = ()
    backbones: tuple[Backbone, ...] = ()
    engine: str = "none"
    compute: Compute = CPU
    failures: Mapping[str, Failure] = field(default_factory=dict)
    failed: int = 0
    record: Mapping[str, Any] = field(default_factory=dict)
    selftest: Mapping[str, Array] = field(default_factory=dict)
    dtype: str = "float32"  # as which the rows are stored
    root: str = ""  # the folder of the images, where there is one
    notes: tuple[str, ...] = ()

    @property
    def blocks(self) -> tuple[int, ...]:
        """The blocks of all networks, in the order of the columns."""
        return sum(self.network_blocks, ())


class SelectedRows:
    """Some rows of X, which is not copied: it has a shape, a type, `chunks` and slices, all that the solver asks for."""

    def __init__(self, X: Any, rows: NDArray[np.intp]) -> None:
        """`rows` (n,) are ascending numbers of rows of X."""
        self._X, self._rows = X, rows
        self.shape = (len(rows), int(X.shape[1]))
        self.dtype, self.ndim, self.chunks = np.dtype(np.float32), 2, getattr(X, "chunks", X.shape)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, at: Any) -> NDArray[np.float32]:
        return np.asarray(self._X[self._rows[at]], np.float32)

    def part(self, start: int, stop: int) -> SelectedRows:
        """Return some of the rows alone: what is sent to the process that holds them is as small."""
        return SelectedRows(self._X, self._rows[start:stop])


def fits(X: Any, memory: int | None) -> bool:
    """Tell whether training on X (n, d) in memory keeps to so many bytes (None: to what this machine has)."""
    n, d = X.shape
    return COPIES * 4 * int(n) * int(d) <= (memory_bytes() if memory is None else memory)


def open_shards(address: str) -> StoredFeatures:
    """Return the features in a folder or at an address of shards. Raises what `shards.open_features` raises."""
    X = shards.open_features(address)
    pictures = X.pictures()
    images = pictures.images()
    same = [i for i, one in enumerate(images) if one.shape == images[-1].shape]  # a model file has pictures of one size
    failures = {id: Failure(reason, detail) for id, reason, detail in X.failures(LISTED)}
    lost = f"{X.failed:,} images have no features, {LISTED:,} of them are in skipped.csv." if X.failed > LISTED else ""
    return StoredFeatures(
        source=address,
        X=X,
        names=X.names,
        widths=X.widths,
        network_blocks=tuple(network.blocks for network in X.facts.networks),
        ids=X.ids,
        labels=X.labels,
        digests=X.digests,
        backbones=X.backbones(),
        engine=X.facts.engine,
        compute=X.facts.compute,
        failures=failures,
        failed=X.failed,
        record={"address": X.address, "manifest": X.digest, "source": X.facts.source, "rows": len(X)},
        selftest={"images": np.stack([images[i] for i in same]), "rows": pictures.vectors[same]},
        dtype=X.facts.dtype,
        root=os.path.abspath(X.facts.source) if Path(X.facts.source).is_dir() else "",  # noqa: PTH100 - surrogates
        notes=(lost,) if lost else (),
    )

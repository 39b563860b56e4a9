"""Features that were computed before: a folder or address of shards, or feature files; they may be larger than memory.

In: where they are. Out: `StoredFeatures`: rows that are read when they are asked for, with names, labels and digests, and what
is known of the networks that made them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from penult import shards, store
from penult.arrays import Array
from penult.backbones import Backbone
from penult.engines import Compute
from penult.errors import InputError
from penult.i18n import _
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
    `failures` are the images without a row, `failed` of them in all, of which some are named; `failed_labels` yields names and
    labels of all of them. `record` is what `metrics.json` says of the source; `selftest` drawn pictures with their rows.
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
    failed_labels: Callable[[], Iterable[tuple[str, str | None]]] = tuple
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


def open_shards(address: str, beside: Path | None = None) -> StoredFeatures:
    """Return the features in a folder or at an address of shards. Raises what `shards.open_features` raises.

    Those at an address are fetched once where they are read several times `beside` a path: on its disk, as far as that has
    space.
    """
    shards.refuse_answers(address)
    X = shards.open_features(address)
    if beside is not None:
        X.keep(next(folder for folder in beside.absolute().parents if folder.is_dir()))
    pictures = X.pictures()
    images = pictures.images()
    same = [i for i, one in enumerate(images) if one.shape == images[-1].shape]  # a model file has pictures of one size
    failures = {id: Failure(reason, detail) for id, reason, detail in X.failures(LISTED)}
    lost = (
        _("{failed:,} images have no features, {listed:,} of them are in skipped.csv.", failed=X.failed, listed=LISTED)
        if X.failed > LISTED
        else ""
    )
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
        failed_labels=X.failed_labels,
        record={"address": X.address, "manifest": X.digest, "source": X.facts.source, "rows": len(X)},
        selftest={"images": np.stack([images[i] for i in same]), "rows": pictures.vectors[same]},
        dtype=X.facts.dtype,
        root=os.path.abspath(X.facts.source) if Path(X.facts.source).is_dir() else "",  # noqa: PTH100 - surrogates
        notes=(lost,) if lost else (),
    )


class FileRows:
    """The training rows of feature files, read in slices by a process of its own, see `store.RowReader`."""

    def __init__(self, reader: store.RowReader) -> None:
        self._reader = reader
        self.shape = (reader.headers[0].train, reader.shape[1])
        self.dtype, self.ndim, self.chunks = np.dtype(np.float32), 2, (1, reader.shape[1])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, at: Any) -> NDArray[np.float32]:
        if not isinstance(at, slice):
            return self._reader.take(np.asarray(at))
        start, stop, _ = at.indices(len(self))
        parts = list(self._reader.scan(start, stop)) if start < stop else []
        return np.concatenate(parts) if parts else np.zeros((0, self.shape[1]), np.float32)


def are_large(paths: Sequence[str], memory: int | None) -> bool:
    """Tell whether feature files are more than training in memory may take (`fits`), as far as their sizes tell."""
    size = sum(Path(path).stat().st_size for path in paths if Path(path).is_file())
    return COPIES * size > (memory_bytes() if memory is None else memory)


def of_files(reader: store.RowReader, paths: Sequence[str], names: Sequence[str] | None) -> StoredFeatures:
    """Return the features in files that are open; `names` are those of the training rows, if they are not in the files.

    All rows are read once. Raises InputError for files without labels, and for numbers that are not finite.
    """
    first, X = reader.headers[0], FileRows(reader)
    if first.label is None:
        raise InputError(
            _("{paths} have no data set `label`; write one class number for each row into it.", paths=", ".join(paths))
        )
    sums = []
    for rows in reader.scan(0, len(X)):
        if not np.isfinite(rows).all():
            raise InputError(
                _("rows of {paths} contain NaN or infinite values; write the files again.", paths=", ".join(paths))
            )
        sums.append(store.row_digests(rows))
    digests, numbers = np.concatenate(sums), np.arange(len(X))
    known = names or first.train_files
    notes = [first.note] if first.note else []
    if first.test:
        notes.append(
            _("{test:,} test rows of the files were not looked at: give them to `penult predict --features`.", test=first.test)
        )
    return StoredFeatures(
        source=", ".join(paths),
        X=X,
        names=tuple(Path(path).stem.removeprefix("data_").removeprefix("gap_") for path in paths),
        widths=tuple(header.width for header in reader.headers),
        network_blocks=tuple(tuple(header.facts.get("parts") or (header.width,)) for header in reader.headers),
        ids=lambda at: [known[i] if known else str(i) for i in numbers[at].tolist()],
        labels=lambda at: [None] * len(numbers[at]),
        digests=lambda at: digests[at],
        codes=first.label.astype(np.intp),
        classes=tuple(first.classes or [str(c) for c in range(int(first.label.max()) + 1)]),
        record={"files": list(paths), "rows": len(X)},
        notes=tuple(notes),
    )

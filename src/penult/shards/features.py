"""The features in shards as one matrix that is read when it is asked for, some rows at a time.

In: a folder or address that `penult embed` completed. Out: rows (m, d) float32, with names, labels and digests of their
images. What was damaged is found and never returned: each shard by its sha256 when it is first read, each page by its checksum
always.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from penult import parquet
from penult.arrays import widen
from penult.backbones import Backbone
from penult.errors import DamagedFile
from penult.i18n import _
from penult.shards.facts import PlanFacts
from penult.shards.kept import KeptFiles
from penult.shards.manifest import MANIFEST, Manifest, read_manifest, read_shards
from penult.shards.networks import CheckedPictures, load_networks, load_pictures
from penult.shards.output import Output, name_below, open_output
from penult.shards.writer import Receipt, shard_file
from penult.texts import is_url, printable

Rows = slice | npt.NDArray[np.integer[Any]]
_KEPT = 3  # row groups in memory: a slice may touch two, the next one the second of them and one more


class ShardedFeatures:
    """Features (n, d) of all images that could be read, in the order of the plan; `open_features` opens them.

    n and d are those of `shape`. `X[a:b]` and `X[numbers]` (whole numbers in any order, quickest in ascending order) are
    arrays float32; nothing else is in memory but some row groups. It pickles as its address. Any thread may read; one at a
    time does.

    Parameters
    ----------
    output : Output
        The folder or address.
    manifest : Manifest
        What is in it.
    shards : list of Receipt
        The files, and how many rows each has.

    Examples
    --------
    >>> from penult.shards import open_features
    >>> X = open_features("features")
    >>> X.shape, X[:2].dtype
    ((12, 112), dtype('float32'))
    >>> X.ids()[:2]
    ['cat/0.png', 'cat/1.png']
    """

    ndim = 2
    dtype = np.dtype(np.float32)

    def __init__(self, output: Output, manifest: Manifest, shards: list[Receipt]) -> None:
        self.manifest, self.shards, self._output = manifest, shards, output
        gone = manifest.replaced
        counts = np.array([shard.embedded - len(gone.get(shard.name, ())) for shard in shards], np.int64)
        self.edges: npt.NDArray[np.int64] = np.concatenate([[0], np.cumsum(counts)])  # the first row of each shard, and n
        self.shape = (int(self.edges[-1]), manifest.facts.width)
        self.chunks = (max(1, min(parquet.GROUP_ROWS, manifest.facts.rows, self.shape[0])), self.shape[1])
        self._verified: set[int] = set()
        self._reader: tuple[int, parquet.ParquetReader, npt.NDArray[np.int64], npt.NDArray[np.intp]] | None = None
        self._groups: OrderedDict[tuple[int, int], npt.NDArray[np.floating[Any]]] = OrderedDict()
        self._lock = Lock()
        self._fetch = output.read

    @property
    def address(self) -> str:
        """The folder or address."""
        return self._output.address

    @property
    def facts(self) -> PlanFacts:
        """Networks, engine, precision and source."""
        return self.manifest.facts

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the networks."""
        return tuple(network.name for network in self.facts.networks)

    @property
    def widths(self) -> tuple[int, ...]:
        """The columns of each network."""
        return tuple(network.width for network in self.facts.networks)

    @property
    def blocks(self) -> tuple[int, ...]:
        """The widths of the runs of columns that a head scales separately, of all networks."""
        return self.facts.blocks

    @property
    def failed(self) -> int:
        """The number of images that have no features."""
        return self.manifest.failed

    @property
    def digest(self) -> str:
        """The sha256 (hex) of the manifest, which has those of plan and shards."""
        return hashlib.sha256(self._output.read(MANIFEST)).hexdigest()

    def backbones(self) -> tuple[Backbone, ...]:
        """Return the networks, which stand beside the shards. Raises `DamagedFile`."""
        return load_networks(self._output, self.facts)

    def pictures(self) -> CheckedPictures:
        """Return drawn pictures and their vectors, by which another machine is compared. Raises `DamagedFile`."""
        return load_pictures(self._output)

    def keep(self, folder: Path) -> None:
        """Fetch each shard of an address once, where `folder` has space: what is read again is read from a file in it."""
        if is_url(self.address):
            sizes = {shard_file(shard.name): shard.size for shard in self.shards}
            self._fetch = KeptFiles(self._output.read, sizes, folder).read

    def __len__(self) -> int:
        return self.shape[0]

    def __reduce__(self) -> tuple[Callable[[str], ShardedFeatures], tuple[str]]:
        return open_features, (self.address,)

    def __getitem__(self, key: Any) -> npt.NDArray[np.float32]:
        """Return rows: of a slice or of numbers (m, d), of one number (d,). Raises `IndexError` and `DamagedFile`."""
        if isinstance(key, int | np.integer):
            row: npt.NDArray[np.float32] = self[np.array([key])][0]
            return row
        numbers = self._numbers(key)
        out = np.empty((len(numbers), self.shape[1]), np.float32)  # (m, d)
        self._fill(numbers, out)
        return out

    def read_direct(self, out: npt.NDArray[np.float32], at: slice) -> None:
        """Write the rows of a slice into `out` (m, d), as a data set of h5py does."""
        self._fill(self._numbers(at), out)

    def _fill(self, numbers: npt.NDArray[np.int64], out: npt.NDArray[np.float32]) -> None:
        with self._lock:
            for shard, places, inside in self._by_shard(numbers):
                self._copy(shard, inside, out, places)

    def ids(self, at: Rows | None = None) -> list[str]:
        """Return the names of images with features.

        Parameters
        ----------
        at : slice or array, optional
            Which rows; all by default.
        """
        return self._column("id", at)

    def labels(self, at: Rows | None = None) -> list[str | None]:
        """Return the labels that the source told, None where it told none.

        Parameters
        ----------
        at : slice or array, optional
            Which rows; all by default.
        """
        return self._column("label", at)

    def digests(self, at: Rows | None = None) -> npt.NDArray[np.uint8]:
        """Return the sha256 of the encoded images, (m, 32).

        Parameters
        ----------
        at : slice or array, optional
            Which rows; all by default.
        """
        return np.frombuffer(b"".join(self._column("digest", at)), np.uint8).reshape(-1, 32)

    def sizes(self, at: Rows | None = None) -> npt.NDArray[np.int32]:
        """Return width and height of the images in pixels, (m, 2)."""
        return np.array([self._column(name, at) for name in ("width", "height")], np.int32).T

    def failures(self, most: int | None = None) -> Iterator[tuple[str, str, str]]:
        """Yield name, reason and detail of images without features, in order.

        Parameters
        ----------
        most : int, optional
            Of how many at most.

        Yields
        ------
        tuple of str
            Name, reason and detail.
        """
        yield from islice(((id, reason, detail or "") for id, reason, detail in self._failed("detail")), most)

    def failed_labels(self) -> Iterator[tuple[str, str | None]]:
        """Yield name and label of images without features, in order."""
        yield from ((id, label) for id, _, label in self._failed("label"))

    def _failed(self, column: str) -> Iterator[tuple[str, str, Any]]:
        """Yield name, reason and another column of images without features."""
        for number, shard in enumerate(self.shards):
            gone = set(self.manifest.replaced_failed.get(shard.name, ()))
            if shard.failed > len(gone):
                found = enumerate(zip(*self._read(number, ["id", "reason", column]).values(), strict=True))
                yield from (row for place, row in found if row[1] is not None and place not in gone)

    def _numbers(self, key: Any) -> npt.NDArray[np.int64]:
        """Return the row numbers that a key means, (m,)."""
        n = self.shape[0]
        if isinstance(key, slice):
            return np.arange(*key.indices(n), dtype=np.int64)
        numbers = np.asarray(key)
        if numbers.dtype == bool and numbers.shape == (n,):
            return np.flatnonzero(numbers)
        if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iu"):
            raise IndexError(f"rows are taken by a slice or by whole numbers (m,), not by {type(key).__name__}")
        numbers = numbers.astype(np.int64)
        numbers = np.where(numbers < 0, numbers + n, numbers)
        if numbers.size and not 0 <= numbers.min() <= numbers.max() < n:
            raise IndexError(f"there are {n:,} rows, and number {int(numbers.max()):,} was asked for")
        return numbers

    def _by_shard(self, numbers: npt.NDArray[np.int64]) -> Iterator[tuple[int, npt.NDArray[np.intp], npt.NDArray[np.int64]]]:
        """Yield shard, places among `numbers`, and rows inside the shard, each shard once."""
        order = np.argsort(numbers, kind="stable")
        shards = np.searchsorted(self.edges, numbers[order], side="right") - 1  # (m,); empty shards are passed over
        cuts = np.flatnonzero(np.diff(shards)) + 1
        for places in np.split(order, cuts) if len(order) else ():
            shard = int(np.searchsorted(self.edges, numbers[places[0]], side="right") - 1)
            yield shard, places, numbers[places] - self.edges[shard]

    def _copy(
        self, shard: int, inside: npt.NDArray[np.int64], out: npt.NDArray[np.float32], places: npt.NDArray[np.intp]
    ) -> None:
        """Copy rows of one shard to their places; `inside` ascends."""
        if self._reader is None or self._reader[0] != shard:
            self._reader = (shard, *self._opened(shard))
        _, reader, starts, valid = self._reader
        rows = valid[inside]  # among the rows that have vectors
        groups = np.searchsorted(starts, rows, side="right") - 1
        for group in np.unique(groups):
            mine = groups == group
            vectors, at, wanted = self._group(shard, int(group), reader), places[mine], rows[mine] - starts[group]
            first, m = int(at[0]), len(at)
            if at[-1] - first == wanted[-1] - wanted[0] == m - 1 and (np.diff(at) == 1).all() and (np.diff(wanted) == 1).all():
                widen(vectors[wanted[0] : wanted[0] + m], out[first : first + m])
            else:
                out[at] = vectors[wanted]

    def _opened(self, shard: int) -> tuple[parquet.ParquetReader, npt.NDArray[np.int64], npt.NDArray[np.intp]]:
        """Return a reader, the first row with a vector of each group, and which of the rows with vectors count."""
        reader, about = self._open(shard), self.shards[shard]
        failed = reader.present("reason")
        if len(failed) != about.rows or len(failed) - failed.sum() != about.embedded:
            raise self._damaged(shard, _("its rows are not those of the manifest"))
        ends = np.cumsum([0, *reader.group_rows])
        starts = np.concatenate([[0], np.cumsum(~failed)])[ends]
        counts = np.ones(len(failed), bool)
        counts[self.manifest.replaced.get(about.name, [])] = False
        return reader, starts, np.flatnonzero(counts[~failed])

    def _group(self, shard: int, group: int, reader: parquet.ParquetReader) -> npt.NDArray[np.floating[Any]]:
        key = (shard, group)
        if key not in self._groups:
            self._groups[key] = reader.vectors("vector", [group])
            while len(self._groups) > _KEPT:
                self._groups.popitem(last=False)
        self._groups.move_to_end(key)
        return self._groups[key]

    def _open(self, shard: int) -> parquet.ParquetReader:
        """Return a reader of a shard, whose sha256 is compared the first time. Raises `DamagedFile`."""
        name = shard_file(self.shards[shard].name)
        try:
            data = self._fetch(name)
        except OSError as error:
            raise self._damaged(shard, str(error)) from error
        if shard not in self._verified:
            if hashlib.sha256(data).hexdigest() != self.shards[shard].sha256:
                raise self._damaged(shard, _("it was changed after it was written"))
            self._verified.add(shard)
        return parquet.ParquetReader(data, f"{self.address}/{name}")

    def _read(self, shard: int, columns: list[str]) -> dict[str, list[Any]]:
        """Return columns of a shard; of a file the vectors are not read, and pages are compared with their checksums."""
        path = name_below(self.address, shard_file(self.shards[shard].name))
        if is_url(path):  # several requests for parts take longer than one for all
            return self._open(shard).read(columns)
        try:
            return parquet.ParquetReader(path).read(columns)
        except (DamagedFile, OSError) as error:
            raise self._damaged(shard, _("it is gone, or was changed after it was written")) from error

    def _damaged(self, shard: int, why: str) -> DamagedFile:
        name = shard_file(self.shards[shard].name)
        return DamagedFile(
            _(
                "{address}/{name} cannot be used: {why}; remove it, and run the command that wrote it again: only "
                "this shard is made anew.",
                address=printable(self.address),
                name=name,
                why=why,
            )
        )

    def _column(self, column: str, at: Rows | None) -> list[Any]:
        """Return values of one column of images with features."""
        numbers = self._numbers(slice(None) if at is None else at)
        out: list[Any] = [None] * len(numbers)
        for shard, places, inside in self._by_shard(numbers):
            found = self._read(shard, [column, "reason"])
            gone = set(self.manifest.replaced.get(self.shards[shard].name, ()))
            kept = [row for row, reason in enumerate(found["reason"]) if reason is None and row not in gone]
            for place, row in zip(places, inside, strict=True):
                out[place] = found[column][kept[row]]
        return out


def open_features(address: str | Path) -> ShardedFeatures:
    """Open the features in a folder or at an address.

    Parameters
    ----------
    address : str or Path
        What `penult embed --out` wrote: a folder, or ``s3://BUCKET/PATH``.

    Returns
    -------
    ShardedFeatures
        The features, which are read when they are asked for.

    Raises
    ------
    InputError
        There are none, or they are not complete.
    DamagedFile
        The manifest or the table of shards was changed after it was written.

    Examples
    --------
    >>> from penult.shards import open_features
    >>> X = open_features("features")  # after penult embed photos --out features
    >>> X.names, len(X)
    (('colour_histogram',), 12)
    """
    output = open_output(address)
    manifest = read_manifest(output)
    shards = read_shards(output, manifest)
    embedded = sum(shard.embedded for shard in shards) - sum(map(len, manifest.replaced.values()))
    if embedded != manifest.embedded or len(shards) != manifest.shards:
        raise DamagedFile(
            _(
                "the counts of {address}/{manifest} do not add up; run the command that wrote it again.",
                address=printable(str(address)),
                manifest=MANIFEST,
            )
        )
    return ShardedFeatures(output, manifest, shards)

"""The feature cache: vectors by the digest of the picture that they come from.

In: digests (n, 32) and their vectors (n, d). Out: the vectors again, asked for by digest in the caller's order, and a mask
of those that were found. On disk: `<cache>/features/<key>/`, whole shards only; many processes and machines may write to one
folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from penult.errors import InputError, OutputError
from penult.store.atomic import sweep, write_json
from penult.store.cache_folder import CURE, warn_not_cached
from penult.store.entry import KINDS
from penult.store.paths import is_file, reason
from penult.store.shards import Digests, ShardIndex, Vectors, write_shard
from penult.texts import printable

log = logging.getLogger(__name__)

_FORMAT = 1
_swept: set[Path] = set()  # cache folders; once in a process is enough for the other kinds
_SHARD_BYTES = 2 << 20
_SECONDS = 10.0  # a shard is written at least this often, so that a kill never costs more


class FeatureCache:
    """Vectors by the digest of their picture, in one cache folder; `cache` None keeps them in memory.

    `facts` are everything beside the picture that a vector depends on: backbone digest, version of the preprocessing,
    engine, precision, and its `width`. Vectors of different facts never meet: each has a folder.

    Rows count as saved when `add` has written their shard: every `rows_per_shard` rows, every ten seconds,
    and at `flush` or the end of a `with` block. Where the folder cannot be written, an error that `tolerate` accepts costs one
    line in the log, and this and later rows stay in memory; any other raises `OutputError`. A damaged shard is dropped with a
    logged warning and its digests are unknown again; since vectors are checked when they are read, `read` can find fewer rows
    than `known` promised: embed those again, then read again.
    """

    def __init__(
        self,
        cache: Path | str | None,
        facts: Mapping[str, str],
        tolerate: Callable[[OutputError], bool] = lambda error: False,
        *,
        rows_per_shard: int | None = None,
    ) -> None:
        self.facts = {**facts, "format": str(_FORMAT)}
        self.width = int(facts["width"])
        self.folder = None if cache is None else place_of(Path(cache), facts)
        self.rows_per_shard = rows_per_shard or min(max(_SHARD_BYTES // (4 * self.width + 32), 64), 8192)
        self._tolerate = tolerate
        self._waiting: list[tuple[Digests, Vectors]] = []
        self._since = 0.0
        self._memory: dict[bytes, Vectors] = {}  # rows that no folder takes
        self._index: ShardIndex | None = None
        self._writes = self.folder is not None
        if cache is None or self.folder is None:
            return
        try:
            self._label(self.folder)
        except OutputError as error:
            self._give_up(error, self.folder)
            return
        sweep(self.folder)
        if Path(cache) not in _swept:
            _swept.add(Path(cache))
            for kind in KINDS:
                sweep(Path(cache) / kind, below=1)
        self._index = ShardIndex(self.folder, self.width)

    def known(self) -> Digests:
        """Return the digests that can be read, sorted, each once, (m, 32)."""
        self.flush()
        here = np.frombuffer(b"".join(sorted(self._memory)), np.uint8).reshape(-1, 32)
        if self._index is None:
            return here
        self._index.refresh()
        stored = self._index.digests()
        return np.unique(np.concatenate([stored, here]), axis=0) if len(here) else stored

    def add(self, digests: Digests, vectors: Vectors) -> None:
        """Take rows: digests (m, 32) and vectors (m, d), both copied.

        Raises `InputError` for vectors that are not finite and `OutputError` when a shard can not be written;
        its rows then stay in memory, and the next `add` or `flush` tries again.
        """
        digests = _checked(digests)
        if vectors.shape != (len(digests), self.width):
            raise ValueError(f"vectors must be ({len(digests)}, {self.width}), not {vectors.shape}")
        check_finite(vectors, self.facts.get("backbone", "the backbone"))
        if len(digests) == 0:
            return
        if not self._waiting:
            self._since = time.monotonic()
        self._waiting.append((digests.copy(), np.array(vectors, np.float32)))
        rows = sum(len(waiting) for waiting, _ in self._waiting)
        if rows >= self.rows_per_shard or time.monotonic() - self._since >= _SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write the rows that wait; when this returns they are on the disk. Raises `OutputError`."""
        if self._waiting and self.folder is not None and self._writes:
            try:
                self._write(self.folder)
            except OutputError as error:
                self._give_up(error, self.folder)
        if not self._writes:
            for digests, vectors in self._waiting:
                self._memory.update(zip(map(bytes, digests), vectors, strict=True))
        self._waiting = []

    def _write(self, folder: Path) -> None:
        digests = np.concatenate([d for d, _ in self._waiting])  # (m, 32)
        vectors = np.concatenate([v for _, v in self._waiting])  # (m, d)
        self._label(folder)
        for part in np.array_split(np.arange(len(digests)), max(1, len(digests) // self.rows_per_shard)):
            path = write_shard(folder, digests[part], vectors[part], CURE)
            if self._index is not None:
                self._index.append(path.name, digests[part])

    def _give_up(self, error: OutputError, folder: Path) -> None:
        """Write nothing more to the disk; raise where that would be wrong."""
        if not self._tolerate(error):
            raise error
        self._writes = False
        warn_not_cached(f"no cache folder can be written at {printable(folder.parent.parent)} ({reason(error)})")

    def read(self, digests: Digests) -> tuple[Vectors, npt.NDArray[np.bool_]]:
        """Return the vectors of the digests (n, 32) in their order, (n, d), and which were found, (n,).

        Rows that were not found are zero.
        """
        out = np.zeros((len(digests), self.width), np.float32)  # (n, d)
        return out, self.read_into(digests, out)

    def read_into(self, digests: Digests, out: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
        """Fill the rows of `out` (n, d) that are found, leave the others, and return which were, (n,).

        One shard is in memory at a time, so `out` can be a memory map larger than memory.
        """
        digests = _checked(digests)
        if out.shape != (len(digests), self.width):
            raise ValueError(f"out must be ({len(digests)}, {self.width}), not {out.shape}")
        self.flush()
        found = np.zeros(len(digests), np.bool_)
        if self._index is not None:
            self._index.refresh()
            found = self._index.fill(digests, out)
        for i in np.flatnonzero(~found) if self._memory else ():
            row = self._memory.get(bytes(digests[i]))
            if row is not None:
                out[i], found[i] = row, True
        return found

    def __enter__(self) -> FeatureCache:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self.flush()
            return
        try:
            self.flush()  # Ctrl-C loses nothing that was computed
        except OutputError as second:
            log.warning("%s", second)

    def _label(self, folder: Path) -> None:
        """Make the folder and lay the facts beside the shards, for people; their date is that of the last use."""
        path = folder / "key.json"
        if is_file(path):
            with contextlib.suppress(OSError):  # another user's folder, perhaps
                os.utime(path)
        else:
            write_json(path, self.facts, cure=CURE)


def check_finite(vectors: Vectors, name: str) -> None:
    """Raise `InputError` where vectors (m, d) of this network are not finite."""
    if not np.isfinite(vectors).all():
        bad = int((~np.isfinite(vectors).all(axis=1)).sum())
        raise InputError(
            f"{bad} of {len(vectors)} vectors of {name} are not finite; "
            "nothing was stored. Run the network with --precision f32."
        )


def place_of(cache: Path, facts: Mapping[str, str]) -> Path:
    """Return where the vectors of these facts lie in a cache folder, whether there are any or not."""
    return cache / "features" / folder_of({**facts, "format": str(_FORMAT)})


def folder_of(facts: Mapping[str, str]) -> str:
    """Return the folder's name: 32 hex digits of the sha256 of the facts.

    The backbone's name is not among them: it is for people, its digest says what it is, and a file of weights may be renamed.
    """
    key = {name: value for name, value in facts.items() if name != "backbone"}
    text = json.dumps(key, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _checked(digests: Digests) -> Digests:
    if digests.dtype != np.uint8 or digests.ndim != 2 or digests.shape[1] != 32:
        raise ValueError(f"digests must be uint8 (n, 32), not {digests.dtype} {digests.shape}")
    return np.ascontiguousarray(digests)

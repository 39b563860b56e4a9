"""What every cache of shards does: take rows as they come, write them as shards, know what is there, give up in peace.

In: digests (n, 32) and what belongs to each. On disk: `<cache>/<kind>/<key>/`, whole shards only; many processes and machines
may write to one folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np

from penult.errors import OutputError
from penult.i18n import _
from penult.store.atomic import sweep, write_json
from penult.store.cache_folder import CURE, warn_not_cached
from penult.store.entry import KINDS
from penult.store.paths import is_file, reason
from penult.store.shard_index import Digests, ShardIndex
from penult.texts import printable

log = logging.getLogger(__name__)

_FORMAT = 1
_swept: set[Path] = set()  # cache folders; once in a process is enough for the other kinds
_SECONDS = 10.0  # a shard is written at least this often, so that a kill never costs more
Index = TypeVar("Index", bound=ShardIndex)
Rows = TypeVar("Rows", bound=Iterable[Any])  # what belongs to m digests


class ShardCache(ABC, Generic[Index, Rows]):
    """Rows by the digest of their picture, in one cache folder; `cache` None keeps them in memory.

    `facts` are everything beside the picture that a row depends on; rows of different facts never meet: each has a folder.

    Rows count as saved when their shard is written: every ten seconds at least, and at `flush` or the end of a `with`
    block. Where the folder cannot be written, an error that `tolerate` accepts costs one line in the log, and this and later
    rows stay in memory; any other raises `OutputError`. A damaged shard is dropped with a logged warning and its digests are
    unknown again.
    """

    kind: ClassVar[str]

    def __init__(
        self,
        cache: Path | str | None,
        facts: Mapping[str, str],
        tolerate: Callable[[OutputError], bool] = lambda error: False,
    ) -> None:
        self.facts = {**facts, "format": str(_FORMAT)}
        self.folder = None if cache is None else place_of(Path(cache), facts, self.kind)
        self._tolerate = tolerate
        self._waiting: list[tuple[Digests, Rows]] = []
        self._memory: dict[bytes, Any] = {}  # rows that no folder takes
        self._since = 0.0
        self._index: Index | None = None
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
        self._index = self._open_index(self.folder)

    def known(self) -> Digests:
        """Return the digests that can be read, sorted, each once, (m, 32)."""
        self.flush()
        here = np.frombuffer(b"".join(sorted(self._memory)), np.uint8).reshape(-1, 32)
        if self._index is None:
            return here
        self._index.refresh()
        stored = self._index.digests()
        return np.unique(np.concatenate([stored, here]), axis=0) if len(here) else stored

    def flush(self) -> None:
        """Write the rows that wait; when this returns they are on the disk. Raises `OutputError`."""
        if self._waiting and self.folder is not None and self._writes:
            try:
                self._label(self.folder)
                self._write(self.folder)
            except OutputError as error:
                self._give_up(error, self.folder)
        if not self._writes:
            for digests, rows in self._waiting:
                self._memory.update(zip(map(bytes, digests), rows, strict=True))
        self._waiting = []

    def _take(self, digests: Digests, rows: Rows) -> None:
        """Let rows wait for their shard."""
        if not self._waiting:
            self._since = time.monotonic()
        self._waiting.append((digests, rows))
        if self._is_enough() or time.monotonic() - self._since >= _SECONDS:
            self.flush()

    def _give_up(self, error: OutputError, folder: Path) -> None:
        """Write nothing more to the disk; raise where that would be wrong."""
        if not self._tolerate(error):
            raise error
        self._writes = False
        warn_not_cached(
            _(
                "no cache folder can be written at {path} ({reason})",
                path=printable(folder.parent.parent),
                reason=reason(error),
            )
        )

    def __enter__(self) -> Self:
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

    # --- what each kind of row does in its own way ---

    @abstractmethod
    def _open_index(self, folder: Path) -> Index:
        """Return the index of the shards in a folder."""

    @abstractmethod
    def _is_enough(self) -> bool:
        """Return whether the rows that wait are worth a shard."""

    @abstractmethod
    def _write(self, folder: Path) -> None:
        """Write the rows that wait."""


def place_of(cache: Path, facts: Mapping[str, str], kind: str = "features") -> Path:
    """Return where the rows of these facts lie in a cache folder, whether there are any or not."""
    return cache / kind / folder_of({**facts, "format": str(_FORMAT)})


def folder_of(facts: Mapping[str, str]) -> str:
    """Return the folder's name: 32 hex digits of the sha256 of the facts.

    The backbone's name is not among them: it is for people, its digest says what it is, and a file of weights may be renamed.
    """
    key = {name: value for name, value in facts.items() if name != "backbone"}
    text = json.dumps(key, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def checked_digests(digests: Digests) -> Digests:
    """Return digests as one piece of memory; raise `ValueError` for an array that holds none."""
    if digests.dtype != np.uint8 or digests.ndim != 2 or digests.shape[1] != 32:
        raise ValueError(f"digests must be uint8 (n, 32), not {digests.dtype} {digests.shape}")
    return np.ascontiguousarray(digests)

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
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from penult.errors import InputError, OutputError
from penult.store.atomic import sweep, write_json
from penult.store.entry import KINDS
from penult.store.paths import CURE, is_file
from penult.store.shards import Digests, ShardIndex, Vectors, write_shard
from penult.texts import printable

log = logging.getLogger(__name__)

_FORMAT = 1
_swept: set[Path] = set()  # cache folders; once in a process is enough for the other kinds
_SHARD_BYTES = 2 << 20
_SECONDS = 10.0  # a shard is written at least this often, so that a kill never costs more


def default_cache(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path:
    """Return the user's cache folder for penult; the variable PENULT_CACHE goes before the system's place.

    Raises `OutputError` where no such place is known: without a home folder (`env -i`, a user of a number only).
    """
    if chosen := environment.get("PENULT_CACHE"):
        return _of_home(chosen)
    if platform == "win32" and (local := environment.get("LOCALAPPDATA")):
        return Path(local) / "penult"
    if platform == "darwin":
        return _of_home("~/Library/Caches/penult")
    caches = environment.get("XDG_CACHE_HOME", "")
    if Path(caches).is_absolute():  # the XDG rules: a relative one is ignored
        return Path(caches) / "penult"
    return _of_home("~/.cache/penult")


def _of_home(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:  # neither HOME nor an entry for this user
        raise OutputError(
            f"no cache folder is known ({printable(path)}, and this user has no home folder); give --cache DIR or set "
            "PENULT_CACHE."
        ) from error


class FeatureCache:
    """Vectors by the digest of their picture, in one cache folder (`None`: the user's, `default_cache`).

    `facts` are everything beside the picture that a vector depends on: backbone digest, version of the pixel
    road, engine, precision, and its `width`. Vectors of different facts never meet: each has a folder.

    Rows count as saved when `add` has written their shard: every `rows_per_shard` rows, every ten seconds,
    and at `flush`, `close` or the end of a `with` block. Raises `OutputError` when the folder can not be
    written. A damaged shard is dropped with a logged warning and its digests are unknown again; since vectors
    are checked when they are read, `read` can find fewer rows than `known` promised: embed those again, then
    read again.
    """

    def __init__(self, folder: Path | str | None, facts: Mapping[str, str], *, rows_per_shard: int | None = None) -> None:
        root = default_cache() if folder is None else Path(folder)
        self.facts = {**facts, "format": str(_FORMAT)}
        self.width = int(facts["width"])
        self.folder = place_of(root, facts)
        self.rows_per_shard = rows_per_shard or min(max(_SHARD_BYTES // (4 * self.width + 32), 64), 8192)
        self._waiting: list[tuple[Digests, Vectors]] = []
        self._since = 0.0
        self._label()
        sweep(self.folder)
        if root not in _swept:
            _swept.add(root)
            for kind in KINDS:
                sweep(root / kind, below=1)
        self._index = ShardIndex(self.folder, self.width)

    def known(self) -> Digests:
        """Return the digests that can be read, sorted, each once, (m, 32)."""
        self.flush()
        self._index.refresh()
        return self._index.digests()

    def has(self, digests: Digests) -> npt.NDArray[np.bool_]:
        """Return which of the digests were known at the last `known` or `read` or were saved since, (n,)."""
        shard, _ = self._index.find(_checked(digests))
        return shard >= 0

    def add(self, digests: Digests, vectors: Vectors) -> None:
        """Take rows: digests (m, 32) and vectors (m, d), both copied.

        Raises `InputError` for vectors that are not finite and `OutputError` when a shard can not be written;
        its rows then stay in memory, and the next `add` or `flush` tries again.
        """
        digests = _checked(digests)
        if vectors.shape != (len(digests), self.width):
            raise ValueError(f"vectors must be ({len(digests)}, {self.width}), not {vectors.shape}")
        if not np.isfinite(vectors).all():
            bad = int((~np.isfinite(vectors).all(axis=1)).sum())
            name = self.facts.get("backbone", "the backbone")
            raise InputError(
                f"{bad} of {len(vectors)} vectors of {name} are not finite; "
                "nothing was stored. Run the network with --precision f32."
            )
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
        if not self._waiting:
            return
        digests = np.concatenate([d for d, _ in self._waiting])  # (m, 32)
        vectors = np.concatenate([v for _, v in self._waiting])  # (m, d)
        self._label()
        for part in np.array_split(np.arange(len(digests)), max(1, len(digests) // self.rows_per_shard)):
            path = write_shard(self.folder, digests[part], vectors[part], CURE)
            self._index.append(path.name, digests[part])
        self._waiting = []

    def take_back(self) -> list[tuple[Digests, Vectors]]:
        """Return the rows that wait for the disk, and forget them: the caller keeps them elsewhere."""
        waiting, self._waiting = self._waiting, []
        return waiting

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
        self._index.refresh()
        return self._index.fill(digests, out)

    def close(self) -> None:
        """Write what waits."""
        self.flush()

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

    def _label(self) -> None:
        """Make the folder and lay the facts beside the shards, for people; their date is that of the last use."""
        path = self.folder / "key.json"
        if is_file(path):
            with contextlib.suppress(OSError):  # another user's folder, perhaps
                os.utime(path)
        else:
            write_json(path, self.facts, cure=CURE)


def place_of(root: Path, facts: Mapping[str, str]) -> Path:
    """Return where the vectors of these facts lie in a cache folder, whether there are any or not."""
    return root / "features" / folder_of({**facts, "format": str(_FORMAT)})


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

"""Compiled graphs, kept for the next start: reading one takes a quarter of the time that compiling takes.

In: what a compiled graph depends on, and its bytes. Out: the bytes again, or None. On disk: `<folder>/<key>.blob`, the
SHA-256 of the rest first, so that no damaged byte reaches the reader in the engine's library. Whatever goes wrong here costs
time, never a run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from penult import store, untrusted
from penult.errors import OutputError

log = logging.getLogger(__name__)

MOST_EACH = 256 << 20  # bytes; beyond, a network runs so long that a second of compiling is nothing
MOST_ALL = 1 << 30  # bytes of the folder; what was not used for longest goes first
_SUM = 32


class CompiledCache:
    """The compiled graphs of one folder; `folder` None keeps nothing."""

    def __init__(self, folder: str | Path | None) -> None:
        self.folder = None if folder is None else Path(folder)

    def get(self, facts: Mapping[str, str]) -> bytes | None:
        """Return what was kept under these facts, whole, or None."""
        if self.folder is None:
            return None
        path = self._path(self.folder, facts)
        try:
            content = untrusted.content(path, MOST_EACH + (1 << 20))
            with contextlib.suppress(OSError):  # another user's folder, perhaps
                os.utime(path)
        except OSError:
            return None
        blob = content[_SUM:]
        if hashlib.sha256(blob).digest() != content[:_SUM]:
            log.warning("the compiled graph %s is damaged; it is made again", path)
            return None
        return blob

    def put(self, facts: Mapping[str, str], blob: bytes) -> None:
        """Keep a compiled graph, if it is not too large; a folder that cannot be written is only logged."""
        if self.folder is None or len(blob) > MOST_EACH:
            return
        try:
            with store.atomic_write(self._path(self.folder, facts)) as file:
                file.write(hashlib.sha256(blob).digest())
                file.write(blob)
        except OutputError as error:
            log.info("a compiled graph is not kept: %s", error)
            return
        self._make_room(self.folder)

    @staticmethod
    def _path(folder: Path, facts: Mapping[str, str]) -> Path:
        return folder / f"{hashlib.sha256(json.dumps(dict(facts), sort_keys=True).encode()).hexdigest()[:32]}.blob"

    @staticmethod
    def _make_room(folder: Path) -> None:
        with contextlib.suppress(OSError):  # others tidy up too
            kept = sorted((entry.stat().st_mtime_ns, entry.stat().st_size, entry) for entry in folder.glob("*.blob"))
            total = sum(size for _, size, _ in kept)
            for _, size, path in kept:
                if total <= MOST_ALL:
                    return
                path.unlink(missing_ok=True)
                total -= size

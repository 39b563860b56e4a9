"""Compiled graphs, kept for the next start: reading one takes a quarter of the time that compiling takes.

In: what a compiled graph depends on, and its bytes. Out: the bytes again, or None. Whatever goes wrong here costs time, never
a run; no damaged byte reaches the reader in the engine's library.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from penult import store
from penult.errors import DamagedFile, OutputError

log = logging.getLogger(__name__)

MOST_EACH = 256 << 20  # bytes; beyond, a network runs so long that a second of compiling is nothing
MOST_ALL = 1 << 30  # bytes of them all; what was not used for longest goes first
_FILE = "graph.bin"


class CompiledCache:
    """The compiled graphs of a cache folder; None keeps nothing."""

    def __init__(self, cache: str | Path | None) -> None:
        self.cache = None if cache is None else Path(cache)

    def get(self, facts: Mapping[str, str]) -> bytes | None:
        """Return what was kept under these facts, whole, or None."""
        if self.cache is None:
            return None
        entry = store.CacheEntry.of(self.cache, "compiled", facts)
        try:
            return None if entry.values() is None else entry.read(_FILE, MOST_EACH)
        except DamagedFile as error:
            log.warning("a compiled graph is made again: %s", error)
            return None

    def put(self, facts: Mapping[str, str], graph: bytes) -> None:
        """Keep a compiled graph, if it is not too large; a folder that cannot be written is only logged."""
        if self.cache is None or len(graph) > MOST_EACH:
            return
        try:
            store.CacheEntry.of(self.cache, "compiled", facts).put({_FILE: graph})
        except OutputError as error:
            log.info("a compiled graph is not kept: %s", error)
            return
        store.inventory.keep_below(self.cache, "compiled", MOST_ALL)

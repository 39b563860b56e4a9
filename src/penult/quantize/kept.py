"""Quantised graphs in the cache folder: for each network one entry a set of photos that it was quantised with.

In: graphs and the digests of images. Out: the graphs again, checked. Whatever is damaged is as good as absent.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from penult import store, untrusted
from penult.errors import DamagedFile, OutputError

log = logging.getLogger(__name__)

KIND, _FILE = "int8", "graph.onnx"
_SUM, _COUNT = 32, 4
_passing: dict[str, dict[frozenset[bytes], bytes]] = {}  # where there is no folder


class Kept:
    """The quantised graphs of one network, by its digest; `cache` None keeps them for this process."""

    def __init__(self, cache: Path | None, digest: str, name: str = "") -> None:
        self._cache, self._digest, self._name = cache, digest, name
        # Graphs, or the entries that have them. Those of earlier versions are in one file each.
        self._graphs: dict[frozenset[bytes], bytes | store.CacheEntry]
        self._graphs = {**_old(cache, digest), **self._entries(cache)} if cache else {**_passing.get(digest, {})}

    def samples(self) -> list[frozenset[bytes]]:
        """Return for each graph the digests of the images that it was quantised with."""
        return list(self._graphs)

    def get(self, sample: frozenset[bytes]) -> bytes | None:
        """Return the graph that was quantised with these images, None where it is damaged."""
        found = self._graphs[sample]
        try:
            return found if isinstance(found, bytes) else found.read(_FILE)
        except DamagedFile as error:
            log.warning("%s", error)
            return None

    def put(self, sample: frozenset[bytes], graph: bytes) -> None:
        """Keep a graph; in memory only where the folder can never be written. Raises `OutputError`."""
        self._graphs[sample] = graph
        if self._cache is None:
            _passing.setdefault(self._digest, {})[sample] = graph
            return
        facts = {"backbone_digest": self._digest, "images": sorted(digest.hex() for digest in sample)}
        try:
            store.CacheEntry.of(self._cache, KIND, facts).put({_FILE: graph}, backbone=self._name)
        except OutputError as error:
            if not store.fallback.never(error):
                raise
            log.warning("a network in 8 bits is not kept: %s", error)

    def _entries(self, cache: Path) -> dict[frozenset[bytes], store.CacheEntry]:
        found = {}
        for entry in store.entries(cache, KIND):
            facts = (entry.values() or {}).get("facts", {})
            if facts.get("backbone_digest") == self._digest:
                try:
                    found[frozenset(map(bytes.fromhex, facts["images"]))] = entry
                except (KeyError, TypeError, ValueError) as error:
                    log.warning("%s is not used: %r", entry.folder, error)
        return {sample: entry for sample, entry in found.items() if sample}


def _old(cache: Path, digest: str) -> dict[frozenset[bytes], bytes]:
    """Return the graphs that earlier versions kept in `int8/<backbone digest>/<sample>.int8`.

    Such a file is the SHA-256 of the rest, the number of digests (4 bytes, big endian), the digests, the graph.
    """
    found = {}
    for path in sorted((cache / KIND / digest[:32]).glob("*.int8")):
        try:
            content = untrusted.content(path)
        except OSError as error:
            log.warning("%s cannot be read: %s", path, error)
            continue
        rest = content[_SUM:]
        end = _COUNT + 32 * int.from_bytes(rest[:_COUNT], "big")
        if hashlib.sha256(rest).digest() != content[:_SUM] or not _COUNT < end < len(rest):
            log.warning("%s is damaged and is not used", path)
            continue
        found[frozenset(rest[at : at + 32] for at in range(_COUNT, end, 32))] = rest[end:]
    return found

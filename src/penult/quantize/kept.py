"""Quantised graphs on disk: for each network one file a set of photos that it was quantised with.

In: graphs and the digests of images. Out: the graphs again, checked. On disk: `<cache>/int8/<backbone
digest>/<sample>.int8`: the SHA-256 of the rest, the number of digests (4 bytes, big endian), the digests, the graph.
Whatever is damaged is as good as absent.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from penult import store, untrusted
from penult.errors import OutputError

log = logging.getLogger(__name__)

CURE = "choose another cache folder with --cache DIR"
_SUM, _COUNT = 32, 4
_passing: dict[str, dict[frozenset[bytes], bytes]] = {}  # where there is no folder


class Kept:
    """The quantised graphs of one network; `folder` None keeps them for this process."""

    def __init__(self, folder: Path | None, backbone: str) -> None:
        self._folder = None if folder is None else folder / "int8" / backbone[:32]
        self._graphs = _passing.setdefault(backbone, {}) if folder is None else self._read()

    def samples(self) -> list[frozenset[bytes]]:
        """Return for each graph the digests of the images that it was quantised with."""
        return list(self._graphs)

    def get(self, sample: frozenset[bytes]) -> bytes:
        """Return the graph that was quantised with these images."""
        return self._graphs[sample]

    def put(self, sample: frozenset[bytes], graph: bytes) -> None:
        """Keep a graph that is new; in memory only where the folder can never be written. Raises `OutputError`."""
        if graph in self._graphs.values():
            return
        self._graphs[sample] = graph
        if self._folder is None:
            return
        rest = len(sample).to_bytes(_COUNT, "big") + b"".join(sorted(sample)) + graph
        name = hashlib.sha256(b"".join(sorted(sample))).hexdigest()[:16]
        try:
            with store.atomic_write(self._folder / f"{name}.int8", cure=CURE) as file:
                file.write(hashlib.sha256(rest).digest() + rest)
        except OutputError as error:
            if not store.fallback.never(error):
                raise
            log.warning("a network in 8 bits is not kept: %s", error)

    def _read(self) -> dict[frozenset[bytes], bytes]:
        found = {}
        for path in sorted(self._folder.glob("*.int8")) if self._folder is not None else []:
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
            digests = frozenset(rest[at : at + 32] for at in range(_COUNT, end, 32))
            found[digests] = rest[end:]
        return found

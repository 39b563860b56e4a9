"""Feature rows in memory only, behind the same door as the cache on disk."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Rows(Protocol):
    """Where feature rows are kept, by the digest of their image."""

    def known(self) -> NDArray[np.uint8]:
        """Return the digests that are here, sorted: (m, 32)."""

    def add(self, digests: NDArray[np.uint8], vectors: NDArray[np.float32]) -> None:
        """Take rows (m, d) and their digests (m, 32)."""

    def flush(self) -> None:
        """Keep for good what was added."""

    def read(self, digests: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the rows (n, d) in the order of the digests (n, 32), and which were found (n,)."""


class MemoryCache:
    """Rows that are gone with the process."""

    def __init__(self, width: int):
        self._width = width
        self._rows: dict[bytes, NDArray[np.float32]] = {}

    def known(self) -> NDArray[np.uint8]:
        """Return the digests that are here, sorted: (m, 32)."""
        return np.frombuffer(b"".join(sorted(self._rows)), np.uint8).reshape(-1, 32)

    def add(self, digests: NDArray[np.uint8], vectors: NDArray[np.float32]) -> None:
        """Take rows (m, d) and their digests (m, 32)."""
        for digest, row in zip(digests, vectors, strict=True):
            self._rows[digest.tobytes()] = np.array(row, np.float32)

    def flush(self) -> None:
        """Keep what was added; in memory there is nothing to do."""

    def read(self, digests: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the rows (n, d) in the order of the digests (n, 32), and which were found (n,)."""
        out = np.zeros((len(digests), self._width), np.float32)
        found = np.zeros(len(digests), bool)
        for i, digest in enumerate(digests):
            row = self._rows.get(digest.tobytes())
            if row is not None:
                out[i], found[i] = row, True
        return out, found

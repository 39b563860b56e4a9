"""The feature cache: vectors by the digest of the picture that they come from.

In: digests (n, 32) and their vectors (n, d). Out: the vectors again, asked for by digest in the caller's order, and a mask
of those that were found. On disk: `<cache>/features/<key>/`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from penult.errors import InputError, OutputError
from penult.i18n import _
from penult.store.cache_folder import CURE
from penult.store.shard_cache import ShardCache, checked_digests
from penult.store.shard_index import Digests
from penult.store.shards import Vectors, VectorShards, write_shard

_SHARD_BYTES = 2 << 20


class FeatureCache(ShardCache[VectorShards, Vectors]):
    """Vectors by the digest of their picture, see `ShardCache`.

    `facts` are backbone digest, version of the preprocessing, engine, precision, and `width`. A shard is written every
    `rows_per_shard` rows. Since vectors are checked when they are read, `read` can find fewer rows than `known` promised:
    embed those again, then read again.
    """

    kind = "features"

    def __init__(
        self,
        cache: Path | str | None,
        facts: Mapping[str, str],
        tolerate: Callable[[OutputError], bool] = lambda error: False,
        *,
        rows_per_shard: int | None = None,
    ) -> None:
        self.width = int(facts["width"])
        self.rows_per_shard = rows_per_shard or min(max(_SHARD_BYTES // (4 * self.width + 32), 64), 8192)
        super().__init__(cache, facts, tolerate)

    def add(self, digests: Digests, vectors: Vectors) -> None:
        """Take rows: digests (m, 32) and vectors (m, d), both copied.

        Raises `InputError` for vectors that are not finite and `OutputError` when a shard can not be written;
        its rows then stay in memory, and the next `add` or `flush` tries again.
        """
        digests = checked_digests(digests)
        if vectors.shape != (len(digests), self.width):
            raise ValueError(f"vectors must be ({len(digests)}, {self.width}), not {vectors.shape}")
        check_finite(vectors, self.facts.get("backbone", "the backbone"))
        if len(digests):
            self._take(digests.copy(), np.array(vectors, np.float32))

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
        digests = checked_digests(digests)
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

    def _open_index(self, folder: Path) -> VectorShards:
        return VectorShards(folder, self.width)

    def _is_enough(self) -> bool:
        return sum(len(waiting) for waiting, _ in self._waiting) >= self.rows_per_shard

    def _write(self, folder: Path) -> None:
        digests = np.concatenate([d for d, _ in self._waiting])  # (m, 32)
        vectors = np.concatenate([v for _, v in self._waiting])  # (m, d)
        for part in np.array_split(np.arange(len(digests)), max(1, len(digests) // self.rows_per_shard)):
            path = write_shard(folder, digests[part], vectors[part], CURE)
            if self._index is not None:
                self._index.append(path.name, digests[part])


def check_finite(vectors: Vectors, name: str) -> None:
    """Raise `InputError` where vectors (m, d) of this network are not finite."""
    if not np.isfinite(vectors).all():
        bad = int((~np.isfinite(vectors).all(axis=1)).sum())
        raise InputError(
            _(
                "{bad} of {count} vectors of {name} are not finite; nothing was stored. Run the network with --precision f32.",
                bad=bad,
                count=len(vectors),
                name=name,
            )
        )

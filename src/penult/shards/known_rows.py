"""The images that a plan has already, as 24 bytes each: which of those found now are new, and which rows they replace.

In: an old plan, then images. Out: the new ones. Names are compared by 64 bits of their hashes; where a row would be given up
for it, by the names themselves.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice

import numpy as np

from penult.shards.plan import Plan
from penult.sources import Member

_BATCH = 1_000  # images that are looked up at once


def hash_of(text: str) -> int:
    """Return 64 bits of a name's hash, the same in every process."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


class KnownRows:
    """The rows of a plan that count: by the hash of their ids, with the hash of their tags."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        ids, tags = array("Q"), array("Q")
        for number in range(len(plan)):
            dropped = set(plan.replaced(number))
            for row, (id, tag) in enumerate(plan.tags(number)):
                ids.append(0 if row in dropped else hash_of(id))
                tags.append(0 if row in dropped else hash_of(tag))
        hashes = np.frombuffer(ids, np.uint64)
        self._order = np.argsort(hashes)  # (n,): rows of the plan
        self._ids = hashes[self._order]  # (n,), sorted
        self._tags = np.frombuffer(tags, np.uint64)
        self._seen = np.zeros(len(hashes), bool)
        self._seen[hashes == 0] = True
        self._starts = np.cumsum([0, *(task.rows for task in plan.tasks())])  # the first row of each shard
        self._changed: dict[int, str] = {}  # rows of the plan, and what their image is called now

    @property
    def gone(self) -> int:
        """How many images of the plan were not found."""
        return int((~self._seen).sum())

    def new_ones(self, found: Iterator[Member]) -> Iterator[Member]:
        """Yield those of the images found that are not in the plan, or in it with another tag."""
        while batch := list(islice(found, _BATCH)):
            ids = np.array([hash_of(one.id) for one in batch], np.uint64)
            tags = np.array([hash_of(one.tag) for one in batch], np.uint64)
            places = np.minimum(np.searchsorted(self._ids, ids), len(self._ids) - 1)
            rows = self._order[places]
            known = self._ids[places] == ids
            same = known & (self._tags[rows] == tags)
            self._seen[rows[known]] = True
            for one, row, is_known, is_same in zip(batch, rows.tolist(), known.tolist(), same.tolist(), strict=True):
                if is_same:
                    continue
                if is_known:
                    self._changed[row] = one.id
                yield one

    def replaced(self) -> dict[int, list[int]]:
        """Return the rows that changed images had, by shard."""
        by_shard: dict[int, list[int]] = defaultdict(list)
        for row in sorted(self._changed):
            by_shard[int(np.searchsorted(self._starts, row, "right")) - 1].append(row)
        result = {}
        for number, rows in by_shard.items():
            ids = [id for id, _ in self._plan.tags(number)]
            start = int(self._starts[number])
            if settled := [row - start for row in rows if ids[row - start] == self._changed[row]]:
                result[number] = settled
        return result

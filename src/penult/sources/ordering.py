"""Any number of paths in the order in which a folder is walked: level by level, in natural order.

In: `/`-separated paths, each with a few short texts. Out: the same, sorted. What does not fit into one run is sorted run by
run, packed into a file without a name, and merged (Knuth, The Art of Computer Programming 3, 5.4): memory stays bounded.
"""

from __future__ import annotations

import heapq
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import IO

from penult.sources.names import path_key

_RUN = 25_000  # records that are sorted in memory
_BLOCK = 200  # records of each run that are in memory while runs are merged
Record = tuple[str, ...]  # a path, then what belongs to it


def _key(record: Record) -> tuple[tuple[str, str], ...]:
    return path_key(record[0])


def in_folder_order(records: Iterable[Record]) -> Iterator[Record]:
    """Yield records, all of one length, sorted by their paths. Texts may hold anything but NUL."""
    source = iter(records)
    run = sorted(islice(source, _RUN), key=_key)
    following = list(islice(source, _RUN))
    if not following:
        yield from run
        return
    with tempfile.TemporaryFile(prefix="penult-") as file:
        runs = [_packed(run, file)]
        width = len(run[0])
        del run
        while following:
            following.sort(key=_key)
            runs.append(_packed(following, file))
            following = list(islice(source, _RUN))
        yield from heapq.merge(*(_unpacked(file, blocks, width) for blocks in runs), key=_key)


def _packed(run: list[Record], file: IO[bytes]) -> list[tuple[int, int]]:
    """Append a run to the file; return where its blocks lie."""
    blocks = []
    for at in range(0, len(run), _BLOCK):
        text = "\0".join(part for record in run[at : at + _BLOCK] for part in record)
        packed = zlib.compress(text.encode("utf-8", "surrogatepass"), 1)
        blocks.append((file.tell(), len(packed)))
        file.write(packed)
    return blocks


def _unpacked(file: IO[bytes], blocks: list[tuple[int, int]], width: int) -> Iterator[Record]:
    for start, size in blocks:
        file.seek(start)
        parts = zlib.decompress(file.read(size)).decode("utf-8", "surrogatepass").split("\0")
        yield from zip(*(parts[at::width] for at in range(width)), strict=True)

"""The n most similar rows of feature files: exact, whatever their number, in bounded memory.

In: feature files, the photos' rows. Out: row numbers and similarities. Few rows are all looked at; for many an `Index`
leaves out those that cannot be among the n. Both only nominate: the last word is in double precision, on the rows of the
feature files.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from penult.errors import ProgressCallback, quiet
from penult.similar import alike
from penult.similar.alike import Floats
from penult.similar.index import SimilarityIndex, open_index
from penult.store import RowReader

MANY = 1 << 28  # numbers (1 GB) from which an index pays for its place
EXTRA = 16  # nominated beyond n, so that rounding decides nothing
Found = tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.bool_]]


def search(
    files: RowReader, queries: Floats, n: int, blocks: tuple[int, ...], cache: Path | None, progress: ProgressCallback = quiet
) -> list[Found]:
    """Return for each row of queries (p, d) the numbers (n,) of the most similar rows, how alike they are, which are the same.

    `cache` is where an index may be kept, None for nowhere.
    """
    Q = alike.unit(queries, blocks)  # (p, d)
    index = open_index(files, blocks, cache, progress) if cache is not None and np.prod(files.shape) >= MANY else None
    nominated = _scan(files, Q, n + EXTRA, blocks, progress) if index is None else [_by_index(index, q, n) for q in Q]
    return [_settle(files, row, rows, n, blocks) for row, rows in zip(queries, nominated, strict=True)]


def _scan(files: RowReader, Q: Floats, n: int, blocks: tuple[int, ...], progress: ProgressCallback) -> list[NDArray[np.intp]]:
    """Look at every row once, for all queries together; a block of rows is in memory at a time."""
    total = files.shape[0]
    kept = np.full((len(Q), 0), 0.0, np.float32)
    numbers = np.zeros((len(Q), 0), np.intp)
    start = 0
    for block in files.scan():
        near = Q @ alike.unit(block, blocks).T  # (p, b)
        here = np.broadcast_to(np.arange(start, start + len(block)), near.shape)
        kept, numbers = np.hstack([kept, near]), np.hstack([numbers, here])
        places = [alike.best(row, n) for row in kept]
        kept = np.stack([row[at] for row, at in zip(kept, places, strict=True)])
        numbers = np.stack([row[at] for row, at in zip(numbers, places, strict=True)])
        start += len(block)
        progress("comparing", start, total)
    return list(numbers)


def _by_index(index: SimilarityIndex, q: Floats, n: int) -> NDArray[np.intp]:
    """Take rows in the order of the most that they can reach, until the next cannot reach the n-th found."""
    most = index.bounds(q)  # (rows,)
    order = np.argsort(-most)
    found, numbers = np.zeros(0, np.float32), np.zeros(0, np.intp)
    step = 4 * (n + EXTRA)
    at = 0
    while at < len(order):
        edge = np.partition(found, len(found) - n)[len(found) - n] if len(found) >= n else -np.inf
        if most[order[at]] < edge - index.slack:
            break
        part = np.sort(order[at : at + step])
        found, numbers = np.concatenate([found, index.similarity(part, q)]), np.concatenate([numbers, part])
        at, step = at + step, min(2 * step, 1 << 14)
    edge = np.partition(found, len(found) - n)[len(found) - n] if len(found) >= n else -np.inf
    return numbers[found >= edge - 2 * index.slack]


def _settle(files: RowReader, row: Floats, nominated: NDArray[np.intp], n: int, blocks: tuple[int, ...]) -> Found:
    """Compare the nominated rows with the photo's in double precision, and keep n."""
    rows = files.take(nominated)  # (m, d)
    q = alike.unit(row[None].astype(np.float64), blocks)[0]
    near = alike.unit(rows.astype(np.float64), blocks) @ q  # (m,)
    near = np.round(near, 12)  # what is alike to the twelfth digit stands in the order of the files
    order = np.lexsort((nominated, -near))[:n]
    return nominated[order], near[order], alike.same(row, rows[order])

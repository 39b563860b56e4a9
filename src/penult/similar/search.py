"""The n most similar rows of feature files: exact, whatever their number, in bounded memory.

In: feature files, the photos' rows. Out: row numbers and similarities: the cosine, each block of the features counting the
same. Few rows are all compared; for many a `SimilarityIndex` in the cache folder, made once for each content of the files,
leaves out those that cannot be among the n. Both only nominate: the result is computed in double precision, on the rows of
the feature files.

The index keeps every unit row z as its coordinates p in the 128 directions that matter most, the length r of the rest, and as
float16. For a photo q: p.p' - r r' <= z.q <= p.p' + r r' (Cauchy-Schwarz), so no row is left out wrongly. The directions come
from a sample (Halko, Martinsson & Tropp 2011); they decide how fast it is, never what is found.
"""

from __future__ import annotations

import io
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import store, untrusted
from penult.arrays import unit_blocks, unit_rows
from penult.errors import OutputError, ProgressCallback, quiet
from penult.neighbors import leading_directions
from penult.store import RowReader

log = logging.getLogger(__name__)

Floats = NDArray[np.float32]
SAME = 1e-3  # of a row's length: two engines differ by less, a photo that was saved again by more
MANY = 1 << 28  # numbers (1 GB) from which an index pays for its place
EXTRA = 16  # nominated beyond n, so that rounding decides nothing
Found = tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.bool_]]
DIRECTIONS = 128
SAMPLE, SPREAD = 4096, 16  # rows, from so many places
FORMAT = 1
KINDS = {"rows": "<f2", "coarse": "<f4", "rest": "<f4", "basis": "<f4"}
CHUNK = 1 << 16  # rows


def search(
    files: RowReader, queries: Floats, n: int, blocks: tuple[int, ...], cache: Path | None, progress: ProgressCallback = quiet
) -> list[Found]:
    """Return for each row of queries (p, d) the numbers (n,) of the most similar rows, how alike they are, which are the same.

    `cache` is where an index may be kept, None for nowhere.
    """
    Q = unit(queries, blocks)  # (p, d)
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
        near = Q @ unit(block, blocks).T  # (p, b)
        here = np.broadcast_to(np.arange(start, start + len(block)), near.shape)
        kept, numbers = np.hstack([kept, near]), np.hstack([numbers, here])
        places = [best(row, n) for row in kept]
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
    q = unit(row[None].astype(np.float64), blocks)[0]
    near = unit(rows.astype(np.float64), blocks) @ q  # (m,)
    near = np.round(near, 12)  # what is alike to the twelfth digit stands in the order of the files
    order = np.lexsort((nominated, -near))[:n]
    return nominated[order], near[order], same(row, rows[order])


# --- similarity ---


def unit(X: NDArray[Any], blocks: tuple[int, ...]) -> NDArray[Any]:
    """Return rows (n, d) of length 1, all blocks of equal length, in their own precision."""
    return unit_rows(unit_blocks(X, blocks))


def best(similarity: NDArray[Any], n: int) -> NDArray[np.intp]:
    """Return the places of the n largest of (m,), the largest first, the earlier first among equals."""
    count = min(n, len(similarity))
    if count < len(similarity):
        edge = np.partition(similarity, len(similarity) - count)[len(similarity) - count]
        some = np.flatnonzero(similarity >= edge)
    else:
        some = np.arange(len(similarity))
    return some[np.lexsort((some, -similarity[some]))][:count]


def same(row: Floats, others: Floats) -> NDArray[np.bool_]:
    """Return which of the other raw rows (m, d) come from the very picture that gave `row` (d,)."""
    gap = np.linalg.norm(others.astype(np.float64) - row, axis=1)
    return np.asarray(gap <= SAME * np.linalg.norm(row.astype(np.float64)))


# --- the index ---


@dataclass(frozen=True)
class SimilarityIndex:
    """Arrays that lie on disk; only what a search touches is read."""

    rows: NDArray[np.float16]  # (n, d) unit rows
    coarse: Floats  # (n, q)
    rest: Floats  # (n,)
    basis: Floats  # (d, q) orthonormal
    slack = 6e-4  # float16 has 11 bits: a unit row is off by at most 2**-11 of its length, and float32 sums by less

    def bounds(self, q: Floats) -> Floats:
        """Return the most (n,) that each row's similarity to the unit row q (d,) can be."""
        place = q @ self.basis
        length = np.sqrt(max(0.0, 1.0 - float(place @ place)))
        out = np.empty(len(self.coarse), np.float32)  # (n,)
        for start in range(0, len(out), CHUNK):
            part = slice(start, start + CHUNK)
            out[part] = self.coarse[part] @ place + self.rest[part] * np.float32(length)
        return out

    def similarity(self, numbers: NDArray[np.intp], q: Floats) -> Floats:
        """Return the similarity (m,) of some rows to q, off by at most `slack`."""
        return np.asarray(self.rows[numbers].astype(np.float32) @ q)


def open_index(files: RowReader, blocks: tuple[int, ...], cache: Path, progress: ProgressCallback) -> SimilarityIndex | None:
    """Return the index of these files, made now where there is none; None for files that do not say what is in them.

    None, too, where this user can never write the cache folder. Raises `OutputError` when its disk is full.
    """
    contents = [header.digest for header in files.headers]
    if not all(contents):
        return None
    about = {"format": FORMAT, "contents": contents, "parts": list(blocks), "shape": list(files.shape)}
    entry = store.CacheEntry.of(cache, "similar", about)
    found = _opened(entry)
    if found is not None:
        return found
    try:
        return _made(entry, files, blocks, progress)
    except OutputError as error:  # without one the answers are the same, later
        if not store.is_permanent(error):
            raise
        log.warning("the index is not kept, all rows are looked at instead: %s", error)
        return None


def _opened(entry: store.CacheEntry) -> SimilarityIndex | None:
    """Return an index, None where it is not there as it was meant."""
    n, width = entry.facts["shape"]
    q = min(DIRECTIONS, width)
    shapes = {"rows": (n, width), "coarse": (n, q), "rest": (n,), "basis": (width, q)}
    if (entry.values() or {}).get("facts") != entry.facts:
        return None
    entry.touch()
    try:  # the sums are for `penult cache --verify`: to compare them at every start would read all of it
        return SimilarityIndex(*(_mapped(entry.folder / f"{name}.npy", shape) for name, shape in shapes.items()))
    except (OSError, ValueError):
        return None


def _mapped(path: Path, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return an array of the index on disk. Raises `OSError`, or `ValueError` where it is not as it was written."""
    kind = KINDS[path.stem]
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": kind, "fortran_order": False, "shape": shape})
    size = math.prod(shape) * np.dtype(kind).itemsize
    with untrusted.open_file(path) as file:
        if file.read(head.tell()) != head.getvalue() or file.seek(0, 2) != head.tell() + size:
            raise ValueError(f"{path} is no array {shape} of {kind}")
        return np.memmap(file, kind, "r", head.tell(), shape)


def _made(
    entry: store.CacheEntry, files: RowReader, blocks: tuple[int, ...], progress: ProgressCallback
) -> SimilarityIndex | None:
    """Write the index, and open it."""
    n, width = files.shape
    basis = _directions(files, blocks)  # (d, q)
    with entry.writing() as file:

        def begin(name: str, *shape: int) -> Callable[[NDArray[Any]], object]:
            kind, put = KINDS[name], file(f"{name}.npy")
            head = io.BytesIO()
            np.lib.format.write_array_header_1_0(head, {"descr": kind, "fortran_order": False, "shape": shape})
            put(head.getvalue())
            return lambda part: put(np.ascontiguousarray(part, kind).data)

        rows, coarse = begin("rows", n, width), begin("coarse", n, basis.shape[1])
        rest, whole = begin("rest", n), begin("basis", *basis.shape)
        whole(basis)
        done = 0
        for block in files.scan():
            Z = unit(block, blocks)  # (b, d)
            P = Z @ basis
            rows(Z)
            coarse(P)
            rest(np.sqrt(np.maximum(1 - np.einsum("bq,bq->b", P, P, dtype=np.float64), 0)) + 1e-6)
            done += len(block)
            progress("index", done, n)
    return _opened(entry)


def _directions(files: RowReader, blocks: tuple[int, ...]) -> Floats:
    """Return orthonormal directions (d, q) that hold as much as possible of a sample's rows."""
    n, _ = files.shape
    starts = np.unique(np.linspace(0, max(0, n - SAMPLE // SPREAD), SPREAD).astype(int))
    chunks = [block for s in starts.tolist() for block in files.scan(s, min(n, s + SAMPLE // SPREAD))]
    return leading_directions(unit(np.concatenate(chunks), blocks), DIRECTIONS)

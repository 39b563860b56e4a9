"""An index of many feature rows in the cache folder: what any row can reach at most, read from a tenth of its numbers.

In: feature files. Out: `Index`, made once for each content of the files.

Every unit row z is kept as its place p in the 128 directions that matter most, the length r of the rest, and as float16. For a
photo q: p.p' - r r' <= z.q <= p.p' + r r' (Cauchy-Schwarz), so what is left out for its bound is left out rightly. The
directions come from a sample (Halko, Martinsson & Tropp 2011); they decide how fast it is, never what is found.
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
from penult.errors import OutputError, ProgressCallback
from penult.similar import alike
from penult.similar.alike import Floats
from penult.store import RowReader

log = logging.getLogger(__name__)

DIRECTIONS = 128
SAMPLE, SPREAD = 4096, 16  # rows, from so many places
FORMAT = 1
KINDS = {"rows": "<f2", "coarse": "<f4", "rest": "<f4", "basis": "<f4"}
CHUNK = 1 << 16  # rows


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
            Z = alike.unit(block, blocks)  # (b, d)
            P = Z @ basis
            rows(Z)
            coarse(P)
            rest(np.sqrt(np.maximum(1 - np.einsum("bq,bq->b", P, P, dtype=np.float64), 0)) + 1e-6)
            done += len(block)
            progress("index", done, n)
    return _opened(entry)


def _directions(files: RowReader, blocks: tuple[int, ...]) -> Floats:
    """Return orthonormal directions (d, q) that hold as much as possible of a sample's rows."""
    n, width = files.shape
    starts = np.unique(np.linspace(0, max(0, n - SAMPLE // SPREAD), SPREAD).astype(int))
    chunks = [block for s in starts.tolist() for block in files.scan(s, min(n, s + SAMPLE // SPREAD))]
    Z = alike.unit(np.concatenate(chunks), blocks)  # (m, d)
    q = min(DIRECTIONS, width)
    B = np.random.default_rng(0).standard_normal((width, q), np.float32)
    for _ in range(3):
        B = np.linalg.qr(Z.T @ (Z @ B))[0].astype(np.float32)
    return B

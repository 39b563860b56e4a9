"""Rows of a source that is larger than memory, some at a time, into memory that is used again.

A memory map is read from its file: a page fault for each 4 kB costs more than the copy. h5py's data sets write into memory
that is given; of anything else slices of rows are taken.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from penult.arrays import Array, row_chunks, widen
from penult.i18n import _


def chunk_length(source: Any) -> int:
    """Return the rows of a chunk of a data set, 1 for what has none."""
    own = getattr(source, "chunks", None)
    return int(own[0]) if isinstance(own, tuple) and own and isinstance(own[0], int) else 1


def chunk_rows(start: int, stop: int, most: int, length: int) -> list[slice]:
    """Return slices of rows `start` to `stop`, of at most `most` rows; they begin where chunks of `length` rows do.

    A chunk of more rows than `most` is parted.
    """
    if length > most:
        edges = range(start // length * length, stop, length)
        return [
            slice(max(at.start + edge, start), min(at.stop + edge, stop))
            for edge in edges
            for at in row_chunks(length, most)
            if at.stop + edge > start and at.start + edge < stop
        ]
    step = most // length * length
    inner = range((start // step + 1) * step, stop, step)
    return [slice(a, b) for a, b in pairwise((start, *inner, stop))]


def read_rows(source: Any, parts: list[slice], dtype: np.dtype[Any]) -> Iterator[tuple[slice, Array]]:
    """Yield the rows (m, d) of each part as `dtype`, in memory that the caller may change and the next part overwrites.

    Raises OSError where the source cannot be read.
    """
    most = max((at.stop - at.start for at in parts), default=0)
    out = np.empty((most, source.shape[1]), dtype)
    raw = out if source.dtype == dtype else np.empty((most, source.shape[1]), source.dtype)
    with _opened(source) as read:
        for at in parts:
            m = at.stop - at.start
            read(at, raw[:m])
            if raw is not out:
                widen(raw[:m], out[:m])
            yield at, out[:m]


@contextmanager
def _opened(source: Any) -> Iterator[Any]:
    """Return a function `(rows, out)` that reads rows of the source into `out`."""
    place = _file_place(source)
    if place is not None:
        fd, width = os.open(place[0], os.O_RDONLY | getattr(os, "O_BINARY", 0)), source.shape[1] * source.dtype.itemsize
        try:
            yield lambda at, out: _read_fully(fd, place[1] + at.start * width, memoryview(out).cast("B"))
        finally:
            os.close(fd)
    elif hasattr(source, "read_direct"):
        yield lambda at, out: source.read_direct(out, np.s_[at])
    else:
        yield lambda at, out: np.copyto(out, source[at])


def _read_fully(fd: int, offset: int, into: memoryview) -> None:
    while len(into):
        os.lseek(fd, offset, os.SEEK_SET)
        found = os.readv(fd, [into]) if hasattr(os, "readv") else _read(fd, into)
        if not found:
            raise OSError(_("the file ends {into} bytes early: it was changed while it was read", into=len(into)))
        offset, into = offset + found, into[found:]


def _read(fd: int, into: memoryview) -> int:
    data = os.read(fd, len(into))  # Windows has no readv
    into[: len(data)] = data
    return len(data)


def _file_place(source: Any) -> tuple[str, int] | None:
    """Return the file of a memory map of whole rows, and the byte at which they begin; None for anything else."""
    if not isinstance(source, np.ndarray) or not source.flags.c_contiguous:
        return None
    root: Any = source
    while isinstance(root.base, np.ndarray):
        root = root.base
    if not isinstance(root, np.memmap) or root.filename is None or not Path(root.filename).is_file():
        return None
    ahead = source.__array_interface__["data"][0] - root.__array_interface__["data"][0]
    return os.fspath(root.filename), int(root.offset) + ahead

"""Which rows are held out and measured where there are more than memory holds: a sample by class, of whole groups."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import Array, random_places, row_chunks
from penult.errors import InputError
from penult.i18n import _

UNSAID = 1 << 30  # bytes of memory for a data set where none are given
SHARE = 4  # the part of the memory that the sample takes: a fourth
FEWEST = 2049  # rows of which the directions (`spaces.GRAM_ROWS`) and the settings can be found
EACH = 10  # rows that the smallest class keeps
CHUNK = 1 << 18  # rows that are looked at a time

Ints = NDArray[np.intp]


def sample_rows(X: Any, y: Any, groups: Any = None, memory: int | None = None, seed: int = 0) -> Ints | None:
    """Return the numbers of the rows that are held out and measured, ascending; None where all of X fits the memory.

    X (n, d) is only asked for its shape. `memory`: bytes, None for as much as it takes. The shares of the classes y (n,) are
    kept, but for at least ten rows of each class. With `groups` (n,) whole groups are drawn. Raises InputError where too few
    rows fit.
    """
    d = X.shape[1]
    if not streams(X, memory):
        return None
    memory = UNSAID if memory is None else memory
    most = memory // SHARE // (4 * d)
    classes, codes = class_codes(y)
    counts = class_counts(codes, len(classes))
    fewest = max(FEWEST, 2 * len(counts))
    if most < fewest:
        raise InputError(
            _(
                "{memory:,.3g} MB are too little to learn {counts:,} classes from rows of {d:,} numbers: a fourth of "
                "them must hold {fewest:,} rows; give at least {share:,} MB.",
                memory=memory / 1e6,
                counts=len(counts),
                d=d,
                fewest=fewest,
                share=math.ceil(SHARE * fewest * 4 * d / 1e6),
            )
        )
    units = None if groups is None else class_codes(groups)[1]
    wanted = most
    while True:
        rows = _drawn(codes, counts, units, wanted, seed)
        if len(rows) <= most:
            return rows
        wanted = min(wanted - 1, int(wanted * most / len(rows)))  # whole groups are more rows than were drawn


def streams(X: Any, memory: int | None) -> bool:
    """Return whether X (n, d) is learnt from in chunks: as float32 it is more than a fourth of the memory."""
    if isinstance(X, np.ndarray):
        return memory is not None and X.ndim == 2 and X.size * 4 * SHARE > memory
    if not (hasattr(X, "chunks") and len(getattr(X, "shape", ())) == 2):
        return False
    return bool(X.shape[0] * X.shape[1] * 4 * SHARE > (UNSAID if memory is None else memory))


def class_codes(y: Any) -> tuple[Array, Array]:
    """Return the different values of y (n,), ascending, and the number (n,) of each entry among them, in few bytes."""
    values = np.asarray(y)
    parts = [np.unique(values[at]) for at in row_chunks(len(values), CHUNK)]
    classes = np.unique(np.concatenate(parts)) if parts else values
    kind = np.min_scalar_type(-max(len(classes), 1))
    codes = np.empty(len(values), kind)
    for at in row_chunks(len(values), CHUNK):
        codes[at] = np.searchsorted(classes, values[at])
    return classes, codes


def class_counts(codes: Array, k: int) -> Array:
    """Return the number of rows of each class, (k,), of class numbers (n,) of few bytes each."""
    total = np.zeros(k, np.int64)
    for at in row_chunks(len(codes), CHUNK):  # numpy would make eight bytes of each
        total += np.bincount(codes[at], minlength=k)
    return total


def _drawn(codes: Array, counts: Array, units: Array | None, most: int, seed: int) -> Ints:
    """Return about `most` rows, the share of each class kept, and the other rows of their units."""
    share = most / len(codes)
    each = np.minimum(counts, EACH)
    wanted = np.minimum(counts, np.maximum(np.floor(counts * share).astype(int), each))  # (k,)
    if wanted.sum() > most:  # the small classes get theirs from the large ones
        spare = np.maximum(wanted - (each if each.sum() < most else np.minimum(counts, 2)), 0)
        wanted -= np.ceil(spare * (wanted.sum() - most) / max(spare.sum(), 1)).astype(int)
    # 1. each unit has a random place; in one look at all rows, those are kept that may be among the first of their class
    limit = (wanted + 6 * np.sqrt(wanted) + 10) / np.maximum(counts, 1)  # (k,)
    found, places = [], []
    for at in row_chunks(len(codes), CHUNK):
        unit = np.arange(at.start, at.stop) if units is None else units[at]
        place = random_places(unit, seed)
        near = np.flatnonzero(place < limit[codes[at]])
        found.append(near + at.start)
        places.append(place[near])
    rows, place = np.concatenate(found), np.concatenate(places)
    # 2. the first of each class
    order = np.lexsort((rows, place, codes[rows]))
    sizes = np.bincount(codes[rows], minlength=len(counts))
    rank = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    kept = rows[order[rank < wanted[codes[rows[order]]]]]
    if units is None:
        return np.sort(kept)
    # 3. and the rows that belong to them
    own = np.unique(units[kept])
    return np.concatenate([at.start + np.flatnonzero(np.isin(units[at], own)) for at in row_chunks(len(codes), CHUNK)])

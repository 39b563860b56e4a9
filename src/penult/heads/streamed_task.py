"""The task of rows that do not fit in memory: a sample of them that does, with the stream of all rows behind it.

In: X (n, d) that gives its shape and slices of its rows, labels. Out: `Stream` and the scaled rows of the sample.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from penult.arrays import FLOAT16_END, Array, widen
from penult.errors import InputError
from penult.heads import scaling
from penult.heads.sampling import UNSAID, class_codes, class_counts, sample_rows
from penult.heads.task import Stream, Task
from penult.i18n import _
from penult.solver import IGNORED, LEARNT, PartitionedRows, RowScaling, partition, placed_rows

CHUNKS = 64  # a chunk of rows takes this part of the memory,
LONGEST = 1 << 21  # and no more numbers: these are still in the cache when they are multiplied the second time


def checked_labels(X: Any, y: Any) -> tuple[Array, Array]:
    """Return the classes of y (n,) and its class numbers. Raises InputError for rows and labels that do not fit."""
    if len(X.shape) != 2 or X.dtype not in (np.float16, np.float32, np.float64):
        raise InputError(
            _(
                "X has shape {shape} and type {dtype}; give rows of numbers (n, d), float16, float32 or float64.",
                shape=tuple(X.shape),
                dtype=X.dtype,
            )
        )
    if np.ndim(y) != 1 or len(y) != X.shape[0]:
        raise InputError(
            _("X has {rows:,} rows and y the shape {y}; give one label for each row.", rows=X.shape[0], y=np.shape(y))
        )
    return class_codes(y)


def open_stream(
    X: Any, codes: Array, k: int, head: Any, blocks: tuple[int, ...], rows: Array | None = None, groups: Any = None
) -> tuple[Stream, Array]:
    """Return the stream of all rows with class numbers (n,), and the scaled rows (m, d) of the sample `rows`.

    When None they are drawn, `groups` (n,) kept whole. `head` says the memory, the scaling and the seed.
    """
    if rows is None:
        rows = sample_rows(X, codes, groups, head.memory, head.random_state)
        assert rows is not None  # noqa: S101 - for the type checker: X does not fit
    memory = UNSAID if head.memory is None else head.memory
    entries = min(LONGEST, memory // 4 // CHUNKS)
    own = _read(X, rows)
    learnt: dict[str, Array] = {}
    if head.scaling not in scaling.STATELESS:
        learnt = _learnt(X, codes, rows, own, entries, (head.scaling, blocks))
    how = RowScaling(blocks if head.scaling == "unit" else None, learnt.get("shift"), learnt.get("factor"))
    how.apply(own)
    how = replace(how, centre=own.mean(axis=0, dtype=np.float64))
    return Stream(X, codes, rows, class_counts(codes, k), how, learnt, memory, entries), own


def _read(X: Any, rows: Array) -> Array:
    """Return some rows (m, d) of a source in memory."""
    out = np.empty((len(rows), X.shape[1]), np.float64 if X.dtype == np.float64 else np.float32)
    step = max(1, LONGEST // X.shape[1])
    for start in range(0, len(rows), step):
        widen(np.ascontiguousarray(X[rows[start : start + step]]), out[start : start + step])
    if not np.isfinite(out).all() or (X.dtype == np.float16 and np.abs(out).max() >= FLOAT16_END):
        raise InputError(_("Input X contains NaN or infinity; leave out the rows that could not be computed."))
    return out


def _learnt(X: Any, codes: Array, rows: Array, own: Array, entries: int, how: tuple[str, tuple[int, ...]]) -> dict[str, Array]:
    """Return what the scaling learns of the rows outside the sample, which every fold learns."""
    part = np.full(len(codes), LEARNT, np.int8)
    part[rows] = IGNORED
    pivot = own.mean(axis=0, dtype=np.float64)
    count, total, squares = placed_rows(partition(X, codes, part, RowScaling(), entries)).sum("spread", pivot)
    away = total / count
    spread = np.sqrt(np.maximum(squares / count - away**2, 0))
    return scaling.from_moments(how[0], pivot + away, spread, how[1], own.dtype)


def stream_rows(task: Task) -> PartitionedRows:
    """Return all rows behind a task, each in the part of its fold."""
    stream = stream_of(task)
    part = _outside(stream)
    for number, (_other, held) in enumerate(task.folds or ()):
        part[stream.rows[held]] = number
    part[stream.rows[task.sample_weight <= 0]] = IGNORED
    return stream.partitioned(part)


def numbered(held: Array, parts: Array) -> Array:
    """Return folds (n,) by their places among `parts`, one byte each; `LEARNT` for those that are not there."""
    out = np.full(len(held), LEARNT, np.int8)
    for number, part in enumerate(parts.tolist()):
        out[held == part] = number
    return out


def other_rows(task: Task) -> PartitionedRows:
    """Return all rows behind a task without those of the task itself."""
    stream = stream_of(task)
    part = _outside(stream)
    part[stream.rows] = IGNORED
    return stream.partitioned(part)


def _outside(stream: Stream) -> Array:
    return np.full(len(stream.codes), LEARNT, np.int8) if stream.held is None else stream.held.copy()


def stream_of(task: Task) -> Stream:
    """Return the stream of a task that has one."""
    assert task.stream is not None  # noqa: S101 - for the type checker: no other task is asked
    return task.stream

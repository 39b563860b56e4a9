"""Rows that are read some thirty times are unpacked once: a copy on the disk, as plain numbers, that ends with the process.

In: rows that are unpacked, or even fetched, whenever they are read. Out: the same rows as a memory map, which is read ten
times faster. The file has no name, so a process that is killed leaves nothing behind.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from penult import system
from penult.arrays import row_chunks
from penult.errors import OutputError, ProgressCallback
from penult.i18n import N_, _
from penult.solver import placed_elsewhere
from penult.texts import printable
from penult.training.data import TrainingData

ENTRIES = 1 << 22  # numbers that are copied at a time
SPARE = 1.1  # times the size of the copy that must be free


def unpacked(data: TrainingData, folder: Path, progress: ProgressCallback) -> TrainingData:
    """Return training data whose every row is read from a copy in `folder`; the same where there is no need or no space.

    Rows that are summed in other processes are not copied: these read them from where they are, once.

    Raises `OutputError` where the disk fails.
    """
    if data.every is None or data.stored is None or placed_elsewhere():
        return data
    if system.path_of_open_file(0) is None:
        return data
    n, d = data.every.X.shape
    kind = np.dtype(data.stored.dtype)
    size = n * d * kind.itemsize
    if shutil.disk_usage(folder).free < SPARE * size:
        said = _(
            "the disk has no space for a copy of the rows ({size:,.1f} GB): they are unpacked again at each pass.",
            size=size / 1e9,
        )
        return replace(data, notes=(*data.notes, said))
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            X = _copied(data.every.X, kind, file, progress)
    except OSError as error:
        raise OutputError(
            _(
                "a copy of the rows ({size:,.1f} GB) cannot be written to {folder} ({error}); give another folder with --out.",
                size=size / 1e9,
                folder=printable(folder),
                error=_(str(error.strerror)),
            )
        ) from error
    return replace(data, every=replace(data.every, X=X))


def _copied(X: Any, kind: np.dtype[Any], file: IO[bytes], progress: ProgressCallback) -> Any:
    n, d = X.shape
    for at in row_chunks(n, max(1, ENTRIES // d)):
        file.write(np.ascontiguousarray(X[at], kind).data)
        progress(N_("rows"), at.stop, n)
    file.flush()
    open_ = os.dup(file.fileno())
    made = np.memmap(str(system.path_of_open_file(open_)), kind, "r", shape=(n, d))
    weakref.finalize(made, os.close, open_)  # the file is there as long as its rows are
    return made

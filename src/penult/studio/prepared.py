"""What a project keeps between two starts: which files are unchanged, and what was computed from their features.

In and out: arrays. All of it may be lost: it is computed again. Files count as unchanged by size and date, as in git; what
changed within the last two seconds is read again, since a date may be too coarse to tell.
"""

from __future__ import annotations

import io
import json
import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import store, untrusted
from penult.errors import DamagedFile
from penult.pixels import Failure

log = logging.getLogger(__name__)

KIND = "prepared"  # the folder in the project
_INDEX = {"what": "files", "version": 1}
_RACY = 2_000_000_000  # nanoseconds
_MOST = 4 << 30  # bytes of a file


@dataclass(frozen=True, slots=True)
class FileState:
    """What was read of n files: `digests` (n, 32), zero where a file could not be read, which is in `failures`."""

    digests: NDArray[np.uint8]
    known: NDArray[np.bool_]  # (n,) whether the two others say something of it
    failures: Mapping[int, Failure]


def file_stats(paths: Sequence[str]) -> NDArray[np.int64]:
    """Return size and date (nanoseconds) of each file, (n, 2); -1 for one that is gone."""
    found = np.full((len(paths), 2), -1, np.int64)
    for i, path in enumerate(paths):
        try:
            one = os.stat(path)  # noqa: PTH116 - asked for every photo
        except (OSError, ValueError):
            continue
        found[i] = one.st_size, one.st_mtime_ns
    return found


def read_state(folder: Path, files: Sequence[str], stats: NDArray[np.int64]) -> FileState:
    """Return what an earlier start read of these files (ids), where they have the same size and date."""
    n = len(files)
    digests, known = np.zeros((n, 32), np.uint8), np.zeros(n, bool)
    failures: dict[int, Failure] = {}
    kept = _entry(folder, _INDEX)
    try:
        if kept.values() is None:
            return FileState(digests, known, failures)
        names = kept.read("names.txt", _MOST).decode("utf-8", "surrogateescape").split("\0")
        old, sums = (untrusted.parse_npy(kept.read(f"{name}.npy", _MOST)) for name in ("stats", "digests"))
        said = json.loads(kept.read("failures.json", untrusted.MOST_JSON))
        if old.shape != (len(names), 2) or sums.shape != (len(names), 32):
            raise ValueError("its arrays do not fit together")
    except (DamagedFile, ValueError, OSError) as error:
        log.warning("the list of files in %s cannot be used (%s) and is made again", folder, error)
        return FileState(digests, known, failures)
    place = {name: i for i, name in enumerate(names)}
    at = np.array([place.get(file, -1) for file in files], np.intp)  # (n,)
    known = (at >= 0) & (stats[:, 0] >= 0)
    known[known] = (old[at[known]] == stats[known]).all(axis=1)
    digests[known] = sums[at[known]]
    for i in np.flatnonzero(known & ~digests.any(axis=1)).tolist():
        failures[i] = Failure(*said[files[i]])
    return FileState(digests, known, failures)


def write_state(folder: Path, files: Sequence[str], stats: NDArray[np.int64], state: FileState) -> None:
    """Keep what was read of files. Raises `OutputError`."""
    old = stats.copy()
    old[stats[:, 1] > time.time_ns() - _RACY] = -1  # it might change once more and look the same
    said = {files[i]: [f.reason, f.detail, f.cure] for i, f in state.failures.items()}
    _entry(folder, _INDEX).put(
        {
            "names.txt": "\0".join(files).encode("utf-8", "surrogateescape"),
            "stats.npy": npy(old),
            "digests.npy": npy(state.digests),
            "failures.json": json.dumps(said).encode(),
        }
    )


def read_arrays(folder: Path, facts: Mapping[str, Any], names: Sequence[str]) -> dict[str, NDArray[Any]] | None:
    """Return the arrays that were computed of photos with these facts, None where they are not there or damaged."""
    kept = _entry(folder, facts)
    try:
        if kept.values() is None:
            return None
        return {name: untrusted.parse_npy(kept.read(f"{name}.npy", _MOST)) for name in names}
    except (DamagedFile, ValueError, OSError) as error:
        log.warning("what was prepared in %s cannot be used (%s) and is made again", folder, error)
        return None


def write_arrays(folder: Path, facts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Keep arrays by the facts that they depend on, `photos` among them, and nothing of other photos. Raises `OutputError`."""
    _entry(folder, facts).put({f"{name}.npy": npy(array) for name, array in arrays.items()})
    for other in store.entries(folder, KIND):
        known = (other.values() or {}).get("facts", {})
        if known.get("photos", facts["photos"]) != facts["photos"]:
            for path in other.folder.glob("*.npy"):
                store.drop(path)
            other.forget()


def npy(array: NDArray[Any]) -> bytes:
    """Return an array as the bytes of a .npy file."""
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(array), allow_pickle=False)
    return file.getvalue()


def _entry(folder: Path, facts: Mapping[str, Any]) -> store.CacheEntry:
    return store.CacheEntry.of(folder, KIND, facts)

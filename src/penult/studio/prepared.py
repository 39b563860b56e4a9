"""What a project keeps between two starts: which files are unchanged, and what was computed from their features.

In and out: arrays. All of it may be lost: it is computed again. Files count as unchanged by size and date, as in git; what
changed within the last two seconds is read again, since a date may be too coarse to tell.
"""

from __future__ import annotations

import io
import logging
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import store, untrusted
from penult.errors import DamagedFile
from penult.i18n import _

log = logging.getLogger(__name__)

KIND = "prepared"  # the folder in the project
_INDEX = {"what": "files", "version": 1}
_RACY = 2_000_000_000  # nanoseconds
_MOST = 4 << 30  # bytes of a file


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


def read_digests(folder: Path, files: Sequence[str], stats: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the digests (n, 32) of these files (ids) by an earlier start, zero where size or date are not as they were.

    A file that could not be read is tried again each time: what it lacked, a library or memory, may be there now.
    """
    digests = np.zeros((len(files), 32), np.uint8)
    kept = _entry(folder, _INDEX)
    try:
        if kept.values() is None:
            return digests
        names = kept.read("names.txt", _MOST).decode("utf-8", "surrogateescape").split("\0")
        old, sums = (untrusted.parse_npy(kept.read(f"{name}.npy", _MOST)) for name in ("stats", "digests"))
        if old.shape != (len(names), 2) or sums.shape != (len(names), 32):
            raise ValueError(_("its arrays do not fit together"))
    except (DamagedFile, ValueError, OSError) as error:
        log.warning("the list of files in %s cannot be used (%s) and is made again", folder, error)
        return digests
    place = {name: i for i, name in enumerate(names)}
    at = np.array([place.get(file, -1) for file in files], np.intp)  # (n,)
    same = (at >= 0) & (stats[:, 0] >= 0)
    same[same] = (old[at[same]] == stats[same]).all(axis=1)
    digests[same] = sums[at[same]]
    return digests


def write_digests(folder: Path, files: Sequence[str], stats: NDArray[np.int64], digests: NDArray[np.uint8]) -> None:
    """Keep the digests of files, zero where one could not be read. Raises `OutputError`."""
    old = stats.copy()
    old[stats[:, 1] > time.time_ns() - _RACY] = -1  # it might change once more and look the same
    names = "\0".join(files).encode("utf-8", "surrogateescape")
    _entry(folder, _INDEX).put({"names.txt": names, "stats.npy": npy(old), "digests.npy": npy(digests)})


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

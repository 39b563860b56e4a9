"""Where penult writes: the cache folder, and the room on the disks of it, of this folder, and for temporary files.

In: the cache folder. Out: `Check`s. What the test writes it removes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from penult import store
from penult.doctor.check import FAIL, NOTE, OK, WARN, Check
from penult.errors import InputError, OutputError
from penult.store.disk import machine_id

LITTLE = 2 * 10**9  # bytes
CURE = "choose another cache folder with --cache DIR, or for good with the variable PENULT_CACHE"


def cache(folder: Path) -> Check:
    """Return what the cache folder holds."""
    try:
        found = store.inventory.scan(folder)
    except InputError as error:
        said, _, _ = str(error).partition("; ")
        return Check("cache", WARN, said, CURE)
    if not folder.is_dir():
        return Check("cache", OK, f"{folder}: not there yet, the first run makes it")
    rows = found.of("features")
    shards = sum(entry.shards for entry in rows)
    said = f"{folder}: {found.bytes / 1e6:,.1f} MB, {len(rows)} sets of features in {shards:,} files"
    odd = sum(len(entry.odd) for entry in rows)
    if odd or found.leftovers:
        what = f"{odd} damaged and {len(found.leftovers)} left by killed processes"
        return Check("cache", NOTE, f"{said}; of no use: {what}", "penult cache --prune (they do no harm)")
    return Check("cache", OK, f"{said} (`penult cache --verify` reads all of it)")


def unknown() -> Check:
    """Return why there is no cache folder, which stops nothing."""
    said = "no cache folder is known, because this user has no home folder: every run computes its features anew"
    return Check("cache", WARN, said, CURE)


def writing(folder: Path, named: bool = True) -> Check:
    """Return whether the cache folder can be written: a file is written, synced, renamed, read and removed.

    `named`: somebody asked for this folder, and commands stop where it cannot be written; otherwise they do without.
    """
    made = [part for part in (folder, *folder.parents) if not _exists(part)]  # the innermost first
    path = folder / f".tmp-{machine_id()}-{os.getpid()}-d0c"  # if we are killed here, it is swept as any leftover
    text = "a test by penult doctor\n" * 100
    try:
        store.write_text(path, text, cure=CURE)
        same = path.read_text(encoding="utf-8") == text
    except OutputError as error:
        said, _, cure = str(error).partition("; ")
        if not named and store.is_permanent(error):
            return Check("cache write", WARN, f"{said}: every run computes its features anew", CURE)
        return Check("cache write", FAIL, said, cure)
    except OSError as error:
        return Check("cache write", FAIL, f"{folder}: what was written cannot be read ({error.strerror})", CURE)
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
            for part in made:
                part.rmdir()
    if not same:
        return Check("cache write", FAIL, f"{folder}: what was read is not what was written; the disk is broken", CURE)
    return Check("cache write", OK, "written, synced, renamed, read again")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a folder above it is closed to this user
        return True


def disks(cache_folder: Path | None) -> list[Check]:
    """Return the free space, a line for each disk."""
    places = {"this folder": Path.cwd(), "temporary files": Path(tempfile.gettempdir())}
    if cache_folder is not None:
        places = {"cache": cache_folder, **places}
    by_disk: dict[int, list[str]] = {}
    free: dict[int, int] = {}
    for what, place in places.items():
        there = next(part for part in (place.absolute(), *place.absolute().parents) if store.is_folder(part))
        disk = there.stat().st_dev
        by_disk.setdefault(disk, []).append(what)
        free[disk] = shutil.disk_usage(there).free
    found = []
    for disk, names in by_disk.items():
        said = f"{free[disk] / 1e9:,.1f} GB free ({', '.join(names)})"
        if free[disk] < LITTLE:
            cure = "free some space" + (", penult cache --prune --max SIZE" if "cache" in names else "")
            found.append(Check("disk", WARN, said, cure + (", or set TMPDIR" if names == ["temporary files"] else "")))
        else:
            found.append(Check("disk", OK, said))
    if not os.access(Path.cwd(), os.W_OK):
        found.append(Check("this folder", NOTE, f"{Path.cwd()} cannot be written", "give --out a folder that can"))
    return found

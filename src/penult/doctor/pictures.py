"""What sees: the formats that can be read, the compiled resize, worker processes; cores, memory and files that they may use.

In: nothing. Out: `Check`s.
"""

from __future__ import annotations

import sys

from penult.doctor.check import FAIL, NOTE, OK, WARN, Check
from penult.pixels import decoding, preparing, resizing
from penult.worker import NoInterpreter

FEW_FILES = 256  # open files: a worker takes one, libraries some tens
LITTLE_MEMORY = 2 << 30  # bytes


def formats() -> Check:
    """Return which formats are read here."""
    found = decoding.readable_formats()
    there = [name for name, yes in found.items() if yes]
    missing = [name for name, yes in found.items() if not yes]
    if not {"JPEG", "PNG"} <= set(there):
        return Check("formats", FAIL, f"no {', '.join(missing)}", "pip install --force-reinstall pillow")
    if not missing:
        return Check("formats", OK, ", ".join(there))
    cures = [] if missing == ["HEIC"] else ["pip install --upgrade pillow (its wheels have the others)"]
    cures += ["HEIC: pip install 'penult[heif]', or save them as JPEG"] if "HEIC" in missing else []
    return Check("formats", NOTE, f"{', '.join(there)}; not {', '.join(missing)}", "; ".join(cures))


def resize() -> Check:
    """Return whether pictures are made smaller by the compiled part, or by Pillow."""
    how = resizing.resize_method()
    if how == "compiled":
        return Check("resize", OK, "compiled, and to the bit as Pillow does")
    if how == "absent":
        cure = "install a C compiler, then pip install --force-reinstall --no-deps penult"
        return Check("resize", NOTE, "by Pillow: the same pixels, slower; the compiled part is not there", cure)
    cure = "update penult; nothing is wrong until then"
    return Check("resize", NOTE, "by Pillow: this version of it rounds otherwise than the compiled part", cure)


def workers() -> Check:
    """Return whether a worker process starts and reads a picture."""
    from penult.pixels import worker_pool

    try:
        worker_pool.check_worker()
    except NoInterpreter as error:
        said, _, cure = str(error).partition("; ")
        return Check("workers", WARN, f"{said}: pictures are read in this process, and a crash ends it", cure)
    except RuntimeError as error:
        said = f"worker processes cannot be started ({error}): pictures are read in one process, slower, and a crash ends it"
        return Check("workers", WARN, said, "free memory and processes, or allow them (ulimit -u, seccomp, the container)")
    count = preparing.worker_count()
    return Check("workers", OK, f"they start; {count} would read pictures here")


def room() -> Check:
    """Return the cores and the memory that penult counts with."""
    cores, memory = preparing.core_count(), preparing.memory_bytes()
    known = f"{memory / 2**30:.1f} GiB of memory" if memory < sys.maxsize else "memory not told"
    said = f"{cores} cores, {known}"
    if memory < LITTLE_MEMORY:
        return Check(
            "memory", WARN, said, "large photos and many networks may not fit: take one network, -b efficientnet_lite0"
        )
    return Check("memory", OK, said)


def open_files() -> Check:
    """Return how many files may be open at once."""
    try:
        import resource
    except ImportError:  # Windows
        return Check("open files", OK, "this system sets no limit that matters")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= soft < FEW_FILES:
        return Check("open files", WARN, f"{soft} at once", f"ulimit -n {FEW_FILES if hard < 0 else min(hard, 4 * FEW_FILES)}")
    return Check("open files", OK, f"{soft if soft >= 0 else 'any number'} at once")

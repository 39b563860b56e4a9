"""Keep a finished run beside the one that takes its folder: RUN.1, RUN.2, ..., the highest number the latest.

Every file of a run is written anew and renamed, never changed, so a second name for each is a whole copy at no cost. The
copy's `metrics.json` comes last, so what a killed process leaves is no finished run, and the next one goes on with it.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

from penult import store
from penult.errors import OutputError
from penult.runs.checksums import FORMAT, METRICS, read_metrics
from penult.texts import printable

log = logging.getLogger(__name__)

_CURE = "give another folder with --out, or --overwrite to keep nothing of the run that is there"
_COPY_OF = "copy_of"  # in the record of a copy that is not whole yet


def keep_former(run: Path) -> Path:
    """Keep the finished run in a folder, which stays as it is, under the next number, and return where.

    Raises `OutputError` where that cannot be written.
    """
    numbers = former_runs(run)
    latest = numbers[-1] if numbers else None
    if latest is not None and _is_same(latest / METRICS, run / METRICS):  # killed right after it was kept
        return latest
    if latest is not None and _is_begun(latest, run):
        kept = latest
    else:
        kept = _numbered(run, 1 if latest is None else _number(latest) + 1)
    store.make_folder(kept, _CURE)
    store.write_json(kept / METRICS, {"penult_run": FORMAT, "status": "running", _COPY_OF: run.name}, cure=_CURE)
    store.sweep(kept, below=1)
    files = [path for path in sorted(run.rglob("*")) if path.is_file() and not path.is_symlink()]
    for path in [path for path in files if path != run / METRICS and not store.is_temporary(path.name)]:
        store.make_folder((kept / path.relative_to(run)).parent, _CURE)
        store.link_file(path, kept / path.relative_to(run), _CURE)
    store.link_file(run / METRICS, kept / METRICS, _CURE)
    log.warning("the run that was in %s is kept as %s (--overwrite keeps nothing)", printable(run), printable(kept))
    return kept


def former_runs(run: Path) -> list[Path]:
    """Return the numbered folders beside a run, the latest last, whether a copy is whole or not."""
    pattern = re.compile(re.escape(run.absolute().name) + r"\.[1-9][0-9]*")
    try:
        names = [path for path in run.absolute().parent.iterdir() if pattern.fullmatch(path.name)]
    except OSError as error:
        raise OutputError(
            f"the run in {printable(run)} cannot be kept: the folder above it cannot be listed ({error.strerror}); {_CURE}."
        ) from error
    return [_numbered(run, number) for number in sorted(map(_number, names))]


def _numbered(run: Path, number: int) -> Path:
    return run.with_name(f"{run.name}.{number}") if run.name else run.absolute().with_name(f"{run.absolute().name}.{number}")


def _number(path: Path) -> int:
    return int(path.name.rpartition(".")[2])


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.read_bytes() == other.read_bytes()
    except OSError:
        return False


def _is_begun(kept: Path, run: Path) -> bool:
    """Return whether a folder is a copy of this run that a killed process did not end."""
    record = read_metrics(kept)
    if record is None:  # killed before it had a record: an empty folder
        return store.is_folder(kept) and store.is_empty(kept)
    return bool(record.get("status") == "running" and record.get(_COPY_OF) == run.name)

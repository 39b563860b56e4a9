"""Keep a finished run beside the one that takes its folder: RUN.1, RUN.2, ..., the highest number the latest.

Every file of a run is written anew and renamed, never changed, so a second name for each is a whole copy at no cost. The
copy's `metrics.json` comes last, so what a killed process leaves is no finished run, and the next one goes on with it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from penult import store, untrusted
from penult.errors import OutputError
from penult.i18n import N_, _
from penult.runs.checksums import FORMAT, METRICS, read_metrics
from penult.texts import printable, system_words

log = logging.getLogger(__name__)

_CURE = N_("give another folder with --out, or --overwrite to keep nothing of the run that is there")


def keep_former(run: Path) -> Path:
    """Keep the finished run in a folder, which stays as it is, under the next number, and return where.

    Raises `OutputError` where that cannot be written.
    """
    numbers = former_runs(run)
    latest = numbers[-1] if numbers else None
    if latest is not None and _is_same(latest / METRICS, run / METRICS):  # killed right after it was kept
        return latest
    record = _unfinished(run)
    if latest is not None and _is_begun(latest, record):
        kept = latest
    else:
        kept = _numbered(run, 1 if latest is None else _number(latest) + 1)
    store.make_folder(kept, _CURE)
    store.write_json(kept / METRICS, record, cure=_CURE)
    store.sweep(kept, below=1)
    files = [path for path in sorted(run.rglob("*")) if path.is_file() and not path.is_symlink()]
    for path in [path for path in files if path != run / METRICS and not store.is_temporary(path.name)]:
        store.make_folder((kept / path.relative_to(run)).parent, _CURE)
        store.link_file(path, kept / path.relative_to(run), _CURE)
    store.link_file(run / METRICS, kept / METRICS, _CURE)
    log.warning(
        _("the run that was in {run} is kept as {kept} (--overwrite keeps nothing)", run=printable(run), kept=printable(kept))
    )
    return kept


def former_runs(run: Path) -> list[Path]:
    """Return the numbered folders beside a run, the latest last, whether a copy is whole or not."""
    pattern = re.compile(re.escape(run.absolute().name) + r"\.[1-9][0-9]*")
    try:
        names = [path for path in run.absolute().parent.iterdir() if pattern.fullmatch(path.name)]
    except OSError as error:
        raise OutputError(
            _(
                "the run in {run} cannot be kept: the folder above it cannot be listed ({reason}); {cure}.",
                run=printable(run),
                reason=system_words(error),
                cure=_(_CURE),
            )
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


def _unfinished(run: Path) -> dict[str, Any]:
    """Return the record of a copy of this run that is not whole yet. Raises `OutputError`."""
    try:
        sha256 = untrusted.sha256(run / METRICS)  # the folder may have had another run before
    except OSError as error:
        raise OutputError(
            _(
                "the run in {run} cannot be kept: its {metrics} cannot be read ({reason}); {cure}.",
                run=printable(run),
                metrics=METRICS,
                reason=system_words(error),
                cure=_(_CURE),
            )
        ) from error
    return {"penult_run": FORMAT, "status": "running", "copy_of": run.name, "sha256": sha256}


def _is_begun(kept: Path, record: Mapping[str, Any]) -> bool:
    """Return whether a folder is a copy with this record that a killed process did not end."""
    found = read_metrics(kept)
    if found is None:  # killed before it had a record: an empty folder
        return store.is_folder(kept) and store.is_empty(kept)
    return found == record

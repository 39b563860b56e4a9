"""The record of a run, `metrics.json`, and whether the files beside it, whose sha256 it has, are as they were written."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penult import store, untrusted
from penult.errors import DamagedFile
from penult.i18n import N_, _
from penult.texts import printable

METRICS = "metrics.json"
FORMAT = 1
ENDED = ("done", "failed")  # the status of a run that has all results, or all but a model
LARGE = 256 << 20  # bytes, a fifth of a second
AGAIN = N_("run the same `penult train` again, which computes no features anew")


@dataclass(frozen=True, slots=True)
class FolderState:
    """A run folder beside its `metrics.json`: names below the folder, `/`-separated and sorted.

    `status` is "done", "failed" or "running", and None where there is no `metrics.json` of a run. `unread` could not be read.
    """

    status: str | None
    same: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


def folder_state(folder: Path) -> FolderState:
    """Return what became of every file of a run; reads all of them."""
    record = read_metrics(folder)
    if record is None:
        return FolderState(None)
    sums, status = _sums(record), str(record.get("status")) if record.get("status") in ENDED else "running"
    found = {p.relative_to(folder).as_posix(): p for p in sorted(folder.rglob("*")) if p.is_file() and p != folder / METRICS}
    hashed = {name: _sha256(found[name]) for name in sums if name in found}
    others = {name: store.is_temporary(name.rpartition("/")[2]) for name in found if name not in sums}
    return FolderState(
        status,
        same=tuple(name for name in sorted(hashed) if hashed[name] == sums[name]),
        changed=tuple(name for name in sorted(hashed) if hashed[name] not in {sums[name], None}),
        missing=tuple(sorted(set(sums) - set(found))),
        extra=tuple(name for name, temporary in others.items() if not temporary),
        leftovers=tuple(name for name, temporary in others.items() if temporary),
        unread=tuple(name for name in sorted(hashed) if hashed[name] is None),
    )


def check_file(path: Path | str, *, checked_inside: bool = False) -> None:
    """Raise `DamagedFile` for a file of a finished run that is not as the run wrote it; one that is gone is none.

    A file that lies in no finished run, or that its `metrics.json` does not name, is another's and is let pass.
    `checked_inside`: the file has checksums of its own (HDF5), so that a large one need not be read for this.
    """
    path = Path(path)
    record = read_finished(path.parent)
    while record is not None:
        wanted = _sums(record).get(path.name)
        if wanted is None or (checked_inside and _size(path) > LARGE) or _sha256(path) in {wanted, None}:
            return
        before, record = record, read_finished(path.parent)
        if record == before:  # else the run was written anew while its file was read
            raise DamagedFile(
                _(
                    "{path} was changed or damaged after it was written (its sha256 differs from that in {metrics}); "
                    "{cure}, or copy the file out of the run folder to use it as it is.",
                    path=printable(path),
                    metrics=METRICS,
                    cure=_(AGAIN),
                )
            )


def check_features(paths: Sequence[Path | str]) -> None:
    """Check feature files, which have checksums of their own, see `check_file`."""
    for path in paths:
        check_file(path, checked_inside=True)


def check_all(folder: Path, names: Sequence[str]) -> None:
    """Raise `DamagedFile` where one of a finished run's files of these names was changed, or is gone."""
    record = read_finished(folder)
    for name in names:
        check_file(folder / name)
        if record is not None and name in _sums(record) and not (folder / name).is_file() and record == read_finished(folder):
            raise DamagedFile(
                _(
                    "{path} is gone, and {metrics} says that the run wrote it; put it back, or {cure}.",
                    path=printable(folder / name),
                    metrics=METRICS,
                    cure=_(AGAIN),
                )
            )


def read_metrics(folder: Path) -> Mapping[str, Any] | None:
    """Return the `metrics.json` of a run, None for a folder without one that can be read: it may come from anywhere."""
    with contextlib.suppress(OSError, ValueError):
        record = untrusted.parse_json(untrusted.read_bytes(folder / METRICS, untrusted.MOST_JSON), untrusted.MANY_VALUES)
        if isinstance(record, dict) and "penult_run" in record:
            return record
    return None


def read_finished(folder: Path) -> Mapping[str, Any] | None:
    """Return the `metrics.json` of a run that is done, None for any other folder."""
    record = read_metrics(folder)
    return record if record is not None and record.get("status") == "done" else None


def _sums(record: Mapping[str, Any]) -> Mapping[str, str]:
    files = record.get("files")
    return {name: sha256 for name, sha256 in files.items() if isinstance(sha256, str)} if isinstance(files, dict) else {}


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.stat().st_size
    return 0


def _sha256(path: Path) -> str | None:
    """Return the sha256 of a file; None for one that cannot be read: whoever reads it says why."""
    with contextlib.suppress(OSError):
        return untrusted.sha256(path)
    return None

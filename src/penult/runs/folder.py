"""The run folder: claim it, write each result whole or not at all, and tell later whether a file is still as it was written.

A folder is a run when it holds a `metrics.json` of ours; that file is written first (status "running") and again last
(status "done", or "failed" where the model did not pass penult's own check), so that a run that was killed is recognised and
replaced file by file. It has the sha256 of each file of the run. One run at a time has the folder: a second one is refused as
long as the process of the first lives, since the files of two runs belong to two models.
"""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from penult import store, untrusted
from penult.errors import DamagedFile, InputError, OutputError
from penult.texts import printable

METRICS = "metrics.json"
FORMAT = 1
LARGE = 256 << 20  # bytes, a fifth of a second
_BUSY = "another run of penult is writing to it"
AGAIN = "run the same `penult train` again, which computes no features anew"
_CURE = "wait until that has ended, or give another folder with --out"


class RunFolder:
    """A claimed folder, as a `with` block or until `close`.

    Raises `InputError` for a non-empty folder that is not a run of penult's, `OutputError` for one that another run has.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"{self.path} is a file; give another folder with --out.")
        store.make_folder(self.path)
        self._claim = store.FolderLock(self.path, _BUSY, _CURE)
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    def _begin(self) -> None:
        if not store.is_empty(self.path) and read_metrics(self.path) is None:
            raise InputError(
                f"{self.path} is not empty and is not a run of penult's; nothing was touched. Give another folder with --out."
            )
        store.sweep(self.path, below=1)
        store.write_json(self.path / METRICS, {"penult_run": FORMAT, "status": "running"})

    def close(self) -> None:
        """Let another run have the folder."""
        self._claim.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def write_table(self, name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Write one CSV file."""
        with store.atomic_write_text(self.path / name) as file:
            table = csv.writer(file)
            table.writerow(header)
            table.writerows(rows)

    def drop(self, *names: str) -> None:
        """Remove results of an earlier run that this run does not make. Raises `OutputError` where that is refused."""
        for name in names:
            store.drop(self.path / name)

    def finish(self, metrics: Mapping[str, Any], error: str | None = None) -> dict[str, Any]:
        """Write `metrics.json`, last: the sha256 of every file of the run is in it.

        With an `error` the run has no model, and is "failed" instead of "done".
        """
        files = {
            p.relative_to(self.path).as_posix(): self._sha256(p)
            for p in sorted(self.path.rglob("*"))
            if p.is_file() and p.name != METRICS and not store.is_temporary(p.name)
        }
        status = {"status": "done"} if error is None else {"status": "failed", "error": error}
        whole = {"penult_run": FORMAT, **status, **metrics, "files": files}
        store.write_json(self.path / METRICS, whole)
        return whole

    @staticmethod
    def _sha256(path: Path) -> str:
        try:
            return untrusted.sha256(path)
        except OSError as error:
            raise OutputError(
                f"{printable(path)}, a result of this run, cannot be read back ({error.strerror}); run the same command again."
            ) from error


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
    sums, status = _sums(record), str(record.get("status")) if record.get("status") in ("done", "failed") else "running"
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
    record = _finished(path.parent)
    while record is not None:
        wanted = _sums(record).get(path.name)
        if wanted is None or (checked_inside and _size(path) > LARGE) or _sha256(path) in {wanted, None}:
            return
        before, record = record, _finished(path.parent)
        if record == before:  # else the run was written anew while its file was read
            raise DamagedFile(
                f"{printable(path)} was changed or damaged after it was written (its sha256 differs from that in "
                f"{METRICS}); "
                f"{AGAIN}, or copy the file out of the run folder to use it as it is."
            )


def check_features(paths: Sequence[Path | str]) -> None:
    """Check feature files, which have checksums of their own, see `check_file`."""
    for path in paths:
        check_file(path, checked_inside=True)


def check_all(folder: Path, names: Sequence[str]) -> None:
    """Raise `DamagedFile` where one of a finished run's files of these names was changed, or is gone."""
    record = _finished(folder)
    for name in names:
        check_file(folder / name)
        if record is not None and name in _sums(record) and not (folder / name).is_file() and record == _finished(folder):
            raise DamagedFile(
                f"{printable(folder / name)} is gone, and {METRICS} says that the run wrote it; put it back, or {AGAIN}."
            )


def read_metrics(folder: Path) -> Mapping[str, Any] | None:
    """Return the `metrics.json` of a run, None for a folder without one that can be read: it may come from anywhere."""
    with contextlib.suppress(OSError, ValueError):
        record = untrusted.parse_json(untrusted.read_bytes(folder / METRICS, untrusted.MOST_JSON), untrusted.MANY_VALUES)
        if isinstance(record, dict) and "penult_run" in record:
            return record
    return None


def _finished(folder: Path) -> Mapping[str, Any] | None:
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

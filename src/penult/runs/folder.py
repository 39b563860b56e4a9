"""The run folder: claim it, and write each result whole or not at all.

A folder is a run when it holds a `metrics.json` of ours; that file is written first (status "running") and again last
(status "done", or "failed" where the model did not pass penult's own check), so that a run that was killed is recognised and
replaced file by file. A run that ended is kept first, under a number (see `former`). One run at a time has the folder: a
second one is refused as long as the process of the first lives, since the files of two runs belong to two models.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from penult import store, untrusted
from penult.errors import InputError, OutputError
from penult.i18n import N_, _
from penult.runs.checksums import ENDED, FORMAT, METRICS, read_metrics
from penult.runs.former import keep_former
from penult.texts import printable, system_words

_BUSY = N_("another run of penult is writing to it")
_CURE = N_("wait until that has ended, or give another folder with --out")


class RunFolder:
    """A claimed folder, as a `with` block or until `close`.

    `former` is where the run is kept that had ended in it; None with `overwrite`, and where none had. Raises `InputError` for
    a non-empty folder that is not a run of penult's, `OutputError` for one that another run has.
    """

    def __init__(self, path: str | Path, overwrite: bool = False):
        self.path = Path(path)
        self.former: Path | None = None
        if self.path.exists() and not self.path.is_dir():
            raise InputError(_("{path} is a file; give another folder with --out.", path=self.path))
        store.make_folder(self.path)
        self._claim = store.FolderLock(self.path, _BUSY, _CURE)
        try:
            self.former = self._begin(overwrite)
        except BaseException:
            self.close()
            raise

    def _begin(self, overwrite: bool) -> Path | None:
        empty = store.is_empty(self.path)
        record = read_metrics(self.path)
        if record is None and not empty:
            raise InputError(
                _(
                    "{path} is not empty and is not a run of penult's; nothing was touched. Give another folder with --out.",
                    path=self.path,
                )
            )
        store.sweep(self.path, below=1)
        ended = record is not None and record.get("status") in ENDED
        former = keep_former(self.path) if ended and not overwrite else None
        store.write_json(self.path / METRICS, {"penult_run": FORMAT, "status": "running"})
        return former

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
                _(
                    "{path}, a result of this run, cannot be read back ({reason}); run the same command again.",
                    path=printable(path),
                    reason=system_words(error),
                )
            ) from error

"""The run folder: claim it, and write each result whole or not at all.

A folder is a run when it holds a `metrics.json` of ours; that file is written first (status "running") and again last
(status "done"), so that a run that was killed is recognised and replaced file by file.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from penult import foreign, store
from penult.errors import InputError

METRICS = "metrics.json"
FORMAT = 1


class RunFolder:
    """A claimed folder. Raises `InputError` for a non-empty folder that is no run of penult's."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"{self.path} is a file; give another folder with --out.")
        if self.path.is_dir() and any(self.path.iterdir()) and not _is_run(self.path / METRICS):
            raise InputError(
                f"{self.path} is not empty and is no run of penult's; nothing was touched. Give another folder with --out."
            )
        store.make_folder(self.path)
        store.sweep(self.path)
        store.write_json(self.path / METRICS, {"penult_run": FORMAT, "status": "running"})

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def write_table(self, name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Write one CSV file."""
        with store.whole_text(self.path / name) as file:
            table = csv.writer(file)
            table.writerow(header)
            table.writerows(rows)

    def drop(self, *names: str) -> None:
        """Remove results of an earlier run that this run does not make."""
        for name in names:
            (self.path / name).unlink(missing_ok=True)

    def finish(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        """Write `metrics.json`, last: the sha256 of every file of the run is in it."""
        files = {
            p.relative_to(self.path).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(self.path.rglob("*"))
            if p.is_file() and p.name != METRICS
        }
        whole = {"penult_run": FORMAT, "status": "done", **metrics, "files": files}
        store.write_json(self.path / METRICS, whole)
        return whole


def _is_run(path: Path) -> bool:
    try:
        return "penult_run" in foreign.loads(foreign.content(path, foreign.MOST_JSON), foreign.MANY)
    except (OSError, ValueError, TypeError):
        return False

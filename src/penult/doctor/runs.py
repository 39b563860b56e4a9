"""Is a run folder whole? Every file against the sha256 in its `metrics.json`; does its model answer as where it was trained?

In: run folders. Out: `Check`s.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from penult import runs
from penult.doctor.check import FAIL, NOTE, OK, Check
from penult.texts import printable
from penult.worker import Crashed, Worker

NAMED = 5  # files that a line names
AGAIN = "run the same `penult train` again: it computes no features anew"


def files(folder: Path) -> list[Check]:
    """Return what became of the files of one run."""
    where = printable(folder)
    found = runs.compare(folder)
    if found.status is None:
        what = "has no metrics.json of penult's that can be read" if folder.is_dir() else "is no folder"
        return [Check("run", FAIL, f"{where} {what}", "give the folder that `penult train --out` made")]
    if found.status == "failed":
        said = f"{where} has results and no model: the model did not pass penult's own check"
        return [Check("run", FAIL, said, "report it, please, with the `error` in its metrics.json")]
    if found.status == "running":
        said = f"{where} was interrupted (or is under way): it has no results that belong together"
        return [Check("run", FAIL, said, "run the same `penult train` again: it goes on where it was")]
    told = []
    bad = {"changed or damaged": found.changed, "gone": found.missing, "unreadable": found.unread}
    for what, names in bad.items():
        if names:
            told.append(Check("files", FAIL, f"{where}: {what}: {_named(names)}", f"{AGAIN}; or put them back"))
    if not told:
        told.append(Check("files", OK, f"{where}: all {len(found.same)} files are as they were written"))
    if found.extra:
        told.append(
            Check("files", NOTE, f"{where}: not of this run: {_named(found.extra)}", "move them if they are in the way")
        )
    if found.leftovers:
        said = f"{where}: {len(found.leftovers)} files that a killed process left"
        told.append(Check("files", NOTE, said, "they do no harm; the next run into this folder removes them"))
    return told


def model(folder: Path) -> list[Check]:
    """Return whether the model of a run loads and gives its own samples' answers, tried in another process."""
    where = printable(folder / "model.penult")
    if not (folder / "model.penult").is_file():
        return []  # told by `files`
    try:
        with Worker("penult.doctor.probe:model") as child:
            child.send(folder)
            count = next(child.answers())
    except Crashed as error:
        return [Check("model", FAIL, f"{where}: the process that tried it died ({error})", "train again, or report it")]
    if not count:
        return [Check("model", OK, f"{where}: whole; it has no networks, so no samples to try")]
    return [Check("model", OK, f"{where}: whole; its {count} samples give the answers that they gave at training")]


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(printable(name) for name in names[:NAMED]) + more

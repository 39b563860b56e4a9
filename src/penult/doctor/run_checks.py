"""Checks of what penult wrote: the files and the model of a run, and features in shards.

In: run folders, addresses. Out: `Check`s. Nothing is changed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from penult import runs
from penult.doctor.installation import FAIL, NOTE, OK, Check
from penult.errors import InputError, listed, what_and_cure
from penult.i18n import _
from penult.texts import printable
from penult.worker import Crashed, Worker

_NAMED = 5  # files that a line names


def run_files(folder: Path) -> list[Check]:
    """Return what became of the files of one run."""
    where = printable(folder)
    found = runs.folder_state(folder)
    if found.status is None:
        unread = _("{where} has no readable metrics.json of penult", where=where)
        said = unread if folder.is_dir() else _("{where} is not a folder", where=where)
        return [Check("run", FAIL, said, _("give the folder that `penult train --out` made"))]
    if found.status == "failed":
        said = _("{where} has results but no model: the model did not pass penult's own check", where=where)
        return [Check("run", FAIL, said, _("report it, please, with the `error` in its metrics.json"))]
    if found.status == "running":
        said = _("{where} was interrupted (or is under way): it has no results that belong together", where=where)
        return [Check("run", FAIL, said, _("run the same `penult train` again: it goes on where it was"))]
    results = []
    bad = {_("changed or damaged"): found.changed, _("gone"): found.missing, _("unreadable"): found.unread}
    for what, names in bad.items():
        if names:
            results.append(
                Check(
                    "files",
                    FAIL,
                    _("{where}: {what}: {names}", where=where, what=what, names=_named(names)),
                    _("run the same `penult train` again: features come from the cache; or put them back"),
                )
            )
    if not results:
        results.append(Check("files", OK, _("{where}: all {number} files are unchanged", where=where, number=len(found.same))))
    if found.extra:
        results.append(
            Check(
                "files",
                NOTE,
                _("{where}: not part of this run: {extra}", where=where, extra=_named(found.extra)),
                _("move them if they are in the way"),
            )
        )
    if found.leftovers:
        said = _("{where}: {number} files that a killed process left", where=where, number=len(found.leftovers))
        results.append(Check("files", NOTE, said, _("they do no harm; the next run into this folder removes them")))
    return results


def shard_files(address: str) -> list[Check]:
    """Return whether each file of features in shards is as its manifest says."""
    from penult.shards.check import FOREIGN, check_shards

    where, cure = (
        printable(address),
        _("remove it, and run the command that wrote it again: only what is missing is made anew"),
    )
    try:
        found = list(check_shards(address))
    except InputError as error:
        return [Check("shards", FAIL, *what_and_cure(error))]
    foreign = [one.name for one in found if one.wrong == FOREIGN]
    wrong = [one for one in found if one.wrong and one.name not in foreign]
    if wrong:
        which = _named([f"{one.name} ({one.wrong})" for one in wrong])
        results = [
            Check(
                "shards",
                FAIL,
                _(
                    "{where}: {n} of {number} files are not as written: {which}",
                    where=where,
                    n=len(wrong),
                    number=len(found),
                    which=which,
                ),
                cure,
            )
        ]
    else:
        results = [
            Check("shards", OK, _("{where}: all {number} files are unchanged", where=where, number=len(found) - len(foreign)))
        ]
    if foreign:
        said = _("{where}: of no shard of the plan: {foreign}", where=where, foreign=_named(foreign))
        results.append(Check("shards", NOTE, said, _("move them if they are in the way")))
    return results


def run_model(folder: Path) -> list[Check]:
    """Return whether the model of a run loads and gives its own samples' answers, tried in another process."""
    where = printable(folder / "model.penult")
    if not (folder / "model.penult").is_file():
        return []  # reported by `run_files`
    try:
        with Worker("penult.doctor.probe:model") as child:
            child.send(folder)
            count = next(child.answers())
    except Crashed as error:
        return [
            Check(
                "model",
                FAIL,
                _("{where}: the process that tried it died ({error})", where=where, error=error),
                _("train again, or report it"),
            )
        ]
    if not count:
        return [Check("model", OK, _("{where}: loads; it has no networks, so nothing to compare", where=where))]
    return [
        Check(
            "model",
            OK,
            _("{where}: loads; its {count} test samples give the same answers as at training", where=where, count=count),
        )
    ]


def _named(names: Sequence[str]) -> str:
    return listed(map(printable, names), _NAMED, sys.maxsize)

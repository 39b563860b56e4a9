"""What is wrong with the rows of a table, collected, and said at once with what to do about it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from penult.errors import InputError
from penult.i18n import N_, _
from penult.images.columns import Columns, TableOptions
from penult.images.label_cells import MISSING_WORD
from penult.images.matching import Finder, Matches
from penult.images.records import quoted
from penult.texts import printable

MOST_FAULTS = 10_000  # rows; who has more of them has given another file
_ROUNDED = re.compile(r"\d(\.\d+)?e\+\d+", re.IGNORECASE)

NO_FILE = N_("these rows name no file")
NO_GROUP = N_("these rows have no group")
NO_FOLD = N_("these rows have no fold")
NO_WEIGHT = N_("these rows have no weight of 0 or more")
LONG = N_("these rows have more cells than the first line has columns")
AMBIGUOUS = N_("these names fit more than one file")
CONTRADICTORY = N_("these files are listed more than once, with different labels or groups")


class TableFaults:
    """The names of rows by what is wrong with them."""

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = defaultdict(list)

    def add(self, fault: str, name: str) -> None:
        """Add a row."""
        self._names[fault].append(name)

    def __contains__(self, fault: str) -> bool:
        return fault in self._names

    @property
    def many(self) -> bool:
        """Whether there are so many that no further row need be read."""
        return sum(map(len, self._names.values())) >= MOST_FAULTS

    def refuse(self, path: str, root: str, options: TableOptions, columns: Columns, matches: Matches, finder: Finder) -> None:
        """Raise `InputError` if anything is wrong with columns or rows."""
        problems, cures = list(columns.problems), list(dict.fromkeys(columns.cures))
        if matches.rivals:
            problems.append(_("more than one folder holds its images: {names}", names=quoted(matches.rivals)))
            cures.append(_("give the one that is meant with --image-dir DIR"))
        for fault, names in self._names.items():
            problems.append(
                _("{fault}: {names}", fault=_said(fault), names=_named(fault, list(dict.fromkeys(names)), matches, finder))
            )
        if not problems:
            return
        if missing := self._names.get(finder.missing):
            cures += _cures_of_missing(missing, root, options, finder)
        elif self._names:
            cures.append(_("correct these rows"))
        if any(fault.startswith(MISSING_WORD) for fault in self._names):
            cures.append(
                _("empty the cells of photos without a label; if the word is meant as a class, write it in another way")
            )
        if LONG in self._names:
            cures.append(_("put each cell that has a separator in it into quotation marks, or name all columns"))
        if AMBIGUOUS in self._names:
            cures.append(_("write the whole name of the file"))
        if CONTRADICTORY in self._names and len(columns.labels) == 1:
            cures.append(_("if a photo has several labels, one row each, give --task labels"))
        raise InputError(
            _(
                "'{path}' cannot be used: {problems}; {cures}",
                path=printable(path),
                problems=_("; ").join(problems),
                cures=_("; ").join(cures),
            )
        )


def _cures_of_missing(missing: Sequence[str], root: str, options: TableOptions, finder: Finder) -> list[str]:
    """Return what to do about names of files that are not there."""
    cures = [_("correct or remove these rows")]
    if finder.on_disk:
        told = N_("correct these rows (files are looked for in '{folder}', and below it)")
        if not options.image_dir:
            told = N_(
                "correct these rows, or give the folder of the images with --image-dir DIR (files are looked for in the "
                "table's own folder, '{folder}', and below it)"
            )
        cures = [_(told, folder=printable(root))]
    if any("://" in name for name in missing):
        cures.append(_("download what is listed by its address, and list the files"))
    if any("\n" in name.strip() for name in missing):
        cures.append(_("look for a quotation mark without its pair"))
    if any(map(_ROUNDED.fullmatch, missing)):
        cures.append(_("a spreadsheet rounded the numbers written like 1.2E+09: format their column as text there"))
    return cures


def _named(fault: str, names: list[str], matches: Matches, finder: Finder) -> str:
    shown = quoted(names)
    if fault == AMBIGUOUS:
        return _("{names} ({others})", names=shown, others=quoted(matches.ambiguous.get(names[0], [])))
    if fault == finder.missing and (near := finder.suggestion(names[0])):
        return _("{names} (did you mean '{near}'?)", names=shown, near=printable(near))
    return shown


def _said(fault: str) -> str:
    if not fault.startswith(MISSING_WORD):
        return _(fault)
    return _(
        "these rows have '{word}' for a label, which is how pandas and others write that there is none",
        word=fault.removeprefix(MISSING_WORD),
    )

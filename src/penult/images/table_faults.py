"""What is wrong with the rows of a table, collected, and said at once with what to do about it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from penult.errors import InputError
from penult.images.columns import Columns, TableOptions
from penult.images.label_cells import MISSING_WORD
from penult.images.matching import Finder, Matches
from penult.images.records import quoted
from penult.texts import printable

MOST_FAULTS = 10_000  # rows; who has more of them has given another file
_ROUNDED = re.compile(r"\d(\.\d+)?e\+\d+", re.IGNORECASE)

NO_FILE = "these rows name no file"
NO_GROUP = "these rows have no group"
NO_FOLD = "these rows have no fold"
NO_WEIGHT = "these rows have no weight of 0 or more"
LONG = "these rows have more cells than the first line has columns"
AMBIGUOUS = "these names fit more than one file"
CONTRADICTORY = "these files are listed more than once, with different labels or groups"


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
            problems.append(f"more than one folder holds its images: {quoted(matches.rivals)}")
            cures.append("give the one that is meant with --image-dir DIR")
        for fault, names in self._names.items():
            problems.append(f"{fault}: {_named(fault, list(dict.fromkeys(names)), matches, finder)}")
        if not problems:
            return
        if missing := self._names.get(finder.missing):
            cures += _cures_of_missing(missing, root, options, finder)
        elif self._names:
            cures.append("correct these rows")
        if any(fault.endswith(MISSING_WORD[-20:]) for fault in self._names):
            cures.append("empty the cells of photos without a label; if the word is meant as a class, write it in another way")
        if LONG in self._names:
            cures.append("put each cell that has a separator in it into quotation marks, or name all columns")
        if AMBIGUOUS in self._names:
            cures.append("write the whole name of the file")
        if CONTRADICTORY in self._names and len(columns.labels) == 1:
            cures.append("if a photo has several labels, one row each, give --task labels")
        raise InputError(f"'{printable(path)}' cannot be used: {'; '.join(problems)}; {'; '.join(cures)}")


def _cures_of_missing(missing: Sequence[str], root: str, options: TableOptions, finder: Finder) -> list[str]:
    """Return what to do about names of files that are not there."""
    own = "" if options.image_dir else "the table's own folder, "
    where = f"(files are looked for in {own}'{printable(root)}', and below it)"
    also = "" if options.image_dir else ", or give the folder of the images with --image-dir DIR"
    cures = [f"correct these rows{also} {where}" if finder.on_disk else "correct or remove these rows"]
    if any("://" in name for name in missing):
        cures.append("download what is listed by its address, and list the files")
    if any("\n" in name.strip() for name in missing):
        cures.append("look for a quotation mark without its pair")
    if any(map(_ROUNDED.fullmatch, missing)):
        cures.append("a spreadsheet rounded the numbers written like 1.2E+09: format their column as text there")
    return cures


def _named(fault: str, names: list[str], matches: Matches, finder: Finder) -> str:
    shown = quoted(names)
    if fault == AMBIGUOUS:
        return f"{shown} ({quoted(matches.ambiguous.get(names[0], []))})"
    if fault == finder.missing and (near := finder.suggestion(names[0])):
        return f"{shown} (did you mean '{printable(near)}'?)"
    return shown

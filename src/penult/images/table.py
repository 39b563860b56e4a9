"""A CSV that lists images: `file`, and where wanted a label and a group.

In: a CSV whose first line names its columns. Out: `Image` records in the order of its rows. What a row names
counts as an image, whatever its extension: nothing that was listed on purpose drops out in silence.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Container, Iterator, Sequence
from itertools import islice
from pathlib import Path

from penult import foreign
from penult.errors import InputError
from penult.images.kinds import lies_at
from penult.images.names import listing, show
from penult.images.records import Image
from penult.images.walk import REPEATED, Tally

FILE, LABEL = "file", "label"
_MOST_FAULTS = 10_000  # rows; who has more of them has given another file

_NO_FILE = "these rows name no file"
_NO_LABEL = "these rows have no label"
_NO_GROUP = "these rows have no group"
_MISSING = "these files do not exist, or are no regular files"
_CONTRADICTORY = "these files are listed more than once, with different labels or groups"


def is_table(path: str) -> bool:
    """Tell whether a path is that of a CSV file."""
    return path.lower().endswith(".csv") and lies_at(path) == "file"


class Table:
    """The rows of a CSV, separated by commas, semicolons or tabs, with or without a byte order mark."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.root = str(Path(path).parent)
        first = next(self._all_rows(), None)
        if first is None:
            raise InputError(f"'{show(path)}' is empty; write the columns' names into its first line, such as file,label")
        self.header = [name.strip() for name in first[1]]

    def has(self, column: str) -> bool:
        """Tell whether there is a column of this name, in capitals or not."""
        return column.lower() in (name.lower() for name in self.header)

    def values(self, column: str, classes: Container[str] = ()) -> set[str]:
        """Return what stands in a column, empty text included; raises InputError if there is none."""
        at = self._places([column])[column]
        return {_meant(fields[at], classes) if at < len(fields) else "" for _, fields in self._rows()}

    def images(
        self, tally: Tally, label: str | None = None, group: str | None = None, classes: Container[str] = ()
    ) -> list[Image]:
        """Return the images listed, with label and group from the columns of these names.

        Blanks around a label are dropped, unless it is one of `classes` with them: a folder may be named so.
        Raises InputError for missing columns, then one for all faulty rows, each kind with its offenders.
        """
        places = self._places([column for column in (FILE, label, group) if column is not None])
        faults: dict[str, list[str]] = defaultdict(list)
        seen: dict[str, Image] = {}
        for line, fields in self._rows():
            if sum(map(len, faults.values())) >= _MOST_FAULTS:
                break
            cells = {column: fields[at] if at < len(fields) else "" for column, at in places.items()}
            image = Image(
                id=cells[FILE].replace(os.sep, "/"),
                path=os.path.join(self.root, cells[FILE]),  # noqa: PTH118 - a Path costs 5 us a row
                label=None if label is None else _meant(cells[label], classes),
                group=None if group is None else cells[group].strip(),
            )
            empty = _empty_cell(image)
            if empty is not None:
                faults[empty].append(image.id.strip() or f"line {line}")
                continue
            first = seen.setdefault(os.path.normpath(image.path), image)
            if first is image:
                if lies_at(image.path) != "file":
                    faults[_MISSING].append(image.id)
            elif (first.label, first.group) == (image.label, image.group):
                tally.ignore(REPEATED, image.id)
            else:
                faults[_CONTRADICTORY].append(image.id)
        self._refuse(faults)
        return list(seen.values())

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield line number and fields of each row below the header, read anew: no file is too large for the memory."""
        return islice(self._all_rows(), 1, None)

    def _all_rows(self) -> Iterator[tuple[int, list[str]]]:
        try:
            yield from foreign.rows(self.path, ",;\t", FILE)
        except OSError as error:
            raise InputError(f"'{show(self.path)}' cannot be read ({error.strerror}); check its permissions") from error
        except ValueError as error:
            raise InputError(f"'{show(self.path)}' cannot be used: {error}") from error

    def _places(self, columns: Sequence[str]) -> dict[str, int]:
        names = [name.lower() for name in self.header]
        missing = [column for column in columns if column.lower() not in names]
        if missing:
            raise InputError(
                f"'{show(self.path)}' has no column {listing(missing)}; "
                f"its first line names {listing(self.header)}, "
                f"and it must name {','.join(show(column) for column in columns)}"
            )
        return {column: names.index(column.lower()) for column in columns}

    def _refuse(self, faults: dict[str, list[str]]) -> None:
        if not faults:
            return
        found = "; ".join(f"{fault}: {listing(list(dict.fromkeys(names)))}" for fault, names in faults.items())
        cure = "correct these rows"
        if _MISSING in faults:
            cure += f" (files are looked for in the CSV's own folder, '{show(self.root)}')"
        raise InputError(f"'{show(self.path)}' cannot be used: {found}; {cure}")


def _meant(label: str, classes: Container[str]) -> str:
    return label if label in classes else label.strip()


def _empty_cell(image: Image) -> str | None:
    if not image.id.strip() and lies_at(image.path) != "file":  # a file may be named by a blank
        return _NO_FILE
    if image.label == "":
        return _NO_LABEL
    return _NO_GROUP if image.group == "" else None

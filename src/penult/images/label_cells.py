"""What the label cells of a row say: one class, or any number of labels, in columns of 0 and 1 or several in one cell.

In: the cells of all rows once, to tell which of the two it is. Out: for each row its label or labels. It must not know files.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from penult.i18n import N_, _
from penult.images.labels import LabelNormalizer, is_missing, says_missing
from penult.texts import printable

Task = Literal["classes", "labels"]

_BINARY = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1}
_UNKNOWN = ("", "-1", "-1.0")  # an empty cell among others, and what CheXpert's tables have for it
_STRONG, _WEAK = ("|", ";", ","), (" ", "+")  # which names of classes hardly ever have in them, and which they often have
_LISTED = "[]"  # stands for the way in which Python and JSON write a list
_LIST = re.compile(r"\s*[\[({](.*)[\])}]\s*", re.DOTALL)
_ITEM = re.compile(r"""'([^']*)'|"([^"]*)"|([^\s,'"]+)""")
_DECIMAL = re.compile(r"[+-]?\d*([.,]\d*)?")
_MOST = 100_000  # different cells; who has more has no labels in them

NO_ONE = N_("these rows have no 1 in any class column")
TWO_ONES = N_("these rows have a 1 in more than one class column, where a photo has one class")
NOT_BINARY = N_("these rows have other cells than 0 and 1 in their class columns")
MISSING_WORD = "missing word: "  # and the word: a fault that `table_faults` says as a sentence


@dataclass(frozen=True, slots=True)
class LabelCell:
    """What a row says: `label`, or `labels` where a photo may have several, with those of which it says nothing.

    Both are None for a photo without a label; `fault` is what is wrong.
    """

    label: str | None = None
    labels: tuple[str, ...] | None = None
    unknown: tuple[str, ...] = ()
    fault: str | None = None


NOTHING = LabelCell()


class LabelCells:
    """Reads the labels of rows; `columns` are their places, several where each class has one, `names` how these are called.

    `task` says whether a photo has one of the classes or any number of labels; with "auto" the rows tell, all of which
    are looked at once. `separator` is what parts the labels of a cell, None where it has one.
    """

    def __init__(self, names: Sequence[str], columns: Sequence[int], rows: Iterable[Sequence[str]], task: str) -> None:
        self.columns, self.names, self.separator = tuple(columns), tuple(names), None
        self.several = self.none = 0  # photos with more than one label, and with none of them
        self.task: Task = "classes"
        if len(columns) > 1:
            self.task = self._task_of_columns(rows, task)
        elif columns and task != "classes":
            self.separator = self._separator(rows, forced=task == "labels")
            self.task = "labels" if task == "labels" or self.separator else "classes"

    @property
    def one_hot(self) -> bool:
        """Whether each class has a column of 0 and 1."""
        return len(self.columns) > 1

    def __call__(self, fields: Sequence[str], meant: LabelNormalizer) -> LabelCell:
        """Return what a row says."""
        if not self.columns:
            return NOTHING
        if self.one_hot:
            return self._of_columns(fields, meant)
        written = fields[self.columns[0]] if self.columns[0] < len(fields) else ""
        if self.task == "classes":
            return _class_of(written, meant)
        if says_missing(written.strip()):
            return NOTHING
        labels = dict.fromkeys(meant(one) for one in _parts(written, self.separator))
        return LabelCell(labels=tuple(label for label in labels if label))

    def all_labels(self, meant: LabelNormalizer) -> tuple[str, ...]:
        """Return the labels that columns are named after, in their order."""
        return tuple(dict.fromkeys(meant(name) for name in self.names)) if self.one_hot else ()

    def describe(self) -> str:
        """Return where labels come from: `labels by ...`."""
        if self.one_hot:
            if self.task == "classes":
                return _("labels by its {n} columns of 0 and 1", n=len(self.columns))
            return _(
                "labels by its {n} columns of 0 and 1, any number a photo ({several:,} photos have several, {none:,} none)",
                n=len(self.columns),
                several=self.several,
                none=self.none,
            )
        name = printable(self.names[0])
        if self.task == "classes":
            return _("labels by '{name}'", name=name)
        how = {
            None: _("labels by '{name}', one in each cell (--task classes takes each cell as one class)", name=name),
            _LISTED: _("labels by '{name}', a list in each cell (--task classes takes each cell as one class)", name=name),
            " ": _(
                "labels by '{name}', several in a cell, parted by blanks (--task classes takes each cell as one class)",
                name=name,
            ),
        }
        parted = N_("labels by '{name}', several in a cell, parted by '{sign}' (--task classes takes each cell as one class)")
        return how.get(self.separator) or _(parted, name=name, sign=self.separator)

    def _task_of_columns(self, rows: Iterable[Sequence[str]], task: str) -> Task:
        for fields in rows:
            values = [_BINARY.get(_cell(fields, at)) for at in self.columns]
            ones = sum(value or 0 for value in values)
            self.several += ones > 1
            self.none += ones == 0 and any(value is not None for value in values)
        if task == "auto":
            return "labels" if self.several or self.none else "classes"
        return "labels" if task == "labels" else "classes"

    def _of_columns(self, fields: Sequence[str], meant: LabelNormalizer) -> LabelCell:
        cells = [_cell(fields, at) for at in self.columns]
        if not any(cells):
            return NOTHING
        values = [_BINARY.get(cell) for cell in cells]
        if any(value is None and cell not in _UNKNOWN for value, cell in zip(values, cells, strict=True)):
            return LabelCell(fault=NOT_BINARY)
        named = [(meant(name), value) for name, value in zip(self.names, values, strict=True)]
        ones = tuple(label for label, value in named if value)
        if self.task == "labels":
            return LabelCell(labels=ones, unknown=tuple(label for label, value in named if value is None))
        if None in values:
            return LabelCell(fault=NOT_BINARY)
        return LabelCell(ones[0]) if len(ones) == 1 else LabelCell(fault=TWO_ONES if ones else NO_ONE)

    def _separator(self, rows: Iterable[Sequence[str]], forced: bool) -> str | None:
        """Return what parts the labels of a cell, if it is clear that they have several."""
        cells: Counter[str] = Counter()
        for fields in rows:
            cell = fields[self.columns[0]].strip() if self.columns[0] < len(fields) else ""
            if not is_missing(cell):
                cells[cell] += 1
            if len(cells) > _MOST:
                return None
        if cells and all(_LIST.fullmatch(cell) for cell in cells):
            return _LISTED
        for sign in (*_STRONG, *_WEAK):
            if _parts_labels(sign, list(cells)):
                return sign
        return next((sign for sign in _STRONG if any(sign in cell for cell in cells)), None) if forced else None


def binary(cell: str) -> bool:
    """Tell whether a cell may stand in a column that says whether a photo is of its class."""
    return _cell((cell,), 0) in (*_BINARY, *_UNKNOWN)


def _cell(fields: Sequence[str], at: int) -> str:
    return fields[at].strip().lower() if at < len(fields) else ""


def _class_of(written: str, meant: LabelNormalizer) -> LabelCell:
    label = meant(written)
    if meant.knows(label):
        return LabelCell(label)
    if says_missing(label):
        return NOTHING
    return LabelCell(label, fault=MISSING_WORD + printable(label) if is_missing(label) else None)


def _parts(cell: str, separator: str | None) -> list[str]:
    """Return the labels in a cell."""
    if separator is None:
        return [cell]
    if separator == _LISTED:
        inner = _LIST.fullmatch(cell)
        text = cell if inner is None else inner[1]
        return [part for groups in _ITEM.findall(text) if (part := "".join(groups).strip())]
    return [part.strip() for part in (cell.split() if separator == " " else cell.split(separator)) if part.strip()]


def _parts_labels(sign: str, cells: Sequence[str]) -> bool:
    """Tell whether a sign parts the labels of different cells, by how the parts are used again.

    Parts that stand in other cells, too, are labels; of a sign that names of classes often have in them (`golden retriever`)
    all of them must stand alone somewhere, or some cells have three or more. A comma in numbers is a decimal point.
    """
    parts = [_parts(cell, sign) for cell in cells]
    several = [one for one in parts if len(one) > 1]
    if not several or (sign == "," and all(_DECIMAL.fullmatch(cell) for cell in cells)):
        return False
    uses = Counter(part for one in parts for part in set(one))
    asked = {part for one in several for part in one}
    shared, varies = sum(uses[part] > 1 for part in asked), len({len(one) for one in parts}) > 1
    if sign in _STRONG or all(part.isdigit() for part in asked):
        return shared == len(asked) or (varies and 2 * shared >= len(asked))
    alone = {one[0] for one in parts if len(one) == 1}
    return asked <= alone or (varies and shared == len(asked) and max(map(len, several)) > 2)

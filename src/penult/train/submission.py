"""Kaggle's submission file: follow the sample's columns, ids and order, or write the plain `id,label`.

Whatever does not match is known before anything is computed: `Sheet.read` and `Sheet.check` need only names.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from penult import foreign, store
from penult.errors import InputError, OutputError

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sample submission: its header, its ids in order, and what its value columns want.

    `kind`: "label" (one column of class names), "probability" (one column: of the second of two classes) or "columns"
    (one column per class, `order` has the class index of each).
    """

    path: str
    header: tuple[str, ...]
    ids: tuple[str, ...]
    kind: str
    order: tuple[int, ...] = ()

    @classmethod
    def read(cls, path: str | Path, classes: Sequence[str]) -> Sheet:
        """Read a sample submission and see what it wants. Raises `InputError` when it fits no known form."""
        rows = _read(path)
        header, body = tuple(rows[0]), rows[1:]
        kind, order = _wanted(str(path), header, body, classes)
        ids = tuple(r[0] for r in body)
        twice = sorted(i for i, times in Counter(ids).items() if times > 1)[:_SHOWN]
        if twice:
            raise InputError(f"the sample submission {path} has ids more than once: {', '.join(twice)}; give each one row.")
        return cls(str(path), header, ids, kind, order)

    def rows_of(self, names: Sequence[str]) -> list[int]:
        """Return for each id the index of its file. Raises `InputError` that names all ids and files without a partner.

        An id is the path below the folder, the file name, or the file name without its ending; the first of the three by which
        the files are told apart and every id is found.
        """
        best: tuple[list[str], list[str]] | None = None
        for key in (str, _base, _stem):
            table = {key(n): i for i, n in enumerate(names)}
            missing = [i for i in self.ids if i not in table]
            extra = sorted(set(table) - set(self.ids))
            if len(table) == len(names) and not missing and not extra:
                return [table[i] for i in self.ids]
            if best is None or len(missing) < len(best[0]):
                best = (missing, extra)
        missing, extra = best or ([], [])
        said = [
            f"{len(part)} {what} ({', '.join(part[:_SHOWN])}{', ...' if len(part) > _SHOWN else ''})"
            for part, what in (
                (missing, "ids of the sample have no image"),
                (extra, "images are not in the sample"),
            )
            if part
        ]
        raise InputError(
            f"the sample submission {self.path} does not match the test images: {'; '.join(said)}. "
            "Give the sample that belongs to this test folder, or leave --submission out."
        )

    def write(
        self,
        path: str | Path,
        names: Sequence[str],
        classes: Sequence[str],
        proba: NDArray[np.float64],  # (n, k)
    ) -> None:
        """Write the submission; what was written is read back and compared before it gets its name."""
        lines = [self.header]
        for name, i in zip(self.ids, self.rows_of(names), strict=True):
            lines.append((name, *self._values(proba[i], classes)))
        text = io.StringIO(newline="")
        csv.writer(text).writerows(lines)
        if [tuple(r) for r in csv.reader(io.StringIO(text.getvalue(), newline=""))] != lines:
            raise OutputError(f"{path} would not read back as it was meant; rename the images with odd names in them.")
        with store.whole_text(path) as file:
            file.write(text.getvalue())

    def _values(self, row: NDArray[np.float64], classes: Sequence[str]) -> list[str]:
        if self.kind == "label":
            return [classes[int(row.argmax())]]
        if self.kind == "probability":
            return [f"{row[1]:.6g}"]
        return [f"{row[j]:.6g}" for j in self.order]


def _read(path: str | Path) -> list[list[str]]:
    """Return header and rows. Raises `InputError` at the first that is no row of a table."""
    rows: list[list[str]] = []
    try:
        for line, row in foreign.rows(path):
            rows.append(row)
            if len(row) < 2 or len(row) != len(rows[0]):
                raise ValueError(
                    f"line {line} has {len(row)} cells; it needs a header and rows of at least two columns, all equally long"
                )
    except foreign.WRONG_ROWS as error:
        what = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"the sample submission {path} cannot be read ({what}); give the file that Kaggle gave.") from error
    if len(rows) < 2:
        raise InputError(f"the sample submission {path} needs a header and rows below it; give the file that Kaggle gave.")
    return rows


def _wanted(path: str, header: tuple[str, ...], body: list[list[str]], classes: Sequence[str]) -> tuple[str, tuple[int, ...]]:
    exact, lower = ({key(c): i for i, c in enumerate(classes)} for key in (str, str.lower))
    columns = [h.strip().lower() for h in header[1:]]
    if len(columns) > 1:
        if set(header[1:]) == set(exact):  # classes may differ in capitals alone
            return "columns", tuple(exact[h] for h in header[1:])
        if sorted(columns) != sorted(lower):
            strange = sorted(set(columns) ^ set(lower))
            raise InputError(
                f"the columns of the sample submission {path} are not the classes of the training images; "
                f"only on one side: {', '.join(strange[:_SHOWN])}. Give the sample that belongs to these photos."
            )
        return "columns", tuple(lower[c] for c in columns)
    values = {r[1].strip() for r in body}
    if values <= set(classes) or {r[1] for r in body} <= set(classes):
        return "label", ()
    if len(classes) == 2 and all(_is_number(v) for v in values):
        return "probability", ()
    raise InputError(
        f"the sample submission {path} has one value column, {header[1]!r}, whose values are neither class names nor (with "
        f"two classes) numbers: {', '.join(sorted(values)[:3])}; write classes into it: {', '.join(classes[:_SHOWN])}."
    )


def plain(names: Sequence[str], classes: Sequence[str]) -> Sheet:
    """Return the form without a sample: `id,label`, the probability of the second class for two classes, else the label."""
    stems = [_stem(n) for n in names]
    ids = stems if len(set(stems)) == len(stems) else list(names)
    return Sheet("(none)", ("id", "label"), tuple(ids), "probability" if len(classes) == 2 else "label")


def _base(name: str) -> str:
    return PurePosixPath(name).name


def _stem(name: str) -> str:
    return PurePosixPath(name).stem


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

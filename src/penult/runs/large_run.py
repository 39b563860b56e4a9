"""The photos of a large run: some columns of all rows as numbers, and the chosen rows whole.

In: `map.csv` and `oof.csv` of a run, in the same order. Out: the rows to show, and what is counted of all. The tables are read
twice, row by row: first to choose, then to take.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penult.i18n import _
from penult.runs.sampling import RowColumns, RowTotals, doubted_names, flagged_names, within
from penult.runs.tables import MAP, OOF, SUREST, PhotoRows, answers, lines, rows_of

if TYPE_CHECKING:
    from penult.audit import Finding


class _Row(NamedTuple):
    """A photo: its label, the answer (-1 where it was not measured) with its probability, and that of the label."""

    file: str
    y: int
    given: int = -1
    sure: float = np.nan
    own: float = np.nan


def read_large(
    folder: Path, classes: Sequence[str], findings: Sequence[Finding], most: int
) -> tuple[PhotoRows, RowTotals, frozenset[str]] | None:
    """Return `most` rows of a run, what is counted of all, and which photos that findings name are among all.

    None where the two tables are not in the same order, as those of another program may be.
    """
    flagged, doubted = flagged_names(findings), doubted_names(findings)
    asked, seen = {name for one in findings for name in one.photos}, set()
    y, given = array("q"), array("q")
    sure, own = array("d"), array("d")
    is_flagged, is_doubted = bytearray(), bytearray()
    try:
        for row in _rows(folder, classes):
            y.append(row.y)
            given.append(row.given)
            sure.append(row.sure)
            own.append(row.own)
            is_flagged.append(row.file in flagged)
            is_doubted.append(row.file in doubted)
            if row.file in asked:
                seen.add(row.file)
    except _OrderError:
        return None
    numbers, answered = np.frombuffer(y, np.int64), np.frombuffer(given, np.int64)
    measured = answered >= 0
    columns = RowColumns(
        measured,
        measured & (answered != numbers),
        np.frombuffer(sure),
        np.frombuffer(own),
        np.frombuffer(is_flagged, bool),
        np.frombuffer(is_doubted, bool),
    )
    chosen = columns.choose(most)
    files, places, near = _taken(folder, chosen, len(numbers))
    rows = PhotoRows(files, numbers[chosen], answered[chosen], columns.sure[chosen], columns.own[chosen], places, near)
    return rows, columns.totals, frozenset(seen)


class _OrderError(ValueError):
    """The answers are not in the order of the map."""


def _rows(folder: Path, classes: Sequence[str]) -> Iterator[_Row]:
    """Yield the photos of the map with their answers, or where there is no map those that were measured."""
    index = {name: i for i, name in enumerate(classes)}
    judged = answers(folder / OOF, classes)
    drawn = rows_of(folder / MAP)
    first = next(drawn, None)
    if first is None:
        for file, label, proba in judged:
            yield _judged(file, index[label], proba)
        return
    ahead = next(judged, None)
    for row in _again(first, drawn):
        file, y = row["file"], index[row["label"]]
        if ahead is not None and ahead[0] == file:
            yield _judged(file, y, ahead[2])
            ahead = next(judged, None)
        else:
            yield _Row(file, y)
    if ahead is not None:
        raise _OrderError


def _again(first: dict[str, str], rest: Iterator[dict[str, str]]) -> Iterator[dict[str, str]]:
    yield first
    yield from rest


def _judged(file: str, y: int, proba: NDArray[np.float64]) -> _Row:
    given = int(proba.argmax())
    return _Row(file, y, given, min(float(proba[given]), SUREST), float(proba[y]))


def _taken(
    folder: Path, chosen: NDArray[np.intp], n: int
) -> tuple[tuple[str, ...], NDArray[np.float64] | None, NDArray[np.intp] | None]:
    """Return files, places (m, 2) and neighbors (m, k) of the chosen rows (m,) of n."""
    wanted = iter(chosen.tolist())
    files: list[str] = []
    if not (folder / MAP).exists():
        at = next(wanted, -1)
        for i, cells in enumerate(islice(lines(folder / OOF), 1, None)):
            if i == at:
                files.append(cells[0])
                at = next(wanted, -1)
        return tuple(files), None, None
    places, near = np.empty((len(chosen), 2)), []
    at = next(wanted, -1)
    for i, row in enumerate(rows_of(folder / MAP)):
        if i == at:
            places[len(files)] = float(row["x"]), float(row["y"])
            near.append([int(j) for j in row["near"].split()])
            files.append(row["file"])
            at = next(wanted, -1)
    beside = np.array(near, np.intp)
    if not (np.abs(places - 0.5) <= 1).all():
        raise ValueError(_("the map has places beyond its edges"))
    if not ((beside >= 0) & (beside < n)).all():
        raise ValueError(_("the map names neighbours that are not there"))
    return tuple(files), places, within(beside, chosen, n)

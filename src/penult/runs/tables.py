"""Reading the tables of a run, row by row: they may be larger than memory.

In: a CSV file of a run. Out: its rows. Raises `DamagedFile` for one that is not as penult writes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from penult import untrusted
from penult.errors import DamagedFile
from penult.i18n import _

MAP, OOF, SKIPPED, FINDINGS, HISTORY = "map.csv", "oof.csv", "skipped.csv", "findings.csv", "history.csv"
PREDICTIONS, PHOTOS = "predictions.csv", "photos.csv"
# What a table or record that is not penult's can make go wrong, in whichever line comes to its odd value first.
SUREST = 1 - 1e-6  # the tables have six digits: there, 1 also stands for what is nearly 1
WRONG = (KeyError, ValueError, IndexError, TypeError, AttributeError, ArithmeticError)


@dataclass(frozen=True, slots=True, eq=False)
class PhotoRows:
    """The training photos that have features, one row each.

    `given` and `sure` are the out-of-fold answer and its probability, -1 and NaN where a photo was not measured; `own` is the
    probability of the photo's own label. `places` and `near` are the embedding map's, None where there is none.
    """

    files: tuple[str, ...]
    y: NDArray[np.intp]  # (n,)
    given: NDArray[np.intp]  # (n,)
    sure: NDArray[np.float64]  # (n,)
    own: NDArray[np.float64]  # (n,)
    places: NDArray[np.float64] | None  # (n, 2)
    near: NDArray[np.intp] | None  # (n, m)

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Return which measured photos were given another class than their label, (n,)."""
        wrong: NDArray[np.bool_] = (self.given >= 0) & (self.given != self.y)
        return wrong


def read_table(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file, none where it does not exist."""
    return list(rows_of(path))


def rows_of(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a CSV file one by one; of columns of one name the first: a class may be `file`."""
    found = lines(path)
    header = next(found, [])
    for line in found:
        row = dict(zip(reversed(header), reversed(line), strict=True))
        yield {name: row[name] for name in header}


def lines(path: Path) -> Iterator[list[str]]:
    """Yield the rows of a table, its header first; none where it is not there. Raises `DamagedFile`, also for a short row."""
    width = None
    try:
        for number, cells in untrusted.read_csv(path):
            width = len(cells) if width is None else width
            if len(cells) != width:
                raise ValueError(
                    _("line {number} has {n} cells for {width} columns", number=number, n=len(cells), width=width)
                )
            yield cells
    except FileNotFoundError:
        return
    except untrusted.CSV_ERRORS as error:
        raise DamagedFile(_("{path} cannot be read ({error}); run `penult train` again.", path=path, error=error)) from error


def answers(path: Path, classes: Sequence[str]) -> Iterator[tuple[str, str, NDArray[np.float64]]]:
    """Yield file, label and probabilities (k,), where there are some: an unreadable photo has none.

    The columns are taken by place: a class may be named `file` or `label`.
    """
    for line in islice(lines(path), 1, None):
        if line[2] or line[1]:
            yield line[0], line[1], np.array(line[3 : 3 + len(classes)], np.float64)

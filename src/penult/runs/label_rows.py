"""The out-of-fold answers of a run whose photos have several labels: `oof.csv` with `file,labels,fold,<labels>,unknown`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from penult.runs.folder import RunFolder
from penult.runs.tables import OOF, lines
from penult.texts import joined_labels, label_separator

_BEFORE = 3  # columns before the probabilities


@dataclass(frozen=True, slots=True, eq=False)
class LabelRows:
    """The training photos that were measured, one row each.

    `Y` are the labels that they have (1, 0, NaN unknown), `proba` those probabilities that a model not trained on them gives,
    `thresholds` (L,) from which probability on a label is given.
    """

    files: tuple[str, ...]
    Y: NDArray[np.float32]  # (n, L)
    proba: NDArray[np.float64]  # (n, L)
    fold: NDArray[np.intp]  # (n,)
    thresholds: NDArray[np.float64]  # (L,)

    @property
    def given(self) -> NDArray[np.bool_]:
        """Which labels each photo is given, (n, L)."""
        return np.asarray(self.proba >= self.thresholds)

    @property
    def missed(self) -> NDArray[np.bool_]:
        """Which labels a photo has and is not given, (n, L)."""
        return np.asarray((self.Y == 1) & ~self.given)

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Which labels a photo is given and has not, (n, L)."""
        return np.asarray((self.Y == 0) & self.given)


def write_label_oof(run: RunFolder, labels: Sequence[str], rows: LabelRows) -> None:
    """Write `oof.csv`: for each measured photo its labels, and the probabilities of a model not trained on it."""
    every = zip(rows.files, rows.Y.tolist(), rows.fold.tolist(), rows.proba.tolist(), strict=True)
    table = (
        [file, _named(labels, has, 1), fold, *(f"{p:.6g}" for p in proba), _named(labels, has, None)]
        for file, has, fold, proba in every
    )
    run.write_table(OOF, ["file", "labels", "fold", *labels, "unknown"], table)


def _named(labels: Sequence[str], has: Sequence[float], wanted: float | None) -> str:
    """Return the labels that a photo has, or of which it is not known."""
    return joined_labels(
        [name for name, y in zip(labels, has, strict=True) if (math.isnan(y) if wanted is None else y == wanted)], labels
    )


def read_label_oof(folder: Path, labels: Sequence[str], thresholds: NDArray[np.float64]) -> LabelRows:
    """Return what `write_label_oof` wrote. Raises as `read_table` does, or one of `WRONG`."""
    found = list(islice(lines(folder / OOF), 1, None))
    place, sign = {name: i for i, name in enumerate(labels)}, label_separator(labels)
    Y = np.zeros((len(found), len(labels)), np.float32)  # (n, L)
    for row, cells in zip(Y, found, strict=True):
        for cell, value in ((cells[1], 1), (cells[-1], np.nan)):
            row[[place[name] for name in cell.split(sign) if name]] = value
    proba = np.array([cells[_BEFORE:-1] for cells in found], np.float64).reshape(Y.shape)
    fold = np.array([cells[2] for cells in found], np.intp)
    return LabelRows(tuple(cells[0] for cells in found), Y, proba, fold, thresholds)

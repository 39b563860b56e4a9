"""The photos of a page of predictions: all of some thousands; of more those to look at first, and a sample of the others."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from penult.predict import Predictions
from penult.predict.answers import Prediction

MOST = 10_000  # photos of a page: some 15 MB of thumbnails
TOP = 3  # classes whose probability is shown


@dataclass(frozen=True, slots=True)
class PhotoAnswer:
    """One photo of the page: where it lies, what it is given, and its most probable classes with their probabilities."""

    answer: Prediction  # without its probabilities
    source: Any
    given: tuple[int, ...]  # class numbers
    top: tuple[tuple[int, float], ...]
    known: bool  # a training photo of the model
    doubt: tuple[int, float]  # the smaller, the sooner it should be looked at


@dataclass(slots=True)
class PhotoSample:
    """Photos of any number, at most `most` of which are kept: half of them those to look at first, the others by lot."""

    most: int = MOST
    photos: int = 0
    _kept: list[PhotoAnswer] = field(default_factory=list)

    def add(self, part: Predictions, sources: Sequence[Any]) -> None:
        """Take the answers for photos (n) that lie in `sources`."""
        self.photos += len(part)
        self._kept += _rows(part, sources)
        if len(self._kept) > 2 * self.most:
            self._kept = _chosen(self._kept, self.most)

    @property
    def rows(self) -> list[PhotoAnswer]:
        """The photos of the page, those to look at first in front."""
        return sorted(_chosen(self._kept, self.most), key=lambda row: (row.doubt, row.answer.id))


def _chosen(rows: list[PhotoAnswer], most: int) -> list[PhotoAnswer]:
    if len(rows) <= most:
        return rows
    rows = sorted(rows, key=lambda row: (row.doubt, row.answer.id))
    first, rest = rows[: most // 2], rows[most // 2 :]
    return first + sorted(rest, key=lambda row: _lot(row.answer.id))[: most - len(first)]


def _lot(id: str) -> int:
    """Return a number that decides by lot, the same each time."""
    return zlib.crc32(id.encode("utf-8", "surrogateescape"))


def _rows(part: Predictions, sources: Sequence[Any]) -> Iterator[PhotoAnswer]:
    order = np.argsort(-part.proba, axis=1, kind="stable")[:, :TOP]  # (n, 3)
    known = np.zeros(len(part), bool) if part.in_training is None else part.in_training
    for i, (answer, given) in enumerate(zip(part, part.given, strict=True)):
        failed = answer.failure is not None
        top = () if failed else tuple((int(c), float(part.proba[i, c])) for c in order[i])
        numbers = () if failed else tuple(np.flatnonzero(given).tolist())
        yield PhotoAnswer(replace(answer, probabilities={}), sources[i], numbers, top, bool(known[i]), _doubt(answer))


def _doubt(answer: Prediction) -> tuple[int, float]:
    """Return how soon a photo should be looked at: those unlike the training photos, then by confidence, unreadable last."""
    if answer.failure is not None:
        return 2, 0.0
    return (0, -(answer.novelty or 0.0)) if answer.unlike else (1, answer.confidence or 0.0)

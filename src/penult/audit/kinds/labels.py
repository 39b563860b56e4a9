"""Possible label errors: labels that an out-of-fold model disagrees with, by confident learning. Classes with too few photos.

Northcutt, Jiang, Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 70, 2021: a photo is
counted in the class j whose probability is at least t_j, the mean probability of j among the photos labelled j. Where
that class is not the label, the label is doubted (the off-diagonal of the confident joint). Unlike there, LENIENT
times t_j is enough: with one label in twenty wrong, t_j itself found 9 to 11 of 12.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import default_errors
from penult.audit.finding import AuditData, Finding, FindingKind
from penult.texts import count, percent

FEW = 20  # photos
MUCH_LARGER = 10  # times that the largest class has more photos, above which another is small beside it
SURE = 0.5  # the other class must also be the likelier one by itself
LENIENT = 0.75  # of t_j: wrong labels also pull the model's probabilities down; measured on swapped labels of pets

LABEL = FindingKind(
    "label",
    "possible label error",
    "possible label errors",
    rank=20,
    suggestion="check it; move it if the label is wrong",
    advice="Check each; if the label is wrong, move it to the right folder.",
)
SMALL_CLASS = FindingKind(
    "small_class", "class with too few photos", "classes with too few photos", rank=120, suggestion="add photos", about="class"
)
KINDS = (LABEL, SMALL_CLASS)


def find(data: AuditData) -> Iterator[Finding]:
    """Yield the labels in doubt and the classes with too few photos."""
    yield from label_errors(data)
    yield from small_classes(data)


def label_errors(data: AuditData) -> Iterator[Finding]:
    """Yield the doubted labels among the rows whose labels may be judged."""
    if data.train.y is None or not len(data.checked):
        return
    y = data.train.y[data.checked]
    found = doubts(y, data.proba)
    for row, other, score in zip(found.rows, found.classes, found.score, strict=True):
        file, own, seems = data.train.ok_files[data.checked[row]], data.classes[y[row]], data.classes[other]
        reason = f"labelled {own}, predicted {seems} ({percent(float(score))})"
        yield LABEL.finding(file, score, reason, f"check it; if the label is wrong, move it to {seems}")


def small_classes(data: AuditData) -> Iterator[Finding]:
    """Yield the classes that have few photos by themselves, or beside the largest class, with what of it is true."""
    counts = np.bincount(np.asarray(data.train.y, np.intp), minlength=len(data.classes))
    largest = int(counts.max())
    for name, n in zip(data.classes, counts.tolist(), strict=True):
        few, rare = n < FEW, MUCH_LARGER * n < largest
        if few or rare:
            reason = count(n, "photo")
            reason += f", fewer than {FEW}" if few else ""
            reason += f"; the largest class, {data.classes[int(counts.argmax())]}, has {largest:,}" if rare else ""
            yield SMALL_CLASS.finding(name, 1 - n / (max(largest, FEW) + 1), reason)


@dataclass(frozen=True, slots=True)
class Doubts:
    """Rows whose label is doubted (m,), the class that they seem to be (m,), its probability (m,), surest first."""

    rows: NDArray[np.intp]
    classes: NDArray[np.intp]
    score: NDArray[np.float64]


@default_errors
def doubts(y: NDArray[Any], proba: NDArray[Any]) -> Doubts:
    """Return the doubted labels among y (n,) by out-of-fold probabilities (n, k)."""
    k = proba.shape[1]
    floor = np.array([proba[y == j, j].mean() if (y == j).any() else 1.0 for j in range(k)])  # (k,)
    counted = np.where(proba >= np.maximum(LENIENT * floor, SURE), proba, -1.0)  # (n, k)
    best = counted.argmax(axis=1)  # (n,)
    score = counted[np.arange(len(y)), best]
    rows = np.flatnonzero((best != y) & (score >= 0))
    rows = rows[np.argsort(-score[rows], kind="stable")]
    return Doubts(rows, best[rows], score[rows])

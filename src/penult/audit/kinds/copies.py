"""The same picture twice: exact duplicates, near-duplicates, and test photos that are among the training photos too."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from penult.audit.finding import AuditData, Finding, FindingKind
from penult.audit.near_duplicates import copy_groups, leaks
from penult.audit.pairs import Pairs

LEAK = FindingKind(
    "leak",
    "test photo has a (near-)duplicate in the training set",
    "test photos have a (near-)duplicate in the training set",
    rank=10,
    suggestion="remove it from the test set",
    advice="Remove them from the test set.",
)
COPY = FindingKind(
    "copy",
    "exact duplicate",
    "exact duplicates",
    rank=30,
    suggestion="keep one of the two",
    advice="Keep one file of each picture; under two labels, keep the right one.",
)
NEAR_COPY = FindingKind(
    "near_copy",
    "near-duplicate",
    "near-duplicates",
    rank=40,
    suggestion="keep one of the two",
    advice="Keep one photo of each pair; under two labels, keep the right one.",
)
KINDS = (LEAK, COPY, NEAR_COPY)


def find(data: AuditData) -> Iterator[Finding]:
    """Yield the exact copies and near-duplicates among the training photos, and the leaks into the test photos."""
    files = data.train.ok_files
    number = copy_groups(data.train.photos.digests)
    first = np.unique(number, return_index=True)[1]
    for row in range(len(files)):
        original = int(first[number[row]])
        if original != row:
            yield _twice(COPY, data, (original, row), 1.0)
    for one, other, score in _rows(data.near):
        yield _twice(NEAR_COPY, data, (one, other), score)
    if data.test is not None and len(data.test.ok_files):
        for one, other, score in _rows(leaks(data.train.photos, data.test.photos, data.widths)):
            what = "the same file is in the training set" if score >= 1 else "a near-duplicate is in the training set"
            yield LEAK.finding(data.test.ok_files[other], score, what, related=files[one])


def _twice(kind: FindingKind, data: AuditData, rows: tuple[int, int], score: float) -> Finding:
    assert data.train.y is not None  # noqa: S101 - for the type checker: training photos have labels
    related, file = (data.train.ok_files[row] for row in rows)
    other, own = (data.classes[data.train.y[row]] for row in rows)
    if own == other:
        return kind.finding(file, score, f"{kind.one} within {own}", related=related)
    reason = f"{kind.one} in {own} and in {other}"
    return kind.finding(file, score, reason, "same picture under two labels: keep the right one", related)


def _rows(pairs: Pairs) -> Iterator[tuple[int, int, float]]:
    return zip(pairs.first.tolist(), pairs.second.tolist(), pairs.similarity.tolist(), strict=True)

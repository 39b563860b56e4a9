"""The same picture twice, photos that look alike, and test photos of which the training photos have one or the other.

One picture twice is told from look-alikes by what is left once one is laid on the other (`audit.registration`). Of a picture
one is to be kept; look-alikes (neighboring solar cells, frames of a film, a burst) are photos of their own, and the advice
is only to know that they are alike.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from penult.audit.finding import AuditData, Finding, FindingKind
from penult.audit.near_duplicates import copy_groups, leaks
from penult.audit.pairs import Pairs
from penult.i18n import N_, _

LEAK = FindingKind(
    "leak",
    "test photo that is, or looks like, a training photo",
    "test photos that are, or look like, training photos",
    rank=10,
    suggestion=N_("remove it from the test set"),
    advice=N_("Remove those that are in the training set too; look-alikes of training photos may flatter the test score."),
)
COPY = FindingKind(
    "copy",
    "exact duplicate",
    "exact duplicates",
    rank=30,
    suggestion=N_("keep one of the two"),
    advice=N_("Keep one file of each picture; under two labels, keep the right one."),
)
NEAR_COPY = FindingKind(
    "near_copy",
    "near-duplicate",
    "near-duplicates",
    rank=40,
    suggestion=N_("keep one of the two"),
    advice=N_("Keep one photo of each pair; under two labels, keep the right one."),
)
GROUP = FindingKind(
    "group",
    "pair of look-alikes",
    "pairs of look-alikes",
    rank=130,
    suggestion=N_("keep both"),
    advice=N_("Keep them: they are different photos that look alike, and each group stays in one fold."),
)
KINDS = (LEAK, COPY, NEAR_COPY, GROUP)
ONE_SET = N_("same picture with different labels: keep one, with the labels that are right")
ONE_CLASS = N_("same picture under two labels: keep the right one")
FLATTERED = N_("look-alikes of training photos: the score may flatter you")
PLACES = {  # of two photos of one label, of two
    "copy": (N_("exact duplicate within {label}"), N_("exact duplicate in {label} and in {other}")),
    "near_copy": (N_("near-duplicate within {label}"), N_("near-duplicate in {label} and in {other}")),
    "group": (N_("pair of look-alikes within {label}"), N_("pair of look-alikes in {label} and in {other}")),
}


def find(data: AuditData) -> Iterator[Finding]:
    """Yield the exact copies, near-duplicates and look-alikes among the training photos, and the leaks into the test part."""
    files = data.train.ok_files
    number = copy_groups(data.train.photos.digests)
    first = np.unique(number, return_index=True)[1]
    for row in range(len(files)):
        original = int(first[number[row]])
        if original != row:
            yield _twice(COPY, data, (original, row), 1.0)
    for one, other, score, copied in _rows(data.near):
        if copied:
            yield _twice(NEAR_COPY, data, (one, other), score)
        else:
            where = _where(GROUP, _label(data, one), _label(data, other))
            yield GROUP.finding(files[other], score, where, related=files[one])
    if data.test is not None and len(data.test.ok_files):
        for one, other, score, copied in _rows(leaks(data.train.photos, data.test.photos, data.widths)):
            if score >= 1:
                what, advice = _("the same file is in the training set"), None
            elif copied:
                what, advice = _("the same picture is in the training set"), None
            else:
                what, advice = _("look-alike of a training photo"), _(FLATTERED)
            yield LEAK.finding(data.test.ok_files[other], score, what, advice, files[one])


def _twice(kind: FindingKind, data: AuditData, rows: tuple[int, int], score: float) -> Finding:
    related, file = (data.train.ok_files[row] for row in rows)
    one, other = (_label(data, row) for row in rows)
    advice = None if one == other else _(ONE_CLASS if data.train.Y is None else ONE_SET)
    return kind.finding(file, score, _where(kind, one, other), advice, related)


def _label(data: AuditData, row: int) -> str:
    """Return the class of a training photo; of several labels all that it has."""
    if data.train.Y is not None:
        own = [str(data.classes[i]) for i in np.flatnonzero(data.train.Y[row] == 1).tolist()]
        return " + ".join(own) if own else _("no label")
    assert data.train.y is not None  # noqa: S101 - for the type checker: training photos have labels
    return str(data.classes[data.train.y[row]])


def _where(kind: FindingKind, one: str, other: str) -> str:
    within, between = PLACES[kind.name]
    return _(within, label=one) if one == other else _(between, label=other, other=one)


def _rows(pairs: Pairs) -> Iterator[tuple[int, int, float, bool]]:
    copied = [False] * len(pairs) if pairs.one_picture is None else pairs.one_picture.tolist()
    return zip(pairs.first.tolist(), pairs.second.tolist(), pairs.similarity.tolist(), copied, strict=True)

"""Possible label errors: labels that are more probably wrong than right. The model's errors. Classes with too few photos.

How probable it is that a label is wrong is said by `penult.audit.noise_model`. A photo that the model gets wrong is no label
error by itself: where classes look alike, nearly all of these labels are right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from penult.audit.finding import AuditData, Finding, FindingKind
from penult.audit.noise_model import DOUBTED
from penult.i18n import N_, _, ngettext
from penult.texts import percent

FEW = 20  # photos
MUCH_LARGER = 10  # times that the largest class has more photos, above which another is small beside it

LABEL = FindingKind(
    "label",
    "possible label error",
    "possible label errors",
    rank=20,
    suggestion=N_("look at it, and correct the label if it is wrong"),
    advice=N_("Look at each, and correct those that are."),
    expected=N_("about {right} of these {number} labels are expected to be wrong"),
)
MODEL_ERROR = FindingKind(
    "model_error",
    "photo that the model gets wrong",
    "photos that the model gets wrong",
    rank=115,
    suggestion=N_("most of these labels are right; change one only where the photo itself shows that it is wrong"),
    advice=N_(
        "Most of these labels are right: the model errs. Change one only where the photo itself shows that it is wrong."
    ),
)
SMALL_CLASS = FindingKind(
    "small_class",
    "class with too few photos",
    "classes with too few photos",
    rank=120,
    suggestion=N_("add photos"),
    about="class",
)
KINDS = (LABEL, MODEL_ERROR, SMALL_CLASS)


def find(data: AuditData) -> Iterator[Finding]:
    """Yield the labels in doubt, where asked for all photos that the model gets wrong, and the classes with too few photos."""
    if data.train.Y is not None:  # several labels a photo: see `label_sets`
        return
    yield from label_errors(data)
    if data.errors:
        yield from model_errors(data)
    yield from small_classes(data)


def label_errors(data: AuditData) -> Iterator[Finding]:
    """Yield the labels that are more probably wrong than right, of the rows whose labels may be judged."""
    for row in np.flatnonzero(data.wrong > DOUBTED).tolist():
        file, reason, seems = _contradiction(data, row)
        yield LABEL.finding(file, data.wrong[row], reason, _("look at it; if it is {label}, correct the label", label=seems))


def model_errors(data: AuditData) -> Iterator[Finding]:
    """Yield the photos that an out-of-fold model gives another class than their label, and whose label is not in doubt."""
    y = np.asarray(data.train.y, np.intp)[data.checked]
    missed = (data.proba.argmax(axis=1) != y) & ~(data.wrong > DOUBTED)
    for row in np.flatnonzero(missed).tolist():
        file, reason, _seems = _contradiction(data, row)
        yield MODEL_ERROR.finding(file, 1 - data.proba[row, y[row]], reason)


def _contradiction(data: AuditData, row: int) -> tuple[str, str, str]:
    """Return the file, what its label and the likeliest other class are, and that class."""
    assert data.train.y is not None  # noqa: S101 - for the type checker: training photos have labels
    own = data.train.y[data.checked[row]]
    other = np.where(np.arange(len(data.classes)) == own, -1, data.proba[row])
    seems = data.classes[int(other.argmax())]
    share = percent(float(other.max()))
    reason = _("labelled {label}, predicted {given} ({share})", label=data.classes[own], given=seems, share=share)
    return data.train.ok_files[data.checked[row]], reason, seems


def small_classes(data: AuditData) -> Iterator[Finding]:
    """Yield the classes that have few photos by themselves, or beside the largest class, with what of it is true."""
    yield from few_photos(data.classes, np.bincount(np.asarray(data.train.y, np.intp), minlength=len(data.classes)))


def few_photos(names: Sequence[str], counts: NDArray[np.intp], several: bool = False) -> Iterator[Finding]:
    """Yield the classes, or labels, that have few of the photos that `counts` (k,) says, or far fewer than the largest."""
    largest, most = int(counts.max()), names[int(counts.argmax())]
    for name, n in zip(names, counts.tolist(), strict=True):
        if n < FEW or MUCH_LARGER * n < largest:
            reason = _few(n, (most, largest) if MUCH_LARGER * n < largest else None, several)
            yield SMALL_CLASS.finding(name, 1 - n / (max(largest, FEW) + 1), reason)


def _few(n: int, beside: tuple[str, int] | None, several: bool) -> str:
    """Return how few photos there are, `beside` the name and number of the largest class or label."""
    if beside is None:
        return ngettext("{n:,} photo, fewer than {few}", "{n:,} photos, fewer than {few}", n, few=FEW)
    told: dict[str, object] = {"few": FEW, "name": beside[0], "largest": beside[1]}
    if n < FEW and several:
        return ngettext(
            "{n:,} photo, fewer than {few}; the largest label, {name}, has {largest:,}",
            "{n:,} photos, fewer than {few}; the largest label, {name}, has {largest:,}", n, **told,
        )  # fmt: skip
    if n < FEW:
        return ngettext(
            "{n:,} photo, fewer than {few}; the largest class, {name}, has {largest:,}",
            "{n:,} photos, fewer than {few}; the largest class, {name}, has {largest:,}", n, **told,
        )  # fmt: skip
    if several:
        return _("{n:,} photos; the largest label, {name}, has {largest:,}", n=n, **told)
    return _("{n:,} photos; the largest class, {name}, has {largest:,}", n=n, **told)

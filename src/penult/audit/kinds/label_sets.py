"""Several labels a photo: labels that are probably missing, or wrong; answers of the model that differ; labels of few photos.

How probable it is that what is said of a label is wrong is said by `penult.audit.label_set_noise`, out of fold.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from penult.audit.finding import AuditData, Finding, FindingKind
from penult.audit.kinds.labels import MODEL_ERROR, few_photos
from penult.audit.noise_model import DOUBTED
from penult.i18n import N_, _
from penult.texts import percent

MISSING_LABEL = FindingKind(
    "missing_label",
    "possibly missing label",
    "possibly missing labels",
    rank=21,
    suggestion=N_("look at it, and add the label if the photo shows it"),
    advice=N_("Look at each, and add the label where the photo shows it."),
    expected=N_("about {right} of these {number} labels are expected to be missing"),
)
WRONG_LABEL = FindingKind(
    "wrong_label",
    "possibly wrong label",
    "possibly wrong labels",
    rank=22,
    suggestion=N_("look at it, and remove the label if the photo does not show it"),
    advice=N_("Look at each, and remove the label where the photo does not show it."),
    expected=N_("about {right} of these {number} labels are expected to be wrong"),
)
KINDS = (MISSING_LABEL, WRONG_LABEL)


def find(data: AuditData) -> Iterator[Finding]:
    """Yield labels that are more probably missing, or wrong, than not; where asked all answers that differ from a label."""
    if data.train.Y is None:
        return
    Y = data.train.Y[data.checked]  # (m, L)
    doubted = np.zeros(Y.shape, bool) if data.wrong.shape != Y.shape else np.nan_to_num(data.wrong) > DOUBTED
    for row, label in np.argwhere(doubted).tolist():
        kind = WRONG_LABEL if Y[row, label] else MISSING_LABEL
        yield kind.finding(_file(data, row), data.wrong[row, label], _reason(data, row, label))
    if data.errors and len(data.proba):
        differs = np.isfinite(Y) & ((data.proba >= 0.5) != (Y == 1)) & ~doubted
        for row, label in np.argwhere(differs).tolist():
            own = abs(1 - Y[row, label] - data.proba[row, label])  # the probability of what is said of the label
            yield MODEL_ERROR.finding(_file(data, row), 1 - own, _reason(data, row, label))
    yield from few_photos(data.classes, np.nansum(data.train.Y, axis=0).astype(np.intp), several=True)


def _file(data: AuditData, row: int) -> str:
    return str(data.train.ok_files[data.checked[row]])


def _reason(data: AuditData, row: int, label: int) -> str:
    """Return `not labelled dog, predicted at 97%`: what is said of the label, and its probability out of fold."""
    assert data.train.Y is not None  # noqa: S101 - for the type checker
    name, share = data.classes[label], percent(float(data.proba[row, label]))
    if data.train.Y[data.checked[row], label]:
        return _("labelled {name}, predicted at {share}", name=name, share=share)
    return _("not labelled {name}, predicted at {share}", name=name, share=share)

"""Measure a model on features that were computed before and may be larger than memory.

Rows are read in slices and answered at once; only labels and answers stay, or those of a sample where even these are too many.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from penult import bundle, evaluate
from penult.arrays import default_errors, row_chunks, stratified_rows
from penult.errors import InputError, ProgressCallback, quiet
from penult.evaluate import Evaluation, LabelEvaluation
from penult.i18n import N_, _
from penult.images import TableOptions
from penult.pixels.preparing import memory_bytes
from penult.predict import Predictor
from penult.predict.stored import check_same_networks, chunks
from penult.shards import ShardedFeatures
from penult.training.stored import STEP, SelectedRows, StoredFeatures
from penult.training.stored_labels import read_labels

SHARE = 16  # the part of the memory that the answers may take: what is computed of them takes several times as much


@dataclass(frozen=True, slots=True)
class StoredEvaluation:
    """Scores of a model on stored features, and on those of them that it was not trained on (None where that is all or none).

    `images` have a label, `measured` of them are scored. Of these `unreadable` have no features and were scored with the class
    frequencies, `in_training` were training photos (None where the model does not know).
    """

    result: Evaluation | LabelEvaluation
    unseen: Evaluation | LabelEvaluation | None
    images: int
    measured: int
    unreadable: int
    in_training: int | None
    notes: tuple[str, ...] = ()


@default_errors
def evaluate_stored(
    predictor: Predictor,
    stored: StoredFeatures,
    table: str | None = None,
    options: TableOptions | None = None,
    memory: int | None = None,
    progress: ProgressCallback = quiet,
) -> StoredEvaluation:
    """Measure a model on the labelled images of stored features.

    Those without features get the class frequencies of the training set, as in `Predictor.predict`. Where answers for all
    would take more than a sixteenth of `memory` (bytes; None: what this machine has), a sample by class is scored, and a note
    says so.
    Raises InputError where no row has a label, or one that is no class of the model, and for shards of other networks.
    """
    classes = predictor.bundle.classes
    if isinstance(stored.X, ShardedFeatures):
        check_same_networks(predictor.bundle, stored.X)
    task = predictor.bundle.task
    if task == "labels" and table is None:
        raise InputError(_("this model gives a photo several labels; give the table of them with --labels FILE."))
    labels = read_labels(stored, table, None, replace(options or TableOptions(), task=task), classes)
    rows, lost, notes = labels.rows, labels.failed[labels.failed >= 0], list(labels.notes)
    most = max(1, (memory_bytes() if memory is None else memory) // SHARE // (8 * (len(classes) + 2)))
    y = np.concatenate([labels.codes[rows], lost])
    labelled = len(y)
    if labelled > most:
        counts = np.bincount(y, minlength=len(classes))
        some = stratified_rows(y, np.ceil(counts * (most / labelled)).astype(int), 0)
        notes.append(
            _(
                "the scores are of {some:,} of the {labelled:,} labelled images, drawn at random by class.",
                some=len(some),
                labelled=labelled,
            )
        )
        rows, y = rows[some[some < len(rows)]], y[some]
    X, unread = SelectedRows(stored.X, rows), len(y) - len(rows)
    proba, known = np.tile(predictor.bundle.prior, (len(y), 1)), np.zeros(len(y), bool)
    parts = chunks(X.shape)
    for done, at in enumerate(parts, 1):
        proba[at] = predictor.score(X[at])
        progress(N_("answers"), done, len(parts))
    seen = predictor.bundle.seen
    if seen is not None:
        for at in row_chunks(len(rows), STEP):
            known[at] = bundle.were_seen(stored.digests(rows[at]), seen)
    truth, rule = y if labels.Y is None else labels.Y[rows], bundle.decision_of(predictor.bundle)[0]

    def scores(keep: NDArray[np.bool_], name: str) -> Evaluation | LabelEvaluation:
        if task == "classes":
            return evaluate.with_given(evaluate.score(truth[keep], proba[keep], classes, name=name), rule)
        return evaluate.score_labels(truth[keep], proba[keep], classes, predictor.bundle.thresholds, name=name)

    measured, rest = scores(np.ones(len(y), bool), _("new images")), None
    if known.any() and not known.all():
        rest = scores(~known, _("new images that the model was not trained on"))
    told = None if seen is None else int(known.sum())
    return StoredEvaluation(measured, rest, labelled, len(y), unread, told, tuple(notes))

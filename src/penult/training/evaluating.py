"""Measure a model on features that were computed before and may be larger than memory.

Rows are read in slices and answered at once; only labels and answers stay, or those of a sample where even these are too many.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from penult import bundle, evaluate
from penult.arrays import default_errors, row_chunks, stratified_rows
from penult.errors import ProgressCallback, quiet
from penult.evaluate import Evaluation
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

    `images` were labelled and have features or failed, `measured` of them are scored, `unreadable` have no features,
    `in_training` of the measured were training photos (None where the model does not know).
    """

    result: Evaluation
    unseen: Evaluation | None
    images: int
    measured: int
    unreadable: int
    in_training: int | None
    notes: tuple[str, ...] = ()
    reasons: Mapping[str, int] = field(default_factory=dict)


@default_errors
def evaluate_stored(
    predictor: Predictor,
    stored: StoredFeatures,
    table: str | None = None,
    options: TableOptions | None = None,
    memory: int | None = None,
    progress: ProgressCallback = quiet,
) -> StoredEvaluation:
    """Measure a model on the labelled rows of stored features.

    Images without features are counted and not scored: their labels may not be known. Where answers for all rows would take
    more than a sixteenth of `memory` (bytes; None: what this machine has), a sample by class is scored, and a note says so.
    Raises InputError where no row has a label, or one that is no class of the model, and for shards of other networks.
    """
    classes = predictor.bundle.classes
    if isinstance(stored.X, ShardedFeatures):
        check_same_networks(predictor.bundle, stored.X)
    labels = read_labels(stored, table, None, options, classes)
    rows, notes = labels.rows, list(labels.notes)
    most = max(1, (memory_bytes() if memory is None else memory) // SHARE // (8 * (len(classes) + 2)))
    y = labels.codes[rows]
    if len(rows) > most:
        counts = np.bincount(y, minlength=len(classes))
        some = stratified_rows(y, np.ceil(counts * (most / len(rows))).astype(int), 0)
        notes.append(f"the scores are of {len(some):,} of the {len(rows):,} labelled images, drawn at random by class.")
        rows, y = rows[some], y[some]
    X = SelectedRows(stored.X, rows)
    proba, known = np.empty((len(rows), len(classes))), np.zeros(len(rows), bool)
    parts = chunks(X.shape)
    for done, at in enumerate(parts, 1):
        proba[at] = predictor.score(X[at])
        progress("answers", done, len(parts))
    seen = predictor.bundle.seen
    if seen is not None:
        for at in row_chunks(len(rows), STEP):
            known[at] = bundle.were_seen(stored.digests(rows[at]), seen)
    measured = evaluate.score(y, proba, classes, name="new images")
    rest = None
    if known.any() and not known.all():
        rest = evaluate.score(y[~known], proba[~known], classes, name="new images that the model was not trained on")
    if stored.failed:
        notes.append(f"{stored.failed:,} images have no features and were not scored.")
    told = None if seen is None else int(known.sum())
    return StoredEvaluation(measured, rest, len(labels.rows), len(rows), stored.failed, told, tuple(notes))

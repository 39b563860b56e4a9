"""Look the data over with what training has anyway: from training data and measurements to findings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import audit, evaluate, pixels
from penult.audit import AuditData, AuditPart, Finding, Photos
from penult.embed import Embedding
from penult.evaluate import Evaluation
from penult.pixels import small_image_size
from penult.training.material import Part, TrainingData


def look_over(material: TrainingData, done: Embedding, seen: Evaluation | None) -> list[Finding]:
    """Return all findings, the gravest kinds first; `seen` are the out-of-fold probabilities of the training part, if any."""
    n = len(material.train.files)
    cut = int(done.ok[:n].sum())
    train = _part("training", material.train, done, 0, slice(0, cut))
    test = None if material.test is None else _part("test", material.test, done, n, slice(cut, None))
    rows, proba = judged(seen, material.classes)
    found = AuditData(train, test, material.classes, material.widths, material.blocks, material.near, rows, proba)
    return audit.find_all(found)


def _part(name: str, part: Part, done: Embedding, start: int, rows: slice) -> AuditPart:
    """Return what an audit looks at of the images from number `start`, whose rows are these."""
    thumbnails, quality, training = done.thumbnails(), done.quality(), name == "training"
    ends = {i - start: remark.rows for i, remark in sorted(done.remarks.items()) if 0 <= i - start < len(part.files)}
    return AuditPart(
        name,
        part.files,
        part.ok_files,
        Photos(done.digests[done.ok][rows], part.X, None if thumbnails is None else thumbnails[rows]),
        part.ok_y if training else None,
        None if quality is None or not training else quality[rows],
        [small_image_size(source) for source in done.sources[: len(part.files)]] if training else (),
        {part.files[i]: (pixels.reason_of(f), pixels.advice(f)) for i, f in sorted(part.failures.items())},
        {part.files[i]: share for i, share in ends.items()},
    )


def judged(seen: Evaluation | None, classes: Sequence[str]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the rows (m,) whose labels may be judged, and their out-of-fold probabilities (m, k).

    A model that is not surely better than chance has no say, nor has one of a rare class that it has hardly learned.
    """
    nobody = np.zeros(0, np.intp), np.zeros((0, len(classes)))
    if seen is None:
        return nobody
    found = seen.scores["balanced_accuracy"]
    if found.low is None or found.low <= 1 / len(classes):
        return nobody
    rare = evaluate.rarest_classes(seen)
    unlearned = {list(classes).index(name) for name in rare.names} if rare and rare.neglected else set()
    rows = np.flatnonzero((seen.fold >= 0) & ~np.isin(seen.y, list(unlearned)))
    return rows, seen.proba[rows]


def summary(found: Sequence[Finding], material: TrainingData, proba: NDArray[np.float64] | None) -> dict[str, Any]:
    """Return what `metrics.json` says: counts a kind, and the scores on the test part (m, k) without the leaks."""
    leaked = {one.file for one in found if one.kind == "leak"}
    leak: dict[str, Any] = {"photos": len(leaked), "scores_without": None}
    test = material.test
    if leaked and test is not None and test.y is not None and proba is not None:
        keep = np.array([file not in leaked for file in test.files])
        if keep.any():
            kept = evaluate.score(test.y[keep], proba[keep], material.classes, name="test images that are not in training")
            leak["scores_without"] = kept.to_dict()
    return {"counts": audit.counts(found), "leak": leak}

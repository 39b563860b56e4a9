"""Look the data over with what training has anyway: from material and measurements to findings.

In: `Material`, the embedding, out-of-fold probabilities. Out: `Finding`s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import audit, evaluate, pixels
from penult.audit import Finding, Pairs, Sides
from penult.embed import Embedding
from penult.evaluate import Evaluation
from penult.pixels import small_image_size
from penult.texts import count, percent
from penult.training.material import Part, TrainingData

TINY = 64  # pixels of the shorter side
SMALL_CLASS = 20  # photos
MUCH_LARGER = 10  # times that the largest class has more photos, above which another is small beside it

ODD = {
    "blank": ("it has hardly any contrast", "remove it, if there is nothing to see"),
    "dark": ("it is very dark", "look at it; remove it, if there is nothing to see"),
    "blurred": ("it is far less sharp than the others", "look at it; remove it, if what it shows cannot be told"),
}


def look_over(material: TrainingData, done: Embedding, seen: Evaluation | None) -> list[Finding]:
    """Return all findings, the gravest kinds first; `seen` are the out-of-fold probabilities of the training part, if any."""
    n = len(material.train.files)
    cut = int(done.ok[:n].sum())
    looks, quality = done.thumbnails(), done.quality()
    digests = done.digests[done.ok]
    found = [
        *([] if seen is None else _labels(material, seen)),
        *_copies(material, digests[:cut]),
        *_unreadable(material.train, "training"),
    ]
    found += _truncated(done, material)
    found += _outliers(material)
    found += _tiny(material.train.files, done.sources[:n])
    found += _small_classes(material.classes, np.bincount(material.train.ok_y, minlength=len(material.classes)))
    if quality is not None:
        found += _conditions(material.train.ok_files, quality[:cut])
    if material.test is not None:
        found += _unreadable(material.test, "test")
        if material.test.ok.any():
            train = Sides(digests[:cut], material.train.X, None if looks is None else looks[:cut])
            test = Sides(digests[cut:], material.test.X, None if looks is None else looks[cut:])
            found += _leaks(material, audit.leaks(train, test, material.widths))
    return audit.ranked(found)


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


def _labels(material: TrainingData, seen: Evaluation) -> Iterator[Finding]:
    """Yield the doubted labels.

    A model that is not surely better than chance has no say, nor has one of a rare class that it has hardly learned.
    """
    found = seen.scores["balanced_accuracy"]
    if found.low is None or found.low <= 1 / len(material.classes):
        return
    rare = evaluate.rarest_classes(seen)
    unlearned = {material.classes.index(name) for name in rare.names} if rare and rare.neglected else set()
    rows = np.flatnonzero((seen.fold >= 0) & ~np.isin(seen.y, list(unlearned)))
    doubts = audit.doubts(seen.y[rows], seen.proba[rows])
    files, classes = material.train.ok_files, material.classes
    for row, other, score in zip(rows[doubts.rows], doubts.classes, doubts.score, strict=True):
        own = classes[seen.y[row]]
        reason = f"labelled {own}, but a model that had not seen it says {classes[other]} ({percent(float(score))})"
        yield Finding("label", files[row], "", float(score), reason, f"look at it; if it is {classes[other]}, move it there")


def _copies(material: TrainingData, digests: NDArray[np.uint8]) -> Iterator[Finding]:
    files, y, classes = material.train.ok_files, material.train.ok_y, material.classes
    number = audit.copy_groups(digests)
    first = np.unique(number, return_index=True)[1]
    for row in range(len(files)):
        original = int(first[number[row]])
        if original != row:
            yield _copy("copy", files[row], files[original], 1.0, classes[y[row]], classes[y[original]])
    for a, b, score in _rows(material.near):
        yield _copy("near_copy", files[b], files[a], score, classes[y[b]], classes[y[a]])


def _copy(kind: str, file: str, related: str, score: float, own: str, other: str) -> Finding:
    what = "the same file" if kind == "copy" else "nearly the same picture"
    if own == other:
        return Finding(kind, file, related, score, f"{what} twice in {own}", "keep one of the two")
    return Finding(kind, file, related, score, f"{what} in {own} and in {other}", "one label is wrong: remove that photo")


def _leaks(material: TrainingData, pairs: Pairs) -> Iterator[Finding]:
    train, test = material.train.ok_files, [] if material.test is None else material.test.ok_files
    for a, b, score in _rows(pairs):
        what = "the same file is in training" if score >= 1 else "nearly the same picture is in training"
        yield Finding("leak", test[b], train[a], score, what, "remove it from the test photos")


def _rows(pairs: Pairs) -> Iterable[tuple[int, int, float]]:
    return zip(pairs.first.tolist(), pairs.second.tolist(), pairs.similarity.tolist(), strict=True)


def _unreadable(part: Part, name: str) -> Iterator[Finding]:
    for i, failure in sorted(part.failures.items()):
        reason = f"{pixels.reason_of(failure)} ({name} photo)"
        yield Finding("unreadable", part.files[i], "", 1.0, reason, pixels.advice(failure))


def _truncated(done: Embedding, material: TrainingData) -> Iterator[Finding]:
    """Yield photos whose files end too early: what is there of them is used."""
    train, test = material.train.files, () if material.test is None else material.test.files
    for i, remark in sorted(done.remarks.items()):
        file, name = (train[i], "training") if i < len(train) else (test[i - len(train)], "test")
        share = f"the last {100 * remark.rows:.2g}% of its rows are missing" if remark.rows else "its finest detail is missing"
        reason = f"the file ends too early, {share} ({name} photo)"
        yield Finding("truncated", file, "", remark.rows or 0.1, reason, "used as it is; copy or download it again if you can")


def _outliers(material: TrainingData) -> Iterator[Finding]:
    files = material.train.ok_files
    for row, score in audit.outliers(material.train.X, material.train.ok_y, material.blocks):
        yield Finding("outlier", files[row], "", score, "far from every class", "look at it; remove it, if it is of no class")


def _conditions(files: Sequence[str], quality: NDArray[np.float32]) -> Iterator[Finding]:
    for kind, rows in audit.conditions(quality).items():
        for row, score in rows:
            yield Finding(kind, files[row], "", score, *ODD[kind])


def _tiny(files: Sequence[str], paths: Sequence[Any]) -> list[Finding]:
    """Return photos whose shorter side is below TINY; none where most are, for then it is how these photos are."""
    found = []
    for file, path in zip(files, paths, strict=True):
        size = small_image_size(path)
        if size is not None and min(size) < TINY:
            reason = f"only {size[0]} x {size[1]} pixels"
            found.append(Finding("tiny", file, "", 1 - min(size) / TINY, reason, "replace it by a larger one, or remove it"))
    return found if 2 * len(found) < len(files) else []


def _small_classes(classes: Sequence[str], counts: NDArray[np.intp]) -> Iterator[Finding]:
    """Yield the classes that have few photos by themselves, or beside the largest class, with what of it is true."""
    largest = int(counts.max())
    for name, n in zip(classes, counts.tolist(), strict=True):
        few, rare = n < SMALL_CLASS, MUCH_LARGER * n < largest
        if few or rare:
            reason = count(n, "photo")
            reason += f", fewer than {SMALL_CLASS}" if few else ""
            reason += f"; the largest class, {classes[int(counts.argmax())]}, has {largest:,}" if rare else ""
            yield Finding("small_class", name, "", float(1 - n / (max(largest, SMALL_CLASS) + 1)), reason, "add photos")

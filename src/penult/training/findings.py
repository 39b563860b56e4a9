"""Data problems: found with what training has anyway, or by an audit alone."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import audit, evaluate, heads, images, pixels, store
from penult.arrays import default_errors
from penult.audit import AuditData, AuditPart, Finding, Look, Photos
from penult.audit.finding import findings_html
from penult.embed import Embedding, at_depth, embed
from penult.errors import InputError, ProgressCallback, quiet, unknown
from penult.frames import data_frame, short
from penult.i18n import N_, _
from penult.pixels import small_image_size
from penult.sources import reading_order
from penult.training.data import Split, TrainingData, from_images
from penult.training.label_check import LabelCheck, check_labels
from penult.training.label_measuring import check_label_options, label_head, measure_labels
from penult.training.label_set_check import check_label_sets
from penult.training.measuring import head_for
from penult.training.options import TrainOptions, find_backbones


def find_issues(data: TrainingData, done: Embedding | None, labels: LabelCheck, errors: bool = False) -> list[Finding]:
    """Return all findings, the gravest kinds first; with `errors` also every photo that the model is wrong about."""
    train, test = _parts(data, done)
    found = AuditData(
        train, test, data.classes, data.widths, data.blocks, data.near, labels.rows, labels.proba, labels.wrong, errors
    )
    return audit.find_all(found)


def _parts(data: TrainingData, done: Embedding | None) -> tuple[AuditPart, AuditPart | None]:
    """Return what an audit looks at: of stored features there are no pictures, so what only they tell is not looked for."""
    if done is None:
        assert data.digests is not None  # noqa: S101 - for the type checker: who has neither looks for nothing
        part = data.train
        photos = Photos(data.digests, part.X, None, None, data.look)
        y, Y = _labels(part)
        return AuditPart("training", part.files, part.ok_files, photos, y, failures=_failures(part), Y=Y), None
    n = len(data.train.files)
    cut = int(done.ok[:n].sum())
    train = _part("training", data.train, done, 0, slice(0, cut), data.look)
    return train, None if data.test is None else _part("test", data.test, done, n, slice(cut, None))


def _labels(part: Split) -> tuple[NDArray[np.intp] | None, NDArray[np.float32] | None]:
    return (part.ok_y, None) if part.Y is None else (None, part.ok_Y)


def _failures(part: Split) -> dict[str, tuple[str, str]]:
    return {part.files[i]: (pixels.reason_of(f), pixels.advice(f)) for i, f in sorted(part.failures.items())}


def _part(name: str, part: Split, done: Embedding, start: int, rows: slice, look: Look | None = None) -> AuditPart:
    """Return what an audit looks at of the images from number `start`, whose rows are these; `look` has compared them."""
    thumbnails, quality, training = done.thumbnails(), done.quality(), name == "training"
    y, Y = _labels(part) if training else (None, None)
    ends = {i - start: remark.rows for i, remark in sorted(done.remarks.items()) if 0 <= i - start < len(part.files)}
    return AuditPart(
        name,
        part.files,
        part.ok_files,
        Photos(
            done.digests[done.ok][rows],
            part.X,
            None if thumbnails is None else thumbnails[rows],
            lambda numbers: done.large_thumbnails(numbers + (rows.start or 0)),
            look,
        ),
        y,
        None if quality is None or not training else quality[rows],
        _small_sizes(done.sources[: len(part.files)]) if training else (),
        _failures(part),
        {part.files[i]: share for i, share in ends.items()},
        Y,
    )


def _small_sizes(sources: Sequence[Any]) -> list[tuple[int, int] | None]:
    """Return width and height of each picture whose file is small, None for the others."""
    order = reading_order(sources) or range(len(sources))
    seen = pixels.read_members([sources[i] for i in order], lambda member: member.size <= pixels.SMALL_FILE)
    sizes = {i: small_image_size(one) for i, one in zip(order, seen, strict=True)}
    return [sizes[i] for i in range(len(sources))]


def summarize(
    found: Sequence[Finding], labels: LabelCheck, data: TrainingData, proba: NDArray[np.float64] | None
) -> dict[str, Any]:
    """Return what `metrics.json` says: counts a kind, how many of them are expected to be true, the test scores without leaks.

    `proba` (m, k) are the answers for the test part.
    """
    leaked = {one.file for one in found if one.kind == "leak"}
    leak: dict[str, Any] = {"photos": len(leaked), "scores_without": None}
    test = data.test
    if leaked and test is not None and test.y is not None and proba is not None:
        keep = np.array([file not in leaked for file in test.files])
        if keep.any():
            kept = evaluate.score(test.y[keep], proba[keep], data.classes, name=N_("test images that are not in training"))
            leak["scores_without"] = kept.to_dict()
    about = {"counts": audit.counts(found), "expected": audit.expected(found), "labels_unchecked": labels.note or None}
    return {**about, "leak": leak}


@dataclass(frozen=True, slots=True, repr=False)
class Audited:
    """What `penult.audit` found: a sequence of `Finding`, the gravest kinds first.

    A number gives one of them, the name of a kind all of it: ``found["label"]``.

    Attributes
    ----------
    findings : tuple of Finding
        Everything that was found.
    summary : dict
        Counts by kind, and how many of each are expected to be true, as in `metrics.json`.
    notes : tuple of str
        What else is to be said, such as what was not looked for.

    Examples
    --------
    >>> import penult
    >>> found = penult.audit("photos", backbones="colour_histogram")
    >>> found
    Audited(findings=2, small_class=2)
    >>> [one.file for one in found["small_class"]]
    ['cat', 'dog']
    """

    findings: tuple[Finding, ...]
    summary: dict[str, Any]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.findings)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __getitem__(self, index: Any) -> Any:
        """Return a `Finding` by its number, several by a slice, or all of a kind by its name."""
        if isinstance(index, str):
            if index not in audit.KINDS:
                raise unknown(_("kind of finding"), index, audit.KINDS)
            return tuple(one for one in self.findings if one.kind == index)
        return self.findings[index]

    def __repr__(self) -> str:
        return short("Audited", findings=len(self), **audit.counts(self.findings))

    def _repr_html_(self) -> str:
        return findings_html(self.findings)

    def to_pandas(self) -> Any:
        """Return a `pandas.DataFrame` with the columns of `findings.csv`. Raises `MissingExtra`."""
        return data_frame({name: [getattr(one, name) for one in self.findings] for name in audit.COLUMNS})


@default_errors
def audit_photos(
    source: str | Sequence[str],
    test: str | None = None,
    options: TrainOptions | None = None,
    progress: ProgressCallback = quiet,
    errors: bool = False,
) -> Audited:
    """Audit labelled photos, and the test photos if any. Raises what `train` raises.

    With `errors` the findings have every photo that the model is wrong about, too.
    """
    options = options or TrainOptions()
    heads.check_head(options.head)
    where, table = images.labels_from(source, options.labels, options.table)
    labelled, other = images.scan_train_and_test(where, test, options.groups, table)
    labelled = labelled.in_order()
    if labelled.task == "labels":
        check_label_options(options)
    options.settings.tolerance.check_scan(labelled, other)
    sources = [image.source for s in (labelled, other) if s is not None for image in s.images]
    training = sources[: len(labelled)]
    chosen = at_depth(find_backbones(options, progress), training, options.settings, progress)
    done = embed(sources, chosen, options.settings.with_thumbnails(), progress, thumbnails=True, calibration=training)
    names = [*labelled.ids, *(other.ids if other else ())]
    options.settings.tolerance.check_failures(names, done.failures)
    data = from_images(labelled, other, done, options.near_duplicates == "group")
    if data.task == "labels":
        head = label_head(options, data)
        measured = measure_labels(head, options, data, progress, alone=False)[0]
        labels = check_label_sets(head, data.train.X, measured, data.weights)
        found = find_issues(data, done, labels, errors)
        notes = (*data.notes, *((labels.note,) if labels.note else ()))
        return Audited(tuple(found), summarize(found, labels, data, None), notes)
    head = head_for(options, data)
    labels, notes = _checked(head, options, data)
    found = find_issues(data, done, labels, errors)
    proba = None
    if data.test is not None and data.test.y is not None and data.test.ok.any():
        head.fit(data.train.X, data.train.ok_y, groups=data.groups)
        prior = np.bincount(data.train.ok_y, minlength=len(data.classes)) / len(data.train.X)
        proba = np.tile(prior, (len(data.test.files), 1))  # (m, k): as in training, for what cannot be read
        proba[data.test.ok] = head.predict_proba(data.test.X)
    return Audited(tuple(found), summarize(found, labels, data, proba), notes)


def _checked(head: Any, options: TrainOptions, data: TrainingData) -> tuple[LabelCheck, tuple[str, ...]]:
    """Return which labels may be wrong, and what there is to say of it."""
    notes, seen = list(data.notes), None
    try:
        seen = evaluate.cross_validate(
            head, data.train.X, data.train.ok_y, data.classes,
            groups=data.groups, seed=options.seed, name="audit", sample_weight=data.weights,
            folds=5 if data.folds is None else data.folds,
        )  # fmt: skip
    except InputError as error:  # copies are listed all the same: that is what an audit is for
        notes.append(_("labels were not checked: {error}", error=error))
    labels = check_labels(head, data.train.X, seen, sample_weight=data.weights)
    notes += [labels.note] if labels.note and seen is not None else []
    return labels, tuple(notes)


def write_findings_csv(path: str | Path, found: Iterable[Finding]) -> None:
    """Write findings as CSV, whole or not at all."""
    with store.atomic_write_text(path) as file:
        table = csv.writer(file)
        table.writerow(audit.COLUMNS)
        table.writerows(one.row() for one in found)

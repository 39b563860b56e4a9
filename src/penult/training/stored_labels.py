"""The labels and groups of stored features: of their label column, of names, or of a table.

In: `StoredFeatures`, maybe a CSV. Out: a class number for each row, -1 where it has no label. Names are looked at in pieces,
so that those of many millions are never in memory together; those of a table are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from penult import images
from penult.arrays import row_chunks
from penult.errors import InputError
from penult.i18n import _
from penult.images import Image, ImageSet, LabelNormalizer, TableOptions, kaggle_label, natural_key, quoted
from penult.images.labels import missing_names, similar_names
from penult.images.name_groups import group_pattern
from penult.sources.names import without_archives
from penult.texts import printable
from penult.training.stored import STEP, StoredFeatures

Texts = Iterable[Sequence[str | None]]


@dataclass(frozen=True, slots=True)
class RowLabels:
    """Class numbers (n,), -1 for rows without a label, the classes, and groups (n,) or None; `notes` are to be told.

    `failed` (f,) are the class numbers of images without features, where the classes of a model were given. Where a photo may
    have several labels, `classes` are the labels and `Y` (n, L) says which each has; `codes` are then 0 for labelled rows.
    """

    codes: NDArray[np.intp]
    classes: tuple[str, ...]
    groups: NDArray[np.intp] | None = None
    notes: tuple[str, ...] = ()
    failed: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, np.intp))
    Y: NDArray[np.float32] | None = None

    @property
    def rows(self) -> NDArray[np.intp]:
        """The numbers of the rows that have a label, ascending."""
        return np.flatnonzero(self.codes >= 0)


def read_labels(
    stored: StoredFeatures,
    table: str | None = None,
    groups: str | None = None,
    options: TableOptions | None = None,
    classes: Sequence[str] = (),
) -> RowLabels:
    """Return the labels of the rows: of the `table` if one is given, else the stored ones, else those that names show.

    `groups` names a column of the table, or is a regular expression whose match in a name is the group. With `classes`, those
    of a model, labels must be among them, and images without features get theirs, too. Raises InputError where there are none,
    and what reading a table raises.
    """
    listed, notes, several = (None, (), None) if table is None else _listed(stored, table, groups, options or TableOptions())
    if listed is not None and several is not None:
        return _label_sets(stored, several, notes, _groups(stored, groups, listed), classes)
    meant, lost = LabelNormalizer(classes), list(stored.failed_labels()) if classes else []
    every, n = chain(_ids(stored), [[id for id, _ in lost]]), len(stored.X)
    if listed is not None:
        codes, names = _encoded(n + len(lost), ([_label(listed.get(one)) for one in ids] for ids in every), meant)
    elif stored.codes is not None:
        codes, names = stored.codes, list(stored.classes)
    else:
        told = chain((stored.labels(at) for at in _pieces(stored)), [[label for _, label in lost]])
        codes, names = _encoded(n + len(lost), told, meant)
        if not names:
            codes, names = _encoded(n + len(lost), ([_by_name(one) for one in ids] for ids in every), meant)
    if not names:
        raise InputError(
            _(
                "none of the {codes:,} images of {source} has a label; give a CSV that lists them with --labels, or "
                "embed a folder of class folders, or images whose source has a column of labels.",
                codes=len(codes),
                source=printable(stored.source),
            )
        )
    order = _class_order(stored, names, classes)
    place = np.array([order.index(name) for name in names], np.intp)
    codes = np.where(codes >= 0, place[codes], -1)
    if not classes and stored.codes is None:
        counts = dict(zip(order, np.bincount(codes[codes >= 0], minlength=len(order)).tolist(), strict=True))
        notes = (*notes, *meant.notes("labels"), *missing_names(order), *similar_names(counts))
    if left := int((codes < 0).sum()):
        notes = (*notes, _("{left:,} of {codes:,} images have no label and were left out.", left=left, codes=len(codes)))
    return RowLabels(codes[:n], tuple(order), _groups(stored, groups, listed), notes, codes[n:])


def _pieces(stored: StoredFeatures) -> list[slice]:
    return row_chunks(len(stored.X), STEP)


def _ids(stored: StoredFeatures) -> Iterator[Sequence[str]]:
    for at in _pieces(stored):
        yield stored.ids(at)


def _label(image: Image | None) -> str | None:
    return None if image is None else image.label


def _by_name(id: str) -> str | None:
    """Return the label that a name shows: its first folder, or `cat` of `cat.123.jpg`; None where it shows none."""
    name = without_archives(id)
    folder, _, rest = name.partition("/")
    return folder if rest else kaggle_label(name)


def _encoded(n: int, labels: Texts, meant: LabelNormalizer) -> tuple[NDArray[np.intp], list[str]]:
    """Return a number for each label (n,), -1 for None and empty text, and the labels in the order of their first row."""
    codes, index, at = np.full(n, -1, np.intp), dict[str, int](), 0
    for piece in labels:
        written = {text: meant(text) for text in set(piece) if text}
        known = {text: index.setdefault(label, len(index)) for text, label in sorted(written.items()) if label}
        codes[at : at + len(piece)] = [known.get(text, -1) for text in piece]  # type: ignore[arg-type]
        at += len(piece)
    return codes, list(index)


def _class_order(stored: StoredFeatures, names: Sequence[str], classes: Sequence[str]) -> list[str]:
    """Return the classes in order. Raises InputError for labels that a model does not know."""
    if not classes:
        return list(names) if stored.codes is not None else sorted(names, key=natural_key)
    if strange := sorted(set(names) - set(classes), key=natural_key):
        raise InputError(
            _(
                "{source} has labels that are not classes of the model: {strange}; the model's classes: {classes}. "
                "Rename or remove them.",
                source=printable(stored.source),
                strange=quoted(strange),
                classes=quoted(classes),
            )
        )
    return list(classes)


def _listed(
    stored: StoredFeatures, table: str, groups: str | None, options: TableOptions
) -> tuple[Mapping[str, Image], tuple[str, ...], ImageSet | None]:
    """Return the rows of a table by the ids that they mean, what there is to say of it, and all where photos have several."""
    known = [id for ids in _ids(stored) for id in ids] + [id for id, _ in stored.failed_labels()]
    found = images.read_label_table(table, known, groups, options)
    return {image.id: image for image in found.images}, found.notes, found if found.task == "labels" else None


def _label_sets(
    stored: StoredFeatures,
    found: ImageSet,
    notes: Sequence[str],
    groups: NDArray[np.intp] | None,
    labels: Sequence[str],
) -> RowLabels:
    """Return which labels each row has, as a table says; `labels` are those of a model. Raises InputError for others."""
    names = tuple(labels) or found.classes
    matrix = images.label_matrix(found, names)
    if matrix is None:
        strange = quoted(sorted(set(found.classes) - set(names), key=natural_key))
        raise InputError(
            _("the table has labels that the model does not know: {strange}; rename or remove them.", strange=strange)
        )
    place, n = {image.id: i for i, image in enumerate(found.images)}, len(stored.X)
    rows = np.fromiter((place.get(id, -1) for ids in _ids(stored) for id in ids), np.intp, n)
    Y = np.full((n, len(names)), np.nan, np.float32)
    Y[rows >= 0] = matrix[rows[rows >= 0]]
    left = int((rows < 0).sum())
    told = (_("{left:,} of {n:,} images have no label and were left out.", left=left, n=n),) if left else ()
    return RowLabels(np.where(rows >= 0, 0, -1), names, groups, (*notes, *told), Y=Y)


def _groups(stored: StoredFeatures, wanted: str | None, listed: Mapping[str, Image] | None) -> NDArray[np.intp] | None:
    """Return the group of each row (n,), of a table or of what a regular expression matches; the others are their own."""
    if wanted is None:
        return None
    index: dict[str, int] = {}
    out, at = np.empty(len(stored.X), np.intp), 0
    pattern = None if listed is not None else group_pattern(wanted)
    for ids in _ids(stored):
        for id in ids:
            image = None if listed is None else listed.get(id)
            match = None if pattern is None else pattern.search(id)
            name = match[0] if match else None if image is None else image.group
            out[at] = index.setdefault(name, len(index)) if name else -1
            at += 1
    if not index:
        raise InputError(
            _(
                "the groups '{wanted}' match the name of no image in {source}; give a regular expression that does, "
                "such as 'person\\d+', or a column of the CSV of --labels.",
                wanted=printable(wanted),
                source=printable(stored.source),
            )
        )
    alone = out < 0
    out[alone] = len(index) + np.arange(alone.sum())
    return out

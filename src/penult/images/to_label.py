"""The images of a source that is to be labelled: none, some or all of them have labels already.

In: a folder or a table. Out: an `ImageSet`; an image without a label has None. Unlike `scan_labelled` it refuses no number of
classes, and unlike `scan_unlabelled` it takes every label that a name or a cell clearly is.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from penult.errors import InputError
from penult.i18n import N_, _
from penult.images.class_folders import is_part
from penult.images.columns import NO_OPTIONS, TableOptions
from penult.images.labels import LabelNormalizer, is_missing
from penult.images.records import Image, ImageSet, kaggle_label
from penult.images.table import Table, is_table
from penult.images.walk import ScanLog, path_kind, walk
from penult.sources import kind_of, no_source
from penult.sources.names import natural_key
from penult.texts import printable

# Folders in which people keep what they have not looked at yet
_NOT_YET = frozenset(
    {"unlabelled", "unlabeled", "unsorted", "unknown", "unclassified", "todo", "new", "inbox", "rest", "other photos"}
)
_CURE = N_("give a folder of photos, or a CSV that lists them.")


def scan_to_label(source: str | os.PathLike[str], table: TableOptions = NO_OPTIONS, unlabelled: bool = False) -> ImageSet:
    """Find the images of a source, with the labels that are there.

    A folder: the label is the first folder below `source` where there are several (a single one, or parts such as `train`
    and `test`, are gone through); images beside them, and those in a folder called `unlabelled`, `unsorted` or the like,
    have none. Where there are no folders `cat.123.jpg` is a cat, if all images are named so and there are two classes. A CSV:
    an empty cell, or what stands for a missing value, is no label. `unlabelled` takes no labels at all.

    Raises InputError where there is no such source, or no image in it.
    """
    path, log = os.fsdecode(source), ScanLog()
    place = path_kind(path)
    if kind_of(path) not in (None, "folder", "table"):
        raise InputError(
            _("'{path}' is an archive, and labels are given to files; unpack it, and give the folder.", path=printable(path))
        )
    if place == "folder":
        table.refuse_for(path)
        root, images = path, list(walk(path, log))
        if any(image.member is not None for image in images):
            raise InputError(
                _("the images of '{path}' are in archives, and labels are given to files; unpack them.", path=printable(path))
            )
        images = _without_labels(images) if unlabelled else _labels_of_folder(images)
    elif is_table(path):
        root, images = _of_table(path, log, table, unlabelled)
    else:
        raise no_source(path, _CURE)
    if not images:
        raise InputError(
            _("no images in '{path}'{ignored}; {cure}", path=printable(path), ignored=log.summary(), cure=_(_CURE))
        )
    meant = LabelNormalizer()
    images = [replace(image, label=None if image.label is None else meant(image.label) or None) for image in images]
    classes = sorted({image.label for image in images if image.label is not None}, key=natural_key)
    return log.image_set(root, images, classes)


def _labels_of_folder(images: Sequence[Image]) -> list[Image]:
    level = 0
    while True:
        names = Counter(parts[level] for image in images if len(parts := image.id.split("/")) > level + 1)
        apart = len(images) - names.total()
        if not names or apart or not (len(names) == 1 or all(map(is_part, names))):
            break
        level += 1
    if not names:
        return _labels_of_names(images)
    found = []
    for image in images:
        parts = image.id.split("/")
        name = parts[level] if len(parts) > level + 1 else None
        found.append(replace(image, label=None if name is None or name.strip().lower() in _NOT_YET else name))
    return found


def _labels_of_names(images: Sequence[Image]) -> list[Image]:
    labels = [kaggle_label(image.id.rpartition("/")[2]) for image in images]
    if None in labels or len(set(labels)) < 2:
        return _without_labels(images)
    return [replace(image, label=label) for image, label in zip(images, labels, strict=True)]


def _without_labels(images: Sequence[Image]) -> list[Image]:
    return [replace(image, label=None) for image in images]


def _of_table(path: str, log: ScanLog, options: TableOptions, unlabelled: bool) -> tuple[str, list[Image]]:
    def accept(table: Table, labels: set[str]) -> bool:
        return not unlabelled

    # one column may hold names with a space as well as several labels: `task` says which, as for training
    table = Table(path, replace(options, task="classes") if unlabelled else options)
    images = table.images(log, LabelNormalizer(), accept=accept)
    if table.cells.task == "labels":
        raise InputError(
            _(
                "the photos of '{path}' have several labels each, and the studio gives a photo one class; correct "
                "the labels in the table, or look at the photos without labels with --unlabelled.",
                path=printable(path),
            )
        )
    return table.root, [replace(one, label=None if is_missing(one.label or "") else one.label) for one in images]

"""The images of a source: with labels to train on or measure with, or to predict; or both parts together.

In: a folder, a table, files. Out: an `ImageSet`, or one InputError that names everything of its kind that stands in the way.
Labels come from class folders, Kaggle's flat names (`cat.123.jpg`) or a table.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from penult.errors import InputError
from penult.i18n import N_, _, ngettext
from penult.images.class_folders import labelled_folder
from penult.images.columns import NO_OPTIONS, TableOptions
from penult.images.given import labelled_given
from penult.images.labels import LabelNormalizer, similar_names
from penult.images.name_groups import with_groups
from penult.images.records import Image, ImageSet, quoted
from penult.images.table import Table, is_table, read_as_table
from penult.images.to_predict import Source, scan_unlabelled, source_paths
from penult.images.walk import ScanLog, path_kind
from penult.sources import kind_of, no_source
from penult.sources.names import natural_key
from penult.texts import printable


def scan_train_and_test(
    source: Source | Sequence[Source], test: str | None, groups: str | None = None, table: TableOptions = NO_OPTIONS
) -> tuple[ImageSet, ImageSet | None]:
    """Return the labelled images, and those of the test part, whose labels count where all are classes of the first.

    `table` is about `source`; a test part that is a table uses of it what fits. Raises InputError.
    """
    listed = isinstance(source, str | os.PathLike) and is_table(os.fsdecode(source))
    other = test is not None and is_table(test)
    own = replace(table, hints=True) if other and not listed else table
    labelled = scan_labelled(source, groups=groups, table=own, advise=True)
    if test is None:
        return labelled, None
    hints = replace(table, photos=(), all_photos=False, task=labelled.task, hints=listed or not other)
    return labelled, scan_unlabelled(test, classes=labelled.classes, table=hints)


def labels_from(source: Source | Sequence[Source], labels: str | None, table: TableOptions) -> tuple[Any, TableOptions]:
    """Return what to scan, and how, where a table `labels` is about the photos of a source: the table itself.

    Raises `InputError` where the source is a table too, or a folder of the photos is named a second time.
    """
    paths = source_paths(source)
    if labels is None:
        return (paths[0] if len(paths) == 1 else paths), table
    if table.image_dir is not None or any(map(is_table, paths)):
        told = N_(
            "--labels is the table of labels of the photos that are given, and '{path}' is a table; leave one of them out"
        )
        if table.image_dir is not None:
            told = N_(
                "--labels is the table of labels of the photos that are given, and --image-dir names the photos; leave one of "
                "them out"
            )
        raise InputError(_(told, path=printable(paths[0])))
    if path_kind(labels) != "file":
        raise InputError(
            _("the table '{path}' of --labels does not exist; give a CSV, Parquet or Excel file", path=printable(labels))
        )
    if len(paths) == 1 and kind_of(paths[0]) not in (None, "table"):
        return labels, replace(table, image_dir=paths[0], all_photos=True)
    return labels, replace(table, photos=tuple(paths), all_photos=True)


def scan_labelled(
    source: Source | Sequence[Source],
    groups: str | None = None,
    classes: Sequence[str] = (),
    table: TableOptions = NO_OPTIONS,
    advise: bool = False,
) -> ImageSet:
    """Find the images of a source and their labels.

    A folder of class folders: the label is the first folder below `source`, however deep the image lies.
    A flat folder in which every image is named like `cat.123.jpg`: the label is what comes before the dot.
    Several folders or photos: see `labelled_given`.
    A table (CSV, Parquet, Excel): the columns of images and labels are found, or named by `table`; photos lie in its own
    folder or below it, or where `table` says; its order is kept, and `groups` may name a column of images that belong
    together (patient, scene). Of a folder `groups` is a regular expression: images in whose ids it matches the same text
    belong together. Photos without a label are `ImageSet.unlabelled`. Where photos have several labels (columns of 0 and 1, or
    several in a cell), `ImageSet.task` is "labels".

    Labels are learnt in one form (`LabelNormalizer`): class folders or labels that differ only in Unicode form or blanks
    around them are one class, and a note says so. With `advise` notes say what columns might be folds or groups.

    To train, two classes with two images each are the least, and classes come in natural order. With
    `classes`, those of a trained model, any number will do, labels must be among them, their order is kept.
    Raises InputError.
    """
    paths = source_paths(source)
    path, log = paths[0], ScanLog()
    if len(paths) > 1:
        _refuse_tables_among(paths)
        table.refuse_for(path)
        root, images = "", labelled_given(paths, log)
    elif read_as_table(path, table):
        return _labelled_table(path, log, groups, classes, table, advise)
    elif kind_of(path) not in (None, "table"):
        root, images = path, labelled_folder(path, log, classes, table)
    else:
        raise no_source(
            path,
            N_("give a folder of class folders, or a table (CSV, Parquet, Excel) with a column of files and one of labels"),
        )
    if groups is not None:
        images = with_groups(images, groups, path)
    return _labelled_set(path, root, images, log, classes)


def _labelled_table(
    path: str, log: ScanLog, groups: str | None, classes: Sequence[str], options: TableOptions, advise: bool
) -> ImageSet:
    read = Table(path, options.for_classes(classes))
    meant = LabelNormalizer(classes)
    listed = read.images(log, meant, groups)
    images = [image for image in listed if image.label is not None or image.labels is not None]
    rest = [image for image in listed if image.label is None and image.labels is None]
    if rest and not images:
        raise InputError(
            _(
                "'{path}' has no label for any of its {count:,} images; fill the cells of its labels",
                path=printable(path),
                count=len(rest),
            )
        )
    if rest:
        names = quoted([image.id for image in rest])
        log.add_notes(
            [ngettext("{n:,} photo has no label: {names}", "{n:,} photos have no label: {names}", len(rest), names=names)]
        )
    if advise:
        log.add_notes(read.unused())
    found = _labelled_set(path, read.root, images, log, classes, read.cells.all_labels(meant), read.cells.task)
    if not classes:
        refuse_folds(path, found)
    return replace(found, unlabelled=ImageSet(read.root, tuple(rest), (), {}, ()) if rest else None)


def _labelled_set(
    path: str,
    root: str,
    images: Sequence[Image],
    log: ScanLog,
    classes: Sequence[str],
    known: Sequence[str] = (),
    task: Literal["classes", "labels"] = "classes",
) -> ImageSet:
    """Return the set of labelled images; `known` are labels in their order, which need not occur."""
    if not images:
        raise InputError(_("'{path}' lists no images; add a row for each image", path=printable(path)))
    found = log.image_set(root, images, (), task)
    labels = sorted({label for image in images for label in image.given}, key=natural_key)
    if classes:
        _refuse_unknown(path, labels, classes)
        return replace(found, classes=tuple(classes))
    labels = list(known) if task == "labels" and known else labels
    found = replace(found, classes=tuple(labels))
    if task == "labels":
        _refuse_constant(path, found)
        return found
    counts = found.counts
    log.add_notes(similar_names(counts))
    _refuse_few(path, labels, counts, log)
    return replace(found, notes=log.notes)


def refuse_folds(path: str, found: ImageSet) -> None:
    """Raise `InputError` for folds by which nothing can be measured: only one, or one that has all photos of a class."""
    folds = found.folds
    if folds is None:
        return
    if len(set(folds.tolist())) < 2:
        only = printable(str(found.images[0].fold))
        raise InputError(
            _(
                "the folds of '{path}' are all '{only}'; give two or more, or leave --folds out",
                path=printable(path),
                only=only,
            )
        )
    where: dict[str, set[str | None]] = {}
    for image in found.images:
        for label in image.given:
            where.setdefault(label, set()).add(image.fold)
    alone = [label for label in found.classes if len(where.get(label, ())) == 1]
    if alone:
        raise InputError(
            _(
                "all photos of {alone} in '{path}' are in one fold, so a model that has not seen that fold does not "
                "know the class; spread them over two folds or more, or leave --folds out",
                alone=quoted(alone),
                path=printable(path),
            )
        )


def _refuse_tables_among(paths: Sequence[str]) -> None:
    """Raise `InputError` where a table stands among other sources."""
    if tables := [path for path in paths if is_table(path)]:
        raise InputError(
            ngettext(
                "among the sources {names} is a table; give one table alone, or photos and folders with their table as "
                "--labels FILE",
                "among the sources {names} are tables; give one table alone, or photos and folders with their table as "
                "--labels FILE",
                len(tables),
                names=quoted(tables),
            )
        )


def _refuse_constant(path: str, found: ImageSet) -> None:
    """Raise `InputError` where no label tells photos apart."""
    if not any(0 < count < len(found) for count in found.counts.values()):
        raise InputError(
            _(
                "'{path}' has no label that some photos have and others have not; add photos with other labels",
                path=printable(path),
            )
        )


def _refuse_unknown(source: str, labels: Sequence[str], classes: Sequence[str]) -> None:
    strange = [label for label in labels if label not in set(classes)]
    if strange:
        raise InputError(
            _(
                "'{source}' has labels that are not classes of the model: {strange}; rename or remove them; the "
                "model's classes: {classes}",
                source=printable(source),
                strange=quoted(strange),
                classes=quoted(classes),
            )
        )


def _refuse_few(source: str, labels: Sequence[str], counts: Mapping[str, int], log: ScanLog) -> None:
    if len(labels) < 2:
        raise InputError(
            _(
                "'{source}' has one class, {labels}{ignored}, and a classifier needs two or more; add images of another class",
                source=printable(source),
                labels=quoted(labels),
                ignored=log.summary(),
            )
        )
    single = [name for name in labels if counts[name] < 2]
    if single:
        raise InputError(
            _(
                "'{source}' has classes of one image, and at least two per class are needed: {single}; add images, "
                "or remove the class",
                source=printable(source),
                single=quoted(single),
            )
        )

"""The images of a source that need no labels: those to predict, and test parts, whose labels count where all are sure.

In: a folder, a table, files. Out: an `ImageSet`. Sub-folders of a test set mostly hold parts of it, not classes, so they are
labels only when every one of them bears the name of a class.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence, Set
from dataclasses import replace

from penult.errors import InputError
from penult.i18n import N_, _
from penult.images.class_folders import by_folders, has_own_label, relabelled
from penult.images.columns import FILE, LABEL, NO_OPTIONS, TableOptions
from penult.images.given import given_images
from penult.images.labels import LabelNormalizer
from penult.images.records import Image, ImageSet, quoted
from penult.images.table import Table, read_as_table
from penult.images.walk import ScanLog, path_kind, walk
from penult.sources import kind_of, no_source
from penult.sources.names import natural_key
from penult.texts import printable

Source = str | os.PathLike[str]


def source_paths(source: Source | Sequence[Source]) -> list[str]:
    """Return the path of a source, or those of several."""
    return [os.fsdecode(one) for one in ([source] if isinstance(source, str | bytes | os.PathLike) else source)]


def scan_unlabelled(
    source: Source | Sequence[Source], classes: Sequence[str] = (), table: TableOptions = NO_OPTIONS
) -> ImageSet:
    """Find the images of a source, with labels where all of them are sure to be among `classes`.

    A folder, flat or not: ids are relative to it; its sub-folders are labels only when all that hold images
    are named after classes and no image lies beside them. A CSV, its columns found or named by `table`: its order
    is kept, labels count when all of them are classes. Files and folders in a list: ids are the paths as they were
    given, in that order.
    Raises InputError if something does not exist or there is no image.
    """
    paths = source_paths(source)
    if not paths:
        raise InputError(_("no images were given; name files, a folder or a CSV"))
    missing = [path for path in paths if path_kind(path) == "nothing" and kind_of(path) is None]
    if len(missing) == 1 and "://" in missing[0]:
        raise no_source(missing[0], N_("give files, a folder or a CSV"))
    if missing:
        raise InputError(_("not found: {missing}; give files, a folder or a CSV", missing=quoted(missing)))
    log = ScanLog()
    if len(paths) == 1 and read_as_table(paths[0], table):
        result = _table_to_predict(paths[0], log, classes, table)
    elif len(paths) == 1 and kind_of(paths[0]) not in (None, "table"):
        result = _folder_to_predict(paths[0], log, classes, table)
    else:
        table.refuse_for(paths[0])
        result = log.image_set("", given_images(paths, log), ())
    if not result:
        raise nothing_in(paths, log)
    return result


def nothing_in(paths: Sequence[str], log: ScanLog) -> InputError:
    """Return the error for sources without an image."""
    return InputError(
        _("no images in {paths}{ignored}; give images or a folder of them", paths=quoted(paths), ignored=log.summary())
    )


def _folder_to_predict(folder: str, log: ScanLog, classes: Sequence[str], table: TableOptions) -> ImageSet:
    found = by_folders(list(walk(folder, log, columns=table.refuse_for(folder))), log)
    labels = {image.label for image in found}
    if are_classes(labels, classes):
        return log.image_set(folder, relabelled(found, LabelNormalizer(classes)), classes)
    log.add_notes(not_read_as_labels(folder, labels, classes if any(map(has_own_label, found)) else None))
    return log.image_set(folder, _without_labels(found), ())


def are_classes(folders: Set[str | None], classes: Sequence[str]) -> bool:
    """Tell whether all images lie in first-level folders of these names, and all of them are names of classes."""
    meant = LabelNormalizer(classes)
    return bool(folders) and all(name is not None and meant(name) in set(classes) for name in folders)


def not_read_as_labels(source: str, labels: Set[str | None], classes: Sequence[str] | None = None) -> list[str]:
    """Return a sentence on labels that are not used: folders below a source, with `classes` those that an archive has."""
    parts = sorted((name for name in labels if name is not None), key=natural_key)
    if classes is None:
        told = N_("sub-folders of '{folder}' were not read as labels: {names}")
        return [_(told, folder=printable(source), names=quoted(parts))] if parts else []
    meant = LabelNormalizer(classes)
    strange = [label for label in parts if meant(label) not in set(classes)]
    return [_not_used(source, strange)] if classes else []


def _not_used(source: str, strange: Sequence[str]) -> str:
    """Return the sentence on labels of which these are no classes of the model, or which some images lack."""
    if strange:
        return _(
            "labels of '{source}' were not used, as the model has no such classes: {names}",
            source=printable(source),
            names=quoted(strange),
        )
    return _("labels of '{source}' were not used, as some images have none", source=printable(source))


def _table_to_predict(path: str, log: ScanLog, classes: Sequence[str], options: TableOptions) -> ImageSet:
    used: list[bool] = []

    def accept(table: Table, labels: set[str]) -> bool:
        used.append(bool(classes) and _are_classes(table, labels, classes, log))
        return used[-1]

    table = Table(path, options.for_classes(classes))
    images = table.images(log, LabelNormalizer(classes), accept=accept)
    return log.image_set(table.root, images, classes if any(used) else (), table.cells.task if any(used) else "classes")


def _are_classes(table: Table, labels: set[str], classes: Sequence[str], log: ScanLog) -> bool:
    """Tell whether the labels of a table are the truth about its photos, and say so where they are not."""
    strange = sorted(labels - set(classes) - {""}, key=natural_key)
    if strange or "" in labels:
        log.add_notes([_not_used(table.path, strange)])
        return False
    own = {name.lower() for name in table.header} >= {FILE, LABEL} or table.cells.one_hot or table.options.label_column
    if not own and len(labels) == 1 and table.rows > 1:
        told = _(
            "labels of '{source}' were not used: all are '{label}', as in a sample submission; name their column with "
            "--label-column if they are true",
            source=printable(table.path),
            label=printable(min(labels)),
        )
        log.add_notes([told])
        return False
    return True


def _without_labels(images: Iterable[Image]) -> list[Image]:
    return [replace(image, label=None) for image in images]

"""Images to predict: a folder, files, a CSV, or a mixture; labels only where they are sure.

In: paths, and the classes of the model. Out: an `ImageSet`. Sub-folders of a test set mostly hold parts of
it, not classes, so they are labels only when every one of them bears the name of a class.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from penult.errors import InputError
from penult.images.classes import Labels
from penult.images.columns import FILE, LABEL, NO_OPTIONS, Columns, TableOptions
from penult.images.kinds import is_image, lies_at, unread_format
from penult.images.names import listing, natural_key
from penult.images.records import Image, ImageSet
from penult.images.table import Table, is_table
from penult.images.walk import GIVEN_NOT_IMAGE, REPEATED, SPECIAL, UNREADABLE, Tally, walk
from penult.texts import printable

Source = str | os.PathLike[str]


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
    sources = [source] if isinstance(source, str | bytes | os.PathLike) else list(source)
    paths = [os.fsdecode(one) for one in sources]
    if not paths:
        raise InputError("no images were given; name files, a folder or a CSV")
    missing = [path for path in paths if lies_at(path) == "nothing"]
    if missing:
        raise InputError(f"these do not exist: {listing(missing)}; give files, a folder or a CSV")
    tally = Tally()
    if not (len(paths) == 1 and is_table(paths[0])):
        table.refuse_for(paths[0])
    if len(paths) == 1 and lies_at(paths[0]) == "folder":
        result = _in_folder(paths[0], tally, classes)
    elif len(paths) == 1 and is_table(paths[0]):
        result = _in_table(paths[0], tally, classes, table)
    else:
        result = ImageSet("", tuple(_given(paths, tally)), (), tally.ignored, tally.notes)
    if not result:
        raise InputError(f"no images in {listing(paths)}{tally.summary()}; give images or a folder of them")
    return result


def _in_folder(folder: str, tally: Tally, classes: Sequence[str]) -> ImageSet:
    found = tuple(walk(folder, tally))
    labels = {image.label for image in found}
    meant = Labels(classes)
    if found and all(label is not None and meant(label) in set(classes) for label in labels):
        named = tuple(image if meant(str(image.label)) == image.label else _labelled(image, meant) for image in found)
        return ImageSet(folder, named, tuple(classes), tally.ignored, tally.notes)
    parts = sorted((label for label in labels if label is not None), key=natural_key)
    if parts:
        tally.add_note(f"sub-folders of '{printable(folder)}' were not read as labels: {listing(parts)}")
    return ImageSet(folder, _without_labels(found), (), tally.ignored, tally.notes)


def _in_table(path: str, tally: Tally, classes: Sequence[str], options: TableOptions) -> ImageSet:
    used: list[bool] = []

    def accept(table: Table, columns: Columns, labels: set[str]) -> bool:
        used.append(bool(classes) and _are_classes(table, columns, labels, classes, tally))
        return used[-1]

    table = Table(path, options)
    images = table.images(tally, Labels(classes), accept=accept)
    return ImageSet(table.root, tuple(images), tuple(classes) if any(used) else (), tally.ignored, tally.notes)


def _are_classes(table: Table, columns: Columns, labels: set[str], classes: Sequence[str], tally: Tally) -> bool:
    """Tell whether the labels of a table are the truth about its photos, and say so where they are not."""
    strange = sorted(labels - set(classes), key=natural_key)
    if strange:
        tally.add_note(
            f"labels of '{printable(table.path)}' were not used, as the model has no such classes: {listing(strange)}"
        )
        return False
    own = {name.lower() for name in table.header} >= {FILE, LABEL} or columns.one_hot or table.options.label_column
    if not own and len(labels) == 1 and table.rows > 1:
        tally.add_note(
            f"labels of '{printable(table.path)}' were not used: all are '{printable(min(labels))}', as in a sample "
            "submission; "
            "name their column with --label-column if they are true"
        )
        return False
    return True


def _given(paths: Sequence[str], tally: Tally) -> list[Image]:
    """Return the images of files and folders in a row, each id once."""
    found: dict[str, Image] = {}
    for path in paths:
        for image in _one_given(path, tally):
            if found.setdefault(image.id, image) is not image:
                tally.ignore(REPEATED, image.id)
    return list(found.values())


def _one_given(path: str, tally: Tally) -> Sequence[Image]:
    name = path.replace(os.sep, "/")
    place = lies_at(path)
    if place == "folder":
        return _without_labels(tuple(walk(path, tally, prefix=name.rstrip("/") + "/")))
    if place != "file":
        tally.ignore(SPECIAL, name)
        return ()
    try:
        if is_image(Path(path).name, path):
            return (Image(name, path),)
        tally.pass_over(GIVEN_NOT_IMAGE, unread_format(Path(path).name, path), name)
    except OSError:
        tally.ignore(UNREADABLE, name)
    return ()


def _labelled(image: Image, meant: Labels) -> Image:
    return Image(image.id, image.path, meant(str(image.label)))


def _without_labels(images: Sequence[Image]) -> tuple[Image, ...]:
    return tuple(Image(image.id, image.path) for image in images)

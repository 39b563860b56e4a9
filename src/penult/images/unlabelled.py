"""Images to predict: a folder, files, a CSV, or a mixture; labels only where they are sure.

In: paths, and the classes of the model. Out: an `ImageSet`. Sub-folders of a test set mostly hold parts of
it, not classes, so they are labels only when every one of them bears the name of a class.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from penult.errors import InputError
from penult.images.kinds import is_image, lies_at, unread_format
from penult.images.names import listing, natural_key, show
from penult.images.records import Image, ImageSet
from penult.images.table import LABEL, Table, is_table
from penult.images.walk import GIVEN_NOT_IMAGE, REPEATED, SPECIAL, UNREADABLE, Tally, walk

Source = str | os.PathLike[str]


def scan_unlabelled(source: Source | Sequence[Source], classes: Sequence[str] = ()) -> ImageSet:
    """Find the images of a source, with labels where all of them are sure to be among `classes`.

    A folder, flat or not: ids are relative to it; its sub-folders are labels only when all that hold images
    are named after classes and no image lies beside them. A CSV with the column `file`: its order is kept,
    a column `label` counts when all its labels are classes. Files and folders in a list: ids are the paths as
    they were given, in that order.
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
    if len(paths) == 1 and lies_at(paths[0]) == "folder":
        result = _in_folder(paths[0], tally, classes)
    elif len(paths) == 1 and is_table(paths[0]):
        result = _in_table(paths[0], tally, classes)
    else:
        result = ImageSet("", tuple(_given(paths, tally)), (), tally.ignored, tally.notes)
    if not result:
        raise InputError(f"no images in {listing(paths)}{tally.summary()}; give images or a folder of them")
    return result


def _in_folder(folder: str, tally: Tally, classes: Sequence[str]) -> ImageSet:
    found = tuple(walk(folder, tally))
    labels = {image.label for image in found}
    if found and labels <= set(classes):
        return ImageSet(folder, found, tuple(classes), tally.ignored, tally.notes)
    parts = sorted((label for label in labels if label is not None), key=natural_key)
    if parts:
        tally.say(f"sub-folders of '{show(folder)}' were not read as labels: {listing(parts)}")
    return ImageSet(folder, _without_labels(found), (), tally.ignored, tally.notes)


def _in_table(path: str, tally: Tally, classes: Sequence[str]) -> ImageSet:
    table = Table(path)
    if not (classes and table.has(LABEL)):
        return ImageSet(table.root, tuple(table.images(tally)), (), tally.ignored, tally.notes)
    strange = sorted(table.values(LABEL, set(classes)) - set(classes), key=natural_key)
    if not strange:
        return ImageSet(
            table.root, tuple(table.images(tally, LABEL, classes=set(classes))), tuple(classes), tally.ignored, tally.notes
        )
    tally.say(f"labels of '{show(path)}' were not used, as the model has no such classes: {listing(strange)}")
    return ImageSet(table.root, tuple(table.images(tally)), (), tally.ignored, tally.notes)


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


def _without_labels(images: Sequence[Image]) -> tuple[Image, ...]:
    return tuple(Image(image.id, image.path) for image in images)

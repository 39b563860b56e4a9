"""Images with labels: class folders, Kaggle's flat names, or a CSV.

In: a folder or a CSV. Out: an `ImageSet` that a classifier can be trained on or measured with, or one
InputError that names everything of its kind that stands in the way.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from penult.errors import InputError
from penult.images.classes import Labels, look_alikes, missing_names
from penult.images.columns import NO_OPTIONS, TableOptions
from penult.images.kinds import lies_at
from penult.images.names import kaggle_label, listing, natural_key
from penult.images.records import Image, ImageSet
from penult.images.table import Table, is_table
from penult.images.walk import OUTSIDE, Tally, walk
from penult.texts import printable

# What may stand beside them in a name: train_images, test-jpg.
_KINDS_OF_FILES = frozenset(
    {"image", "images", "img", "imgs", "photo", "photos", "picture", "pictures", "data", "set", "dataset"}
    | {"jpg", "jpeg", "png", "tif", "tiff"}
)
_WORKBOOK_ENDINGS = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers")
# Parts of a data set. Folders of these names side by side are no classes: nobody tells train/ from test/.
_PARTS = frozenset(
    {"train", "training", "test", "test1", "testing", "holdout"} | {"val", "valid", "validation", "dev", "eval", "evaluation"}
)


def scan_labelled(
    source: str | os.PathLike[str],
    groups: str | None = None,
    classes: Sequence[str] = (),
    table: TableOptions = NO_OPTIONS,
) -> ImageSet:
    """Find the images of a source and their labels.

    A folder of class folders: the label is the first folder below `source`, however deep the image lies.
    A flat folder in which every image is named like `cat.123.jpg`: the label is what comes before the dot.
    A CSV: the columns of images and labels are found, or named by `table`; photos lie in its own folder or
    below it, or where `table` says; its order is kept, and `groups` may name a column of images that belong
    together (patient, scene).

    Labels are learnt in one form (`Labels`): class folders or labels that differ only in Unicode form or blanks
    around them are one class, and a note says so.

    To train, two classes with two images each are the least, and classes come in natural order. With
    `classes`, those of a trained model, any number will do, labels must be among them, their order is kept.
    Raises InputError.
    """
    path = os.fsdecode(source)
    tally = Tally()
    place = lies_at(path)
    if place == "folder":
        if groups is not None:
            raise InputError(
                f"groups are a column of a CSV, and '{printable(path)}' is a folder; "
                f"list its images in a CSV with file,label,{printable(groups)}"
            )
        table.refuse_for(path)
        root, images = path, _in_folder(path, tally, classes)
    elif is_table(path):
        read = Table(path, table)
        root, images = read.root, read.images(tally, Labels(classes), groups)
    else:
        wrong = "does not exist" if place == "nothing" else "is neither a folder nor a CSV"
        if place == "file" and path.lower().endswith(_WORKBOOK_ENDINGS):
            raise InputError(f"'{printable(path)}' is a workbook, not a CSV; save it as 'CSV UTF-8', and give that file")
        raise InputError(f"'{printable(path)}' {wrong}; give a folder of class folders, or a CSV with file,label")
    if not images:
        raise InputError(f"'{printable(path)}' lists no images; add a row for each image")
    labels = sorted({str(image.label) for image in images}, key=natural_key)
    if not classes:
        counts = Counter(str(image.label) for image in images)
        for note in look_alikes({label: counts[label] for label in labels}):
            tally.add_note(note)
    result = ImageSet(root, tuple(images), tuple(classes or labels), tally.ignored, tally.notes)
    if classes:
        _refuse_unknown(path, labels, classes)
    else:
        _refuse_few(path, result, tally)
    return result


def _in_folder(folder: str, tally: Tally, classes: Sequence[str]) -> list[Image]:
    found = list(walk(folder, tally))
    if not found:
        raise InputError(
            f"no images in '{printable(folder)}'{tally.summary()}; give a folder that holds one folder of images for "
            "each class"
        )
    images = [image for image in found if image.label is not None]
    if not images:
        return _by_name(folder, found, tally, classes)
    for image in found:
        if image.label is None:
            tally.ignore(OUTSIDE, image.id)
    labels = {str(image.label) for image in images}
    if not classes:
        _refuse_wrapper(folder, images, labels, tally)
    empty = [name for name in tally.folders if name not in labels]
    if empty:
        tally.add_note(f"folders without any image are no classes: {listing(empty)}")
    return _meant(images, tally, classes)


def _meant(images: list[Image], tally: Tally, classes: Sequence[str]) -> list[Image]:
    """Return the images with the labels that their folders mean."""
    meant = Labels(classes)
    result = [image if meant(str(image.label)) == image.label else replace(image, label=meant(str(image.label)) or image.label)
              for image in images]  # fmt: skip
    if not classes:
        for note in meant.notes("class folders"):
            tally.add_note(note)
        for note in missing_names({str(image.label) for image in result}):
            tally.add_note(note)
    return result


def _by_name(folder: str, found: list[Image], tally: Tally, classes: Sequence[str]) -> list[Image]:
    """Return the images of a flat folder, labelled by their names."""
    images = [Image(image.id, image.path, kaggle_label(image.id)) for image in found]
    odd = [image.id for image in images if image.label is None]
    if odd:
        raise InputError(
            f"'{printable(folder)}' has images but no class folders, and these are not named like cat.123.jpg: "
            f"{listing(odd)}; put the images of each class into a folder of its own, "
            f"or list them in a CSV with file,label{_lists_near(folder)}"
        )
    return _meant(images, tally, classes)


def _refuse_wrapper(folder: str, images: list[Image], labels: set[str], tally: Tally) -> None:
    """Raise InputError if the folders hold class folders instead of being them: one level too high."""
    if len(labels) > 1 and all(map(_is_part, labels)):
        parts = sorted(labels, key=lambda name: (not name.lower().startswith("train"), name))
        raise InputError(
            f"the folders of '{printable(folder)}' are parts of a data set, not classes: {listing(parts)}; "
            f"give the part to learn from, such as '{printable(str(Path(folder, parts[0])))}'{_lists_near(folder)}"
        )
    if len(labels) > 1:
        return
    (name,) = labels
    levels = [image.id.split("/") for image in images]
    inner = {below[1] if len(below) > 2 else kaggle_label(below[1]) for below in levels}
    cure = "add a folder of images for each other class"
    if len(inner) > 1 and None not in inner:
        cure = f"if '{printable(name)}' holds the classes, give '{printable(str(Path(folder, name)))}'"
    raise InputError(
        f"'{printable(folder)}' has one folder of images, '{printable(name)}'{tally.summary()}, "
        f"and a classifier needs two classes or more; {cure}{_lists_near(folder, above=False)}"
    )


def _is_part(name: str) -> bool:
    """Tell whether a folder is named like a part of a data set: `train`, `Test_images`, `train-jpg`."""
    words = [word for word in re.split(r"[\W_]+", name.lower()) if word and word not in _KINDS_OF_FILES]
    return len(words) == 1 and words[0] in _PARTS


def _lists_near(folder: str, above: bool = True) -> str:
    """Return a half-sentence about the CSVs in a folder, or in the one above it, that may hold the labels; often nothing."""
    for place in (folder, *([os.path.join(folder, os.pardir)] if above else [])):  # noqa: PTH118 - surrogates
        try:
            names = sorted(name for name in os.listdir(place) if is_table(os.path.join(place, name)))  # noqa: PTH118, PTH208
        except OSError:
            continue
        names = [name for name in names if not re.match(r"sample|test|submission", name, re.IGNORECASE)]
        if names:
            found = [os.path.normpath(os.path.join(place, name)) for name in names]  # noqa: PTH118
            which = "holds the labels, give that" if len(found) == 1 else "are about them, give the one that has their labels"
            return f"; if {listing(found)} {which} instead of the folder"
    return ""


def _refuse_unknown(source: str, labels: Sequence[str], classes: Sequence[str]) -> None:
    strange = [label for label in labels if label not in set(classes)]
    if strange:
        raise InputError(
            f"'{printable(source)}' has labels that the model does not know: {listing(strange)}; "
            f"rename them, or take them away: it knows {listing(classes)}"
        )


def _refuse_few(source: str, images: ImageSet, tally: Tally) -> None:
    if len(images.classes) < 2:
        raise InputError(
            f"'{printable(source)}' has one class, {listing(images.classes)}{tally.summary()}, "
            "and a classifier needs two or more; add images of another class"
        )
    single = [name for name, count in images.counts.items() if count < 2]
    if single:
        raise InputError(
            f"classes of '{printable(source)}' with one image, where two are the least: {listing(single)}; "
            "add images to them, or take them away"
        )

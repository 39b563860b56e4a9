"""The images of one folder with the labels that its class folders, or Kaggle's names (`cat.123.jpg`), give them.

In: a folder or an archive. Out: `Image` records, or one InputError that says what is in the way: the wrong level, parts of a
data set, names without labels.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from penult.errors import InputError
from penult.i18n import N_, _
from penult.images.columns import TableOptions
from penult.images.labels import LabelNormalizer, missing_names
from penult.images.records import Image, kaggle_label, quoted
from penult.images.table import is_table
from penult.images.walk import NO_LABEL, OUTSIDE, ScanLog, walk
from penult.sources.entries import NEARLY_ALL
from penult.texts import printable

# What may stand beside them in a name: train_images, test-jpg.
_KINDS_OF_FILES = frozenset(
    {"image", "images", "img", "imgs", "photo", "photos", "picture", "pictures", "data", "set", "dataset"}
    | {"jpg", "jpeg", "png", "tif", "tiff"}
)
# Parts of a data set. Folders of these names side by side are no classes: nobody tells train/ from test/.
_PARTS = frozenset(
    {"train", "training", "test", "test1", "testing", "holdout"} | {"val", "valid", "validation", "dev", "eval", "evaluation"}
)


def labelled_folder(folder: str, log: ScanLog, classes: Sequence[str], table: TableOptions) -> list[Image]:
    """Return the images of a folder or archive, labelled by class folders or names; `classes` are those of a model, if any."""
    found = by_folders(list(walk(folder, log, columns=table.refuse_for(folder))), log)
    if not found:
        raise InputError(
            _(
                "no images in '{folder}'{ignored}; give a folder that holds one folder of images for each class",
                folder=printable(folder),
                ignored=log.summary(),
            )
        )
    told = any(map(has_own_label, found))
    if told:  # by a column, or by files beside the images: then folders say nothing
        found = [image if image.member is None else replace(image, label=image.member.label) for image in found]
    images = [image for image in found if image.label is not None]
    if not classes:
        _refuse_parts_of_names(folder, found)
    if not images:
        return _labelled_by_name(folder, found, log, classes)
    for image in found:
        if image.label is None:
            log.ignore(NO_LABEL if told else OUTSIDE, image.id)
    labels = {str(image.label) for image in images}
    if told:
        return _with_folder_labels(images, log, classes, N_("labels"))
    if not classes:
        _refuse_wrong_level(folder, images, labels, log)
    empty = [name for name in log.folders if name not in labels]
    if empty:
        log.add_notes([_("empty folders are not taken as classes: {names}", names=quoted(empty))])
    return _with_folder_labels(images, log, classes)


def _with_folder_labels(
    images: list[Image], log: ScanLog, classes: Sequence[str], what: str = N_("class folders")
) -> list[Image]:
    """Return the images with the labels that the names of their folders or files mean."""
    meant = LabelNormalizer(classes)
    result = relabelled(images, meant)
    if not classes:
        log.add_notes([*meant.notes(what), *missing_names({str(image.label) for image in result})])
    return result


def _labelled_by_name(folder: str, found: list[Image], log: ScanLog, classes: Sequence[str]) -> list[Image]:
    """Return the images of a flat folder, labelled by their names."""
    images = [replace(image, label=kaggle_label(image.inside)) for image in found]
    odd = [image.id for image in images if image.label is None]
    if odd:
        raise InputError(
            _(
                "'{folder}' has images but no class folders, and these are not named like cat.123.jpg: {names}; put "
                "the images of each class into a folder of its own, or list them in a CSV with "
                "file,label{hint}",
                folder=printable(folder),
                names=quoted(odd),
                hint=_hint_at_tables(folder),
            )
        )
    return _with_folder_labels(images, log, classes)


def _refuse_wrong_level(folder: str, images: list[Image], labels: set[str], log: ScanLog) -> None:
    """Raise InputError if the folders hold class folders instead of being them: one level too high."""
    if len(labels) > 1 and all(map(is_part, labels)):
        parts = sorted(labels, key=lambda name: (not name.lower().startswith("train"), name))
        raise InputError(
            _(
                "the folders of '{folder}' are parts of a data set, not classes: {parts}; give the part to learn "
                "from, such as '{path}'{hint}",
                folder=printable(folder),
                parts=quoted(parts),
                path=printable(str(Path(folder, parts[0]))),
                hint=_hint_at_tables(folder),
            )
        )
    if len(labels) > 1:
        return
    (name,) = labels
    levels = [image.inside.split("/") for image in images]
    inner = {below[1] if len(below) > 2 else kaggle_label(below[1]) for below in levels}
    cure = _("add a folder of images for each other class")
    if len(inner) > 1 and None not in inner:
        cure = _("if '{name}' holds the classes, give '{path}'", name=printable(name), path=printable(str(Path(folder, name))))
    raise InputError(
        _(
            "'{folder}' has one folder of images, '{name}'{ignored}, and a classifier needs two classes or more; {cure}{hint}",
            folder=printable(folder),
            name=printable(name),
            ignored=log.summary(),
            cure=cure,
            hint=_hint_at_tables(folder, above=False),
        )
    )


def _refuse_parts_of_names(source: str, found: Sequence[Image]) -> None:
    """Raise InputError where the archives of a folder are parts: train.zip and test.zip, train-00000-of-00002.parquet."""
    names = sorted({image.id.partition("/")[0] for image in found if image.id != image.inside})
    parts = {name: re.split(r"[\W_]", name, maxsplit=1)[0] for name in names}
    if len(set(parts.values())) > 1 and all(map(is_part, parts.values())):
        first = [name for name in names if parts[name].lower().startswith("train")]
        cure = _("put each part into a folder of its own, and give the part to learn from")
        if len(first) == 1:
            cure = _("give the part to learn from, such as '{path}'", path=printable(str(Path(source, first[0]))))
        raise InputError(
            _(
                "the archives in '{source}' are parts of a data set: {names}; {cure}",
                source=printable(source),
                names=quoted(names),
                cure=cure,
            )
        )


def is_part(name: str) -> bool:
    """Tell whether a folder is named like a part of a data set: `train`, `Test_images`, `train-jpg`."""
    words = [word for word in re.split(r"[\W_]+", name.lower()) if word and word not in _KINDS_OF_FILES]
    return len(words) == 1 and words[0] in _PARTS


def _hint_at_tables(folder: str, above: bool = True) -> str:
    """Return a half-sentence about the CSVs in a folder, or in the one above it, that may hold the labels; often nothing."""
    for place in (folder, *([os.path.join(folder, os.pardir)] if above else [])):  # noqa: PTH118 - surrogates
        try:
            names = sorted(name for name in os.listdir(place) if is_table(os.path.join(place, name)))  # noqa: PTH118, PTH208
        except OSError:
            continue
        names = [name for name in names if not re.match(r"sample|test|submission", name, re.IGNORECASE)]
        if names:
            found = [os.path.normpath(os.path.join(place, name)) for name in names]  # noqa: PTH118
            if len(found) == 1:
                return _("; if {name} holds the labels, give that instead of the folder", name=quoted(found))
            return _(
                "; if {names} are about them, give the one that has their labels instead of the folder", names=quoted(found)
            )
    return ""


def by_folders(found: list[Image], log: ScanLog) -> list[Image]:
    """Return the images labelled by their folders, where all lie in some and only a few have a label beside them."""
    own = [image.member for image in found if image.member is not None and image.member.label is not None]
    if not 0 < len(own) < NEARLY_ALL * len(found) or any(member.packing == "parquet" for member in own):
        return found
    folders = [image.inside.partition("/") for image in found]
    if not all(slash for _, slash, _ in folders) or len({folder for folder, _, _ in folders}) < 2:
        return found
    said = _(
        "labels come from the class folders: only {n:,} of {every:,} images have a label in a .cls or .json",
        n=len(own),
        every=len(found),
    )
    log.add_notes([said])
    return [
        replace(image, label=folder, member=image.member and replace(image.member, label=None))
        for image, (folder, _, _) in zip(found, folders, strict=True)
    ]


def relabelled(images: Sequence[Image], meant: LabelNormalizer) -> list[Image]:
    """Return the images with the labels that the names of their folders mean."""
    return [replace(image, label=meant(str(image.label)) or image.label) for image in images]


def has_own_label(image: Image) -> bool:
    """Tell whether an archive says what an image in it shows."""
    return image.member is not None and image.member.label is not None

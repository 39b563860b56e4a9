"""The images of a source: with labels to train on or measure with, or to predict; or both parts together.

In: a folder, a table, files. Out: an `ImageSet`, or one InputError that names everything of its kind that stands in the way.
Labels come from class folders, Kaggle's flat names (`cat.123.jpg`) or a table. Sub-folders of a test set mostly hold parts of
it, not classes, so they are labels only when every one of them bears the name of a class.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path

from penult.errors import InputError
from penult.images.columns import FILE, LABEL, NO_OPTIONS, Columns, TableOptions
from penult.images.labels import LabelNormalizer, missing_names, similar_names
from penult.images.name_groups import with_groups
from penult.images.records import Image, ImageSet, kaggle_label, quoted
from penult.images.table import Table, is_table
from penult.images.walk import GIVEN_NOT_IMAGE, NO_LABEL, OUTSIDE, REPEATED, ScanLog, path_kind, walk
from penult.sources import kind_of, no_source
from penult.sources.entries import NEARLY_ALL
from penult.sources.folder import SPECIAL, UNREADABLE, is_image, unread_format
from penult.sources.names import natural_key
from penult.texts import printable

Source = str | os.PathLike[str]

# What may stand beside them in a name: train_images, test-jpg.
_KINDS_OF_FILES = frozenset(
    {"image", "images", "img", "imgs", "photo", "photos", "picture", "pictures", "data", "set", "dataset"}
    | {"jpg", "jpeg", "png", "tif", "tiff"}
)
# Parts of a data set. Folders of these names side by side are no classes: nobody tells train/ from test/.
_PARTS = frozenset(
    {"train", "training", "test", "test1", "testing", "holdout"} | {"val", "valid", "validation", "dev", "eval", "evaluation"}
)


def scan_train_and_test(
    source: str, test: str | None, groups: str | None = None, table: TableOptions = NO_OPTIONS
) -> tuple[ImageSet, ImageSet | None]:
    """Return the labelled images, and those of the test part, whose labels count where all are classes of the first.

    `table` is about `source`; a test part that is a table uses of it what fits. Raises InputError.
    """
    other = test is not None and is_table(test)
    own = replace(table, hints=True) if other and not is_table(source) else table
    labelled = scan_labelled(source, groups=groups, table=own)
    if test is None:
        return labelled, None
    hints = table if other and not is_table(source) else replace(table, hints=True)
    return labelled, scan_unlabelled(test, classes=labelled.classes, table=hints)


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
    together (patient, scene). Of a folder `groups` is a regular expression: images in whose ids it matches the same text
    belong together.

    Labels are learnt in one form (`LabelNormalizer`): class folders or labels that differ only in Unicode form or blanks
    around them are one class, and a note says so.

    To train, two classes with two images each are the least, and classes come in natural order. With
    `classes`, those of a trained model, any number will do, labels must be among them, their order is kept.
    Raises InputError.
    """
    path = os.fsdecode(source)
    log = ScanLog()
    if is_table(path):
        read = Table(path, table)
        root, images = read.root, read.images(log, LabelNormalizer(classes), groups)
    elif kind_of(path) not in (None, "table"):
        root, images = path, _labelled_folder(path, log, classes, table)
        images = images if groups is None else with_groups(images, groups, path)
    else:
        raise no_source(path, "give a folder of class folders, or a CSV with file,label")
    if not images:
        raise InputError(f"'{printable(path)}' lists no images; add a row for each image")
    labels = sorted({str(image.label) for image in images}, key=natural_key)
    if classes:
        _refuse_unknown(path, labels, classes)
        return log.image_set(root, images, classes)
    counts = Counter(str(image.label) for image in images)
    log.add_notes(similar_names({label: counts[label] for label in labels}))
    _refuse_few(path, labels, counts, log)
    return log.image_set(root, images, labels)


def _labelled_folder(folder: str, log: ScanLog, classes: Sequence[str], table: TableOptions) -> list[Image]:
    found = _by_folders(list(walk(folder, log, columns=table.refuse_for(folder))), log)
    if not found:
        raise InputError(
            f"no images in '{printable(folder)}'{log.summary()}; give a folder that holds one folder of images for each class"
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
        return _with_folder_labels(images, log, classes, "labels")
    if not classes:
        _refuse_wrong_level(folder, images, labels, log)
    empty = [name for name in log.folders if name not in labels]
    if empty:
        log.add_notes([f"empty folders are not taken as classes: {quoted(empty)}"])
    return _with_folder_labels(images, log, classes)


def _by_folders(found: list[Image], log: ScanLog) -> list[Image]:
    """Return the images labelled by their folders, where all lie in some and only a few have a label beside them."""
    own = [image.member for image in found if image.member is not None and image.member.label is not None]
    if not 0 < len(own) < NEARLY_ALL * len(found) or any(member.packing == "parquet" for member in own):
        return found
    folders = [image.inside.partition("/") for image in found]
    if not all(slash for _, slash, _ in folders) or len({folder for folder, _, _ in folders}) < 2:
        return found
    said = f"only {len(own):,} of {len(found):,} images have a label in a .cls or .json"
    log.add_notes([f"labels come from the class folders: {said}"])
    return [
        replace(image, label=folder, member=image.member and replace(image.member, label=None))
        for image, (folder, _, _) in zip(found, folders, strict=True)
    ]


def _with_folder_labels(images: list[Image], log: ScanLog, classes: Sequence[str], what: str = "class folders") -> list[Image]:
    """Return the images with the labels that the names of their folders or files mean."""
    meant = LabelNormalizer(classes)
    result = _relabelled(images, meant)
    if not classes:
        log.add_notes([*meant.notes(what), *missing_names({str(image.label) for image in result})])
    return result


def _relabelled(images: Sequence[Image], meant: LabelNormalizer) -> list[Image]:
    return [replace(image, label=meant(str(image.label)) or image.label) for image in images]


def _labelled_by_name(folder: str, found: list[Image], log: ScanLog, classes: Sequence[str]) -> list[Image]:
    """Return the images of a flat folder, labelled by their names."""
    images = [replace(image, label=kaggle_label(image.inside)) for image in found]
    odd = [image.id for image in images if image.label is None]
    if odd:
        raise InputError(
            f"'{printable(folder)}' has images but no class folders, and these are not named like cat.123.jpg: "
            f"{quoted(odd)}; put the images of each class into a folder of its own, "
            f"or list them in a CSV with file,label{_hint_at_tables(folder)}"
        )
    return _with_folder_labels(images, log, classes)


def _refuse_wrong_level(folder: str, images: list[Image], labels: set[str], log: ScanLog) -> None:
    """Raise InputError if the folders hold class folders instead of being them: one level too high."""
    if len(labels) > 1 and all(map(is_part, labels)):
        parts = sorted(labels, key=lambda name: (not name.lower().startswith("train"), name))
        raise InputError(
            f"the folders of '{printable(folder)}' are parts of a data set, not classes: {quoted(parts)}; "
            f"give the part to learn from, such as '{printable(str(Path(folder, parts[0])))}'{_hint_at_tables(folder)}"
        )
    if len(labels) > 1:
        return
    (name,) = labels
    levels = [image.inside.split("/") for image in images]
    inner = {below[1] if len(below) > 2 else kaggle_label(below[1]) for below in levels}
    cure = "add a folder of images for each other class"
    if len(inner) > 1 and None not in inner:
        cure = f"if '{printable(name)}' holds the classes, give '{printable(str(Path(folder, name)))}'"
    raise InputError(
        f"'{printable(folder)}' has one folder of images, '{printable(name)}'{log.summary()}, "
        f"and a classifier needs two classes or more; {cure}{_hint_at_tables(folder, above=False)}"
    )


def _refuse_parts_of_names(source: str, found: Sequence[Image]) -> None:
    """Raise InputError where the archives of a folder are parts: train.zip and test.zip, train-00000-of-00002.parquet."""
    names = sorted({image.id.partition("/")[0] for image in found if image.id != image.inside})
    parts = {name: re.split(r"[\W_]", name, maxsplit=1)[0] for name in names}
    if len(set(parts.values())) > 1 and all(map(is_part, parts.values())):
        first = [name for name in names if parts[name].lower().startswith("train")]
        cure = "put each part into a folder of its own, and give the part to learn from"
        if len(first) == 1:
            cure = f"give the part to learn from, such as '{printable(str(Path(source, first[0])))}'"
        raise InputError(f"the archives in '{printable(source)}' are parts of a data set: {quoted(names)}; {cure}")


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
            which = "holds the labels, give that" if len(found) == 1 else "are about them, give the one that has their labels"
            return f"; if {quoted(found)} {which} instead of the folder"
    return ""


def _refuse_unknown(source: str, labels: Sequence[str], classes: Sequence[str]) -> None:
    strange = [label for label in labels if label not in set(classes)]
    if strange:
        raise InputError(
            f"'{printable(source)}' has labels that are not classes of the model: {quoted(strange)}; "
            f"rename or remove them; the model's classes: {quoted(classes)}"
        )


def _refuse_few(source: str, labels: Sequence[str], counts: Mapping[str, int], log: ScanLog) -> None:
    if len(labels) < 2:
        raise InputError(
            f"'{printable(source)}' has one class, {quoted(labels)}{log.summary()}, "
            "and a classifier needs two or more; add images of another class"
        )
    single = [name for name in labels if counts[name] < 2]
    if single:
        raise InputError(
            f"'{printable(source)}' has classes of one image, and at least two per class are needed: {quoted(single)}; "
            "add images, or remove the class"
        )


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
    missing = [path for path in paths if path_kind(path) == "nothing" and kind_of(path) is None]
    if len(missing) == 1 and "://" in missing[0]:
        raise no_source(missing[0], "give files, a folder or a CSV")
    if missing:
        raise InputError(f"not found: {quoted(missing)}; give files, a folder or a CSV")
    log = ScanLog()
    if len(paths) == 1 and is_table(paths[0]):
        result = _table_to_predict(paths[0], log, classes, table)
    elif len(paths) == 1 and kind_of(paths[0]) not in (None, "table"):
        result = _folder_to_predict(paths[0], log, classes, table)
    else:
        table.refuse_for(paths[0])
        result = log.image_set("", _given(paths, log), ())
    if not result:
        raise nothing_in(paths, log)
    return result


def nothing_in(paths: Sequence[str], log: ScanLog) -> InputError:
    """Return the error for sources without an image."""
    return InputError(f"no images in {quoted(paths)}{log.summary()}; give images or a folder of them")


def _folder_to_predict(folder: str, log: ScanLog, classes: Sequence[str], table: TableOptions) -> ImageSet:
    found = _by_folders(list(walk(folder, log, columns=table.refuse_for(folder))), log)
    labels = {image.label for image in found}
    if are_classes(labels, classes):
        return log.image_set(folder, _relabelled(found, LabelNormalizer(classes)), classes)
    log.add_notes(not_read_as_labels(folder, labels, classes if any(map(has_own_label, found)) else None))
    return log.image_set(folder, _without_labels(found), ())


def are_classes(folders: Set[str | None], classes: Sequence[str]) -> bool:
    """Tell whether all images lie in first-level folders of these names, and all of them are names of classes."""
    meant = LabelNormalizer(classes)
    return bool(folders) and all(name is not None and meant(name) in set(classes) for name in folders)


def has_own_label(image: Image) -> bool:
    """Tell whether an archive says what an image in it shows."""
    return image.member is not None and image.member.label is not None


def not_read_as_labels(source: str, labels: Set[str | None], classes: Sequence[str] | None = None) -> list[str]:
    """Return a sentence on labels that are not used: folders below a source, with `classes` those that an archive has."""
    parts = sorted((name for name in labels if name is not None), key=natural_key)
    if classes is None:
        return [f"sub-folders of '{printable(source)}' were not read as labels: {quoted(parts)}"] if parts else []
    meant = LabelNormalizer(classes)
    strange = [label for label in parts if meant(label) not in set(classes)]
    why = f"the model has no such classes: {quoted(strange)}" if strange else "some images have none"
    return [f"labels of '{printable(source)}' were not used, as {why}"] if classes else []


def _table_to_predict(path: str, log: ScanLog, classes: Sequence[str], options: TableOptions) -> ImageSet:
    used: list[bool] = []

    def accept(table: Table, columns: Columns, labels: set[str]) -> bool:
        used.append(bool(classes) and _are_classes(table, columns, labels, classes, log))
        return used[-1]

    table = Table(path, options)
    images = table.images(log, LabelNormalizer(classes), accept=accept)
    return log.image_set(table.root, images, classes if any(used) else ())


def _are_classes(table: Table, columns: Columns, labels: set[str], classes: Sequence[str], log: ScanLog) -> bool:
    """Tell whether the labels of a table are the truth about its photos, and say so where they are not."""
    what = f"labels of '{printable(table.path)}' were not used"
    strange = sorted(labels - set(classes), key=natural_key)
    if strange:
        log.add_notes([f"{what}, as the model has no such classes: {quoted(strange)}"])
        return False
    own = {name.lower() for name in table.header} >= {FILE, LABEL} or columns.one_hot or table.options.label_column
    if not own and len(labels) == 1 and table.rows > 1:
        why = f"all are '{printable(min(labels))}', as in a sample submission"
        log.add_notes([f"{what}: {why}; name their column with --label-column if they are true"])
        return False
    return True


def _given(paths: Sequence[str], log: ScanLog) -> list[Image]:
    """Return the images of files and folders in a row, each id once."""
    found: dict[str, Image] = {}
    for path in paths:
        for image in _one_given(path, log):
            if found.setdefault(image.id, image) is not image:
                log.ignore(REPEATED, image.id)
    return list(found.values())


def _one_given(path: str, log: ScanLog) -> Sequence[Image]:
    name = path.replace(os.sep, "/")
    place = path_kind(path)
    if kind_of(path) not in (None, "table"):
        return _without_labels(walk(path, log, prefix=name.rstrip("/") + "/"))
    if place != "file":
        log.ignore(SPECIAL, name)
        return ()
    try:
        if is_image(Path(path).name, path):
            return (Image(name, path),)
        log.skip(GIVEN_NOT_IMAGE, unread_format(Path(path).name, path), name)
    except OSError:
        log.ignore(UNREADABLE, name)
    return ()


def _without_labels(images: Iterable[Image]) -> list[Image]:
    return [replace(image, label=None) for image in images]

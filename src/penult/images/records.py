"""One image, and the images of one source in order; and names: how they sort, how a message lists them, what they give away.

Names are as the operating system gives them: bytes that are not UTF-8 are surrogates (PEP 383).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from penult.errors import InputError
from penult.i18n import _
from penult.sources import Member
from penult.sources.names import natural_key, without_archives
from penult.texts import enumeration, in_quotes, joined_labels

LONGEST = 400  # characters of a name in a message
MENTIONED = 10  # names that a message lists before it says "and N more"

_KAGGLE = re.compile(r"([^.]+)\.[0-9]+\.[^.]+")


@dataclass(frozen=True, slots=True)
class Image:
    """One image file, or a member of an archive or a store.

    `id` is its path relative to the folder (or archive) given, `/`-separated, or the name as the CSV or the caller wrote
    it; `path` is what the operating system opens, and of a member only says where it is. Both keep bytes that are not UTF-8
    as surrogates.

    Where a photo has any number of labels, `labels` are those that it has and `unknown` those of which nobody said so or so;
    `label` is None then. `fold` is the part of a cross-validation in which the photo is held out, as a table names it;
    `weight` how much it counts in the fit.
    """

    id: str
    path: str
    label: str | None = None
    group: str | None = None
    member: Member | None = None
    labels: tuple[str, ...] | None = None
    unknown: tuple[str, ...] = ()
    fold: str | None = None
    weight: float | None = None

    @property
    def given(self) -> tuple[str, ...]:
        """The labels that it has, of which there are none where nobody gave any."""
        if self.labels is not None:
            return self.labels
        return () if self.label is None else (self.label,)

    @property
    def source(self) -> str | Member:
        """What `embed` reads: the path, or the member."""
        return self.member or self.path

    @property
    def inside(self) -> str:
        """The path by which it is labelled: its id without the names of archives."""
        return self.id if self.member is None else without_archives(self.id)


@dataclass(frozen=True)
class ImageSet:
    """The images of one source, in a fixed order.

    `root` is the folder that ids are relative to, empty where they are paths as given. `classes` is empty for
    images without labels. `ignored` counts what was passed over, by kind; `notes` are sentences to say once.
    `task` is "classes" where a photo has one of the classes, "labels" where it has any number of them.
    `unlabelled` are photos that a labelled table lists without a label: to be predicted, not to be learnt.
    """

    root: str
    images: tuple[Image, ...]
    classes: tuple[str, ...]
    ignored: Mapping[str, int]
    notes: tuple[str, ...]
    task: Literal["classes", "labels"] = "classes"
    unlabelled: ImageSet | None = None

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[Image]:
        return iter(self.images)

    def in_order(self) -> ImageSet:
        """Return the same images in the order in which a folder has them, whatever order a list had.

        What is learnt depends on the order of its rows in the last digits, and folds are dealt by it.
        """
        return replace(self, images=tuple(sorted(self.images, key=lambda one: [natural_key(p) for p in one.id.split("/")])))

    @property
    def ids(self) -> tuple[str, ...]:
        """Return the ids, in order."""
        return tuple(image.id for image in self.images)

    @property
    def sources(self) -> tuple[str | Member, ...]:
        """Return what `embed` reads, in order."""
        return tuple(image.source for image in self.images)

    @property
    def paths(self) -> tuple[str, ...]:
        """Return the paths, in order; what they lead to, where that is no file of its own, is in `sources`."""
        return tuple(image.path for image in self.images)

    @property
    def labelled(self) -> bool:
        """Tell whether the images carry labels."""
        return bool(self.classes)

    @property
    def y(self) -> NDArray[np.intp]:
        """Return each image's place in `classes`, shape (n,); raises InputError if there are no labels."""
        if not self.labelled:
            raise InputError(_("these images have no labels; give class folders, or a CSV with file,label"))
        index = {name: place for place, name in enumerate(self.classes)}
        labels = (index[image.label] for image in self.images if image.label is not None)
        return np.fromiter(labels, dtype=np.intp, count=len(self))  # (n,)

    @property
    def groups(self) -> NDArray[np.intp] | None:
        """Return each image's group, numbered as they appear, shape (n,); None when none were given."""
        if any(image.group is None for image in self.images):
            return None
        index: dict[str | None, int] = {}
        return np.array([index.setdefault(image.group, len(index)) for image in self.images], dtype=np.intp)  # (n,)

    @property
    def Y(self) -> NDArray[np.float32]:
        """Return which labels each image has, shape (n, L): 0, 1, or NaN where that is not known; L as in `classes`."""
        index = {name: place for place, name in enumerate(self.classes)}
        Y = np.zeros((len(self), len(self.classes)), np.float32)  # (n, L)
        for row, image in zip(Y, self.images, strict=True):
            row[[index[label] for label in image.given]] = 1
            row[[index[label] for label in image.unknown]] = np.nan
        return Y

    @property
    def folds(self) -> NDArray[np.intp] | None:
        """Return the fold in which each image is held out, numbered in natural order of their names, (n,); None: not given."""
        names = [image.fold for image in self.images]
        if None in names or not names:
            return None
        index = {name: place for place, name in enumerate(sorted({str(name) for name in names}, key=natural_key))}
        return np.array([index[str(name)] for name in names], dtype=np.intp)

    @property
    def weights(self) -> NDArray[np.float64] | None:
        """Return how much each image counts in the fit, shape (n,); None when no weights were given."""
        if not self.images or any(image.weight is None for image in self.images):
            return None
        return np.array([image.weight for image in self.images], dtype=np.float64)

    @property
    def counts(self) -> dict[str, int]:
        """Return the number of images of each class, in class order."""
        counts = dict.fromkeys(self.classes, 0)
        for image in self.images:
            for label in image.given:
                counts[label] += 1
        return counts


def label_matrix(images: ImageSet, labels: Sequence[str]) -> NDArray[np.float32] | None:
    """Return which of some labels each photo has (n, L), NaN where it is not known; None where photos have other labels."""
    if not images.labelled or images.task != "labels" or not set(images.classes) <= set(labels):
        return None
    Y = np.zeros((len(images), len(labels)), np.float32)
    Y[:, [labels.index(name) for name in images.classes]] = images.Y
    return Y


def label_texts(*sets: ImageSet | None) -> Iterator[str]:
    """Yield the class of each image of some sets, or its labels, as one text; nothing where it has none."""
    for images in sets:
        for image in images or ():
            yield joined_labels(image.given, () if images is None else images.classes)


def quoted(names: Sequence[str], total: int | None = None) -> str:
    """Return `'a', 'b' and 3 more`: the first names, quoted, and how many of `total` are left out."""
    shown = enumeration(in_quotes(name[:LONGEST]) for name in names[:MENTIONED])
    left = (len(names) if total is None else total) - min(len(names), MENTIONED)
    return _("{names} and {more:,} more", names=shown, more=left) if left > 0 else shown


def kaggle_label(name: str) -> str | None:
    """Return `cat` for `cat.123.jpg` (label.number.extension, Kaggle's way), None for any other name."""
    match = _KAGGLE.fullmatch(name)
    return match[1] if match else None

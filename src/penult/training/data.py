"""Everything that learning needs, once the images (or feature files) have been read: arrays, names and who failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from penult import evaluate, runs, store
from penult.audit import Look, Pairs
from penult.embed import Embedding
from penult.errors import InputError, listed
from penult.fit import group_copies
from penult.i18n import _
from penult.images import ImageSet, label_matrix
from penult.pixels import Failure, summarize_failures
from penult.training.stored import StoredFeatures


@dataclass(frozen=True, slots=True)
class Split:
    """One folder's images: all their names, which of them have features, those rows, and the reasons of the others.

    `y` (n,) holds class indices, or is None where no labels are known. Of photos with any number of labels `Y` (n, L) holds
    1, 0, or NaN where it is not known, and `y` is None.
    """

    files: tuple[str, ...]
    ok: NDArray[np.bool_]  # (n,)
    X: NDArray[np.float32]  # (n_ok, d)
    y: NDArray[np.intp] | None  # (n,)
    failures: dict[int, Failure]
    Y: NDArray[np.float32] | None = None  # (n, L)

    @property
    def ok_Y(self) -> NDArray[np.float32]:
        """The labels of the rows of X, of photos with any number of them: (n_ok, L)."""
        if self.Y is None:
            raise InputError(_("these images have one class each; give --task labels for several labels a photo."))
        return self.Y[self.ok]

    @property
    def ok_files(self) -> list[str]:
        """The names of the rows of X."""
        return [f for f, ok in zip(self.files, self.ok, strict=True) if ok]

    @property
    def ok_y(self) -> NDArray[np.intp]:
        """The labels of the rows of X: (n_ok,)."""
        if self.y is None:
            raise InputError(_("these images have no labels; put them in folders named after the classes."))
        return self.y[self.ok]


@dataclass(frozen=True, slots=True)
class EveryRow:
    """All rows that are learnt from, more than memory holds: X (n, d) is read in slices, y (n,) are their class numbers.

    `sample` (m,) are the numbers of the rows that are held out, measured and looked at. `copies` (c,) are rows outside it that
    are copies of some of its rows, whose places in it are `originals` (c,): a model that judges one must not learn the other.
    """

    X: Any
    y: NDArray[np.intp]
    sample: NDArray[np.intp]
    copies: NDArray[np.intp]
    originals: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class TrainingData:
    """The training part, the test part if there is one, and how the columns of X are made up.

    `widths` are the numbers of columns of the backbones named in `names`, `network_blocks` the blocks of each: the runs of
    columns that a head scales separately.
    `groups` (n_ok,): rows of one group never stand on both sides of a split; None when every row is its own group.
    `near` are the near copies among the training rows, `look` what they were found by, where there may be test rows.
    `stored` is where the rows come from, if they were computed before; `every` has all rows that are learnt from where the
    training part is a sample of them.
    """

    train: Split
    test: Split | None
    classes: tuple[str, ...]
    names: tuple[str, ...]
    widths: tuple[int, ...]
    network_blocks: tuple[tuple[int, ...], ...]
    groups: NDArray[np.intp] | None  # (n_ok,)
    near: Pairs
    notes: tuple[str, ...]
    look: Look | None = None
    most_alike: NDArray[np.intp] | None = None  # (n_ok, 5): of many rows those that `look` found nearest
    stored: StoredFeatures | None = None
    digests: NDArray[np.uint8] | None = None  # (n_ok, 32) of stored features
    every: EveryRow | None = None
    folds: NDArray[np.intp] | None = None  # (n_ok,) in which each row is held out, where the user says so
    weights: NDArray[np.float64] | None = None  # (n_ok,) how much each row counts in the fit

    def columns(self, index: int) -> slice:
        """Return where the columns of one backbone stand in X."""
        start = sum(self.widths[:index])
        return slice(start, start + self.widths[index])

    @property
    def task(self) -> Literal["classes", "labels"]:
        """Whether a photo has one of the classes, or any number of them as labels."""
        return "classes" if self.train.Y is None else "labels"

    @property
    def blocks(self) -> tuple[int, ...]:
        """The blocks of all backbones, in the order of the columns."""
        return sum(self.network_blocks, ())


def from_images(train: ImageSet, test: ImageSet | None, done: Embedding, near: bool = True) -> TrainingData:
    """Split what was embedded in one pass (training images first) into its parts, and group the copies.

    With `near` False near copies are not kept together, see `TrainOptions.near_duplicates`.
    """
    n = len(train)
    X = done.features()  # (n_ok, d)
    cut = int(done.ok[:n].sum())
    left, right = _failures(done, 0, n), _failures(done, n, len(done.ok))
    several, other = train.task == "labels", None
    if several:
        part = Split(tuple(train.ids), done.ok[:n], X[:cut], None, left, train.Y)
        alone = check_label_counts(part.ok_Y, train.classes)
    else:
        part = Split(tuple(train.ids), done.ok[:n], X[:cut], train.y, left)
        _check_classes(part, train.classes)
    if test is not None:
        other = Split(tuple(test.ids), done.ok[n:], X[cut:], None, right, label_matrix(test, train.classes))
        other = other if several else replace(other, y=_labels(test, train.classes), Y=None)
    thumbnails = done.thumbnails()
    groups, found = group_copies(
        done.digests[:n][part.ok],
        part.X,
        done.widths,
        None if train.groups is None else train.groups[part.ok],
        None if thumbnails is None else thumbnails[:cut],
        near,
        done.large_thumbnails if done.thumbnail_cache is not None else None,
        train.folds is not None,
    )
    names = tuple(b.name for b in done.backbones)
    folds = None if train.folds is None else train.folds[part.ok]
    if not several:
        alone = lone_classes(part.ok_y, train.classes, groups) if folds is None else []
    alone = [*_parted(folds, groups, done.digests[:n][part.ok]), *alone]
    notes = (*train.notes, *(test.notes if test else ()), *found.notes, *alone)
    told = groups, found.pairs, notes, found.look, found.most_alike
    return TrainingData(
        part,
        other,
        train.classes,
        names,
        done.widths,
        done.network_blocks,
        *told,
        folds=folds,
        weights=None if train.weights is None else train.weights[part.ok],
    )


def _parted(folds: NDArray[np.intp] | None, groups: NDArray[np.intp] | None, digests: NDArray[np.uint8]) -> list[str]:
    """Return a sentence where given folds part photos that belong together, exact copies (by their `digests`) among them."""
    if folds is None or groups is None:
        return []
    photos, copies = _across(folds, groups), _across(folds, np.unique(digests, axis=0, return_inverse=True)[1].ravel())
    if not photos:
        return []
    if not copies:
        return [
            _(
                "{photos:,} photos have a copy, a near-duplicate, or one of their group, in another fold of --folds; the "
                "folds are used as they are, so the score may be too good.",
                photos=photos,
            )
        ]
    return [
        _(
            "{photos:,} photos have a copy, a near-duplicate, or one of their group, in another fold of --folds ({copies:,} "
            "of them an exact copy); the folds are used as they are, so the score may be too good.",
            photos=photos,
            copies=copies,
        )
    ]


def _across(folds: NDArray[np.intp], units: NDArray[np.intp]) -> int:
    """Return how many rows are of units (n,) that lie in several folds (n,)."""
    unit = np.unique(units, return_inverse=True)[1]  # (n,)
    pairs = np.unique(np.column_stack((unit, folds)), axis=0)  # (p, 2): which units lie in which folds
    return int((np.bincount(pairs[:, 0]) > 1)[unit].sum())


def lone_classes(y: NDArray[np.intp], classes: Sequence[str], groups: NDArray[np.intp] | None) -> list[str]:
    """Return a sentence on each class that cannot be measured, as its photos are copies of one picture, or of one group."""
    sizes = np.bincount(y, minlength=len(classes))
    return [
        _(
            "{name}: {n} photos of one picture or scene (or one group of --groups); the model learns this class, but how well "
            "cannot be measured; add photos of other scenes.",
            name=classes[c],
            n=sizes[c],
        )
        for c in evaluate.unmeasured(y, classes, groups).tolist()
    ]


def _failures(done: Embedding, start: int, stop: int) -> dict[int, Failure]:
    return {i - start: f for i, f in sorted(done.failures.items()) if start <= i < stop}


def _labels(images: ImageSet, classes: Sequence[str]) -> NDArray[np.intp] | None:
    """Return class indices when every image of a test folder is in a folder named after a training class."""
    index = {c: i for i, c in enumerate(classes)}
    labels = [image.label for image in images.images]
    if not labels or any(label not in index for label in labels):
        return None
    return np.array([index[str(label)] for label in labels], np.intp)


def check_label_counts(Y: NDArray[np.float32], labels: Sequence[str]) -> list[str]:
    """Return a sentence on each label that cannot be measured: fewer than two photos have it, or have it not.

    Raises `InputError` where that is so of all.
    """
    with_, without = np.nansum(Y, axis=0).astype(int).tolist(), np.nansum(1 - Y, axis=0).astype(int).tolist()
    short = {name: (m, n) for name, m, n in zip(labels, with_, without, strict=True) if min(m, n) < 2}
    if len(labels) < 2 or len(short) == len(labels):
        raise InputError(
            _(
                "there is no label to tell apart: of {labels} each needs two photos or more that have it and two that "
                "have it not, and there must be two labels; add photos, or columns of labels.",
                labels=listed([repr(name) for name in labels]),
            )
        )
    return [
        _(
            "{name}: {m} photos have this label and {n} have it not; how well it is found cannot be measured; add photos.",
            name=name,
            m=m,
            n=n,
        )
        for name, (m, n) in short.items()
    ]


def _check_classes(part: Split, classes: Sequence[str]) -> None:
    """Raise when unreadable images leave a class with fewer than two images."""
    counts = np.bincount(part.ok_y, minlength=len(classes))
    short = [_("{name} ({n} of {m} readable)", name=c, n=n, m=m) for c, n, m in _per_class(part, classes, counts) if n < 2]
    if short and part.failures:
        raise InputError(
            _(
                "fewer than two readable images in: {classes}. {reasons}. Add readable images to them, or remove them.",
                classes=", ".join(short),
                reasons=summarize_failures(part.failures.values()),
            )
        )
    if short:
        raise InputError(
            _(
                "fewer than two readable images in: {classes}. Add readable images to them, or remove them.",
                classes=", ".join(short),
            )
        )


def check_rows(y: NDArray[np.intp], classes: Sequence[str], where: str = "") -> None:
    """Raise when a class has fewer than two rows `where` they are stored, or there is only one class."""
    where = where or _("the feature files")
    counts = np.bincount(y, minlength=len(classes))
    if len(classes) < 2:
        raise InputError(_("{where} have only one class, {classes!r}; add rows of another.", where=where, classes=classes[0]))
    if short := [f"{c} ({n})" for c, n in zip(classes, counts.tolist(), strict=True) if n < 2]:
        raise InputError(
            _(
                "fewer than two rows of {where} have the label: {short}; add rows of these classes, or leave them out.",
                where=where,
                short=listed(short),
            )
        )


def _per_class(part: Split, classes: Sequence[str], counts: NDArray[np.intp]) -> list[tuple[str, int, int]]:
    every = np.bincount(part.y if part.y is not None else [], minlength=len(classes))
    return [(c, int(counts[i]), int(every[i])) for i, c in enumerate(classes)]


def from_features(paths: Sequence[str], listing: str | None, near: bool = True) -> TrainingData:
    """Read feature files of the seed's layout; their rows are numbered unless a list of names is given.

    With `near` False near copies are not kept together, as in `from_images`.
    """
    runs.check_features(paths)
    read = store.read_features(paths)
    if read.y is None:
        raise InputError(
            _("{paths} have no data set `label`; write one class number for each row into it.", paths=", ".join(paths))
        )
    n, m = len(read.X), 0 if read.X_test is None else len(read.X_test)
    files, test_files = _row_names(read.files, n), _row_names(read.test_files, m)
    if listing is not None:
        files = listed_names(listing, n)
    classes = tuple(read.classes or [str(c) for c in range(int(read.y.max()) + 1)])
    part = Split(files, np.ones(n, bool), read.X, read.y, {})
    check_rows(part.ok_y, classes)
    test = None if read.X_test is None or not m else Split(test_files, np.ones(m, bool), read.X_test, None, {})
    digests = store.row_digests(read.X)
    groups, found = group_copies(digests, read.X, read.widths, near=near)
    return TrainingData(
        part,
        test,
        classes,
        tuple(read.names),
        read.widths,
        _network_blocks(read),
        groups,
        found.pairs,
        (*read.notes, *found.notes, *lone_classes(part.ok_y, classes, groups)),
        most_alike=found.most_alike,
    )


def _network_blocks(read: store.Features) -> tuple[tuple[int, ...], ...]:
    """Return the blocks of each file's columns as our own files tell them; another program's file is one block."""
    told = [tuple(facts.get("parts") or (width,)) for facts, width in zip(read.facts, read.widths, strict=True)]
    wrong = [name for name, p, width in zip(read.names, told, read.widths, strict=True) if sum(p) != width]
    if wrong:
        raise InputError(
            _("the facts in these feature files do not fit their columns: {wrong}; write them again.", wrong=", ".join(wrong))
        )
    return tuple(told)


def _row_names(names: Sequence[str] | None, n: int) -> tuple[str, ...]:
    return tuple(names) if names else tuple(str(i) for i in range(n))


def listed_names(path: str, n: int) -> tuple[str, ...]:
    """Return the n names that a file lists, one a line. Raises InputError."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise InputError(
            _("the list of names {path} cannot be read ({error}); give its path.", path=path, error=_(str(error.strerror)))
        ) from error
    names = [line for line in text.split("\n") if line]  # splitlines() would part names at odd signs
    if len(names) != n:
        raise InputError(
            _(
                "{path} lists {names} names, the feature files have {n} training rows; give one name for each.",
                path=path,
                names=len(names),
                n=n,
            )
        )
    return tuple(names)

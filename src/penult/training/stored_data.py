"""Training data of stored features: all rows where they fit into memory, else a sample of them beside all that is learnt.

A model learns every row. What needs rows in memory, or names, is done on the sample and says so: folds, scores, copies, labels
in doubt, outliers, novelty, the map, the report.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import heads
from penult.arrays import row_chunks
from penult.audit import Pairs, copies_outside
from penult.audit.pairs import UnionFind
from penult.errors import InputError
from penult.fit import group_copies
from penult.i18n import _
from penult.images import natural_key
from penult.pixels.preparing import memory_bytes
from penult.training.data import EveryRow, Split, TrainingData, check_label_counts, check_rows, lone_classes
from penult.training.options import TrainOptions
from penult.training.stored import COPIES, STEP, SelectedRows, StoredFeatures, fits
from penult.training.stored_labels import RowLabels

STREAMED = ("blend", "lda", "logistic")  # heads that learn from rows that are read in slices
MOST = 10_000  # rows of a sample: an accuracy of 90% is then known to 0.6 points
LEAST = 2500  # rows of a sample, where a fourth of the memory holds them
ENTRIES = 1 << 23  # numbers of rows that are read at a time: 32 MiB of float32
SHARE = 20  # the part of the memory that the rows of the sample take: a twentieth


def from_stored(stored: StoredFeatures, labels: RowLabels, options: TrainOptions) -> TrainingData:
    """Return the training data of stored features with these labels.

    Raises InputError for a class with fewer than two rows, and where X is larger than memory for a head that needs it whole.
    """
    rows = labels.rows
    y = labels.codes if len(rows) == len(labels.codes) else labels.codes[rows]
    alone = None if labels.Y is None else check_label_counts(labels.Y[rows], labels.classes)
    if alone is None:
        check_rows(y, labels.classes, stored.source)
    X = stored.X if len(rows) == len(stored.X) else SelectedRows(stored.X, rows)
    groups = None if labels.groups is None else labels.groups[rows]
    near = options.near_duplicates == "group"
    if fits(X, options.memory):
        order = _folder_order(stored.ids(rows))
        own = np.asarray(X[:])[order], y[order], None if groups is None else groups[order]
        return _made(stored, labels, rows[order], own, near, alone or ())
    if labels.Y is not None:
        raise InputError(
            _(
                "several labels a photo are learnt in memory, and {rows:,} rows of {columns:,} numbers do not fit; "
                "allow more memory, or train on a part of them.",
                rows=X.shape[0],
                columns=X.shape[1],
            )
        )
    _check_head(stored, options)
    memory = memory_bytes() if options.memory is None else options.memory
    some = 16 * X.shape[1]  # bytes of memory for each row of a sample, as `sample_rows` counts: it takes a fourth
    fewest = max(LEAST, 3 * len(labels.classes))
    budget = min(memory, some * max(MOST, fewest), max(memory * 4 // SHARE, some * fewest))
    drawn = heads.sample_rows(X, y, groups, budget, options.seed)
    sample = np.arange(len(y)) if drawn is None else drawn
    told = _(
        "the model learns all {n:,} images; scores, copies, labels in doubt, outliers, novelty, the map and the "
        "report are of {sample:,} of them, drawn at random by class.",
        n=len(y),
        sample=len(sample),
    )
    own = X[sample], y[sample], None if groups is None else groups[sample]
    data = _made(stored, labels, rows[sample], own, near, (told,))
    outside = np.ones(len(rows), bool)
    outside[sample] = False
    assert data.digests is not None  # noqa: S101 - for the type checker: those of stored features are known
    found = [_exact_copies(stored, rows, data.digests, outside)]
    if near:
        found.append(copies_outside(data.train.X, stored.widths, partial(_others, X, outside)))
    copies, originals = (np.concatenate(side) for side in zip(*found, strict=True))
    units = copies if groups is None else groups[copies]
    ties = _tied(data.groups, units, originals, len(sample))
    if groups is not None:
        copies, originals = _of_groups(groups, outside, units, originals)
    return replace(data, groups=ties, every=EveryRow(X, y, sample, copies, originals))


def _folder_order(ids: Sequence[str]) -> NDArray[np.intp]:
    """Return the order in which a folder is learnt (`ImageSet.in_order`): folds, and the last digits, depend on it."""
    keys = [[natural_key(part) for part in id.split("/")] for id in ids]
    return np.array(sorted(range(len(ids)), key=keys.__getitem__), np.intp)


def _made(
    stored: StoredFeatures,
    labels: RowLabels,
    rows: NDArray[np.intp],
    told: tuple[NDArray[np.float32], NDArray[np.intp], NDArray[np.intp] | None],
    near: bool,
    notes: Sequence[str],
) -> TrainingData:
    """Return the training data of rows of these numbers; `told` are their features, labels and groups."""
    X, y, groups = told
    digests = stored.digests(rows)
    ties, found = group_copies(digests, X, stored.widths, groups, near=near)
    n, lost = len(rows), len(stored.failures)
    files = (*stored.ids(rows), *stored.failures)
    failures = {n + i: failure for i, failure in enumerate(stored.failures.values())}
    part = Split(files, np.arange(n + lost) < n, X, np.concatenate([y, np.full(lost, -1, np.intp)]), failures)
    alone: list[str] = []
    if labels.Y is None:
        alone = lone_classes(y, labels.classes, ties)
    else:
        unknown = np.full((lost, len(labels.classes)), np.nan, np.float32)
        part = replace(part, y=None, Y=np.concatenate([labels.Y[rows], unknown]))
    return TrainingData(
        part,
        None,
        labels.classes,
        stored.names,
        stored.widths,
        stored.network_blocks,
        ties,
        found.pairs,
        (*stored.notes, *labels.notes, *notes, *found.notes, *alone),
        found.look,
        found.most_alike,
        stored,
        digests,
    )


def _check_head(stored: StoredFeatures, options: TrainOptions) -> None:
    n, d = stored.X.shape
    if options.head not in STREAMED:
        raise InputError(
            _(
                "the {n:,} rows of {d:,} features take more memory than there is, and the head {head} needs all of "
                "them at once; give --head {streamed}, which read them in slices, or more --memory ({copies:,.1f} "
                "GB).",
                n=n,
                d=d,
                head=options.head,
                streamed=" or ".join(STREAMED),
                copies=COPIES * 4 * n * d / 1e9,
            )
        )


def _others(X: Any, outside: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
    """Yield numbers and rows of X (n, d) that are `outside` the sample (n,), some at a time."""
    for at in row_chunks(len(X), max(1, ENTRIES // X.shape[1])):
        kept = np.flatnonzero(outside[at])
        yield at.start + kept, np.asarray(X[at])[kept]


def _exact_copies(
    stored: StoredFeatures, rows: NDArray[np.intp], digests: NDArray[np.uint8], outside: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows outside the sample with one of the `digests` (m, 32) in it, and the places of those, (c,) each."""
    own = _beginnings(digests)
    order = np.argsort(own, kind="stable")
    found: list[NDArray[np.intp]] = []
    places: list[NDArray[np.intp]] = []
    for at in row_chunks(len(rows), STEP):
        other = _beginnings(stored.digests(rows[at]))
        place = np.minimum(np.searchsorted(own[order], other), len(own) - 1)
        same = np.flatnonzero((own[order][place] == other) & outside[at])
        found.append(at.start + same)
        places.append(order[place[same]])
    return np.concatenate(found), np.concatenate(places)


def _beginnings(digests: NDArray[np.uint8]) -> NDArray[np.uint64]:
    return np.ascontiguousarray(digests[:, :8]).view(np.uint64).ravel()


def _of_groups(
    groups: NDArray[np.intp], outside: NDArray[np.bool_], units: NDArray[np.intp], originals: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return all rows `outside` the sample that are of the groups `units` (c,) of its copies, and an original of each.

    They show the same scene as the copies do, so a model that judges the originals must not learn them either.
    """
    place = np.full(int(groups.max()) + 1, -1, np.intp)
    place[units] = originals
    members = np.flatnonzero(outside & (place[groups] >= 0))
    return members, place[groups[members]]


def _tied(
    groups: NDArray[np.intp] | None, copies: NDArray[np.intp], originals: NDArray[np.intp], m: int
) -> NDArray[np.intp] | None:
    """Return the groups (m,) in which also those rows stand together that have a copy outside the sample in common.

    `copies` (c,) are the numbers of the copies, or those of their groups.
    """
    if not len(copies):
        return groups
    ties = UnionFind(m)
    if groups is not None:
        ties.tie(groups)
    order = np.argsort(copies, kind="stable")
    same = copies[order][1:] == copies[order][:-1]
    pairs = Pairs(originals[order][:-1][same], originals[order][1:][same], np.ones(int(same.sum()), np.float32))
    ties.link(pairs)
    found = ties.numbers()
    return found if len(np.unique(found)) < m else None

"""What a head learns from: rows, class numbers, weights, groups, inner folds."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from penult.arrays import Array
from penult.errors import InputError
from penult.i18n import _
from penult.solver import LEARNT, PartitionedRows, RowScaling, Sums, partition, placed_rows

Folds = tuple[tuple[Array, Array], ...]  # (training rows, held-out rows) of each

SINGLE_ROWS = 0.25  # of the rows may be of classes that are one group each, and are then split row by row


@dataclass(frozen=True)
class Task:
    """The rows to learn from, checked: all that a search may look at."""

    X: Array  # (n, d) float32 or float64
    codes: Array  # (n,) class numbers
    k: int
    sample_weight: Array  # (n,) `row_weight` times the class weights, of mean 1; 0 for rows that no fold learns from
    class_weight: Array  # (k,)
    folds: Folds | None
    blocks: tuple[int, ...]
    seed: int
    spaces: dict[str, Any] = field(default_factory=dict, compare=False)  # that were made for these rows and folds, by scaling
    stream: Stream | None = None
    given_weight: Array | None = None  # (n,) by the user: 2 counts as two such rows; None where each row counts once

    @cached_property
    def row_weight(self) -> Array:
        """How many rows each row counts for, (n,)."""
        return np.ones(len(self.codes)) if self.given_weight is None else self.given_weight

    def total(self, rows: Array | slice | None = None) -> float:
        """Return how many rows some of them count for together, all when None."""
        return float(self.row_weight[slice(None) if rows is None else rows].sum())

    def average(self, values: Array, rows: Array | slice = slice(None)) -> float:
        """Return the mean of values (m,) of some rows, each counted as often as its weight says."""
        return float(values.mean() if self.given_weight is None else np.average(values, weights=self.given_weight[rows]))

    def counted(self, x: Array, rows: Array | slice = slice(None)) -> Array:
        """Return values x (m, ...) of some rows, each times its weight."""
        if self.given_weight is None:
            return x
        weight = self.given_weight[rows].astype(x.dtype)
        return np.asarray(x * weight.reshape(-1, *[1] * (x.ndim - 1)))

    @property
    def source(self) -> Any:
        """Return all rows (n, d), in memory or not."""
        return self.X if self.stream is None else self.stream.source

    @property
    def counts(self) -> Array:
        """Return how many rows each class counts for, (k,), those of the stream among them."""
        if self.stream is not None:
            return self.stream.counts
        return np.bincount(self.codes, self.given_weight, minlength=self.k)


@dataclass(frozen=True)
class Stream:
    """All rows, of which those of the task are a sample: the others are learnt in every fold.

    The rows of the task are scaled already, as `scaling` says; its `centre` is their mean. Of the others, those that are
    copies of rows of the task are `held` out with these.
    """

    source: Any  # (N, d)
    codes: Array  # (N,)
    rows: Array  # (n,) the numbers of the rows of the task, ascending
    counts: Array  # (k,)
    scaling: RowScaling
    learnt: dict[str, Array]  # by a scaling that learns
    memory: int  # bytes that may be taken
    chunk_entries: int  # numbers that are read at a time
    held: Array | None = None  # (N,) int8: the fold that does not learn a row outside the task, `LEARNT` where there is none
    warm: dict[float, Array] = field(default_factory=dict, compare=False)  # by C: (f + 1, c, d + 1), to start from

    @cached_property
    def totals(self) -> Sums:
        """The number (k,) and the sum (k, d) of the rows of each class, and the sum of all squares.

        Raises InputError for numbers that are not finite: it is the first look at all rows.
        """
        return self.partitioned(np.full(len(self.codes), LEARNT, np.int8)).sum("totals", len(self.counts))

    def partitioned(self, part: Array) -> PartitionedRows:
        """Return all rows, each in a part (N,): this process sums over them, or others (`placement`)."""
        return placed_rows(partition(self.source, self.codes, part, self.scaling, self.chunk_entries))


def row_groups(groups: Any, n: int) -> Array | None:
    """Return the groups of n rows (n,), None where there are none. Raises InputError for another number of them."""
    if groups is None:
        return None
    found = np.asarray(groups)
    if found.shape != (n,):
        raise InputError(_("groups has shape {shape} and X has {n} rows; give one group per row", shape=found.shape, n=n))
    return found


def folds_of(fold: Array) -> Folds:
    """Return the rows that each fold learns and holds out, by the fold (n,) of each row; -1 is held out by none."""
    return tuple((np.flatnonzero(fold != part), np.flatnonzero(fold == part)) for part in np.unique(fold[fold >= 0]))


def inner_folds(codes: Array, groups: Array | None, wanted: int, seed: int, weight: Array | None = None) -> Folds | None:
    """Return stratified inner folds of the rows with class numbers `codes` (n,); one group never lies on both sides.

    As many as `wanted`, fewer when the smallest class has fewer members (or groups); None when a class has fewer than two, or
    when the groups cannot be split so that each training part has all classes. A few rows of a class that is one group (copies
    of one picture) are split row by row: that tells nothing about the class, but the others can choose the settings.
    Where rows have a `weight` (n,), folds are as even by weight as those of repeated rows in groups would be by number.
    """
    if weight is not None and groups is None:
        groups = np.arange(len(codes))
    groups = _ungrouped(codes, groups)
    count = min(wanted, _members(codes, groups))
    if count < 2:
        return None
    if groups is None:
        from sklearn.model_selection import StratifiedKFold

        found = tuple(StratifiedKFold(count, shuffle=True, random_state=seed).split(np.zeros(len(codes)), codes))
    else:
        fold = group_folds(codes, groups, count, seed, weight)  # (n,)
        found = tuple((np.flatnonzero(fold != i), np.flatnonzero(fold == i)) for i in range(count))
    classes = codes.max() + 1
    whole = all(len(held) and len(np.unique(codes[train])) == classes for train, held in found)
    return found if whole else None


def group_folds(codes: Array, groups: Array, count: int, seed: int, weight: Array | None = None) -> Array:
    """Return the fold (n,) that holds each row out: that of scikit-learn's shuffled `StratifiedGroupKFold`, found faster.

    Groups, the most uneven first, each go where the classes are then spread most evenly, of equal folds to the smallest;
    a row counts for `weight` (n,) rows.
    """
    units = np.unique(groups, return_inverse=True)[1]
    table = np.zeros((units.max() + 1, codes.max() + 1))  # (u, k)
    np.add.at(table, (units, codes), 1 if weight is None else weight)
    order = np.arange(len(table))
    np.random.RandomState(seed).shuffle(order)
    order = order[np.argsort(-table[order].std(axis=1), kind="stable")]
    total, number = table.sum(axis=0), np.empty(len(table), np.intp)
    held, each = np.zeros((count, table.shape[1])), np.arange(count)
    for unit in order:
        tried = np.repeat(held[None], count, axis=0)  # (folds tried, folds, k)
        tried[each, each] += table[unit]
        uneven, rows = (tried / total).std(axis=1).mean(axis=1).tolist(), held.sum(axis=1).tolist()
        best = 0
        for i in range(1, count):
            equal = abs(uneven[i] - uneven[best]) <= 1e-8 + 1e-5 * abs(uneven[best])
            if uneven[i] < uneven[best] or (equal and rows[i] < rows[best]):
                best = i
        held[best] += table[unit]
        number[unit] = best
    return number[units]


def _members(codes: Array, groups: Array | None) -> int:
    """Return the size of the smallest class, counted in groups where there are any."""
    units = np.arange(len(codes)) if groups is None else np.unique(groups, return_inverse=True)[1]
    return min(len(np.unique(units[codes == c])) for c in range(codes.max() + 1))


def _ungrouped(codes: Array, groups: Array | None) -> Array | None:
    """Return the groups with those classes taken apart that lie in one, where they are few beside the others."""
    if groups is None:
        return None
    units = np.unique(groups, return_inverse=True)[1]
    k = int(codes.max()) + 1
    poor = [c for c in range(k) if len(np.unique(units[codes == c])) == 1]
    rows = np.isin(codes, poor)
    if not poor or k - len(poor) < 2 or rows.mean() > SINGLE_ROWS:
        return groups
    units[rows] = units.max() + 1 + np.arange(rows.sum())
    return units

"""What a head learns from: rows, labels as a caller gives them, groups, class weights, inner folds."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import Array
from penult.errors import InputError
from penult.solver import LEARNT, PartitionedRows, RowScaling, Sums, partition, placed_rows

Folds = tuple[tuple[Array, Array], ...]  # (training rows, held-out rows) of each

SINGLE_ROWS = 0.25  # of the rows may be of classes that are one group each, and are then split row by row
_TEXTS_OF_NOTHING = {"nan", "None", "<NA>", "NaT"}  # what numpy and pandas make of a missing value as text
_EXAMPLES = 3


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
        raise InputError(f"groups has shape {found.shape} and X has {n} rows; give one group per row")
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


def class_labels(y: Any, n: int) -> NDArray[Any]:
    """Return the labels of n images, (n,), in the type that they have.

    Raises `InputError` for another number of labels, for missing ones (None, NaN), for several an image, and for measurements
    (numbers that are no whole ones): penult classifies. A column (n, 1) is taken with scikit-learn's `DataConversionWarning`.
    """
    values = _array(y, "labels")
    _no_gaps(values, "labels", "label these images, or leave them out")
    if values.ndim == 2 and values.shape[1] == 1:
        values = _raveled(values)
    if values.ndim != 1 or len(values) != n:
        hint = "; of one-hot columns that is y.argmax(axis=1)" if values.ndim == 2 and len(values) == n else ""
        count = "1 image" if n == 1 else f"{n} images"
        raise InputError(f"{count} but labels of the shape {values.shape}; give one label an image{hint}.")
    values = _of_one_type(values)
    whole = values.dtype.kind != "f" or bool((np.isfinite(values) & (np.rint(values) == values)).all())
    if values.dtype.kind in "cV" or not whole:
        some = ", ".join(f"{v:.4g}" for v in values[:_EXAMPLES])
        raise InputError(
            f"the labels look like measurements ({some} ...), and penult tells classes apart; give names or numbers of "
            "classes, such as numpy.digitize(y, edges)."
        )
    _check_texts(values)
    return values


def group_codes(groups: Any, n: int) -> NDArray[np.intp] | None:
    """Return the groups of n images as numbers (n,), None where there are none. Raises `InputError` as `class_labels`."""
    if groups is None:
        return None
    values = _array(groups, "groups")
    _no_gaps(values, "groups", "give each of these images a group of its own")
    values = values.reshape(-1) if values.ndim == 2 and values.shape[1] == 1 else values
    if values.ndim != 1 or len(values) != n:
        raise InputError(f"{n} images but groups of the shape {values.shape}; give one group an image.")
    codes: NDArray[np.intp] = np.unique(_of_one_type(values), return_inverse=True)[1]
    return codes


def _array(y: Any, what: str) -> NDArray[Any]:
    """Return labels as an array of any shape; what is mixed is kept as objects, for numpy would make NaN the text 'nan'."""
    if y is None:
        raise InputError(
            "TransferClassifier requires y to be passed, but the target y is None; give one label an image, in order."
        )
    if isinstance(y, str | bytes):
        raise InputError(f"the {what} are the one text {y[:40]!r}; give a list with one for each image.")
    if isinstance(y, set | frozenset | Mapping):
        raise InputError(f"the {what} are a {type(y).__name__}, which has no order that fits the images; give a list.")
    if not hasattr(y, "__array__"):
        try:
            y = list(iter(y))
        except TypeError:
            raise InputError(f"the {what} are a {type(y).__name__}; give a list with one for each image.") from None
        if any(isinstance(value, str) for value in y) and not all(isinstance(value, str) for value in y):
            y = _objects(y)
    try:
        return np.asarray(y)
    except ValueError:
        raise InputError(f"the {what} are lists of different lengths; give one for each image, not several.") from None


def _objects(values: list[Any]) -> NDArray[np.object_]:
    made = np.empty(len(values), object)
    made[:] = values
    return made


def _no_gaps(values: NDArray[Any], what: str, cure: str) -> None:
    """Raise `InputError` where values are missing."""
    if values.dtype.kind == "f":
        missing = np.isnan(values)
    elif values.dtype.kind in "mM":
        missing = np.isnat(values)
    else:
        texts = values.dtype.kind != "O"
        missing = np.zeros(values.shape, bool) if texts else np.vectorize(_is_missing, otypes=[bool])(values)
    if missing.any():
        where = ", ".join(str(i) for i in np.flatnonzero(missing.reshape(len(values), -1).any(axis=1))[:_EXAMPLES])
        more = ", ..." if missing.sum() > _EXAMPLES else ""
        count = int(missing.sum())
        raise InputError(
            f"{what} are missing: {count} of {len(values)} (None or NaN; number {where}{more}, counted from 0); {cure}."
        )


def _is_missing(value: Any) -> bool:
    nothing = type(value).__name__ in {"NoneType", "NAType", "NaTType"}
    return nothing or (isinstance(value, float | np.floating) and bool(np.isnan(value)))


def _raveled(values: NDArray[Any]) -> NDArray[Any]:
    from sklearn.utils.validation import column_or_1d

    return np.asarray(column_or_1d(values, warn=True))


def _of_one_type(values: NDArray[Any]) -> NDArray[Any]:
    """Return objects as numbers where all are numbers. Raises `InputError` for texts and numbers in one list."""
    if values.dtype.kind != "O":
        return values
    kinds = {isinstance(value, str) for value in values}
    if len(kinds) > 1:
        raise InputError("some labels are text and some are not; make all of them text: [str(label) for label in y].")
    if kinds == {True}:
        return values
    plain = np.asarray(values.tolist())
    if plain.ndim != 1 or plain.dtype.kind == "O":
        found = sorted({type(value).__name__ for value in values})
        raise InputError(f"labels are a {' or a '.join(found[:_EXAMPLES])}; give one name or number an image.")
    return plain


def _check_texts(values: NDArray[Any]) -> None:
    """Raise `InputError` for empty names of classes; warn of names that most often stand for nothing."""
    if values.dtype.kind not in "UO":
        return
    empty = [i for i, value in enumerate(values) if not str(value).strip()]
    if empty:
        raise InputError(
            f"labels are empty text: {len(empty)} of {len(values)} (number {empty[0]}, counted from 0); name this class."
        )
    for text in sorted(_TEXTS_OF_NOTHING & {str(value) for value in set(values.tolist())}):
        count = sum(str(value) == text for value in values)
        warnings.warn(
            f"{count} of the {len(values)} labels are the text {text!r}, which becomes a class; where it stands for a missing "
            "label, leave these images out.",
            stacklevel=2,
        )

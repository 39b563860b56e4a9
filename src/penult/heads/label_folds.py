"""The labels of photos that have several, checked; and folds in which each label is spread evenly."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import Array
from penult.errors import InputError
from penult.i18n import _


def check_label_matrix(Y: Any, n: int) -> Array:
    """Return Y as numbers (n, L) of 0, 1 and NaN. Raises InputError for other shapes and values."""
    if Y is None:
        raise InputError(_("MultiLabelHead requires y to be passed, but the target y is None; give a row of 0 and 1 a photo."))
    try:
        Y = np.asarray(Y, np.float64)
    except (TypeError, ValueError):
        raise InputError(
            _("Y holds other things than numbers; give a matrix of 0, 1, and NaN where it is not known.")
        ) from None
    if Y.ndim != 2 or len(Y) != n or not Y.shape[1]:
        raise InputError(
            _("{n} photos but labels of the shape {shape}; give one row a photo and one column a label.", n=n, shape=Y.shape)
        )
    odd = np.isfinite(Y) & (Y != 0) & (Y != 1) | np.isinf(Y)
    if odd.any():
        row, column = (int(found[0]) for found in np.nonzero(odd))
        raise InputError(
            _(
                "Y holds {y:g} (row {row}, column {column}); give 1 for a photo with the label, 0 without it, and NaN "
                "where that is not known.",
                y=Y[row, column],
                row=row,
                column=column,
            )
        )
    return np.asarray(Y)


def label_folds(Y: Any, groups: Any = None, folds: int = 5, seed: int = 0, weight: Array | None = None) -> NDArray[np.intp]:
    """Return the fold (n,) of each row of Y (n, L), each label's photos spread evenly; no group lies in two folds.

    Iterative stratification (Sechidis, Tsoumakas & Vlahavas, ECML 2011): of the labels the one with the fewest photos that are
    left is dealt first, each of its photos to the fold that lacks most of it. What is spread is the rarer of the two
    answers of a label; unknown ones (NaN) count as neither. `weight` (n,): how many photos each row counts for, one when
    None. There are fewer folds where there are fewer groups. Raises InputError for fewer than two groups.

    Examples
    --------
    >>> import numpy as np
    >>> Y = np.array([[1, 0], [1, 0], [0, 1], [0, 1]])
    >>> fold = label_folds(Y, folds=2)
    >>> [Y[fold == part].sum(axis=0).tolist() for part in (0, 1)]
    [[1, 1], [1, 1]]
    """
    Y = np.asarray(Y)
    units = np.arange(len(Y)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    count = int(units.max()) + 1 if len(units) else 0
    if count < 2:
        raise InputError(
            _("{n} photos in {count} group: folds need at least two; add photos, or give other groups.", n=len(Y), count=count)
        )
    counted = np.ones(len(Y)) if weight is None else weight
    table, sizes = np.zeros((count, Y.shape[1])), np.bincount(units, counted)  # (u, L), (u,)
    np.add.at(table, units, rarer(Y, counted) * counted[:, None])
    fold = _deal(table, sizes, min(folds, count), np.random.default_rng(seed))
    return np.asarray(fold[units], np.intp)


def rarer(Y: Array, weight: Array) -> Array:
    """Return where each label has the rarer of its two answers, (n, L) bool, of rows that count `weight` (n,) times."""
    often = weight @ np.nan_to_num(Y) * 2 > weight @ np.isfinite(Y)  # (L,)
    return np.asarray(np.where(often, Y == 0, Y == 1))


def _deal(table: Array, sizes: Array, folds: int, rng: np.random.Generator) -> Array:
    """Return the fold (u,) of each unit with `table` (u, L) photos of each label and `sizes` (u,) photos in all."""
    fold, order = np.full(len(table), -1), rng.permutation(len(table))
    wanted = np.tile(table.sum(axis=0) / folds, (folds, 1))  # (f, L) photos of each label that a fold still lacks
    lacking = np.full(folds, sizes.sum() / folds)
    ties = rng.random(folds)
    left = (table > 0).sum(axis=0)  # (L,) units of each label that are not dealt
    while left.any():
        label = int(np.argmin(np.where(left > 0, left, np.inf)))
        own = order[(fold[order] < 0) & (table[order, label] > 0)]
        for unit in own[np.argsort(-table[own, label], kind="stable")].tolist():  # the largest first
            _give(unit, int(np.lexsort((ties, lacking, wanted[:, label]))[-1]), (table, sizes), (fold, wanted, lacking))
        left -= (table[own] > 0).sum(axis=0)
    rest = order[fold[order] < 0]
    for unit in rest[np.argsort(-sizes[rest], kind="stable")].tolist():  # photos without any label even out the sizes
        _give(unit, int(np.lexsort((ties, lacking))[-1]), (table, sizes), (fold, wanted, lacking))
    return fold


def _give(unit: int, to: int, units: tuple[Array, Array], state: tuple[Array, Array, Array]) -> None:
    fold, wanted, lacking = state
    fold[unit] = to
    wanted[to] -= units[0][unit]
    lacking[to] -= units[1][unit]

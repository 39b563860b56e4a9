"""The inner folds, by which a head chooses its settings.

In: class numbers, groups. Out: (training rows, held-out rows) pairs, or None where the data cannot be split.
"""

from __future__ import annotations

import warnings

import numpy as np

from penult.arrays import Array

Folds = tuple[tuple[Array, Array], ...]

FEW = 0.25  # of the rows may be of classes that are one group each, and are then dealt singly


def split(codes: Array, groups: Array | None, wanted: int, seed: int) -> Folds | None:
    """Return stratified folds of the rows with class numbers `codes` (n,); one group never lies on both
    sides.

    As many as `wanted`, fewer when the smallest class has fewer members (or groups); None when a class has
    fewer than two, or when the groups cannot be dealt so that each training part has all classes. A few rows
    of a class that is one group (copies of one picture) are dealt singly: that tells nothing about the class,
    but lets the settings be chosen by all the others.
    """
    groups = _loosened(codes, groups)
    count = min(wanted, _members(codes, groups))
    if count < 2:
        return None
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    dealer = kind(count, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # a class with fewer members than folds cannot occur here; groups that span classes may still
        # unbalance a fold
        warnings.simplefilter("ignore", UserWarning)
        found = tuple(dealer.split(np.zeros(len(codes)), codes, groups))
    classes = codes.max() + 1
    whole = all(len(held) and len(np.unique(codes[train])) == classes for train, held in found)
    return found if whole else None


def _members(codes: Array, groups: Array | None) -> int:
    """Return the size of the smallest class, counted in groups where there are any."""
    units = np.arange(len(codes)) if groups is None else np.unique(groups, return_inverse=True)[1]
    return min(len(np.unique(units[codes == c])) for c in range(codes.max() + 1))


def _loosened(codes: Array, groups: Array | None) -> Array | None:
    """Return the groups with those classes taken apart that lie in one, where they are few beside the others."""
    if groups is None:
        return None
    units = np.unique(groups, return_inverse=True)[1]
    k = int(codes.max()) + 1
    poor = [c for c in range(k) if len(np.unique(units[codes == c])) == 1]
    rows = np.isin(codes, poor)
    if not poor or k - len(poor) < 2 or rows.mean() > FEW:
        return groups
    units[rows] = units.max() + 1 + np.arange(rows.sum())
    return units

"""Outer folds: which part of the images measures a head that was fitted on the others.

Comes in: class numbers and groups. Goes out: a fold number per image. Must not know: features or heads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.errors import InputError
from penult.evaluate.intervals import Ints

ATTEMPTS = 10  # shuffles tried where mixed groups leave a class in one fold


def outer_folds(y: Ints, classes: Sequence[str], groups: NDArray[Any] | None = None, folds: int = 5, seed: int = 0) -> Ints:
    """Return the fold (n,) of each image: stratified by class, no group in two folds, fixed by the seed.

    There are fewer folds than asked where a class has fewer groups. Every class lies in at least two folds,
    so that no head is asked for a class that it was not shown. Raises InputError where that cannot be done,
    naming the classes.
    """
    units = np.arange(len(y)) if groups is None else np.unique(groups, return_inverse=True)[1]  # (n,)
    counts = _counts(y, units, len(classes))  # (u, k)
    per_class = (counts > 0).sum(axis=0)  # (k,) groups that hold the class
    present = np.flatnonzero(counts.sum(axis=0)).tolist()
    poor = [c for c in present if per_class[c] < 2]
    if poor:
        raise InputError(_too_few(classes, y, poor, groups is not None))
    parts = min(folds, int(per_class[present].min()))
    for attempt in range(ATTEMPTS):
        number = _deal(counts, parts, np.random.default_rng([seed, attempt]))[units]  # (n,)
        alone = [c for c in present if len(np.unique(number[y == c])) < 2]
        if not alone:
            return number
    names = ", ".join(repr(str(classes[c])) for c in alone)
    raise InputError(
        f"the groups tie the images so closely that no fold can be measured without hiding all of "
        f"{names} from training; give smaller groups, or photos of these classes from other groups."
    )


def _counts(y: Ints, units: Ints, k: int) -> Ints:
    """Return how many images of each class each group holds, (u, k)."""
    u = int(units.max()) + 1
    table: Ints = np.bincount(units * k + y, minlength=u * k).reshape(u, k)
    return table


def _deal(counts: Ints, parts: int, rng: np.random.Generator) -> Ints:
    """Return the fold (u,) of each group: rarest classes, largest groups first, each where missed most."""
    u, k = counts.shape
    spread = (counts > 0).sum(axis=0)  # (k,)
    rarest = np.where(counts > 0, spread, u + 1).argmin(axis=1)  # (u,)
    order = rng.permutation(u)
    order = order[np.lexsort((-counts[order].sum(axis=1), spread[rarest[order]]))]
    held = [[0] * k for _ in range(parts)]  # images of each class in each fold
    total = [0] * parts
    number = np.empty(u, dtype=np.intp)
    rows, first = counts.tolist(), rarest.tolist()
    for unit in order.tolist():
        row, key = rows[unit], first[unit]
        best = min(range(parts), key=lambda f, c=key: (held[f][c], total[f]))  # type: ignore[misc]
        number[unit] = best
        total[best] += sum(row)
        for c in range(k) if sum(row) > 1 else (key,):
            held[best][c] += row[c]
    return number


def _too_few(classes: Sequence[str], y: Ints, poor: Sequence[int], grouped: bool) -> str:
    """Return the sentence for classes that lie in a single group."""
    names = ", ".join(f"{str(classes[c])!r} ({int(np.sum(y == c))} images)" for c in poor)
    if not grouped:
        return f"a class needs at least 2 images to be measured, these have fewer: {names}; add photos."
    return (
        f"a class needs images from at least 2 groups to be measured, these lie in one group each: {names}; "
        "add photos that are not copies of these, or from another group."
    )

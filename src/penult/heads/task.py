"""The rows to learn from, as every search gets them.

In: checked arrays. Out: `Task`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from penult.arrays import Array
from penult.errors import InputError
from penult.heads.folds import Folds


@dataclass(frozen=True)
class Task:
    """The rows to learn from, checked: all that a search may look at."""

    X: Array  # (n, d) float32 or float64
    codes: Array  # (n,) class numbers
    k: int
    weight: Array  # (n,) from the class weights, mean 1
    votes: Array  # (k,) the class weights
    folds: Folds | None
    blocks: tuple[int, ...]
    seed: int


def class_weights(wanted: Any, classes: Array, codes: Array) -> Array:
    """Return the weight of each class, (k,): 1, "balanced" (n / (k n_c); King & Zeng 2001), or as a dict
    says.

    Raises InputError for other things, unknown classes, and weights that are not above 0.
    """
    if wanted is None:
        return np.ones(len(classes))
    if isinstance(wanted, str) and wanted == "balanced":
        return len(codes) / (len(classes) * np.bincount(codes))
    if not isinstance(wanted, Mapping):
        raise InputError(f"class_weight is {wanted!r}; give None, 'balanced', or a dict of weights by class")
    names = classes.tolist()
    strange = [name for name in wanted if name not in names]
    if strange:
        raise InputError(f"class_weight names classes that y does not have: {strange}; give names of y, {names}")
    found = np.array([_number(wanted.get(name, 1.0)) for name in names])
    if not (np.isfinite(found).all() and (found > 0).all()):
        raise InputError(f"class_weight has weights that are not above 0: {dict(wanted)}; give positive numbers")
    return found


def _number(weight: Any) -> float:
    return float(weight) if isinstance(weight, int | float | np.number) else math.nan


def plain_weights(wanted: Any) -> Any:
    """Return class weights that `class_weights` has taken as plain JSON values."""
    return {str(name): float(weight) for name, weight in wanted.items()} if isinstance(wanted, Mapping) else wanted

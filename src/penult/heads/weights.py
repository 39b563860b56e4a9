"""Weights of classes and of rows: what may stand there, and which heads can do with it.

A row of weight 2 is as good as two such rows; a class weight multiplies the weights of its rows. numpy alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from penult.arrays import Array
from penult.errors import InputError
from penult.heads.sampling import class_counts, streams
from penult.i18n import _


def row_weights(given: Any, n: int) -> Array | None:
    """Return how often each of n rows counts, (n,) float64; None where that is once each.

    Raises `InputError` for another number of them, and for what is no number from 0 on.
    """
    if given is None:
        return None
    try:
        values = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        raise InputError(_("the sample weights are not numbers; give one number from 0 on for each row.")) from None
    if values.ndim == 0:
        values = np.full(n, float(values))
    if values.shape != (n,):
        raise InputError(
            _(
                "sample_weight has the shape {shape} for {n} rows; give one number for each row: ({n},).",
                shape=values.shape,
                n=n,
            )
        )
    strange = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if len(strange):
        raise InputError(
            _(
                "sample_weight has {n} values that are no weights, such as {value} (number {first}, counted "
                "from 0); give numbers from 0 on.",
                n=len(strange),
                value=values[strange[0]],
                first=strange[0],
            )
        )
    if not values.any():
        raise InputError(_("every sample weight is zero, so there is nothing to learn; give some rows a weight above 0."))
    return None if (values == 1).all() else values


def class_weights(wanted: Any, classes: Array, codes: Array, counted: Array | None = None) -> Array:
    """Return the weight of each class, (k,): 1, "balanced" (n / (k n_c); King & Zeng 2001), or as a dict says.

    `counted` (n,): how often each row counts, once when None. Raises InputError for other things, unknown classes, and
    weights that are not above 0.
    """
    if wanted is None:
        return np.ones(len(classes))
    if isinstance(wanted, str) and wanted == "balanced":
        counts = class_counts(codes, len(classes)) if counted is None else np.bincount(codes, counted, len(classes))
        return np.asarray(counts.sum() / (len(classes) * counts))
    if not isinstance(wanted, Mapping):
        raise InputError(_("class_weight is {wanted!r}; give None, 'balanced', or a dict of weights by class", wanted=wanted))
    names = classes.tolist()
    strange = [name for name in wanted if name not in names]
    if strange:
        raise InputError(
            _(
                "class_weight names classes that y does not have: {strange}; give names of y, {names}",
                strange=strange,
                names=names,
            )
        )
    found = np.array([_number(wanted.get(name, 1.0)) for name in names])
    if not (np.isfinite(found).all() and (found > 0).all()):
        raise InputError(
            _("class_weight has weights that are not above 0: {wanted}; give positive numbers", wanted=dict(wanted))
        )
    return found


def _number(weight: Any) -> float:
    return float(weight) if isinstance(weight, int | float | np.number) else math.nan


def plain_weights(wanted: Any) -> Any:
    """Return class weights that `class_weights` has taken as plain JSON values."""
    return {str(name): float(weight) for name, weight in wanted.items()} if isinstance(wanted, Mapping) else wanted


def check_weighs_rows(head: Any, X: Any) -> None:
    """Raise InputError where the head cannot let some rows X (n, d) count more than others."""
    if not head.weighs_rows:
        raise InputError(
            _(
                "the head {name} learns every row alike and takes no sample weights; use blend, logistic, lda, svm or "
                "centroid, or leave the weights out.",
                name=type(head).name,
            )
        )
    if streams(X, head.memory):
        raise InputError(
            _(
                "{rows:,} rows of {columns:,} numbers do not fit in memory, and what is learnt from rows in chunks "
                "takes no sample weights; allow more memory, or leave the weights out.",
                rows=X.shape[0],
                columns=X.shape[1],
            )
        )


def check_each_has_weight(counted: Array | None, codes: Array, folds: Any, classes: Array) -> None:
    """Raise InputError where the weights (n,) leave a training part of a fold without a class."""
    if counted is None:
        return
    for train, _other in folds or ():
        total = np.bincount(codes[train], counted[train], len(classes))
        if not total.all():
            raise InputError(
                _(
                    "outside one fold all rows of the class {classes!r} have the sample weight 0, so the fold has no "
                    "model of that class; give some of them a weight above 0.",
                    classes=str(classes[total.argmin()]),
                )
            )

"""Cross-validation: every image is judged by a head that saw neither it nor anything of its group.

Comes in: a head (scikit-learn classifier), X (n, d), y (n,), groups (n,). Goes out: `Evaluation`.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from penult.errors import InputError
from penult.evaluate.evaluation import Evaluation, build, check_labels
from penult.evaluate.folds import outer_folds
from penult.evaluate.intervals import Floats, Ints
from penult.floats import default_errors


@default_errors
def cross_validate(  # noqa: PLR0913  one call says the whole protocol
    head: Any,
    X: NDArray[Any],
    y: ArrayLike,
    classes: Sequence[str],
    groups: ArrayLike | None = None,
    *,
    folds: int = 5,
    seed: int = 0,
    held_out_above: int = 5000,
    name: str = "",
) -> Evaluation:
    """Measure `head` on images that it was not fitted on.

    X (n, d) features, y (n,) class numbers, groups (n,) what must not be parted. A fresh clone is fitted for
    each of `folds` outer folds, so each image has one out-of-fold row; above `held_out_above` images one fold
    is held out and the others are not measured (NaN rows, fold -1). The same seed gives the same folds, so
    evaluations of several heads are paired. `name` is what the evaluation is called, such as "logistic on all
    three". A class that lies in one group is trained on and not measured; raises InputError where fewer than two are left.
    """
    numbers, grouping = check_labels(y, classes, groups)
    if len(X) != len(numbers):
        raise InputError(f"{len(X)} rows of features but {len(numbers)} labels; give one label a row.")
    fold = outer_folds(numbers, classes, grouping, folds, seed)  # (n,)
    proba = np.full((len(numbers), len(classes)), np.nan)  # (n, k)
    parts = [0] if len(numbers) > held_out_above else sorted(set(fold[fold >= 0].tolist()))
    choices = []
    for part in parts:
        fitted = fit_rows(head, X, numbers, grouping, np.flatnonzero(fold != part))
        proba[fold == part] = probabilities(fitted, X[fold == part], len(classes))
        choices.append(dict(getattr(fitted, "choice_", {})))
    fold = np.where(np.isin(fold, parts), fold, -1)
    return build(name or type(head).__name__, classes, numbers, proba, fold, grouping, choices, out_of_fold=len(parts) > 1)


def fit_rows(head: Any, X: NDArray[Any], y: Ints, groups: NDArray[Any] | None, rows: Ints) -> Any:
    """Return a clone of `head` fitted on `rows`, told the groups if its `fit` takes them."""
    from sklearn.base import clone

    fresh = clone(head)
    if groups is not None and "groups" in inspect.signature(fresh.fit).parameters:
        return fresh.fit(X[rows], y[rows], groups=groups[rows])
    return fresh.fit(X[rows], y[rows])


def probabilities(fitted: Any, X: NDArray[Any], k: int) -> Floats:
    """Return the probabilities (n, k) with a column for every class, also one that the head was not shown."""
    wide = np.zeros((len(X), k))  # (n, k)
    wide[:, np.asarray(fitted.classes_, dtype=np.intp)] = fitted.predict_proba(X)
    return wide

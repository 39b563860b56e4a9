"""Cross-validation: every image is judged by a head that saw neither it nor anything of its group."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from penult.arrays import default_errors
from penult.errors import InputError
from penult.evaluate.evaluation import Evaluation, build, check_labels
from penult.evaluate.intervals import Floats, Ints
from penult.evaluate.power_law import Folds
from penult.i18n import _
from penult.texts import count

NESTED, NESTED_EACH = 1500, 40  # images, in all and a class, up to which each outer fold chooses settings by folds of its own
HELD_OUT = 5000  # images above which one fold of a classifier that is not ours is held out, and the others are not measured
ATTEMPTS = 10  # shuffles tried where mixed groups leave a class in one fold


@default_errors
def cross_validate(  # noqa: PLR0913  one call says the whole protocol
    head: Any,
    X: NDArray[Any],
    y: ArrayLike,
    classes: Sequence[str],
    groups: ArrayLike | None = None,
    *,
    folds: int | NDArray[Any] = 5,
    seed: int = 0,
    nested: int | None = None,
    name: str = "",
    sample_weight: NDArray[Any] | None = None,
) -> Evaluation:
    """Measure `head` on images that it was not fitted on.

    X (n, d) features, y (n,) class numbers, groups (n,) what must not be parted. A fresh clone is fitted for
    each of `folds` outer folds, so each image has one out-of-fold row. Above `nested` images (when None: 1,500, or
    40 a class where that is more) a head of ours is asked for the rows itself (`Head.cross_fit`): the settings for a
    fold are then chosen by the held-out rows of the other folds, instead of by folds within folds, and the head's
    `fit_searched` makes the model of all images from the same search. At 1,968 solar cells both say the same log loss
    (.3087 and .3082 within folds); at 400 images the shared search says 0.6 to 3% less, at 100 up to 12%: hence the limit.
    Another classifier has one fold held out above `HELD_OUT` images, and the others are not measured (NaN rows, fold -1).
    The same seed gives the same folds, so evaluations of several heads are paired. `name` is what the evaluation is
    called, such as "logistic on all three". `folds` may be the fold (n,) in which each image is held out, used as it is.
    `sample_weight` (n,) counts where heads learn, see `Head.fit`; scores are those
    of the images as they are. A class that lies in one group is trained on and not measured; raises
    InputError where fewer than two are left.
    """
    numbers, grouping = check_labels(y, classes, groups)
    if len(X) != len(numbers):
        raise InputError(
            _("{n} rows of features but {numbers} labels; give one label per row.", n=len(X), numbers=len(numbers))
        )
    if isinstance(folds, int):
        fold = outer_folds(numbers, classes, grouping, folds, seed)  # (n,)
    else:
        fold = own_folds(folds, numbers, classes)
    proba = np.full((len(numbers), len(classes)), np.nan)  # (n, k)
    every = sorted(set(fold[fold >= 0].tolist()))
    nested = max(NESTED, NESTED_EACH * len(classes)) if nested is None else nested
    shared = len(numbers) > nested and len(every) > 2 and callable(getattr(head, "cross_fit", None))
    parts = [0] if len(numbers) > HELD_OUT and not shared else every
    choices: list[dict[str, Any]] = []
    if shared:
        present = np.unique(numbers)
        proba[:, present], choices = head.cross_fit(X, numbers, fold, sample_weight=sample_weight)
    for part in () if shared else parts:
        fitted = fit_rows(head, X, numbers, grouping, np.flatnonzero(fold != part), sample_weight)
        proba[fold == part] = probabilities(fitted, X[fold == part], len(classes))
        choices.append(dict(getattr(fitted, "choice_", {})))
    fold = np.where(np.isin(fold, parts), fold, -1)
    growth = len(numbers) / (len(numbers) - np.mean([np.sum(fold == part) for part in parts]))
    how = Folds(len(parts), float(growth), each=len(numbers) / len(np.unique(numbers)))
    return build(name or type(head).__name__, classes, numbers, proba, fold, grouping, choices, how)


def fit_rows(
    head: Any, X: NDArray[Any], y: Ints, groups: NDArray[Any] | None, rows: Ints, weight: NDArray[Any] | None = None
) -> Any:
    """Return a clone of `head` fitted on `rows`, told their weights (n,), and the groups if its `fit` takes them."""
    from sklearn.base import clone

    fresh = clone(head)
    given = {} if weight is None else {"sample_weight": weight[rows]}
    if groups is not None and "groups" in inspect.signature(fresh.fit).parameters:
        given["groups"] = groups[rows]
    return fresh.fit(X[rows], y[rows], **given)


def probabilities(fitted: Any, X: NDArray[Any], k: int) -> Floats:
    """Return the probabilities (n, k) with a column for every class, also one that the head was not shown."""
    wide = np.zeros((len(X), k))  # (n, k)
    wide[:, np.asarray(fitted.classes_, dtype=np.intp)] = fitted.predict_proba(X)
    return wide


def outer_folds(y: Ints, classes: Sequence[str], groups: NDArray[Any] | None = None, folds: int = 5, seed: int = 0) -> Ints:
    """Return the fold (n,) of each image: stratified by class, no group in two folds, fixed by the seed.

    There are fewer folds than asked where a class has fewer groups. Every class lies in at least two folds,
    so that no head is asked for a class that it was not shown. A class of which all images are in one group
    (copies of one picture) cannot be measured: its images, and those that hang together with them, are in no
    fold (-1) but in every training part. Raises InputError, naming the classes, where a class has one image
    or fewer than two classes can be measured.
    """
    units = np.arange(len(y)) if groups is None else np.unique(groups, return_inverse=True)[1]  # (n,)
    single = [c for c in range(len(classes)) if np.sum(y == c) == 1]
    if single:
        raise InputError(
            _(
                "{classes}: cross-validation needs 2 photos of each class; add photos or remove the class.",
                classes=_named(classes, y, single),
            )
        )
    counts = _counts(y, units, len(classes))  # (u, k)
    present = np.flatnonzero(counts.sum(axis=0))
    measured = _measurable(counts)  # (u,)
    left = np.flatnonzero(counts[measured].sum(axis=0))
    if len(left) < min(2, len(present)):
        raise InputError(_too_few(classes, y, np.setdiff1d(present, left).tolist()))
    parts = min(folds, int((counts[measured][:, left] > 0).sum(axis=0).min()))
    number = np.full(len(counts), -1)  # (u,)
    for attempt in range(ATTEMPTS):
        number[measured] = _deal(counts[measured], parts, np.random.default_rng([seed, attempt]))
        rows: Ints = number[units]  # (n,)
        alone = [c for c in left.tolist() if len(np.unique(rows[(y == c) & (rows >= 0)])) < 2]
        if not alone:
            return rows
    raise InputError(
        _(
            "no split of these groups leaves photos of {alone} in every training part; use smaller groups, or add "
            "photos of these classes from other groups.",
            alone=", ".join(repr(str(classes[c])) for c in alone),
        )
    )


def own_folds(folds: NDArray[Any], y: Ints, classes: Sequence[str]) -> Ints:
    """Return folds that were given, numbered from 0 (n,).

    Raises InputError where there is only one, or one has all images of a class: a model that has not seen it would not know
    the class.
    """
    names, fold = np.unique(folds, return_inverse=True)
    if len(names) < 2:
        raise InputError(_("all images are in one fold of --folds; give two folds or more, or leave --folds out."))
    alone = [c for c in np.unique(y).tolist() if len(np.unique(fold[y == c])) < 2]
    if alone:
        raise InputError(
            _(
                "all readable photos of {classes} are in one fold of --folds, so a model that has not seen that fold "
                "does not know the class; spread them over two folds or more, or leave --folds out.",
                classes=_named(classes, y, alone),
            )
        )
    return np.asarray(fold, np.intp)


def unmeasured(y: Ints, classes: Sequence[str], groups: NDArray[Any] | None) -> Ints:
    """Return the classes (m,) that `outer_folds` cannot measure, as all their images hang together in one group."""
    if groups is None:
        return np.zeros(0, np.intp)
    counts = _counts(y, np.unique(groups, return_inverse=True)[1], len(classes))  # (u, k)
    lost = (counts.sum(axis=0) > 0) & (counts[_measurable(counts)].sum(axis=0) == 0)
    return np.flatnonzero(lost)


def _measurable(counts: Ints) -> NDArray[np.bool_]:
    """Return which groups (u,) can be held out: not those with images of a class that would then have none to learn from."""
    kept = np.ones(len(counts), bool)
    while True:
        spread = (counts[kept] > 0).sum(axis=0)  # (k,) groups that hold the class
        stuck = kept & (counts[:, spread == 1] > 0).any(axis=1)
        if not stuck.any():
            return kept
        kept &= ~stuck


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


def _too_few(classes: Sequence[str], y: Ints, poor: Sequence[int]) -> str:
    """Return the sentence for classes that lie in a single group, where too few others are left."""
    told = _named(classes, y, poor)
    if len(poor) > 1:
        return _(
            "nothing can be measured: all photos of {classes} are in one group each (copies of one picture, frames of one "
            "scene, or a group of --groups), so none can be held out; add photos of other scenes. If these are different "
            "things that only look alike, give --near-duplicates separate (equal files and groups of --groups stay together "
            "all the same).",
            classes=told,
        )
    return _(
        "nothing can be measured: all photos of {classes} are in one group (copies of one picture, frames of one scene, or a "
        "group of --groups), so none can be held out; add photos of other scenes. If these are different things that only "
        "look alike, give --near-duplicates separate (equal files and groups of --groups stay together all the same).",
        classes=told,
    )


def _named(classes: Sequence[str], y: Ints, which: Sequence[int]) -> str:
    return ", ".join(f"{str(classes[c])!r} ({count(int(np.sum(y == c)), 'photo')})" for c in which)

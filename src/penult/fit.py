"""Learn a model from features: the one way of `penult train` and of `TransferClassifier` alike.

In: features X (n, d), class numbers y (n,), what belongs together. Out: `Fitted`: the head and what tells how unlike its
training photos others are, ready to be a model file. It must not know where the features came from.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import audit, evaluate, heads
from penult.arrays import default_errors, stratified_rows
from penult.audit import Grouping
from penult.bundle import Bundle
from penult.errors import InputError
from penult.heads.label_folds import check_label_matrix, label_folds
from penult.heads.multilabel import MultiLabelHead
from penult.heads.novelty import NoveltyReference
from penult.heads.reference import TrainingReference, make_reference
from penult.heads.unlike import LeftOutClasses, fit_novelty, kept_rows
from penult.heads.weights import class_weights, plain_weights
from penult.i18n import _

__all__ = ["Fitted", "build_head", "group_copies", "head_for_labels", "label_columns", "learn", "learn_labels", "to_bundle"]

HEADS = ("blend", "logistic")  # names by which the one head for several labels may be asked for
FEW, EACH = 2500, 10  # rows of a sample by which novelty is measured, and at least of each class


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fitted head, and the training photos that novelty is measured by; None where they are too few for folds.

    `prior` (k,) is the share of each class among the training photos; `unlike` (n,) how unlike the others each of them is;
    `left_out` what novelty finds of a class that it does not know, None for fewer than three classes; `rows` (s,) which of
    these photos the measure of novelty keeps.
    """

    head: Any
    prior: NDArray[np.float64]  # (k,)
    novelty: NoveltyReference | None
    unlike: NDArray[np.float64] | None  # (n,)
    left_out: LeftOutClasses | None
    rows: NDArray[np.intp] | None = None  # (s,)

    def reference(
        self, y: NDArray[np.intp], proba: NDArray[np.float64] | None, groups: NDArray[np.intp] | None
    ) -> TrainingReference | None:
        """Return what the model keeps to compare new photos with, of the photos (n,) that novelty was measured by.

        `proba` (n, k) they had out of fold. None where novelty was not measured.
        """
        if self.novelty is None or self.rows is None:
            return None
        return make_reference(self.novelty, self.rows, y, proba, groups)

    def novelty_facts(self, classes: Sequence[str]) -> dict[str, Any] | None:
        """Return the shares that novelty calls unlike: of held-out training photos, and of each class that was left out."""
        if self.unlike is None:
            return None
        known = self.unlike[np.isfinite(self.unlike)]
        facts: dict[str, Any] = {"false_alarms": float((known > 1).mean()), "left_out": None}
        if self.left_out is not None:
            named = {classes[c]: share for c, share in zip(self.left_out.classes, self.left_out.found, strict=True)}
            facts["left_out"] = {"mean": self.left_out.mean, "classes": named}
        return facts


def group_copies(
    digests: NDArray[np.uint8],  # (n, 32)
    X: NDArray[np.float32],
    widths: Sequence[int],
    groups: NDArray[Any] | None = None,
    thumbnails: NDArray[Any] | None = None,
    near: bool = True,
    pictures: audit.Pictures | None = None,
    folds_given: bool = False,
) -> tuple[NDArray[np.intp] | None, Grouping]:
    """Return what is never split (n,), copies and the user's groups among it, and all that was found.

    None where no two rows belong together: dealing groups into folds is slower than dealing rows.
    """
    found = audit.group(digests, X, widths, groups, thumbnails, near=near, pictures=pictures, folds_given=folds_given)
    return found.groups if len(np.unique(found.groups)) < len(found.groups) else None, found


def build_head(
    head: Any, classes: NDArray[Any], blocks: tuple[int, ...], class_weight: Any = None, seed: int = 0, **params: Any
) -> Any:
    """Return the unfitted head for class numbers: of a name, or any scikit-learn classifier.

    `class_weight` is None, "balanced" or a dict by class. Raises `InputError` for weights that do not fit, `UnknownName`.
    """
    given = class_weights(class_weight, classes, np.arange(len(classes)))
    weights = dict(enumerate(given.tolist())) if isinstance(class_weight, Mapping) else class_weight
    if isinstance(head, str):
        return heads.make_head(head, blocks=blocks, class_weight=weights, random_state=seed, **params)
    if weights is None:
        return heads.wrap(head)
    from sklearn.base import clone

    return heads.wrap(clone(head)).set_params(class_weight=weights)


@default_errors
def learn(  # noqa: PLR0913  what there is of the rows
    head: Any,
    X: NDArray[np.float32],
    y: NDArray[np.intp],
    groups: NDArray[np.intp] | None,
    blocks: tuple[int, ...],
    fold: NDArray[np.intp] | None = None,
    seed: int = 0,
    rows: NDArray[np.intp] | None = None,
    *,
    sample_weight: NDArray[np.float64] | None = None,
) -> Fitted:
    """Fit the head on all rows, and the measure of novelty by folds that split no group: `fold` (n,) where they are known.

    `rows` (m,): the numbers of the rows that `fold` (m,) is of, and by which novelty is measured, all when None.

    `sample_weight` (n,): how many photos each counts for, in the head and in the prior.

    A head of which these rows were cross-validated with these folds goes on from that search.
    """
    searched = fold is not None and getattr(head, "searched", False)
    fitted = head.fit_searched() if searched else head.fit(X, y, groups=groups, sample_weight=sample_weight)
    if rows is not None:
        gc.collect()  # a search holds itself, in a circle, and with it some hundred megabytes
    k = int(y.max()) + 1
    if fold is None:
        with suppress(InputError):  # too few photos to hold any out
            fold = evaluate.outer_folds(y, [str(c) for c in range(k)], groups, seed=seed)
    if rows is None or fold is None:
        reference, unlike, left_out = (None, None, None) if fold is None else fit_novelty(X, y, fold, blocks)
        kept = kept_rows(y)
    else:  # distances among as many rows as are judged would take some hundred megabytes
        counts = np.bincount(y[rows], minlength=k)
        some = stratified_rows(y[rows], np.maximum(EACH, np.ceil(counts * min(1.0, FEW / len(rows)))).astype(int), seed)
        unlike = np.full(len(rows), np.nan)
        reference, unlike[some], left_out = fit_novelty(X[rows[some]], y[rows[some]], fold[some], blocks)
        kept = some[kept_rows(y[rows[some]])]
    shares = np.bincount(y, sample_weight, k)
    return Fitted(fitted, shares / shares.sum(), reference, unlike, left_out, kept)


def label_columns(y: Any, n: int) -> tuple[tuple[str, ...], NDArray[np.float32]] | None:
    """Return the names and the matrix (n, L) of labels where `y` is a matrix, of which a row may have any number of ones.

    None where it is a list of classes, or has one 1 in each row. Columns of a data frame have names, others their numbers.
    Raises `InputError` for other values than 0, 1, and NaN where it is not known.
    """
    values = y if hasattr(y, "shape") else np.asarray(y) if _is_nested(y) else None
    if values is None or len(values.shape) != 2 or values.shape[1] < 2:
        return None
    names = tuple(str(name) for name in getattr(y, "columns", range(values.shape[1])))
    Y = check_label_matrix(values, n).astype(np.float32)
    return None if (Y.sum(axis=1) == 1).all() else (names, Y)  # a one in each row is one class a photo


def _is_nested(y: Any) -> bool:
    """Tell whether a list has lists of one length in it."""
    if not isinstance(y, list | tuple) or not y or not isinstance(y[0], list | tuple | np.ndarray):
        return False
    return len({len(row) if isinstance(row, list | tuple | np.ndarray) else -1 for row in y}) == 1


def head_for_labels(head: Any, blocks: tuple[int, ...], class_weight: Any = None, seed: int = 0, clip: Any = "auto") -> Any:
    """Return the unfitted head for several labels a photo. Raises `InputError` for one that gives a photo one class."""
    if not isinstance(head, str) or head not in HEADS:
        name = head if isinstance(head, str) else type(head).__name__
        raise InputError(
            _(
                "the head {name} gives a photo one class; several labels a photo are learnt by one calibrated "
                "logistic regression a label: leave the head out.",
                name=name,
            )
        )
    if isinstance(class_weight, Mapping):
        raise InputError(_("class weights by name are for one class a photo; for several labels give 'balanced', or none."))
    return MultiLabelHead(blocks=blocks, class_weight=class_weight, random_state=seed, clip=clip)


@default_errors
def learn_labels(
    head: Any,
    X: NDArray[np.float32],
    Y: NDArray[np.float32],
    groups: NDArray[np.intp] | None,
    blocks: tuple[int, ...],
    fold: NDArray[np.intp] | None = None,
    seed: int = 0,
    sample_weight: NDArray[np.float64] | None = None,
) -> Fitted:
    """Do what `learn` does for photos with several labels: Y (n, L) of 0, 1, and NaN where it is not known."""
    searched = fold is not None and getattr(head, "searched", False)
    fitted = head.fit_searched() if searched else head.fit(X, Y, groups=groups, sample_weight=sample_weight)
    fold = label_folds(Y, groups, 5, seed) if fold is None else fold
    one = np.zeros(len(X), np.intp)  # (n,) novelty knows no labels
    reference, unlike, _ = fit_novelty(X, one, fold, blocks)
    weight = np.ones(len(X)) if sample_weight is None else sample_weight
    share = weight @ np.nan_to_num(Y) / np.maximum(weight @ np.isfinite(Y), np.finfo(float).tiny)  # (L,)
    return Fitted(fitted, share.astype(np.float64), reference, unlike, None, kept_rows(one))


def to_bundle(
    fitted: Fitted,
    classes: Sequence[str],
    widths: Sequence[int],
    class_weight: Any = None,
    facts: Mapping[str, Any] | None = None,
    **computed: Any,
) -> Bundle:
    """Return the model file's record; `computed` says by what features are computed, and what else is in it.

    Raises `InputError` for an estimator that is not penult's own.
    """
    choice, computed = dict(fitted.head.choice_), {"head": computed.get("head") or fitted.head.to_arrays(), **computed}
    if class_weight is not None:
        choice["class_weight"] = plain_weights(class_weight)
    return Bundle(
        classes=tuple(classes),
        widths=tuple(widths),
        facts={"penult": version("penult"), **(facts or {}), "choice": choice},
        novelty=fitted.novelty,
        **{"prior": fitted.prior, "backbones": (), **computed},
    )

"""Labels and groups of images as a caller gives them, checked: lists, arrays, columns of data frames."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.errors import InputError
from penult.i18n import N_, _, ngettext

_TEXTS_OF_NOTHING = {"nan", "None", "<NA>", "NaT"}  # what numpy and pandas make of a missing value as text
_EXAMPLES = 3


def class_labels(y: Any, n: int) -> NDArray[Any]:
    """Return the labels of n images, (n,), in the type that they have.

    Raises `InputError` for another number of labels, for missing ones (None, NaN), for several an image, and for measurements
    (numbers that are no whole ones): penult classifies. A column (n, 1) is taken with scikit-learn's `DataConversionWarning`.
    """
    values = _array(y, N_("labels"))
    _no_gaps(values, "labels", N_("label these images, or leave them out"))
    if values.ndim == 2 and values.shape[1] == 1:
        values = _raveled(values)
    if values.ndim != 1 or len(values) != n:
        if values.ndim == 2 and len(values) == n:
            raise InputError(
                ngettext(
                    "{n} image but labels of the shape {shape}; give one label an image; of one-hot columns that is "
                    "y.argmax(axis=1).",
                    "{n} images but labels of the shape {shape}; give one label an image; of one-hot columns that is "
                    "y.argmax(axis=1).",
                    n,
                    shape=values.shape,
                )
            )
        raise InputError(
            ngettext(
                "{n} image but labels of the shape {shape}; give one label an image.",
                "{n} images but labels of the shape {shape}; give one label an image.",
                n,
                shape=values.shape,
            )
        )
    values = _of_one_type(values)
    whole = values.dtype.kind != "f" or bool((np.isfinite(values) & (np.rint(values) == values)).all())
    if values.dtype.kind in "cV" or not whole:
        some = ", ".join(f"{v:.4g}" for v in values[:_EXAMPLES])
        raise InputError(
            _(
                "the labels look like measurements ({some} ...), and penult tells classes apart; give names or "
                "numbers of classes, such as numpy.digitize(y, edges).",
                some=some,
            )
        )
    _check_texts(values)
    return values


def group_codes(groups: Any, n: int) -> NDArray[np.intp] | None:
    """Return the groups of n images as numbers (n,), None where there are none. Raises `InputError` as `class_labels`."""
    if groups is None:
        return None
    values = _array(groups, N_("groups"))
    _no_gaps(values, "groups", N_("give each of these images a group of its own"))
    values = values.reshape(-1) if values.ndim == 2 and values.shape[1] == 1 else values
    if values.ndim != 1 or len(values) != n:
        raise InputError(_("{n} images but groups of the shape {shape}; give one group an image.", n=n, shape=values.shape))
    codes: NDArray[np.intp] = np.unique(_of_one_type(values), return_inverse=True)[1]
    return codes


def _array(y: Any, what: str) -> NDArray[Any]:
    """Return labels as an array of any shape; what is mixed is kept as objects, for numpy would make NaN the text 'nan'."""
    if y is None:
        raise InputError(
            _("TransferClassifier requires y to be passed, but the target y is None; give one label an image, in order.")
        )
    if isinstance(y, str | bytes):
        raise InputError(_("the {what} are the one text {y!r}; give a list with one for each image.", what=_(what), y=y[:40]))
    if isinstance(y, set | frozenset | Mapping):
        raise InputError(
            _(
                "the {what} are a {type}, which has no order that fits the images; give a list.",
                what=_(what),
                type=type(y).__name__,
            )
        )
    if not hasattr(y, "__array__"):
        try:
            y = list(iter(y))
        except TypeError:
            raise InputError(
                _("the {what} are a {type}; give a list with one for each image.", what=_(what), type=type(y).__name__)
            ) from None
        if any(isinstance(value, str) for value in y) and not all(isinstance(value, str) for value in y):
            y = _objects(y)
    try:
        return np.asarray(y)
    except ValueError:
        raise InputError(
            _("the {what} are lists of different lengths; give one for each image, not several.", what=_(what))
        ) from None


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
            _(
                "{what} are missing: {count} of {values} (None or NaN; number {where}{more}, counted from 0); {cure}.",
                what=_(what),
                count=count,
                values=len(values),
                where=where,
                more=more,
                cure=_(cure),
            )
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
        raise InputError(_("some labels are text and some are not; make all of them text: [str(label) for label in y]."))
    if kinds == {True}:
        return values
    plain = np.asarray(values.tolist())
    if plain.ndim != 1 or plain.dtype.kind == "O":
        found = sorted({type(value).__name__ for value in values})
        raise InputError(_("labels are a {found}; give one name or number an image.", found=" or a ".join(found[:_EXAMPLES])))
    return plain


def _check_texts(values: NDArray[Any]) -> None:
    """Raise `InputError` for empty names of classes; warn of names that most often stand for nothing."""
    if values.dtype.kind not in "UO":
        return
    empty = [i for i, value in enumerate(values) if not str(value).strip()]
    if empty:
        raise InputError(
            _(
                "labels are empty text: {n} of {every} (number {first}, counted from 0); name this class.",
                n=len(empty),
                every=len(values),
                first=empty[0],
            )
        )
    for text in sorted(_TEXTS_OF_NOTHING & {str(value) for value in set(values.tolist())}):
        count = sum(str(value) == text for value in values)
        warnings.warn(
            _(
                "{count} of the {values} labels are the text {text!r}, which becomes a class; where it stands for a "
                "missing label, leave these images out.",
                count=count,
                values=len(values),
                text=text,
            ),
            stacklevel=2,
        )

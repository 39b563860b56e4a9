"""Heads: small classifiers on top of frozen features.

In: features X (n, d), classes y (n,), groups. Out: scikit-learn classifiers with calibrated probabilities, and their saved
form. It must not know files, images, networks or engines. This module is light: all that needs numpy loads on first use, and
`scorer`, which prediction needs, needs nothing else.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from penult.errors import InputError
from penult.heads.methods import CANDIDATES, check_head, find_head, head_names, make_head
from penult.i18n import _

if TYPE_CHECKING:
    from penult.heads.sampling import sample_rows
    from penult.heads.scoring import HeadState, Scorer, scorer

__all__ = ["CANDIDATES", "HeadState", "Scorer", "check_head", "head_names", "make_head", "sample_rows", "scorer", "wrap"]


def wrap(estimator: Any, **params: Any) -> Any:
    """Return any scikit-learn classifier as a head; a head of ours comes back as it is.

    Raises InputError for other things.
    """
    if not hasattr(estimator, "fit") or not hasattr(estimator, "get_params"):
        raise InputError(
            _(
                "{estimator!r} is not a scikit-learn classifier; give the name of a head ({head_names}) or an "
                "estimator with fit and get_params",
                estimator=estimator,
                head_names=", ".join(head_names()),
            )
        )
    from penult.heads.head import Head
    from penult.heads.wrapped import Wrapped

    return estimator if isinstance(estimator, Head) else Wrapped(estimator, **params)


def __getattr__(name: str) -> Any:
    """Load `name` on first use: `heads.scorer`, `heads.Logistic`, `heads.Wrapped`."""
    if name in ("HeadState", "Scorer", "scorer"):
        return getattr(import_module("penult.heads.scoring"), name)
    if name == "sample_rows":
        return import_module("penult.heads.sampling").sample_rows
    if name == "Wrapped":
        return import_module("penult.heads.wrapped").Wrapped
    if name.lower() not in head_names() or find_head(name.lower()).__name__ != name:
        raise AttributeError(f"module 'penult.heads' has no attribute {name!r}")
    return find_head(name.lower())

"""Heads: small classifiers on top of frozen features.

In: features X (n, d), classes y (n,), groups. Out: scikit-learn classifiers with calibrated probabilities,
and their saved form. It must not know files, images, networks or engines. This module is light: the classes
load on first use, and `scorer`, which prediction needs, is numpy alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from penult.errors import InputError, unknown
from penult.heads.scorers import Scorer, scorer
from penult.heads.state import HeadState

__all__ = ["CANDIDATES", "HeadState", "Scorer", "check", "make", "names", "scorer", "wrap"]

_CLASSES = {
    "logistic": ("penult.heads.logistic", "Logistic"),
    "svm": ("penult.heads.svm", "SVM"),
    "knn": ("penult.heads.neighbours", "KNN"),
    "centroid": ("penult.heads.neighbours", "Centroid"),
    "lda": ("penult.heads.lda", "LDA"),
    "dense": ("penult.heads.dense", "Dense"),
    "auto": ("penult.heads.auto", "Auto"),
}
CANDIDATES = ["logistic", "svm", "knn", "centroid", "lda"]  # what `auto` compares


def names() -> list[str]:
    """Return the names of the heads, the default first."""
    return list(_CLASSES)


def check(name: str) -> None:
    """Raise UnknownName, with the nearest names, when there is no head `name`."""
    if name not in _CLASSES:
        raise unknown("head", name, _CLASSES)


def make(name: str, **params: Any) -> Any:
    """Return the unfitted head `name`; raises UnknownName."""
    check(name)
    module, attribute = _CLASSES[name]
    return getattr(import_module(module), attribute)(**params)


def wrap(estimator: Any, **params: Any) -> Any:
    """Return any scikit-learn classifier as a head; a head of ours comes back as it is.

    Raises InputError for other things.
    """
    if not hasattr(estimator, "fit") or not hasattr(estimator, "get_params"):
        raise InputError(
            f"{estimator!r} is no scikit-learn classifier; give the name of a head ({', '.join(names())}) "
            "or an estimator with fit and get_params"
        )
    from penult.heads.base import Head
    from penult.heads.wrapped import Wrapped

    return estimator if isinstance(estimator, Head) else Wrapped(estimator, **params)


def __getattr__(name: str) -> Any:
    """Load the class `name` on first use: `heads.Logistic`, `heads.Wrapped`."""
    if name == "Wrapped":
        return import_module("penult.heads.wrapped").Wrapped
    for module, attribute in _CLASSES.values():
        if attribute == name:
            return getattr(import_module(module), attribute)
    raise AttributeError(f"module 'penult.heads' has no attribute {name!r}")

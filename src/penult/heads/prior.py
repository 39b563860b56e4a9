"""Class priors: how frequent the classes are where a model is used, and probabilities that hold there.

In: probabilities (n, k) that hold for one set of class shares, and another. Out: those that hold for the other: what a class
looks like does not depend on how often it occurs, so Bayes' rule is all it takes (Saerens et al., Neural Computation 14 (2002)
21, eq. 2.4). numpy alone, because prediction needs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import default_errors
from penult.errors import InputError, listed, unknown
from penult.heads.methods import find_head
from penult.heads.scoring import HeadState
from penult.i18n import _
from penult.texts import parse_share

Floats = NDArray[np.float64]

SUM = 0.005  # how far the shares of all classes may be from 1: what rounding to two places leaves


@default_errors
def reweigh(proba: Floats, old: Floats, new: Floats) -> Floats:
    """Return probabilities (n, k) that hold for the class shares `new` (k,), of those that hold for `old` (k,)."""
    weighed = proba * (new / old)
    return np.asarray(weighed / weighed.sum(axis=1, keepdims=True))


def held_shares(training: Floats, class_weight: Any, classes: Sequence[str]) -> Floats:
    """Return the class shares (k,) that a head's probabilities hold for, which learnt photos with the shares `training` (k,).

    With class weights ("balanced", or a mapping by class) each class counts by its weight.
    """
    if class_weight is None:
        return training
    if class_weight == "balanced":
        return np.full(len(classes), 1 / len(classes))
    weighed = training * np.array([float(class_weight.get(name, 1.0)) for name in classes])
    return np.asarray(weighed / weighed.sum())


def parse_prior(given: str | Mapping[str, Any], classes: Sequence[str], training: Floats) -> Floats:
    """Return the class shares (k,) of `A=0.1,B=0.9`, or of a mapping.

    Classes that are not named share what is left as they do in `training` (k,). Raises `InputError` for shares that are not
    above 0 or do not make 1, `UnknownName` for a class that does not exist.
    """
    parts = dict(_pairs(given)) if isinstance(given, str) else dict(given)
    for name in parts:
        if name not in classes:
            raise unknown("class", name, classes)
    shares = {name: _share(name, value) for name, value in parts.items()}
    left, others = 1 - sum(shares.values()), [c for c in classes if c not in shares]
    if left < -SUM or (others and left <= 0) or (not others and left > SUM):
        raise InputError(
            _(
                "the class shares of --prior add up to {values:.4g}, and there are {others} classes beside them; give "
                "shares that make 1 together, or leave out classes that share the rest.",
                values=sum(shares.values()),
                others=len(others),
            )
        )
    rest = sum(training[i] for i, c in enumerate(classes) if c not in shares)
    found = np.array([shares[c] if c in shares else left * training[i] / rest for i, c in enumerate(classes)])
    return np.asarray(found / found.sum())


def check_shares(given: str | Mapping[str, Any], classes: Sequence[str], task: str, head: str) -> None:
    """Raise what `parse_prior` and `shifted_head` would, before anything is computed."""
    if task != "classes":
        raise InputError(_("--prior is for photos of one class each, and these have any number of labels; leave it out."))
    parse_prior(given, classes, np.full(len(classes), 1 / len(classes)))
    if not find_head(head).has_intercepts:
        raise _no_intercepts(head)


def _no_intercepts(head: str) -> InputError:
    return InputError(
        _(
            "the head {head} has no intercepts that class shares could move; train with another --head, or give "
            "--prior to `penult predict`.",
            head=head,
        )
    )


def _pairs(text: str) -> list[tuple[str, str]]:
    pairs = []
    for part in text.split(","):
        name, sign, value = part.rpartition("=")
        if not sign:
            raise InputError(
                _("{part!r} in --prior is not a class with its share; give it like CLASS=0.1,OTHER=0.9.", part=part.strip())
            )
        pairs.append((name.strip(), value.strip()))
    names = [name for name, _ in pairs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(_("--prior names {twice} more than once; give each class one share.", twice=listed(twice)))
    return pairs


def _share(name: str, value: Any) -> float:
    share = parse_share(str(value))
    if share is None or not 0 < share < 1:
        raise InputError(
            _(
                "the share of {name!r} in --prior is {value}; give a number above 0 and below 1, such as 0.1 (a class "
                "that never occurs gets a small one, such as 0.001).",
                name=name,
                value=value,
            )
        )
    return share


def shifted_head(state: HeadState, old: Floats, new: Floats) -> HeadState:
    """Return the head whose probabilities hold for the class shares `new` (k,), of one whose hold for `old` (k,).

    Raises `InputError` for a head without intercepts.
    """
    if "intercepts" not in state.arrays:
        raise _no_intercepts(str(state.facts.get("head", state.kind)))
    shift = np.log(new / old) * float(state.facts["temperature"])  # (k,) of logits before they are divided by it
    intercepts = np.asarray(state.arrays["intercepts"], np.float64)
    moved = intercepts + (shift if len(intercepts) == len(shift) else shift[1:] - shift[0])
    return replace(state, arrays={**state.arrays, "intercepts": moved})

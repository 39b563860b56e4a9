"""numpy may be told to raise on overflow, underflow and the like, or to warn; penult's own computing then keeps to numpy's
default.

That exp(-1000) is 0 is no error, and a division by zero is looked after where it can occur. What a program asked numpy for
(`np.seterr(all="raise")`) stays so for the program itself.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import numpy as np

P = ParamSpec("P")
T = TypeVar("T")
DEFAULT = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}


def default_errors(function: Callable[P, T]) -> Callable[P, T]:
    """Return the function as it computes with numpy's default for every kind of error that would raise, warn or be told."""

    @wraps(function)
    def quiet(*args: P.args, **kwargs: P.kwargs) -> T:
        told = [kind for kind, what in np.geterr().items() if what not in ("ignore", DEFAULT[kind])]
        if not told:
            return function(*args, **kwargs)
        with np.errstate(**{kind: DEFAULT[kind] for kind in told}):  # type: ignore[arg-type]
            return function(*args, **kwargs)

    return quiet

"""Contexts in which heads compute: few threads for few numbers, and no false alarms."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

SMALL = 10_000_000  # numbers in X up to which one thread is enough


@contextmanager
def threads(X: Any) -> Iterator[None]:
    """Keep BLAS to one thread while X is small, and its false alarms to itself.

    Small products gain little from more, and where another process holds a core, each one waits for it: 0.09 s became 1.1 s.
    """
    with np.errstate(invalid="ignore"):  # BLAS reads beside small matrices: what lies there, not they, can raise the flag
        if math.prod(X.shape) > SMALL:
            yield
            return
        with _controller().limit(limits=1, user_api="blas"):
            yield


@contextmanager
def many_classes() -> Iterator[None]:
    """Keep back scikit-learn's doubt whether classes of one or two rows are classes at all: here they are."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The number of unique classes is greater than 50%", UserWarning)
        yield


@cache
def _controller() -> Any:
    return ThreadpoolController()

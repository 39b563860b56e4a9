"""What manual review gains: the accuracy of the answers that are confident enough to be kept without it.

The curve of accuracy against
coverage is that of El-Yaniv & Wiener, JMLR 11 (2010) 1605.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import default_errors
from penult.errors import InputError
from penult.evaluate.evaluation import Evaluation, jsonable

LEVEL = 0.9
COVERAGES = (1.0, 0.99, 0.98, 0.97, 0.96, 0.95, 0.92, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5)


@dataclass(frozen=True, slots=True)
class Review:
    """`share` of the measured images are for a person: less sure than `level`, or too unlike the others.

    `accuracy_kept` is that of all the others, None where none is left; `curve` has (coverage, accuracy): of the surest
    share of the images, how many are right.
    """

    level: float
    images: int
    share: float
    unlike: float  # share of the images that are for a person because they are unlike the others
    accuracy_kept: float | None
    accuracy_all: float
    curve: tuple[tuple[float, float], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        values: dict[str, Any] = jsonable(asdict(self))
        return values


@default_errors
def review(evaluation: Evaluation, level: float = LEVEL, unlike: NDArray[np.bool_] | None = None) -> Review:
    """Return what manual review of the uncertain images would gain, by out-of-fold answers.

    `unlike` (n,) says which images are too unlike the others to be believed. Raises InputError for a level outside 0..1.
    """
    check_level(level)
    here = evaluation.measured
    proba, y = evaluation.proba[here], evaluation.y[here]
    strange = np.zeros(len(y), bool) if unlike is None else unlike[here]
    sure = proba.max(axis=1)  # (n,)
    right = proba.argmax(axis=1) == y
    kept = (sure >= level) & ~strange
    surest = right[np.lexsort((-sure, strange))]
    counts = sorted({max(1, round(c * len(y))) for c in COVERAGES}, reverse=True)
    return Review(
        level=level,
        images=len(y),
        share=float(1 - kept.mean()),
        unlike=float(strange.mean()),
        accuracy_kept=float(right[kept].mean()) if kept.any() else None,
        accuracy_all=float(right.mean()),
        curve=tuple((count / len(y), float(surest[:count].mean())) for count in counts),
    )


def check_level(level: float) -> None:
    """Raise InputError for a level that is no probability above 0."""
    if not 0 < level <= 1:
        raise InputError(f"a confidence level of {level} is not between 0 and 1; use a value such as 0.9.")

"""Would more photos help? What the learning curve says about twice as many.

Comes in: sizes and scores of a learning curve. Goes out: `Forecast`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from penult.evaluate.intervals import Score

LEAST = 4  # points of a curve below which nothing is said
SPAN = 4  # times that the last size must be the first: twice the photos is far beyond a shorter curve
# Student's t, 97.5% point, by degrees of freedom; two numbers are fitted, so a curve of five points has three
T95 = {2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306}


@dataclass(frozen=True, slots=True)
class Forecast:
    """What `images` training images, twice as many as there are, would give: log loss, and accuracy where it can be told.

    `now` are the same as measured. `clear` says whether the 95% interval of the log loss lies below what it is now.
    """

    images: int
    log_loss: Score
    accuracy: Score
    log_loss_now: float
    accuracy_now: float | None
    clear: bool

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "images": self.images,
            "log_loss": self.log_loss.to_dict(),
            "accuracy": self.accuracy.to_dict(),
            "log_loss_now": self.log_loss_now,
            "accuracy_now": self.accuracy_now,
            "clear": self.clear,
        }


def forecast(sizes: Sequence[int], log_loss: Sequence[Score], accuracy: Sequence[Score]) -> Forecast | None:
    """Return what twice the last size would give, by a power law through the curve; None where it cannot be told.

    Log loss and error fall about as a power of the number of training images (Cortes et al., NIPS 1993; Hestness et al.,
    arXiv 1712.00409), so a line is fitted to their logarithms, and the interval is that of a line's slope.
    Nothing is said with fewer than four points, or where the last size is less than SPAN times the first. An error of 0
    anywhere has no logarithm, and one that is the same all along shows no law: then nothing is said about accuracy.
    """
    known = [(n, one.value) for n, one in zip(sizes, log_loss, strict=True) if one.value is not None and one.value > 0]
    if len(known) < LEAST or known[-1][0] != sizes[-1] or sizes[-1] < SPAN * known[0][0]:
        return None
    now = known[-1][1]
    ratio = _ratio([n for n, _ in known], [value for _, value in known])
    loss = Score(now * ratio[0], now * ratio[1], now * ratio[2])
    right = [one.value for one in accuracy]
    hits = Score(None, None, None)
    if all(value is not None and value < 1 for value in right) and len(set(right)) > 1:
        errors = [1 - value for value in right if value is not None]
        middle, low, high = (min(1.0, errors[-1] * r) for r in _ratio(sizes, errors))
        hits = Score(1 - middle, 1 - high, 1 - low)
    return Forecast(2 * sizes[-1], loss, hits, now, right[-1], ratio[2] < 1)


def _ratio(sizes: Sequence[int], values: Sequence[float]) -> tuple[float, float, float]:
    """Return by what a value is multiplied when the size is doubled, and the 95% interval of that."""
    x, y = np.log2(np.asarray(sizes, float)), np.log2(np.asarray(values, float))  # (p,)
    away = x - x.mean()
    slope = float(away @ y / (away @ away))
    rest = y - y.mean() - slope * away  # (p,)
    free = len(x) - 2
    error = float(np.sqrt(rest @ rest / free / (away @ away))) * T95.get(free, 2.26)
    return float(2.0**slope), float(2.0 ** (slope - error)), float(2.0 ** (slope + error))

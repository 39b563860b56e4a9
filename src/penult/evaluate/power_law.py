"""How a score improves with the number of training images, as a power law, and what that says about other numbers of them.

Losses fall about as a power of the number of training images (Cortes et al., NIPS 1993; Hestness et al., arXiv 1712.00409).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.evaluate.intervals import Floats, mean_variance

# Exponents on frozen features, from 100 to 600 images (`benchmarks/trust.py intervals`), where the loss is far below chance;
# times the root of how far it is: where nothing is learnt more images teach nothing.
TYPICAL = {"accuracy": 0.35, "log_loss": 0.35, "brier": 0.35, "auc": 0.8}
SCATTER = 0.4  # how far exponents of other data lie from the typical one, as a share of it
LEAST_SCATTER = 0.03
# Images a class from which the exponents are those; with fewer the curves are steeper, up to twice: 0.4 to 0.8 for 15 to 25 of
# hand signs, rubbish and simulated classes.
PLENTY = 50
STEEPEST = 2.0
BEND = 0.3  # by how much a curve may be flatter, or steeper, beyond its last point, as a share of its exponent


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """A loss falls as (number of training images) ** -exponent; `error` is the exponent's standard error."""

    exponent: float
    error: float

    def ratio(self, growth: float) -> float:
        """Return by what the loss is multiplied with `growth` times as many images."""
        return float(growth**-self.exponent)

    def spread(self, growth: float) -> float:
        """Return the standard error of the logarithm of `ratio`."""
        return float(self.error * np.log(growth))

    def weighed(self, other: PowerLaw) -> PowerLaw:
        """Return the mean of two estimates of one exponent, weighed by their precision."""
        ours, theirs = self.error**-2, other.error**-2
        return PowerLaw((ours * self.exponent + theirs * other.exponent) / (ours + theirs), float((ours + theirs) ** -0.5))


@dataclass(frozen=True, slots=True)
class Folds:
    """How images were held out: in how many folds, and how many times as many images train the model that is kept.

    `laws` are exponents that were measured; without one the typical exponent is taken. `draw` is how far other training images
    would move a loss, as a share of its standard error; `each` are the images a class.
    """

    number: int
    growth: float
    laws: Mapping[str, PowerLaw] = field(default_factory=dict)
    draw: float = 0.0
    each: float = PLENTY

    def law(self, metric: str, loss: float, chance: float) -> PowerLaw:
        """Return the exponent of a measure: what is typical for a loss this far below chance, and what was measured."""
        usual = typical(metric, loss, chance, self.each)
        return usual.weighed(self.laws[metric]) if metric in self.laws else usual


def typical(metric: str, loss: float, chance: float, each: float = PLENTY) -> PowerLaw:
    """Return the exponent that is usual for a loss (1 - accuracy, 1 - AUC) this far below what chance gives.

    `each` are the images a class.
    """
    learnt = float(np.sqrt(np.clip(1 - loss / chance, 0, 1))) if chance > 0 else 0.0
    exponent = TYPICAL[metric] * learnt * float(np.sqrt(np.clip(PLENTY / each, 1, STEEPEST**2)))
    return PowerLaw(exponent, SCATTER * exponent + LEAST_SCATTER)


def fitted(sizes: Sequence[int], losses: Floats, groups: NDArray[Any] | None) -> PowerLaw | None:
    """Return the law of a line through the logarithms of the mean losses; None where one is 0, or for fewer than three sizes.

    `losses` (n, s) are those of the same images at each size.
    """
    means = losses.mean(axis=0)  # (s,)
    if len(sizes) < 3 or (means <= 0).any():
        return None
    x, y = np.log(np.asarray(sizes, np.float64)), np.log(means)  # (s,)
    away = (x - x.mean()) / np.square(x - x.mean()).sum()
    slope = float(away @ y)
    rest = y - y.mean() - slope * (x - x.mean())
    # The draw of the training images scatters the points about the line; the measured images move all of them together.
    drawn = float(rest @ rest) / (len(x) - 2) * float(away @ away)
    measured = float(mean_variance((losses / means @ away)[:, None], groups)[0])
    return PowerLaw(-slope, float(np.sqrt(drawn + measured + (BEND * slope) ** 2)) + LEAST_SCATTER)

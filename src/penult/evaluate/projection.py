"""From the answers of the folds' models to the scores of the model that is kept, with their 95% intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.evaluate.intervals import Z95, Floats, Ints, Score, auc_interval, mean_variance, positive_mean, wilson
from penult.evaluate.metrics import CLIP, balanced, by_chance, calibration_error, class_recalls, losses_per_image, per_image
from penult.evaluate.power_law import Folds, PowerLaw, typical

POOLED = 1.4  # times that an out-of-fold AUC varies as much as its images say, at least: it compares scores of several heads
HANDFUL = 5  # images or groups in error, below which their variance is not known
EVENT = 0.5  # of one error more than was seen, for the upper end: the middle of none and one (a mid-p value)
SHARPER = 1.25  # times that the confidence is raised in a step,
SHARPEST = 50.0  # and in all
LIMITS = {
    "accuracy": (0, 1), "log_loss": (0, np.inf), "brier": (0, 2), "auc": (0, 1), "ece": (0, 1), "balanced_accuracy": (0, 1)
}  # fmt: skip
METRICS = tuple(LIMITS)


def scores(y: Ints, proba: Floats, groups: NDArray[Any] | None, folds: Folds | None = None) -> dict[str, Score]:
    """Return accuracy, log loss, Brier, AUC, expected calibration error and balanced accuracy, with intervals.

    Values are what was measured, but for the calibration error; intervals are for the model that is kept, see `projected`.
    Undefined measures are None.
    """
    found = {name: _score(name, one) for name, one in projected(y, proba, groups, folds).items()}
    found["ece"] = calibration_error(y, proba, groups, folds)
    found["balanced_accuracy"] = balanced(class_recalls(y, proba, groups))
    return {name: found.get(name, Score(None, None, None)) for name in METRICS}


@dataclass(frozen=True, slots=True)
class Projected:
    """A loss as it was measured, and of the model that is kept: `kept` with its 95% interval.

    `noise` is the standard error of the measured loss as a share of it, `law` by which it was carried on; were the loss at its
    lower end, the exponent would be larger by `steeper`.
    """

    measured: float
    kept: float
    low: float
    high: float
    noise: float
    law: PowerLaw
    steeper: float


def projected(y: Ints, proba: Floats, groups: NDArray[Any] | None, folds: Folds | None) -> dict[str, Projected]:
    """Return 1 - accuracy, log loss, Brier and 1 - AUC as measured, and of the model that is kept, with intervals.

    A model that is fitted on all images is better than those of the `folds`, by the power law of the loss; and images that
    were measured out of fold do not err independently, as two heads have most of their training images in common. Where little
    is learnt, the models of an unlucky split answer near to the class shares: their losses hardly differ from image to image,
    and no more seems to be learnt from more images. So the lower end is that of the answers at their best confidence, and it
    falls as fast as a loss that low usually does.
    """
    losses, chance = losses_per_image(y, proba), by_chance(y, proba.shape[1])
    variances = mean_variance(np.column_stack(list(losses.values())), groups)
    sample, several = _Sample.of(y, proba, groups), folds is not None and folds.number > 1
    usual = widening(folds, float(losses["log_loss"].mean()), chance["log_loss"]) if folds and several else 1.0
    best = _best_confidence(y, proba, groups, usual) if several else {}
    found = {}
    for (name, column), variance in zip(losses.items(), variances.tolist(), strict=True):
        mean = float(column.mean())
        widen = max(POOLED, usual) if several and name == "auc" else usual
        noise = widen**2 * variance
        if folds is None:
            found[name] = Projected(mean, mean, *sample.ends(name, mean, noise, 0.0, widen), 0.0, PowerLaw(0.0, 0.0), 0.0)
            continue
        # 1. today's lower end, and how much faster a loss that low falls
        least = min(sample.ends(name, mean, noise, 0.0, widen)[0], best.get(name, mean))
        away = typical(name, least, chance[name], folds.each).exponent - typical(name, mean, chance[name], folds.each).exponent
        steeper = max(0.0, away) if several else 0.0
        # 2. the loss of all images, whose exponent and draw are not known for sure
        law, share = folds.law(name, mean, chance[name]), float(np.sqrt(noise)) / mean if mean > 0 else 0.0
        ratio = law.ratio(folds.growth)
        spread = float(np.hypot(law.spread(folds.growth), share * folds.draw))
        low, high = sample.ends(name, mean * ratio, noise * ratio**2, spread, widen)
        # 3. the lower end carried on by itself (MOVER: Zou & Donner, Statistics in Medicine 27 (2008) 1693)
        if several:
            down = mean - least * folds.growth**-steeper
            low = max(0.0, min(low, ratio * (mean - float(np.hypot(down, Z95 * spread * mean)))))
        found[name] = Projected(mean, mean * ratio, low, min(high, LIMITS[name][1]), share, law, steeper)
    return found


def widening(folds: Folds, loss: float, chance: float) -> float:
    """Return how many times as much an out-of-fold mean varies as its images say: from 1, where much is learnt, to 1.41.

    Each pair of images counts twice in it, as one trains the head that judges the other; so what the draw of the training
    images does to an answer counts double in the variance (Hoeffding, Annals of Mathematical Statistics 19 (1948) 293). Its
    share is what the gain over chance would grow by with more images, each as a share of itself: about all of it near chance.
    No unbiased estimate exists (Bengio & Grandvalet, JMLR 5 (2004) 1089).
    """
    exponent, gain = folds.law("log_loss", loss, chance).exponent, chance - loss
    drawn = float(np.clip(exponent * loss / gain, 0, 1)) if gain > 0 else 1.0
    return float(np.sqrt(1 + drawn))


def _best_confidence(y: Ints, proba: Floats, groups: NDArray[Any] | None, widen: float) -> dict[str, float]:
    """Return the least lower end of log loss and Brier score that the answers have at any confidence above their own.

    Folds that had bad luck hold their answers back, and the model that is kept chooses its own temperature.
    """
    logp, least = np.log(np.clip(proba, CLIP, 1.0)), {"log_loss": np.inf, "brier": np.inf}
    for sharper in SHARPER ** np.arange(1, np.log(SHARPEST) / np.log(SHARPER)):
        sharp = np.exp(sharper * (logp - logp.max(axis=1, keepdims=True)))  # (n, k)
        columns = per_image(y, sharp / sharp.sum(axis=1, keepdims=True))
        table = np.column_stack([columns[name] for name in least])  # (n, 2)
        variances = widen**2 * mean_variance(table, groups)
        ends = [positive_mean(m, v, 0.0)[0] for m, v in zip(table.mean(axis=0).tolist(), variances.tolist(), strict=True)]
        if all(end >= known for end, known in zip(ends, least.values(), strict=True)):
            break
        least = {name: min(known, end) for (name, known), end in zip(least.items(), ends, strict=True)}
    return least


@dataclass(frozen=True, slots=True)
class _Sample:
    """What intervals need to know of the measured images beside the variances of their losses."""

    units: int
    sides: list[tuple[int, int]]
    events: dict[str, float]

    @classmethod
    def of(cls, y: Ints, proba: Floats, groups: NDArray[Any] | None) -> _Sample:
        return cls(len(y) if groups is None else len(np.unique(groups)), _sides(y, groups), _events(proba))

    def ends(self, name: str, mean: float, noise: float, spread: float, widen: float) -> tuple[float, float]:
        """Return the 95% interval of a loss of this mean and this variance (`noise`), with the relative error `spread`."""
        if name == "accuracy":
            return _share_interval(mean, noise, spread, self.units / widen**2)
        both = noise + (mean * spread) ** 2
        if name == "auc":
            return auc_interval(mean, both, self.sides, widen)
        return positive_mean(mean, both, EVENT * widen * self.events[name] / self.units)


def _score(name: str, found: Projected) -> Score:
    """Return a loss as the measure that it belongs to: its value is what was measured, and lies in its interval."""
    value, low, high = found.measured, min(found.low, found.measured), max(found.high, found.measured)
    return Score(1 - value, 1 - high, 1 - low) if name in ("accuracy", "auc") else Score(value, low, high)


def _share_interval(share: float, variance: float, spread: float, units: float) -> tuple[float, float]:
    """Return Wilson's interval of a share, for as many independent images as would give this variance, `units` at most."""
    binomial = share * (1 - share)
    if binomial > 0:
        alike = units if min(share, 1 - share) * units < HANDFUL else min(units, binomial / variance)
        units = 1 / (1 / alike + (share * spread) ** 2 / binomial)
    low, high = wilson(share * units, units)
    return float(low), float(high)


def _sides(y: Ints, groups: NDArray[Any] | None) -> list[tuple[int, int]]:
    """Return for each class the number of its images (or groups) and of all others."""
    units = np.arange(len(y)) if groups is None else np.asarray(groups)
    return [(len(np.unique(units[y == c])), len(np.unique(units[y != c]))) for c in np.unique(y).tolist()]


def _events(proba: Floats) -> dict[str, float]:
    """Return the log loss and Brier score of an image whose class is not the one that was given, on average.

    It is as likely to be any image as the probabilities say, and as if one more were wrong.
    """
    n, k = proba.shape
    other = np.clip(proba, CLIP, 1.0)  # (n, k)
    other[np.arange(n), proba.argmax(axis=1)] = 0
    rest = other.sum(axis=1)  # (n,)
    losses = other * -np.log(np.clip(proba, CLIP, 1.0))  # (n, k)
    squares = other * ((proba**2).sum(axis=1)[:, None] - proba**2 + (1 - proba) ** 2) / (2 if k == 2 else 1)
    weight = (rest + 1 / n) / (rest.sum() + 1)  # (n,)
    share = np.divide(weight, rest, out=np.zeros(n), where=rest > 0)
    return {"log_loss": float(share @ losses.sum(axis=1)), "brier": float(share @ squares.sum(axis=1))}

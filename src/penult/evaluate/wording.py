"""The verdict: what was measured, in one sentence that a person can act on.

In: an `Evaluation`, or the dict that it writes into `metrics.json`. Out: plain text without markup. It must not know where the
sentence is shown. The words follow from the numbers: no better than one answer for all, too sure, not sure enough, right.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from penult.evaluate.evaluation import Evaluation
from penult.evaluate.intervals import Z95, Floats

FEW = 50  # photos below which the sentence says on how many it was measured
SLIGHT = 0.01  # a mean confidence so near to the accuracy is right, however many photos prove a difference
UNEVEN = 0.02  # and so is an expected calibration error below this


def verdict(evaluation: Evaluation | Mapping[str, Any]) -> str:
    """Return one sentence: how often it is right, on photos that it had not seen, and whether its confidence can be believed.

    `evaluation` is an `Evaluation` or its `to_dict()`, as `metrics.json` has it under "scores" and "test".
    """
    found = evaluation.to_dict() if isinstance(evaluation, Evaluation) else evaluation
    score = found["scores"]["accuracy"]
    if score["value"] is None:
        return "nothing was measured."
    right, low, high = percents(score["value"], score["low"], score["high"])
    few = f", measured on only {found['measured']} of them" if found["measured"] < FEW else ""
    return f"{right} % right on photos it had not seen, 95 % interval {low}-{high}{few}; {_worth(found)}."


def percents(*shares: float) -> tuple[str, ...]:
    """Return shares as per cent with one digit, or two where one would round a share below 1 to 100; only 1 is ever "100"."""
    digits = 2 if any(0.9995 <= s < 1 for s in shares) else 1
    most = 100 - 10**-digits
    return tuple("100" if s == 1 else "0" if s == 0 else f"{min(100 * s, most):.{digits}f}" for s in shares)


def _worth(found: Mapping[str, Any]) -> str:
    """Return what these answers are worth: against one answer for all photos, then as probabilities."""
    support = {one["name"]: one["support"] for one in found["per_class"]}
    common = max(support, key=lambda name: support[name])
    share = support[common] / max(sum(support.values()), 1)
    score = found["scores"]["accuracy"]
    if score["low"] <= share:
        what = "which is no better than" if score["value"] <= share else "which is not surely better than"
        return f"{what} to say {common!r} of every photo ({percents(share)[0]} %)"
    return _trust(found["reliability"])


def _trust(bins: Mapping[str, Any]) -> str:
    """Return whether the confidence can be believed.

    Said to be wrong only where chance does not explain it: in a bin of m photos of mean confidence p the share of right ones
    scatters by sqrt(p (1 - p) / m) if p is true (the idea of consistency bars, Broecker & Smith, Weather and Forecasting 22
    (2007) 651).
    """
    count = np.asarray(bins["count"], np.float64)  # (b,)
    seen = count > 0
    count, says, right = count[seen], _column(bins, "confidence")[seen], _column(bins, "accuracy")[seen]
    weight = count / count.sum()
    noise = weight * np.sqrt(says * (1 - says) / count)  # (b,)
    gap = float(weight @ (says - right))
    if abs(gap) > max(SLIGHT, Z95 * float(np.sqrt(noise @ noise))):
        sure = "surer of itself than it should be" if gap > 0 else "less sure of itself than it could be"
        mean, real = percents(float(weight @ says), float(weight @ right))
        return f"it is {sure}: it gives {mean} % on average and {real} % are right"
    error = float(weight @ np.abs(says - right))
    chance = np.sqrt(2 / np.pi) * noise.sum() + Z95 * np.sqrt((1 - 2 / np.pi) * float(noise @ noise))
    if error > max(UNEVEN, chance):
        return f"how sure it is of a single photo is off by {percents(error)[0]} points on average"
    return "it is sure of itself rightly"


def _column(bins: Mapping[str, Any], name: str) -> Floats:
    """Return one column of the bins, NaN where `metrics.json` has null."""
    return np.array([np.nan if value is None else value for value in bins[name]], np.float64)

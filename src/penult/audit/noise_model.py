"""How probable it is that each label is wrong, by out-of-fold probabilities: a noise model with two numbers.

The probabilities are those of a model that learnt the wrong labels, too, so they are pulled together: they are sharpened by a
power a, q ~ p^a. A share e of the labels is then taken to be wrong, each of the other k - 1 classes being as likely
(symmetric noise: Angluin & Laird, Machine Learning 2, 1988): a photo has its label g with the probability
(1 - e) q_g + e (1 - q_g) / (k - 1). Errors of a model that is unsure, because classes look alike, are explained by q alone;
where it is sure and contradicts a label nonetheless, only a wrong label explains it. The probability of that follows by Bayes'
rule; for each power with the e of the greatest likelihood over all photos, then averaged over the powers, as likely as each
is (Bayesian model averaging: Hoeting et al., Statistical Science 14, 1999).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import default_errors

Floats = NDArray[np.float64]

POWERS = np.geomspace(1, 8, 31)  # the powers that are tried
LEAST = 0.02  # share of wrong labels that is always thought possible: ten sets have 3.3% on average (Northcutt et al. 2021)
MOST = 0.5  # share of wrong labels; beyond it nothing says which half is wrong
HALVINGS = 30  # of the interval that holds e
DOUBTED = 0.5  # probability of being wrong above which a label is called doubted
SMALLEST = 1e-12  # probability, before its logarithm is taken


@dataclass(frozen=True, slots=True)
class LabelNoise:
    """The share of labels that are wrong, and the probability of it for each, (n,)."""

    rate: float
    wrong: Floats


@default_errors
def label_noise(y: NDArray[Any], proba: NDArray[Any]) -> LabelNoise:
    """Return how many of the labels y (n,) are wrong, and which, by out-of-fold probabilities (n, k)."""
    # what each power makes of the probability of the label, and of a label other than the photo's class
    own = np.array([_own(power * np.log(np.maximum(proba, SMALLEST)), y) for power in POWERS])  # (a, n)
    other = (1 - own) / (proba.shape[1] - 1)  # (a, n)
    # the likeliest share of wrong labels, and the likelihood of the labels with it
    rate = _likeliest(own, other)  # (a,)
    mixed = own + rate[:, None] * (other - own)  # (a, n)
    fit = np.log(np.maximum(mixed, SMALLEST)).sum(axis=1)  # (a,)
    # Bayes' rule with each power, and the average over the powers
    weight = np.exp(fit - fit.max())
    weight /= weight.sum()
    wrong = rate[:, None] * other / np.maximum(mixed, SMALLEST)  # (a, n)
    return LabelNoise(float(weight @ rate), weight @ wrong)


def _own(logits: Floats, y: NDArray[Any]) -> Floats:
    """Return the softmax of each row at its label, (n,)."""
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(odds[np.arange(len(y)), y] / odds.sum(axis=1))


def _likeliest(own: Floats, other: Floats) -> Floats:
    """Return the e (a,) with the greatest likelihood: it is concave in e, so the zero of its slope is found by halving."""
    low, high = np.full(len(own), LEAST), np.full(len(own), MOST)
    step = other - own
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        rising = (step / np.maximum(own + middle[:, None] * step, SMALLEST)).sum(axis=1) > 0
        low, high = np.where(rising, middle, low), np.where(rising, high, middle)
    return np.asarray(low)

"""How probable it is that a photo lacks a label that it should have, or has one that it should not, out of fold.

The noise model of `noise_model` for one label at a time, with two rates, as labels are forgotten more often than they are made
up: of the photos that have the label a share is not labelled (missing), of those that have it not a share is (wrong). A photo
has the label with the probability q ~ p^a, p out of fold; the two rates have the greatest likelihood for each power a, found
by expectation maximisation (Dempster, Laird & Rubin 1977; class-conditional noise: Natarajan et al., NIPS 2013), and the
powers are averaged as likely as each is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from penult.arrays import default_errors
from penult.audit.noise_model import LEAST, MOST, POWERS, SMALLEST, Floats

STEPS = 40  # of expectation maximisation
CELLS = 256  # probabilities are counted in so many cells for it


@dataclass(frozen=True, slots=True)
class LabelSetNoise:
    """For each label the share of photos that lack it wrongly, of those that have it (L,), and the share that have it wrongly,
    of those labelled (L,); for each photo and label how probably what is said is wrong, (n, L), NaN where nothing is said.
    """

    missing: Floats
    extra: Floats
    wrong: Floats


@default_errors
def label_set_noise(Y: NDArray[np.floating], proba: Floats) -> LabelSetNoise:
    """Return how many of the labels Y (n, L) of 1, 0 and NaN are missing or wrong, and which, by probabilities (n, L)."""
    missing, extra, wrong = np.zeros(Y.shape[1]), np.zeros(Y.shape[1]), np.full(Y.shape, np.nan)
    for label in range(Y.shape[1]):
        known = np.isfinite(Y[:, label]) & np.isfinite(proba[:, label])
        y, p = Y[known, label] == 1, proba[known, label]
        if 0 < y.sum() < len(y):
            missing[label], extra[label], wrong[known, label] = _one_label(y, p)
    return LabelSetNoise(missing, extra, wrong)


def _one_label(y: NDArray[np.bool_], p: Floats) -> tuple[float, float, Floats]:
    """Return the share of labels that are missing, of labels that are wrong, and the probability of it for each, (n,)."""
    logit = np.log(np.maximum(p, SMALLEST)) - np.log(np.maximum(1 - p, SMALLEST))
    # 1. photos with and without the label, counted by their logit
    edges = np.linspace(logit.min() - 1e-9, logit.max() + 1e-9, CELLS + 1)
    cells = np.stack([np.histogram(logit[y == side], edges)[0] for side in (False, True)]).astype(float)  # (2, c)
    q = _sigmoid(POWERS[:, None] * (edges[:-1] + edges[1:]) / 2)  # (a, c)
    # 2. the rates of the greatest likelihood with each power
    odds = y.mean() / (1 - y.mean())
    gone, made = np.full(len(POWERS), LEAST), np.full(len(POWERS), LEAST * odds)  # of all with, and of all without
    for _ in range(STEPS):
        absent, present, _ = _shares(q, gone, made)
        lost, kept = (cells[0] * absent).sum(axis=1), (cells[1] * (1 - present)).sum(axis=1)
        false, true = (cells[1] * present).sum(axis=1), (cells[0] * (1 - absent)).sum(axis=1)
        gone = np.clip(lost / np.maximum(lost + kept, SMALLEST), LEAST, MOST)
        made = np.clip(false / np.maximum(false + true, SMALLEST), LEAST * odds, MOST * min(odds, 1.0))
    fit = (_shares(q, gone, made)[2] * cells).sum(axis=(1, 2))  # (a,)
    weight = np.exp(fit - fit.max())
    weight /= weight.sum()
    # 3. Bayes' rule for each photo, averaged over the powers
    wrong = np.zeros(len(y))
    for power, share, one, other in zip(POWERS, weight, gone, made, strict=True):
        absent, present, _ = _shares(_sigmoid(power * logit)[None], np.array([one]), np.array([other]))
        wrong += share * np.where(y, present[0], absent[0])
    return float(weight @ gone), float(wrong[y].mean()), wrong


def _shares(q: Floats, gone: Floats, made: Floats) -> tuple[Floats, Floats, Floats]:
    """Return how probably an absent label is missing, a present one wrong, (a, c) each, and the log likelihoods (a, 2, c)."""
    without = gone[:, None] * q + (1 - made[:, None]) * (1 - q)
    having = (1 - gone[:, None]) * q + made[:, None] * (1 - q)
    absent = gone[:, None] * q / np.maximum(without, SMALLEST)
    present = made[:, None] * (1 - q) / np.maximum(having, SMALLEST)
    return absent, present, np.log(np.maximum(np.stack([without, having], axis=1), SMALLEST))


def _sigmoid(z: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(z, -700, 700))))

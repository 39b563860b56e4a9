"""How probable it is that a photo lacks a label that it should have, or has one that it should not, out of fold.

The noise model of `noise_model` for labels that a photo has or not, with two rates, as labels are forgotten more often than
they are made up: of the photos that have a label a share is not labelled (missing); of those labelled a share has it not
(wrong). A photo has the label with the probability q ~ p^a, p out of fold: a = 1 is what the model says, a larger one that of
a model whose probabilities wrong labels have pulled together, a smaller one that of a model that is too sure. A hundred photos
hardly tell the errors of a model from those of labels, so the rates are those of all labels together, and small rates are more
probable before anything is seen, as are powers near 1; all rates and powers are averaged, as probable as each is (Bayesian
model averaging: Hoeting et al., Statistical Science 14, 1999; class-conditional noise: Natarajan et al., NIPS 2013).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from penult.arrays import default_errors
from penult.audit.noise_model import LEAST, SMALLEST, Floats

RATES = np.array([0, 0.01, 0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4])  # that are tried, of missing and of wrong labels
POWERS = np.geomspace(0.5, 8, 25)
SPREAD = 0.7  # of the logarithm of the power, before anything is seen
CELLS = 256  # probabilities are counted in so many cells


@dataclass(frozen=True, slots=True)
class LabelSetNoise:
    """Of all labels together the share of photos that lack a label wrongly, of those that have it, and the share that have it
    wrongly, of those labelled; for each photo and label how probably what is said is wrong, (n, L), NaN where nothing is said.
    """

    missing: float
    extra: float
    wrong: Floats


@default_errors
def label_set_noise(Y: NDArray[np.floating], proba: Floats) -> LabelSetNoise:
    """Return how many of the labels Y (n, L) of 1, 0 and NaN are missing or wrong, and which, by probabilities (n, L)."""
    wrong, labels = np.full(Y.shape, np.nan), []
    for label in range(Y.shape[1]):
        known = np.isfinite(Y[:, label]) & np.isfinite(proba[:, label])
        if 0 < Y[known, label].sum() < known.sum():
            labels.append((label, known, _Counted(Y[known, label] == 1, proba[known, label])))
    # 1. how probable each pair of rates is, before anything is seen, and by all labels
    prior = np.exp(-RATES / LEAST) * np.gradient(RATES)  # exponential, with the mean LEAST
    share = np.log(prior[:, None] * prior)  # (r, r) of missing and of wrong labels
    for _, _, one in labels:
        share = share + np.logaddexp.reduce(one.fits(), axis=2)
    share = np.exp(share - share.max())
    share /= share.sum()
    # 2. Bayes' rule for each photo, averaged over rates and powers
    for label, known, one in labels:
        wrong[known, label] = one.doubts(share)
    return LabelSetNoise(float(share.sum(axis=1) @ RATES), float(share.sum(axis=0) @ RATES), wrong)


class _Counted:
    """The photos with and without one label, counted by their probabilities."""

    def __init__(self, y: NDArray[np.bool_], p: Floats) -> None:
        logit = np.log(np.maximum(p, SMALLEST)) - np.log(np.maximum(1 - p, SMALLEST))
        edges = np.linspace(logit.min() - 1e-9, logit.max() + 1e-9, CELLS + 1)
        used, self._cell = np.unique(np.searchsorted(edges, logit) - 1, return_inverse=True)  # (c,), (n,)
        self._y = y
        self._with, self._without = (np.bincount(self._cell[y == side], minlength=len(used)) for side in (True, False))
        self._q = _sigmoid(POWERS[:, None] * (edges[used] + edges[used + 1]) / 2)  # (a, c)
        self._odds = y.mean() / (1 - y.mean())

    def fits(self) -> Floats:
        """Return the log likelihood of rates and powers, and the prior of these, (r, r, a)."""
        power = -0.5 * (np.log(POWERS) / SPREAD) ** 2
        having, without = self._said(*self._parts())
        seen = np.log(np.maximum(having, SMALLEST)) @ self._with + np.log(np.maximum(without, SMALLEST)) @ self._without
        return np.asarray(seen + power - np.logaddexp.reduce(power))

    def doubts(self, share: Floats) -> Floats:
        """Return how probable it is that what is said of each photo is wrong (n,); `share` (r, r) of the pairs of rates."""
        fits = self.fits()
        weight = share[..., None] * np.exp(fits - np.logaddexp.reduce(fits, axis=2)[..., None])  # (r, r, a)
        gone, made = self._parts()
        having, without = self._said(gone, made)
        absent = np.tensordot(weight, gone * self._q / np.maximum(without, SMALLEST), 3)  # (c,)
        present = np.tensordot(weight, made * (1 - self._q) / np.maximum(having, SMALLEST), 3)
        return np.asarray(np.where(self._y, present[self._cell], absent[self._cell]))

    def _parts(self) -> tuple[Floats, Floats]:
        """Return the shares of photos with the label that lack it, and of those without that are given it, (r, r, 1, 1)."""
        return RATES[:, None, None, None], np.minimum(RATES * self._odds, 0.5)[None, :, None, None]

    def _said(self, gone: Floats, made: Floats) -> tuple[Floats, Floats]:
        """Return how probable it is that a photo is said to have the label, and not to have it, (r, r, a, c) each."""
        return (1 - gone) * self._q + made * (1 - self._q), gone * self._q + (1 - made) * (1 - self._q)


def _sigmoid(z: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(z, -700, 700))))

"""Class shares of unlabelled photos (label shift), estimated from the answers of a model that was measured out of fold.

In: probabilities of new photos, and out-of-fold probabilities of training photos with their classes. Out: `PriorEstimate`,
with intervals, and what speaks against it. It is right where the photos of each class look as they did in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import default_errors
from penult.errors import InputError, listed
from penult.evaluate.intervals import Z95
from penult.i18n import _
from penult.texts import count, enumeration, percent

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

ROUNDS, CLOSE = 1000, 1e-6  # of EM
ROUGH_ROUNDS, ROUGH = 100, 1e-4  # of EM in the bootstrap
DRAWS, FEW_DRAWS, MANY = 100, 40, 20_000  # of the bootstrap, and of more than so many probabilities
LEAST = 30  # photos
HELD_OUT = 5  # training photos of each class that were held out
WIDE = 0.5  # width of an interval from which a share is not told
APART = 0.05  # by which the two methods may differ beyond the interval


@dataclass(frozen=True, slots=True)
class PriorEstimate:
    """The class shares (k,) of unlabelled photos, with 95% intervals `low` and `high` (k,).

    `bbse` (k,) is what the second method says, `old` (k,) the shares that the model answers for; `differs`: whether the
    estimate is surely another one; `doubts` are reasons why it may be wrong.
    """

    shares: Floats
    low: Floats
    high: Floats
    bbse: Floats
    old: Floats
    photos: int
    doubts: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether some share lies surely, at 95% for all together, outside those that the model answers for."""
        wider = 1 + 0.25 * np.log2(len(self.shares))  # about Bonferroni's factor: 1.25 for two, 1.83 for ten classes
        low = self.shares - wider * (self.shares - self.low)
        high = self.shares + wider * (self.high - self.shares)
        return bool(((self.old < low) | (self.old > high)).any())

    def describe(self, classes: Sequence[str]) -> str:
        """Return the estimate in a sentence, the classes that changed most first."""
        order = np.argsort(-np.abs(self.shares - self.old), kind="stable")[:5]
        told = [
            _(
                "{name} {share} ({low} to {high}, model: {old})",
                name=classes[c], share=percent(float(self.shares[c])), low=percent(float(self.low[c])),
                high=percent(float(self.high[c])), old=percent(float(self.old[c])),
            )
            for c in order.tolist()
        ]  # fmt: skip
        shares = enumeration(told)
        if len(classes) > len(told):
            shares = _("{names} and {n:,} more", names=shares, n=len(classes) - len(told))
        return _("class shares estimated from {photos}: {shares}", photos=count(self.photos, "photo"), shares=shares)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        names = ("shares", "low", "high", "bbse", "old")
        numbers = {name: [float(v) for v in getattr(self, name)] for name in names}
        return {**numbers, "photos": self.photos, "differs": self.differs, "doubts": list(self.doubts)}


@default_errors
def em_shares(proba: Floats, old: Floats, start: Floats | None = None, rounds: int = ROUNDS, close: float = CLOSE) -> Floats:
    """Return the class shares (k,) under which probabilities (n, k) that hold for the shares `old` are most likely.

    Expectation maximisation (Saerens et al. 2002, eq. 2.9): answer for the shares so far, take the mean of the answers.
    """
    ratio, shares = proba / old, old if start is None else start
    for _i in range(rounds):
        weighed = ratio * shares
        found = (weighed / weighed.sum(axis=1, keepdims=True)).mean(axis=0)
        if np.abs(found - shares).max() < close:
            return np.asarray(found)
        shares = found
    return np.asarray(shares)


@default_errors
def bbse_shares(proba: Floats, y: Ints, held_out: Floats) -> Floats:
    """Return the class shares (k,) whose mixture of the classes' mean answers is the mean of probabilities (n, k).

    Black box shift estimation (Lipton et al., ICML 2018), with probabilities in the place of classes. `held_out` (m, k) are
    those of photos of the classes y (m,).
    """
    k = proba.shape[1]
    means = np.stack([held_out[y == c].mean(axis=0) for c in range(k)], axis=1)  # (k, k) a class a column
    found = np.linalg.lstsq(means, proba.mean(axis=0), rcond=None)[0].clip(min=0)
    return np.asarray(found / max(found.sum(), 1e-12))


@default_errors
def estimate_prior(
    proba: Floats, y: Ints, held_out: Floats, old: Floats, classes: Sequence[str], seed: int = 0
) -> PriorEstimate:
    """Return the class shares of photos with probabilities (n, k).

    Parameters
    ----------
    proba : array (n, k)
        What the model answers for the new photos.
    y, held_out : array (m,) and (m, k)
        Classes of training photos, and the probabilities that they had out of fold.
    old : array (k,)
        The class shares that all probabilities hold for.
    classes : sequence of str (k)
        Their names.
    seed : int, default 0
        Of the bootstrap.

    Raises
    ------
    InputError
        When it cannot be told: too few photos, or classes that the model does not tell apart.
    """
    n, k = proba.shape
    few = [classes[c] for c in range(k) if (y == c).sum() < HELD_OUT]
    if n < LEAST or few:
        if n >= LEAST:
            raise InputError(
                _(
                    "class shares cannot be estimated from fewer than {n} held-out training photos of {classes}; give them "
                    "with --prior, or more photos.",
                    n=HELD_OUT,
                    classes=listed(few),
                )
            )
        raise InputError(
            _(
                "class shares cannot be estimated from only {photos}; give them with --prior, or more photos.",
                photos=count(n, "photo"),
            )
        )
    shares, bbse = em_shares(proba, old), bbse_shares(proba, y, held_out)
    low, high = _interval(shares, n, y, held_out, old, seed)
    if (wide := int((high - low).argmax())) >= 0 and high[wide] - low[wide] > WIDE:
        raise InputError(
            _(
                "class shares cannot be estimated: that of {name!r} lies anywhere from {low} to {high}; give them with "
                "--prior, or more photos.",
                name=classes[wide],
                low=percent(float(low[wide])),
                high=percent(float(high[wide])),
            )
        )
    outside = np.maximum(low - bbse, bbse - high)
    doubts = []
    if outside.max() > APART:
        c = int(outside.argmax())
        doubts.append(
            _(
                "a second method (BBSE) says {share} of {name!r}: photos of a class may look otherwise than in training, or "
                "probabilities be off",
                share=percent(float(bbse[c])),
                name=classes[c],
            )
        )
    return PriorEstimate(shares, low, high, bbse, old, n, tuple(doubts))


def _interval(shares: Floats, n: int, y: Ints, held_out: Floats, old: Floats, seed: int) -> tuple[Floats, Floats]:
    """Return the ends of the 95% intervals of shares (k,) that EM found for n photos.

    How far EM is off comes from photos that were held out: drawn anew, by class, with these shares. The interval is Wilson's
    for as many counted photos as have that error; it holds for shares of 0, too.
    """
    rng, k = np.random.default_rng(seed), len(shares)
    truth = (n * shares + 0.5) / (n + 0.5 * k)  # a share of 0 would be drawn without error
    rows = [np.flatnonzero(y == c) for c in range(k)]
    errors = []
    for _i in range(DRAWS if n * k <= MANY else FEW_DRAWS):
        counts = rng.multinomial(n, truth)
        # of the held-out photos some are drawn first: they are a sample, too
        drawn = np.concatenate([rng.choice(rng.choice(mine, len(mine)), m) for mine, m in zip(rows, counts, strict=True)])
        errors.append(em_shares(held_out[drawn], old, truth, ROUGH_ROUNDS, ROUGH) - truth)
    square = np.maximum(np.mean(np.square(errors), axis=0), 1e-12)
    counted = np.minimum(truth * (1 - truth) / square, n)
    middle = (shares + Z95**2 / 2 / counted) / (1 + Z95**2 / counted)
    half = Z95 / (1 + Z95**2 / counted) * np.sqrt(shares * (1 - shares) / counted + Z95**2 / 4 / counted**2)
    return np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)


def rows_with_shares(y: NDArray[Any], shares: Floats, rng: np.random.Generator) -> Ints:
    """Return the numbers of as many random photos of the classes y (n,) as there are with these class shares (k,)."""
    counts = np.bincount(y, minlength=len(shares))
    total = min(counts[c] / share for c, share in enumerate(shares) if share > 1 / len(y))
    wanted = np.rint(total * shares).astype(int)
    return np.concatenate([rng.permutation(np.flatnonzero(y == c))[:n] for c, n in enumerate(wanted)])

"""Logistic regression and shrinkage LDA, averaged; the default head.

They err differently: one learns from the rows near the border, the other from the shape of the classes. The logits are
averaged, which is the geometric mean of the probabilities, so the result is one linear classifier, explained as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from penult.arrays import Array
from penult.heads.choice import Search, smoothed_log_loss
from penult.heads.head import Head
from penult.heads.methods.lda import search_shrinkage
from penult.heads.methods.logistic import search_C
from penult.heads.scoring import HeadState
from penult.heads.spaces import linear_spaces, whole_space
from penult.heads.task import Task

WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of LDA
# A mixed blend is right before anything is known; nats by which the held-out rows must speak against it, times the squared
# distance. Measured on five data sets with 10, 20, 50 and all photos a class (`benchmarks/trust.py heads`).
USUAL, STRENGTH = 0.35, 5.0


@dataclass(eq=False, repr=False)
class Blend(Head):
    """Average the logits of `logistic` and `lda`, each with its own regularisation, LDA's at its own temperature.

    The weight of LDA is chosen by held-out log loss, from the same folds as `C` and `shrinkage` (None chooses those, too), and
    one temperature for the average. See `Head.fit` for the rest.
    """

    name = "blend"
    streams = True

    C: float | Sequence[float] | None = None
    shrinkage: float | None = None

    def search(self, task: Task) -> Search:
        """Return the two searches on one set of coordinates, joined."""
        spaces = linear_spaces(task, self.scaling if task.stream is None else "none")
        whole = cache(lambda: whole_space(task, self.scaling, spaces))  # made once for both
        one, other = search_C(task, spaces, whole, self.C), search_shrinkage(task, self, spaces, whole, self.shrinkage)
        alone = {"C": None, "shrinkage": None, "lda_weight": 0.0}
        candidates = [{**alone, **c} for c in one.candidates]
        candidates += [{**alone, **c, "lda_weight": 1.0} for c in other.candidates]
        return BlendSearch(candidates, [*one.logits, *other.logits], lambda _: HeadState("", {}), parts=(one, other))


@dataclass
class BlendSearch(Search):
    """The candidates are those of the two heads; a blend joins them when it is found to be the best for some rows."""

    parts: tuple[Search, Search] = field(kw_only=True)

    def __post_init__(self) -> None:
        one, other = self.parts
        self.temperatures = [t for part in self.parts for _, t in part.judged()]
        self.refit = self._refit
        self._numbers: dict[tuple[int, int, float], int] = {}  # of the blends
        if not self.logits:  # no folds: half of each
            self.candidates = [{**one.candidates[0], **other.candidates[0], "lda_weight": 0.5}]
            self._numbers[0, 0, 0.5] = 0

    def best(self, task: Task, rows: Array | None = None) -> int:
        """Return the number of the blend of the best of either head with the best weight."""
        one, other = self.parts
        i, j = one.best(task, rows), other.best(task, rows)
        (z, _), (lda, heat) = one.judged()[i], other.judged()[j]
        blends = [centred(z) * (1 - weight) + centred(lda) * (weight / heat) for weight in WEIGHTS]
        count = task.total(rows)
        costs = [smoothed_log_loss(blend, task, 1.0, rows) for blend in blends]
        at = int(np.argmin(np.array(costs) + STRENGTH / count * (np.array(WEIGHTS) - USUAL) ** 2))
        key = (i, j, WEIGHTS[at])
        if key not in self._numbers:
            self._numbers[key] = len(self.candidates)
            self.candidates.append({**one.candidates[i], **other.candidates[j], "lda_weight": WEIGHTS[at]})
            self.logits.append(blends[at])
            self.temperatures = [*(self.temperatures or []), 1.0]
        return self._numbers[key]

    def _refit(self, number: int) -> HeadState:
        """Return both heads of all rows as one linear classifier."""
        i, j, weight = next(key for key, at in self._numbers.items() if at == number)
        one, other = self.parts
        heat = other.judged()[j][1] if other.logits else 1.0
        shares = ((one, i, 1 - weight), (other, j, weight / heat))
        arrays = joined([(part.refit(at), share) for part, at, share in shares if share])
        return HeadState("linear", arrays, {name: self.candidates[number][name] for name in ("C", "shrinkage")})


def joined(states: list[tuple[HeadState, float]]) -> dict[str, Array]:
    """Return the arrays of the one linear head whose logits are the sum of those of others, each times its share."""
    arrays = {**states[0][0].arrays}
    for name in ("weights", "intercepts"):
        total = sum(one_a_class(state.arrays[name].astype(float)) * share for state, share in states)
        arrays[name] = np.asarray(total, arrays[name].dtype)
    return arrays


def centred(logits: Array) -> Array:
    """Return logits (n, k) whose rows add up to 0."""
    return np.asarray(logits - logits.mean(axis=1, keepdims=True))


def one_a_class(columns: Array) -> Array:
    """Return weights (k, d) or intercepts (k,) that add up to 0, of what may be one margin."""
    if len(columns) == 1:
        return np.concatenate([-columns / 2, columns / 2])
    return np.asarray(columns - columns.mean(axis=0))

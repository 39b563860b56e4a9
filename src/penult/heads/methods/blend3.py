"""The default blend and a support vector machine with a Gaussian kernel, averaged.

The blend is linear in the features; the kernel adds what no linear head can say. Its weight is chosen with those of the other
two, and where it is 0 the head is one linear classifier, as the blend is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from penult.arrays import Array
from penult.heads.choice import Search, smoothed_log_loss
from penult.heads.methods.blend import STRENGTH, USUAL, Blend, BlendSearch, centred, joined, one_a_class
from penult.heads.methods.svm import SVM
from penult.heads.scoring import HeadState
from penult.heads.task import Task

QUARTERS = 4
# The weights of logistic, LDA and SVM (w, 3) that are tried. Measured: `benchmarks/jobs.py heads`.
SIMPLEX = np.array([(i, j, QUARTERS - i - j) for i in range(5) for j in range(5 - i) if i + j]) / QUARTERS
BEFORE = np.array([1 - USUAL, USUAL, 0.0])  # what is right before anything is known: the blend as it is without the SVM


@dataclass(eq=False, repr=False)
class Blend3(Blend):
    """Average the logits of `logistic`, `lda` and an rbf `svm`, those of the last two at their own temperatures.

    The weights, quarters that add up to 1, are chosen by held-out log loss, from the same folds as all else. The SVM needs all
    rows in memory. Without folds it is the blend. See `Blend` and `Head.fit` for the rest.
    """

    name = "blend3"
    streams = False

    def search(self, task: Task) -> Search:
        """Return the searches of all three, joined."""
        two = super().search(task)
        if task.folds is None or not isinstance(two, BlendSearch):
            return two
        svm = SVM(kernel="rbf", scaling=self.scaling, calibrate=self.calibrate).search(task)
        candidates: list[dict[str, Any]] = [{**c, "svm_weight": 0.0, "svm_C": None, "svm_width": None} for c in two.candidates]
        return Blend3Search(candidates, [*two.logits], lambda _: HeadState("", {}), linear=two.parts, svm=svm)


@dataclass
class Blend3Search(Search):
    """The candidates are those of the linear heads; a blend of three joins them when it is the best for some rows."""

    linear: tuple[Search, Search] = field(kw_only=True)
    svm: Search = field(kw_only=True)

    def __post_init__(self) -> None:
        self.temperatures = [t for part in self.linear for _, t in part.judged()]
        self.refit = self._refit
        self._numbers: dict[tuple[int, int, int, int], int] = {}  # of the blends

    def best(self, task: Task, rows: Array | None = None) -> int:
        """Return the number of the blend of the best of each head with the best weights."""
        parts = (*self.linear, self.svm)
        i, j, m = (part.best(task, rows) for part in parts)
        found = [part.judged()[at] for part, at in zip(parts, (i, j, m), strict=True)]
        members = np.stack([centred(z) / heat for z, heat in found])  # (3, n, k); logistic's temperature is 1
        blends = [np.tensordot(weights, members, 1) for weights in SIMPLEX]
        costs = np.array([smoothed_log_loss(blend, task, 1.0, rows) for blend in blends])
        # half the strength: without the SVM both weights move, and the sum is that of the blend
        far = ((SIMPLEX - BEFORE) ** 2).sum(axis=1)
        at = int(np.argmin(costs + STRENGTH / 2 / task.total(rows) * far))
        key = (i, j, m, at)
        if key not in self._numbers:
            one, other, third = (part.candidates[number] for part, number in zip(parts, key, strict=False))
            self._numbers[key] = len(self.candidates)
            told = {"svm_weight": float(SIMPLEX[at, 2]), "svm_C": third["C"], "svm_width": third["width"]}
            self.candidates.append({**one, **other, "lda_weight": float(SIMPLEX[at, 1]), **told})
            self.logits.append(blends[at])
            self.temperatures = [*(self.temperatures or []), 1.0]
        return self._numbers[key]

    def _refit(self, number: int) -> HeadState:
        """Return all rows' linear heads as one, beside the kernel where that has a weight."""
        i, j, m, at = next(key for key, found in self._numbers.items() if found == number)
        (one, other), (w, lda, share) = self.linear, SIMPLEX[at].tolist()
        heat = other.judged()[j][1]
        linear = joined([(part.refit(k), by) for part, k, by in ((one, i, w), (other, j, lda / heat)) if by])
        facts = {name: self.candidates[number][name] for name in ("C", "shrinkage")}
        if not share:
            return HeadState("linear", linear, facts)
        state = self.svm.refit(m)
        by = share / self.svm.judged()[m][1]
        arrays = {**state.arrays, "direct": linear["weights"], "weights": one_a_class(state.arrays["weights"]) * by}
        arrays["intercepts"] = one_a_class(state.arrays["intercepts"]) * by + linear["intercepts"]
        return HeadState("mixed", arrays, {**facts, "gamma": state.facts["gamma"]})

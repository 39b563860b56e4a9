"""The exam: photos drawn by lot before anything is labelled, asked without a guess, and never learnt from.

A score of labels that were chosen is no score: of the photos that a model is least sure about it gets half wrong, and is right
on nine tenths of all. So a number of families is reserved by lot, in an order that nothing later can change; they are asked in
this order, and the score is that of the first of them, up to the first that has no answer yet. Whoever labels one of them in
another way cannot move the score by that, as it counts when its turn comes.

What is claimed: the accuracy of the present model on photos of this project drawn by lot that it has not learnt from, those
apart that were skipped, left out, or are of none of the classes; one family of near copies counts once. The interval is
Wilson's (`benchmarks/studio.py exam`: how often it holds the truth).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from penult.evaluate import wilson
from penult.studio.view import LabelView

Ints = NDArray[np.intp]

SHARE, LEAST, MOST = 0.1, 20, 100  # of the families that are reserved, and how many at least and at most
LARGEST = 0.2  # share of the families that may be reserved at all
ENOUGH = 20  # answers below which a score says nothing


@dataclass(frozen=True, slots=True)
class ExamScore:
    """How many exam photos were asked and answered rightly by the model; None where the answers are too few to say."""

    asked: int
    right: int
    planned: int
    score: float | None
    low: float | None
    high: float | None

    @property
    def enough(self) -> bool:
        """Whether the score says anything."""
        return self.score is not None


class Exam:
    """The lot, and what was answered of it.

    Parameters
    ----------
    families : array (N,)
        The family of each photo: near copies of one picture.
    seed : int
        By which the lot is drawn.
    digests : sequence of str, optional
        sha256 of the photos: with them the lot is the same whatever order the photos come in, and photos that are added
        later take random places in it.

    Examples
    --------
    >>> import numpy as np
    >>> exam = Exam(np.arange(300), seed=0)
    >>> exam.planned, int(exam.reserved.sum())
    (30, 30)
    """

    def __init__(self, families: Ints, seed: int = 0, digests: Sequence[str] | None = None) -> None:
        self.families: Ints = np.unique(families, return_inverse=True)[1].astype(np.intp)
        n, count = len(self.families), int(self.families.max(initial=-1)) + 1
        names = [f"{i:08d}" for i in range(n)] if digests is None else list(digests)
        keys = [hashlib.sha256(f"{seed} {name}".encode()).hexdigest() for name in names]
        first: dict[int, int] = {}  # of each family the photo with the smallest key stands for it
        for photo in sorted(range(n), key=keys.__getitem__):
            first.setdefault(int(self.families[photo]), photo)
        self.planned = min(max(LEAST, min(MOST, round(SHARE * count))), int(LARGEST * count))
        self.order: Ints = np.array(
            list(first.values())[: self.planned], np.intp
        )  # (planned,) photos, in the order of the lot
        self.reserved: NDArray[np.bool_] = np.isin(self.families, self.families[self.order])

    def waiting(self, view: LabelView) -> list[int]:
        """Return the photos without an answer in the order of the lot; those that were skipped come last."""
        photos = self.order[~view.decided[self.order]]
        return [*photos[~view.skipped[photos]].tolist(), *photos[view.skipped[photos]].tolist()]

    def sample(self, view: LabelView) -> Ints:
        """Return the photos (m,) that the score is made of: the lot's first, up to the first without an answer."""
        settled = (view.decided | view.skipped)[self.order]
        reached = len(settled) if settled.all() else int(settled.argmin())
        first = self.order[:reached]
        return first[view.labelled[first]]

    def learnable(self, view: LabelView) -> NDArray[np.bool_]:
        """Return which photos (N,) a model may learn from: those with a label, and none of the exam's families."""
        return view.labelled & ~self.reserved

    def score(self, view: LabelView, proba: NDArray[np.floating]) -> ExamScore:
        """Return the score of a model's answers proba (N, k) on the exam so far."""
        photos = self.sample(view)
        return self.score_of(int((proba[photos].argmax(axis=1) == view.labels[photos]).sum()), len(photos))

    def score_of(self, right: int, asked: int) -> ExamScore:
        """Return the score of so many right answers; None where they are too few to say anything."""
        if asked < ENOUGH:
            return ExamScore(asked, right, self.planned, None, None, None)
        low, high = wilson(right, asked)
        return ExamScore(asked, right, self.planned, right / asked, float(low), float(high))


@dataclass(frozen=True, slots=True)
class Agreement:
    """How many labelled photos were asked again, blind, and how many got the same label; the interval where it says much."""

    asked: int
    same: int
    low: float | None
    high: float | None


def agreement(view: LabelView) -> Agreement:
    """Return how often the second answer was the first one."""
    asked, same = len(view.asked_again), sum(view.asked_again.values())
    low, high = wilson(same, asked) if asked else (None, None)
    return Agreement(asked, same, None if low is None else float(low), None if high is None else float(high))

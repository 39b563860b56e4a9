"""How good the model is and how it got there: the curve over labels, each class, what would help most, when to stop.

In: the exam, the labels, the quick model and the background's newest result. Out: plain numbers, None wherever the evidence
carries none. The curve keeps what the model said of all exam photos at each size, so that every answer that is added tells of
all points, and two points differ only where the model changed its mind.

When to stop: answers that did not change cannot have become better, so the share of all photos whose answer changed between
two sizes bounds what the labels between them gained, without any label (stabilizing predictions: Bloodgood & Vijay-Shanker,
CoNLL 2009).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.studio.background import HeadResult
from penult.studio.exam import Exam, ExamScore, agreement
from penult.studio.quick_model import QuickModel
from penult.studio.view import LabelView

Ints = NDArray[np.intp]

GROWTH = 1.15  # times as many labels between two points of the curve
FIRST = 10  # labels of its first point
HELPED, HELP = 3, 20  # classes that are told what would help, and photos for each
FEW = 10  # labelled photos of a class below which its recall says nothing
SETTLED = 0.02  # share of the answers that may still change while the labels double
NARROW = 0.1  # half width of the exam's interval that is enough to stop at


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The model with so many labels: its answers to the exam's photos, and to a sample of all, class numbers."""

    labels: int
    exam: tuple[int, ...]
    sample: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Stop:
    """Whether more labels are worth while, as far as can be told.

    `key`: "early" (too few answers to say), "go_on" (answers still change), "settled" (they do not any more), "all" (every
    photo has a label). `values` are what it rests on.
    """

    key: str
    values: dict[str, float | int | None]


class Quality:
    """Keeps the curve of a project, and answers what is to be known of the model.

    Parameters
    ----------
    exam : Exam
        Of the project.
    points : sequence of dict
        The curve as `to_list` gave it, of an earlier session.
    """

    def __init__(self, exam: Exam, points: Sequence[dict[str, Any]] = ()) -> None:
        self.exam = exam
        n = len(exam.families)
        self._sample: Ints = np.unique(np.linspace(0, n - 1, min(n, 2000)).astype(np.intp)) if n else np.zeros(0, np.intp)
        made = (CurvePoint(p["labels"], tuple(p["exam"]), tuple(p["sample"])) for p in points)
        self._points = [p for p in made if len(p.exam) == len(exam.order) and len(p.sample) == len(self._sample)]

    def to_list(self) -> list[dict[str, Any]]:
        """Return the curve as plain values, to be kept with the project."""
        return [asdict(point) for point in self._points]

    def watch(self, view: LabelView, model: QuickModel) -> bool:
        """Add a point to the curve if the labels have grown by enough; return whether one was added."""
        count = int(self.exam.learnable(view).sum())
        while self._points and self._points[-1].labels > count:  # labels were taken away
            self._points.pop()
        if not model.ready or count < max(FIRST, GROWTH * (self._points[-1].labels if self._points else 0)):
            return False
        self._points.append(self._point(count, model))
        return True

    def _point(self, count: int, model: QuickModel) -> CurvePoint:
        answers = model.proba.argmax(axis=1)
        return CurvePoint(count, tuple(answers[self.exam.order].tolist()), tuple(answers[self._sample].tolist()))

    def score(self, view: LabelView, model: QuickModel) -> ExamScore:
        """Return the model's score on the exam; that of no answers before there is a model."""
        return self.exam.score(view, model.proba) if model.ready else self.exam.score_of(0, 0)

    def curve(self, view: LabelView) -> list[dict[str, float | int | None]]:
        """Return the accuracy on the exam at each size, with its interval; none before the exam says anything."""
        place = {photo: i for i, photo in enumerate(self.exam.order.tolist())}
        photos = self.exam.sample(view)
        at, truth = [place[p] for p in photos.tolist()], view.labels[photos]
        found: list[dict[str, float | int | None]] = []
        for point in self._points:
            one = self.exam.score_of(int((np.array(point.exam)[at] == truth).sum()) if at else 0, len(at))
            if one.enough:
                found.append({"labels": point.labels, "accuracy": one.score, "low": one.low, "high": one.high})
        return found

    def changed(self, view: LabelView, model: QuickModel) -> tuple[int, float] | None:
        """Return how many labels the model had at half of today's, and the share of photos that it answers otherwise now."""
        count = int(self.exam.learnable(view).sum())
        half = [point for point in self._points if point.labels <= count / 2]
        if not half or not model.ready:
            return None
        now = model.proba[self._sample].argmax(axis=1)
        return half[-1].labels, float((now != np.array(half[-1].sample)).mean())

    def classes(self, view: LabelView, model: QuickModel, result: HeadResult | None) -> list[dict[str, Any]]:
        """Return of each class: labelled photos, recall and precision, the doubt about those taken for it.

        Recall and precision are out of fold of the labelled photos; these were chosen, so they compare classes, and are no
        score. None where a class has too few. `doubt` is how many of the photos taken for it are expected to be wrong.
        """
        labelled = np.bincount(view.labels[view.labelled], minlength=view.classes)
        doubt = self._doubt(view, model)
        found = []
        for c in range(view.classes):
            if c in view.removed:
                continue
            told = result is not None and labelled[c] >= FEW
            recall = result.recall.get(c) if result is not None and told else None
            precision = result.precision.get(c) if result is not None and told else None
            found.append(
                {"class": c, "labelled": int(labelled[c]), "recall": recall, "precision": precision, "doubt": float(doubt[c])}
            )
        return found

    def _open(self, view: LabelView) -> Ints:
        """Return the photos without a label that may be learnt."""
        return np.flatnonzero(~view.decided & ~self.exam.reserved)

    def _doubt(self, view: LabelView, model: QuickModel) -> NDArray[np.float64]:
        """Return for each class how many of the unlabelled photos taken for it are expected to be wrong, (k,)."""
        free = self._open(view)
        if not model.ready or not len(free):
            return np.zeros(view.classes)
        proba = model.proba[free]
        return np.bincount(proba.argmax(axis=1), 1 - proba.max(axis=1), view.classes).astype(np.float64)

    def help(self, view: LabelView, model: QuickModel) -> list[dict[str, Any]]:
        """Return the classes in which most is in doubt, and 20 photos of each whose labels would help most."""
        doubt, free = self._doubt(view, model), self._open(view)
        own = model.proba[free].argmax(axis=1)
        found = []
        for c in np.argsort(-doubt, kind="stable")[:HELPED].tolist():
            if doubt[c] < 1 or c in view.removed:
                continue
            taken = free[own == c]
            best = np.sort(model.proba[taken], axis=1)
            order = taken[np.argsort(best[:, -1] - best[:, -2], kind="stable")]
            one_each = order[np.sort(np.unique(self.exam.families[order], return_index=True)[1])][:HELP]
            found.append({"class": c, "numbers": one_each.tolist(), "doubt": float(doubt[c])})
        return found

    def stop(self, view: LabelView, model: QuickModel) -> Stop:
        """Return whether to go on, as far as the evidence carries."""
        score = self.score(view, model)
        left = int((~view.decided).sum())
        labels = int(view.labelled.sum())
        known: dict[str, float | int | None] = {"labels": labels, "left": left, "score": score.score, "low": score.low}
        if not left:
            return Stop("all", known)
        changed = self.changed(view, model)
        if changed is None or score.low is None or score.high is None:
            return Stop("early", known)
        known |= {"since": changed[0], "changed": changed[1], "high": score.high}
        settled = changed[1] <= SETTLED and score.high - score.low <= 2 * NARROW
        return Stop("settled" if settled else "go_on", known)

    def summary(self, view: LabelView, model: QuickModel, result: HeadResult | None) -> dict[str, Any]:
        """Return all of it, ready for JSON; `background` is the whole head's score on the exam."""
        return {
            "exam": exam_dict(self.score(view, model)),
            "curve": self.curve(view),
            "classes": self.classes(view, model, result),
            "help": self.help(view, model),
            "agreement": asdict(agreement(view)),
            "background": self.background(view, result),
            "stop": asdict(self.stop(view, model)),
        }

    def background(self, view: LabelView, result: HeadResult | None) -> dict[str, Any] | None:
        """Return the whole head's score on the exam; None before there is one."""
        if result is None or not result.proba.size:
            return None
        photos = self.exam.sample(view)
        right = int((result.classes[result.proba[photos].argmax(axis=1)] == view.labels[photos]).sum())
        one = self.exam.score_of(right, len(photos))
        return {"labels": result.labels, "accuracy": one.score, "low": one.low, "high": one.high, "note": result.note}


def exam_dict(one: ExamScore) -> dict[str, Any]:
    """Return the exam's score, ready for JSON."""
    return {**asdict(one), "enough": one.enough}

"""What is asked next: photos that teach the model most, pages that are labelled fastest, the exam, and the second look.

In: the quick model and the labels as they are. Out: questions (`Question`), pages of photos taken for one class (`Page`). All
of it follows from the model, the labels and the seed; nothing is kept between calls.

*Doubt*: least sure first, by the margin of the two likeliest classes (Scheffer, Decomain & Wrobel 2001), none near another
that was just asked; while there are few labels every second one is the middle of a cluster without labels, so that all classes
turn up soon. Every eighth question is one of the exam (`penult.studio.exam`), every fiftieth a photo that has a label already,
asked again without it: agreement with oneself. One family of near copies is one question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from penult.arrays import unit_rows
from penult.studio.exam import Exam
from penult.studio.quick_model import QuickModel
from penult.studio.view import LabelView

Ints = NDArray[np.intp]

EXAM_EVERY, SLOWER, SLOW = 8, 24, 60  # questions between two of the exam; after so many answers of it
AGAIN_EVERY = 48  # 2% of the questions, never where one of the exam stands
AGAIN_AFTER = 20  # acts that lie between the two answers, at least
CLUSTERS = ((3, 12), (6, 24), (10**9, 48))  # for up to so many classes, so many middles are asked first
ROUNDS, SAMPLE = 8, 4096  # of k-means, and the photos that it looks at
GUESSES = 3
LIKELY, FEWEST = 0.5, 6  # a less likely photo costs more on a page than asked by itself; a page has so many at least
APART = 0.9  # cosine above which a photo is too near another that is asked at the same time
LOOKED_AT = 200  # doubtful photos among which the next ones are sought


@dataclass(frozen=True, slots=True)
class Question:
    """A photo to be labelled.

    `kind`: "doubt", "first" (the middle of a cluster), "exam" or "again"; the last two are asked without guesses. `guesses`
    are up to three (class, probability), the likeliest first. `id` is the same as long as the question is.
    """

    id: str
    number: int
    kind: str
    guesses: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """Photos that are taken for one class, the surest first, with their probability; how many are expected to be wrong."""

    label: int
    numbers: tuple[int, ...]
    p: tuple[float, ...]
    expected_wrong: float


class Questions:
    """Chooses the next questions of a project.

    Parameters
    ----------
    model : QuickModel
        Of the same photos.
    families : array (N,)
        The family of each photo.
    seed : int
        Of the lot and the clusters.
    digests : sequence of str, optional
        sha256 of the photos, by which the lot does not depend on their order.
    """

    def __init__(self, model: QuickModel, families: Ints, seed: int = 0, digests: Sequence[str] | None = None) -> None:
        self.model, self.seed = model, seed
        self.exam = Exam(families, seed, digests)
        self.families = self.exam.families
        self._clusters: dict[int, tuple[Ints, Ints]] = {}  # by their number, as `clusters` gives them

    def next(self, mode: str, view: LabelView, count: int = 3) -> list[Question]:
        """Return the next questions, at most `count`; "mixed" is "doubt" between pages, without middles of clusters."""
        found: list[Question] = []
        taken = set(view.shown)
        chosen: list[tuple[int, str]] | None = None
        for number in range(view.acts, view.acts + count):
            asked = self._drawn(number, view, taken)
            if asked is None:
                chosen = self._teaching(mode, view, taken, count) if chosen is None else chosen
                shown = set(self.families[list(taken)].tolist())
                fresh = [(photo, kind) for photo, kind in chosen if self.families[photo] not in shown]
                asked = self._question(*fresh[0], view) if fresh else self._left(view, taken)
            if asked is None:
                break
            taken.add(asked.number)
            found.append(asked)
        return found

    def page(self, label: int, view: LabelView, count: int = 24) -> Page:
        """Return up to `count` unlabelled photos taken for a class, the surest first, one of each family."""
        every = self._free(view, set(view.shown))
        ordinary = every & ~self.exam.reserved
        free = np.flatnonzero(ordinary if ordinary.any() else every)  # when all others are done, the exam's are as good
        proba = self.model.proba
        if not self.model.ready or label >= proba.shape[1] or not len(free):
            return Page(label, (), (), 0.0)
        taken = free[proba[free].argmax(axis=1) == label]
        if label in view.rejected:
            taken = taken[~view.rejected[label][taken]]
        first = self._one_each(taken[np.lexsort((taken, -proba[taken, label]))], count)
        first = first[: max(FEWEST, int((proba[first, label] >= LIKELY).sum()))]
        p = proba[first, label].astype(float)
        return Page(label, tuple(first.tolist()), tuple(p.tolist()), float((1 - p).sum()))

    def _drawn(self, number: int, view: LabelView, taken: set[int]) -> Question | None:
        """Return the question of the exam, or the second look, where it is the turn of one."""
        answered = len(self.exam.sample(view))
        every = EXAM_EVERY if answered < SLOW else SLOWER
        if number % every == every - 1:
            photo = self._exam_photo(view, taken)
            if photo is not None:
                return self._question(photo, "exam", view)
        if number % AGAIN_EVERY == AGAIN_EVERY - 1 - EXAM_EVERY // 2:
            photo = self._again_photo(number, view, taken)
            if photo is not None:
                return self._question(photo, "again", view)
        return None

    def _exam_photo(self, view: LabelView, taken: set[int]) -> int | None:
        return next((p for p in self.exam.waiting(view) if p not in taken), None)

    def _again_photo(self, number: int, view: LabelView, taken: set[int]) -> int | None:
        """Return a photo that the user labelled some time ago and that was not asked twice, drawn by lot."""
        known = np.flatnonzero(view.labelled & (view.age >= AGAIN_AFTER))
        known = np.array([p for p in known.tolist() if p not in view.asked_again and p not in taken], np.intp)
        return int(np.random.default_rng([self.seed, number]).choice(known)) if len(known) else None

    def _open(self, view: LabelView, taken: set[int]) -> NDArray[np.bool_]:
        """Return which photos have no answer yet, (N,), nor have others of their family, nor is one of these shown."""
        done = np.zeros(int(self.families.max(initial=-1)) + 1, bool)
        done[self.families[view.labelled | view.select("none")]] = True  # of copies one may be excluded and another kept
        if taken:
            done[self.families[list(taken)]] = True
        return np.asarray(~done[self.families] & ~view.decided)

    def _free(self, view: LabelView, taken: set[int]) -> NDArray[np.bool_]:
        """Return which photos may be asked, (N,): those without an answer that were not skipped either."""
        return self._open(view, taken) & ~view.skipped

    def _teaching(self, mode: str, view: LabelView, taken: set[int], count: int) -> list[tuple[int, str]]:
        """Return photos to learn from and their kind: middles of clusters and the most doubtful by turns."""
        free = np.flatnonzero(self._free(view, taken) & ~self.exam.reserved)
        if not len(free):
            return []
        middles = [] if mode == "mixed" and self.model.ready else [(photo, "first") for photo in self._first(view, free)]
        if not self.model.ready:  # no label yet, or one class alone: when all clusters were asked, by lot
            by_lot = free[np.random.default_rng([self.seed, view.acts]).permutation(len(free))[:count]]
            return [*middles, *((photo, "first") for photo in by_lot.tolist())]
        doubtful = [(photo, "doubt") for photo in self._doubtful(free, 2 * count)]
        pairs = zip(doubtful, middles, strict=False)
        return [*(one for pair in pairs for one in (pair[::-1] if view.acts % 2 else pair)), *doubtful]

    def _doubtful(self, free: Ints, count: int) -> list[int]:
        proba = self.model.proba[free]
        best = np.partition(proba, -2, axis=1)[:, -2:]
        margin = best[:, 1] - best[:, 0]
        first = free[np.argsort(margin, kind="stable")[:LOOKED_AT]]
        chosen: list[int] = []  # places in `first`
        Z = unit_rows(self.model.Z[first])
        for i in range(len(first)):
            if not chosen or float((Z[chosen] @ Z[i]).max()) < APART:
                chosen.append(i)
            if len(chosen) == count:
                break
        return [int(photo) for photo in first[chosen]]

    def _first(self, view: LabelView, free: Ints) -> list[int]:
        """Return the middle photo of each cluster in which nothing has a label yet, those of large clusters first."""
        order, own = self._clustered(view)
        size = np.bincount(own)
        empty = np.bincount(own[self.exam.learnable(view)], minlength=len(size)) == 0
        open_ = np.zeros(len(own), bool)
        open_[free] = True
        order = order[open_[order] & empty[own[order]]]
        filled, at = np.unique(own[order], return_index=True)
        return [int(order[i]) for i in at[np.argsort(-size[filled], kind="stable")]]

    def _clustered(self, view: LabelView) -> tuple[Ints, Ints]:
        """Return all photos, those in the middle of their cluster first, and the cluster of each photo (N,)."""
        known = view.classes - len(view.removed)
        number = next(count for most, count in CLUSTERS if known <= most)
        if number not in self._clusters:
            self._clusters[number] = clusters(self.model.Z, number, self.seed)
        return self._clusters[number]

    def _left(self, view: LabelView, taken: set[int]) -> Question | None:
        """Return what is left when nothing else is: the exam's photos, copies of excluded ones, and what was skipped."""
        photo = self._exam_photo(view, taken)
        if photo is not None:
            return self._question(photo, "exam", view)
        left = np.flatnonzero(self._open(view, taken))
        if not len(left):
            return None
        first = int(left[view.skipped[left].argmin()])
        return self._question(first, "exam" if self.exam.reserved[first] else "doubt", view)

    def _question(self, photo: int, kind: str, view: LabelView) -> Question:
        guesses: tuple[tuple[int, float], ...] = ()
        if kind not in ("exam", "again") and self.model.ready:
            p = self.model.proba[photo]
            best = np.argsort(-p, kind="stable")[:GUESSES].tolist()
            guesses = tuple((c, float(p[c])) for c in best if p[c] > 0 and c not in view.removed)
        return Question(f"{kind}-{photo}", photo, kind, guesses)

    def _one_each(self, photos: Ints, count: int) -> Ints:
        """Return the first photos of each family, at most `count`, in their order."""
        return photos[np.sort(np.unique(self.families[photos], return_index=True)[1])][:count]


def clusters(Z: NDArray[np.float32], number: int, seed: int) -> tuple[Ints, Ints]:
    """Return all photos of Z (N, r), those in the middle of their cluster first, and the cluster of each (N,).

    k-means from far apart photos (k-means++: Arthur & Vassilvitskii 2007), on a part of them where they are many.
    """
    rng = np.random.default_rng(seed)
    some = Z[np.sort(rng.permutation(len(Z))[:SAMPLE])]
    square = np.einsum("nr,nr->n", some, some)
    centers = some[rng.integers(len(some))][None]
    near = np.full(len(some), np.inf)
    while len(centers) < min(number, len(some)):
        near = np.minimum(near, np.maximum(square - 2 * some @ centers[-1] + centers[-1] @ centers[-1], 0))
        if near.sum() <= 0:
            break
        centers = np.vstack([centers, some[rng.choice(len(some), p=near / near.sum())]])
    for _ in range(ROUNDS):
        own = _nearest(some, centers)
        for cluster in np.unique(own).tolist():
            centers[cluster] = some[own == cluster].mean(axis=0)
    own = _nearest(Z, centers)
    far = (
        np.einsum("nr,nr->n", Z, Z) - 2 * np.einsum("nr,nr->n", Z, centers[own]) + np.einsum("cr,cr->c", centers, centers)[own]
    )
    return np.argsort(far, kind="stable"), own


def _nearest(Z: NDArray[np.float32], centers: NDArray[np.float32]) -> Ints:
    return np.asarray((np.einsum("cr,cr->c", centers, centers) / 2 - Z @ centers.T).argmin(axis=1))

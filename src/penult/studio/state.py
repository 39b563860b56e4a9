"""The state of a project that is being labelled, and what is worked out from it: questions, pages, lists, scores.

In: the label store, the models, what acts said beside labels. Out: answers ready for JSON. Whoever only looks at photos takes
the last `Snapshot`, which nobody changes, and waits for no act.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from penult import untrusted
from penult.errors import InputError, OutputError
from penult.i18n import _
from penult.store import LabelStore, write_json
from penult.studio.act_memory import QUESTIONS, ActMemory
from penult.studio.exam import agreement
from penult.studio.finding_list import FindingList
from penult.studio.photo_list import PhotoList, Snapshot, status_names
from penult.studio.quality import Quality, exam_dict
from penult.studio.view import LabelledPhotos, LabelView
from penult.texts import printable

if TYPE_CHECKING:
    from penult.studio.background import BackgroundHead
    from penult.studio.photo_list import Ints
    from penult.studio.questions import Question, Questions
    from penult.studio.quick_model import QuickModel

CURVE = "curve.json"  # in the project folder: the model's answers at earlier numbers of labels
MODES = ("doubt", "mixed", "page", "alike")  # the last two ask no questions
MOST_ASKED = 200  # questions or photos of one answer


class UnknownState(InputError):
    """A page is about another state of the project than the one that is open."""


class ProjectState:
    """What `Session` can answer without changing anything; see there."""

    def __init__(
        self,
        project: LabelledPhotos,
        store: LabelStore,
        model: QuickModel,
        questions: Questions,
        background: BackgroundHead | None = None,
    ) -> None:
        self.project, self.store, self.model, self.questions, self.background = project, store, model, questions, background
        self._photos, self._findings = PhotoList(project), FindingList(project)
        self._lock = threading.RLock()
        self._memory = ActMemory(len(project.digests))
        for applied in store.history(kinds=self._memory.kinds()):
            self._memory.take(applied)
        self._quality = Quality(questions.exam, self._kept_curve())
        self._curve_is_new = False
        numbers = store.names_ever()
        self._given = np.full(len(project.digests), -1), np.zeros(len(project.digests), np.float32)
        for n, (name, p) in project.guesses.items():
            self._given[0][n], self._given[1][n] = numbers.get(name, -1), p
        self._own = np.array([label is None for label in project.labels], np.bool_)  # labelled here if at all
        self._learnt: list[NDArray[Any]] = []
        self._look()

    def _look(self) -> None:
        """Work out the state after the last act: the model learns what is new, and questions, counts and lists follow."""
        names, store = self.store.classes, self.store
        removed = frozenset(number for number, one in enumerate(names) if one.removed)
        answered = sum(store.live[kind] for kind in QUESTIONS)
        memory = self._memory
        age = np.where(self._own, store.seq - store.changed(), 0)
        view = LabelView(
            store.labels(), store.status(), len(names), answered, memory.asked_again, removed, memory.rejected, age=age
        )
        usable = self.questions.exam.learnable(view)
        exam = view.labelled & self.questions.exam.reserved
        learnt = [np.where(usable | exam, view.labels, -1), usable, np.array(len(names))]
        if not self._learnt or not all(np.array_equal(new, old) for new, old in zip(learnt, self._learnt, strict=True)):
            self.model.update(view.labels, usable, len(names), exam=exam)
            self._learnt = learnt
        self._used = int(usable.sum())
        if self._quality.watch(view, self.model):
            self._curve_is_new = True
        result = None
        if self.background is not None:
            self.background.offer(view.labels, usable)
            result = self.background.result()
        self._now = Snapshot(
            store.seq, view, names, self.model.ready, self.model.proba, store.changed(), self._given_now(removed),
            self.questions.exam.reserved, result,
        )  # fmt: skip
        self._counts = view.count(self.questions.exam.reserved)
        self._exam = exam_dict(self._quality.score(view, self.model))

    def _given_now(self, removed: frozenset[int]) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Return the guesses that photos came with, none of a class that was removed."""
        guess, p = self._given
        gone = np.isin(guess, list(removed))
        return np.where(gone, -1, guess), np.where(gone, 0, p).astype(np.float32)

    def state(self) -> dict[str, Any]:
        """Return counts, scores and what goes on in the background."""
        with self._lock:
            now, agreed = self._now, agreement(self._now.view)
            return {
                "seq": now.seq,
                "model": self._model(),
                "counts": self._counts,
                "exam": self._exam,
                "agreement": {"asked": agreed.asked, "same": agreed.same},
                "background": self._background(),
                "undo": self.store.can_undo,
                "redo": self.store.can_redo,
            }

    def classes(self) -> list[dict[str, Any]]:
        """Return the classes, those that were removed too."""
        told = enumerate(self.store.classes)
        return [{"number": n, "name": one.name, "key": one.key or None, "removed": one.removed} for n, one in told]

    def changes(self, since: int) -> dict[str, Any]:
        """Return what was changed after act `since`, for a page that hears of a newer one. Raises `UnknownState`."""
        self._check_known(None, since)
        now = self._now
        return {"seq": now.seq, "changed": self._states(np.flatnonzero(now.changed > since)), "classes": self.classes()}

    def queue(self, mode: str = "doubt", count: int = 3) -> dict[str, Any]:
        """Return the next questions."""
        with self._lock:
            return {"seq": self._now.seq, "questions": self._next(checked_mode(mode), checked_count(count))}

    def page(self, label: int, count: int = 24) -> dict[str, Any]:
        """Return photos that are taken for a class, the surest first, and how many of them are expected to be wrong."""
        with self._lock:
            if not 0 <= label < len(self.store.classes) or self.store.classes[label].removed:
                raise InputError(_("there is no class {label}; add it first, or ask for another.", label=label))
            page = self.questions.page(label, self._now.view, checked_count(count))
            photos = [
                {"n": n, "digest": self.project.digests[n][:16], "p": round(p, 4)}
                for n, p in zip(page.numbers, page.p, strict=True)
            ]
            wrong = round(page.expected_wrong, 2)
            return {"seq": self._now.seq, "class": label, "photos": photos, "expected_wrong": wrong}

    def alike(self, numbers: Sequence[int], count: int = 48) -> dict[str, Any]:
        """Return the photos that look most like some."""
        self._photos.check(numbers)
        if not numbers:
            raise InputError(_("there are no 'numbers' to find look-alikes of; send those of one photo or more."))
        with self._lock:
            near, similarity = self.model.near(numbers, checked_count(count))
        now, (guess, p) = self._now, self._now.guessed
        photos = [
            {
                "n": n,
                "digest": self.project.digests[n][:16],
                "similarity": round(alike, 4),
                "label": int(now.view.labels[n]),
                "guess": int(guess[n]),
                "p": round(float(p[n]), 4),
            }
            for n, alike in zip(near.tolist(), similarity.tolist(), strict=True)
        ]
        return {"photos": photos}

    def photos(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Return the numbers of the photos that a query asks for; see `PhotoList.numbers`."""
        now = self._now
        numbers = self._photos.numbers(now, query)
        return {"seq": now.seq, "total": len(numbers), "numbers": numbers}

    def details(self, numbers: Sequence[int]) -> dict[str, Any]:
        """Return what is known of some photos."""
        return {"photos": self._photos.details(self._now, numbers)}

    def colors(self) -> dict[str, Any]:
        """Return labels and guesses of all photos."""
        return self._photos.colors(self._now)

    def findings(self) -> dict[str, Any]:
        """Return what may be wrong, with what was decided."""
        with self._lock:
            return self._findings.every(self._now, self._memory.decisions)

    def quality(self) -> dict[str, Any]:
        """Return how good the model is and what would help most; see `Quality.summary`."""
        with self._lock:
            return self._quality.summary(self._now.view, self.model, self._now.result)

    def view(self) -> LabelView:
        """Return the labels as they are now."""
        return self._now.view

    def _check_known(self, order: object, base: object) -> int:
        """Return the act that a page knows. Raises `UnknownState` where it cannot know that."""
        if order is not None and order != self.project.order:
            raise UnknownState(_("the photos of this project are others than those that the page knows; load the page again."))
        if not isinstance(base, int) or isinstance(base, bool) or base < 0:
            raise InputError(
                _("the field 'base_seq' is {base}; send the seq of an earlier answer.", base=printable(repr(base)[:80]))
            )
        if base > self.store.seq:
            raise UnknownState(
                _(
                    "the page knows act {base}, and the last one here is {seq}; load the page again.",
                    base=base,
                    seq=self.store.seq,
                )
            )
        return base

    def _model(self) -> dict[str, Any]:
        return {"ready": self.model.ready, "version": self.model.version, "labels": self._used}

    def _background(self) -> dict[str, Any] | None:
        """Return how the whole head does on the exam, and how many labels it has learnt; None where there is none."""
        if self.background is None:
            return None
        told = self._quality.background(self._now.view, self._now.result)
        nothing = {"labels": 0, "accuracy": None, "low": None, "high": None}
        return (told or nothing) | {"running": self.background.running}

    def _states(self, numbers: Ints) -> list[dict[str, Any]]:
        view = self._now.view
        every = zip(numbers.tolist(), view.labels[numbers].tolist(), view.status[numbers].tolist(), strict=True)
        return [{"n": n, "label": label, "status": status_names(status)} for n, label, status in every]

    def _next(self, mode: str, count: int) -> list[dict[str, Any]]:
        asked = self.questions.next(mode, self._now.view, count) if mode in MODES[:2] else []
        return [self._question(one) for one in asked]

    def _question(self, one: Question) -> dict[str, Any]:
        return {
            "id": one.id,
            "n": one.number,
            "digest": self.project.digests[one.number][:16],
            "kind": one.kind,
            "guesses": [{"class": label, "p": round(p, 4)} for label, p in one.guesses],
            "family": len(self._photos.family(one.number)),
        }

    def _kept_curve(self) -> list[dict[str, Any]]:
        """Return the curve of an earlier session with the same photos; what cannot be read is begun anew."""
        with suppress(OSError, ValueError, LookupError, TypeError):
            kept = untrusted.parse_json(untrusted.read_bytes(self.project.folder / CURVE, untrusted.MOST_JSON))
            if kept["order"] == self.project.order:
                Quality(self.questions.exam, kept["points"])  # raises where they are none
                return list(kept["points"])
        return []

    def _keep_curve(self) -> None:
        """Write the curve where it has a new point. Raises `OutputError`."""
        with self._lock:
            new, self._curve_is_new = self._curve_is_new, False
            points = self._quality.to_list()
        if not new:
            return
        try:
            write_json(self.project.folder / CURVE, {"order": self.project.order, "points": points})
        except OutputError:
            self._curve_is_new = True
            raise


def checked_mode(mode: object) -> str:
    """Return a mode of asking. Raises `InputError`."""
    if not isinstance(mode, str) or mode not in MODES:
        raise InputError(
            _("the mode is {value}; use one of {names}.", value=printable(repr(mode)[:80]), names=", ".join(MODES))
        )
    return mode


def checked_count(count: object) -> int:
    """Return how many questions or photos are wanted. Raises `InputError`."""
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MOST_ASKED:
        raise InputError(
            _("the count is {count}; ask for 1 to {most_asked}.", count=printable(repr(count)[:80]), most_asked=MOST_ASKED)
        )
    return count

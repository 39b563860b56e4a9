"""The one writer of a project: an act goes to the store, then to the model, then the next question is chosen.

In: what a page sends (`acts`), one at a time however many tabs there are. Out: answers ready for JSON, once the act is durable
and the model has learnt it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from penult.errors import InputError, OutputError
from penult.i18n import _
from penult.store import Act, Applied, Change, ClassName, LabelStore
from penult.store.labels import IMPORT, REDO, UNDO
from penult.stored_texts import retranslated
from penult.studio.acts import KEYS, Board, act_id, parse_act, parse_class
from penult.studio.label_table import LabelTable, Rows, write_labels
from penult.studio.state import ProjectState, UnknownState, checked_count, checked_mode
from penult.studio.view import LabelledPhotos

if TYPE_CHECKING:
    from penult.studio.background import BackgroundHead
    from penult.studio.questions import Questions
    from penult.studio.quick_model import QuickModel

__all__ = ["Session", "UnknownState"]

log = logging.getLogger(__name__)

TABLE = "labels.csv"


class Session(ProjectState):
    """A project that is being labelled; every method may be called from any thread.

    Parameters
    ----------
    project : Project
        The photos.
    store : LabelStore
        Of the same photos, in the same order; `close` closes it.
    model, questions : QuickModel, Questions
        Of the same photos.
    background : BackgroundHead, optional
        The whole head in a process of its own; without one nothing is found out about labels in doubt.
    """

    def __init__(
        self,
        project: LabelledPhotos,
        store: LabelStore,
        model: QuickModel,
        questions: Questions,
        background: BackgroundHead | None = None,
    ) -> None:
        self._listeners: list[Callable[[], None]] = []
        import_labels(project, store)
        super().__init__(project, store, model, questions, background)
        if background is not None:
            background.done = self._hear
        self._files: list[tuple[int, str]] = []
        self._idle: set[str] = set()  # ids of undos and redos that found nothing, and find nothing when they are sent again
        self._table = LabelTable(project.folder / TABLE, self._rows, self._pause)
        self._table.touch()

    def act(self, sent: Mapping[str, Any]) -> dict[str, Any]:
        """Do what a page sent; the same id again gets its first answer. Raises `InputError`, `UnknownState`, `OutputError`."""
        with self._lock:
            base = self._meet(sent)
            known = self.store.known(act_id(sent), str(sent.get("kind")))
            applied = known or self.store.apply(self._checked(parse_act(sent, self._board())))
            return self._answer(applied, sent, base)

    def change_classes(self, sent: Mapping[str, Any]) -> dict[str, Any]:
        """Add, rename or remove a class, or give it another key; see `act`."""
        with self._lock:
            base = self._meet(sent)
            applied = self.store.known(act_id(sent), "class") or self.store.apply(parse_class(sent, self._board()))
            return self._answer(applied, sent, base) | {"classes": self.classes()}

    def undo(self, sent: Mapping[str, Any]) -> dict[str, Any]:
        """Undo the last act, whoever did it; `undone` is null where there is none. See `act`."""
        return self._turn(sent, UNDO, self.store.undo)

    def redo(self, sent: Mapping[str, Any]) -> dict[str, Any]:
        """Do the act again that was undone last; see `undo`."""
        return self._turn(sent, REDO, self.store.redo)

    def _turn(self, sent: Mapping[str, Any], kind: str, turn: Callable[[str], Applied | None]) -> dict[str, Any]:
        with self._lock:
            base = self._meet(sent)
            applied = None if (id := act_id(sent)) in self._idle else turn(id)
            if applied is None:
                self._idle.add(id)
            answer = self._answer(applied, sent, base)
            told = None
            if applied is not None:
                told = {"kind": applied.act.kind, "n": [change.photo for change in applied.changes]}
                if applied.act.classes:
                    answer["classes"] = self.classes()
            return answer | {"undone" if kind == UNDO else "redone": told}

    def _board(self) -> Board:
        view = self._now.view
        return Board(view.labels, view.status, self._photos.families, self.store.classes, self._findings.photos)

    def _checked(self, act: Act) -> Act:
        if act.kind == "exam" and not self.questions.exam.reserved[act.changes[0].photo]:
            raise InputError(_("photo {photo} is not one of the exam's; send kind 'label'.", photo=act.changes[0].photo))
        return act

    def _meet(self, sent: Mapping[str, Any]) -> int | None:
        """Check what has nothing to do with the kind of act, and return the act that the page knows, if it says so."""
        checked_mode(sent.get("mode", "page"))
        checked_count(sent.get("count", 3))
        known = self._check_known(sent.get("order"), sent.get("base_seq", 0))
        return known if "base_seq" in sent else None

    def _answer(self, applied: Applied | None, sent: Mapping[str, Any], base: int | None) -> dict[str, Any]:
        """Take up what was done, and return what the page is told."""
        if applied is not None and not applied.repeated:
            self._memory.take(applied)
        if self._now.seq != self.store.seq:
            self._look()
            self._table.touch()
            self._tell()
        now = self._now
        own = [] if applied is None else [change.photo for change in applied.changes]
        missed = () if base is None else np.flatnonzero(now.changed > base)
        answer = {
            "seq": now.seq,
            "changed": self._states(np.union1d(missed, own).astype(np.intp)),
            "model": self._model(),
            "next": self._next(sent.get("mode", "page"), sent.get("count", 3)),
            "exam": self._exam,
            "counts": self._counts,
        }
        if applied is not None and applied.act.kind == "again" and applied.kind == "again" and own:
            info = applied.act.info
            answer["again"] = {"n": own[0], "before": applied.changes[0].label, "label": info["label"], "same": info["same"]}
        return answer

    def state(self) -> dict[str, Any]:
        """Return counts, scores and what goes on; `table` says why labels.csv could not be written, null while it could."""
        return super().state() | {"table": None if self._table.trouble is None else retranslated(self._table.trouble)}

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have `callback` called after each change, from any thread, and return how to end that; it must return at once."""
        self._listeners.append(callback)

        def end() -> None:
            with suppress(ValueError):
                self._listeners.remove(callback)

        return end

    def write_table(self) -> Path:
        """Write labels.csv now, and return where it is. Raises `OutputError`."""
        write_labels(self._table.path, self._rows())
        return self._table.path

    def close(self) -> None:
        """Write labels.csv, end the background and close the store."""
        self._table.close()
        if self.background is not None:
            self.background.close()
        try:
            self._keep_curve()
        except OutputError as error:  # it can be made again
            log.warning("%s", error)
        with self._lock:
            self.store.close()

    def _tell(self) -> None:
        for callback in list(self._listeners):
            callback()

    def _hear(self) -> None:
        """Take up the newest result of the whole head."""
        with self._lock, suppress(InputError):  # it may come after the end
            self._look()
        self._tell()

    def _pause(self) -> None:
        """Do what there is time for when the user pauses."""
        try:
            self._keep_curve()
        except OutputError as error:
            log.warning("%s", error)
        if self.background is not None:
            view = self._now.view
            self.background.offer(view.labels, self.questions.exam.learnable(view), pause=True)
        self._tell()

    def _rows(self) -> Rows:
        """Return the lines of labels.csv as it should be now."""
        if not self._files:
            self._files = [(n, name) for n in range(len(self.project.digests)) for name in self.project.csv_name(n)]
        now, reserved = self._now, self.questions.exam.reserved.tolist()
        named = np.where(now.view.labelled, now.view.labels, -1).tolist()
        names, digests = [one.name for one in now.names], self.project.digests
        return [
            (name, names[named[n]], digests[n], "exam" if reserved[n] else "labelled")
            for n, name in self._files
            if named[n] >= 0
        ]


def import_labels(project: LabelledPhotos, store: LabelStore) -> None:
    """Take the labels and classes that photos came with, where nobody has said anything of a photo yet.

    A class that was renamed since is known by its old names, too; one that was removed gets no photos.
    """
    untouched = (store.changed() == 0).tolist()
    given = {n: label for n, label in enumerate(project.labels) if label is not None and untouched[n]}
    numbers = store.names_ever()
    wanted = dict.fromkeys([*(() if store.seq else project.classes), *given.values()])
    new = [name for name in wanted if name not in numbers]
    taken = {one.key for one in store.classes}
    keys = iter([key for key in KEYS if key not in taken])
    classes = {len(store.classes) + i: ClassName(name, next(keys, "")) for i, name in enumerate(new)}
    numbers |= {one.name: number for number, one in classes.items()}
    removed = {number for number, one in enumerate(store.classes) if one.removed}
    changes = tuple(Change(n, numbers[label], 0) for n, label in given.items() if numbers[label] not in removed)
    if changes or classes:
        # no page can send an id with a blank
        store.apply(Act(f"import {store.seq + 1}", IMPORT, changes, {"photos": len(changes)}, classes))

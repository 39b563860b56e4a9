"""Random lives of a project beside a dict that says what must be: acts by two tabs, undo, acts sent twice, restarts, kills.

`Truth` knows nothing of the session: it keeps every state whole, so that undoing is going back to the one before. A restart
may bring the photos in another order and some new ones; a kill is a copy of the files as they lie there, opened beside.
`tests/test_studio_lives.py` lives a few short lives, `benchmarks/studio.py lives` many long ones.
"""

from __future__ import annotations

import copy
import csv
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from labelling import Drawn, digest
from penult.errors import InputError
from penult.store import LabelStore
from penult.studio.photo_list import status_names
from penult.studio.questions import Questions
from penult.studio.quick_model import QuickModel
from penult.studio.session import Session

PHOTOS, MORE = 14, 4  # photos of a life, and those that may come later
FAMILY = [0, 0, 1, 2, 2, 2, *range(3, 20)]  # by photo
COUNTED: Counter[str] = Counter()  # acts that were sent, and states that were compared
KINDS = ("label", "exam", "again", "none", "skip", "page", "many", "exclude", "include", "finding")


@dataclass
class Plain:
    """One state: by photo its label and the names of its status; the classes; what else acts said."""

    label: dict[int, int] = field(default_factory=dict)
    status: dict[int, set[str]] = field(default_factory=dict)
    classes: list[list[Any]] = field(default_factory=list)  # name, removed
    struck: dict[int, list[int]] = field(default_factory=dict)  # by class
    again: dict[int, bool] = field(default_factory=dict)
    decided: dict[str, str] = field(default_factory=dict)
    answered: int = 0


class Truth:
    """The state now, those before it and those that were undone."""

    def __init__(self, families: Sequence[int] = FAMILY) -> None:
        self.families = families  # by photo
        self.now, self.before, self.after = Plain(), [Plain() for _ in range(0)], [Plain() for _ in range(0)]

    def begin(self) -> Plain:
        self.before.append(copy.deepcopy(self.now))
        self.after.clear()
        return self.now

    def turn(self, back: bool) -> bool:
        source, target = (self.before, self.after) if back else (self.after, self.before)
        if source:
            target.append(self.now)
            self.now = source.pop()
            return True
        return False

    def act(self, kind: str, photos: list[int], label: int | None, other: list[int], decision: str) -> None:
        """Do what a valid act does; `photos` and `other` are photos, not numbers."""
        now = self.begin()
        family = [i for i in now.label if self.families[i] in {self.families[p] for p in photos}]
        struck = [i for i in now.label if self.families[i] in {self.families[p] for p in other}]
        now.answered += kind in ("label", "exam", "again", "none", "skip")
        if kind == "again":
            now.again[photos[0]] = now.label[photos[0]] == label
        elif kind in ("label", "exam", "page") or (kind == "many" and label is not None):
            assert label is not None
            chosen = [i for i in family if not (kind == "page" and i in struck)]
            self._label(chosen, label, "exam" if kind == "exam" else "")
            if kind == "page":
                for i in [i for i in struck if now.label[i] == label]:
                    now.label[i] = -1
                    now.status[i] -= {"exam"}
                now.struck.setdefault(label, []).extend(struck)
        elif kind == "many":
            for i in family:
                now.label[i] = -1
                now.status[i] -= {"none", "skipped", "exam"}
        elif kind in ("none", "skip"):
            for i in family:
                now.status[i] |= {"none" if kind == "none" else "skipped"}
                if kind == "none":
                    now.label[i] = -1
                    now.status[i] -= {"skipped", "exam"}
        elif kind == "finding":
            now.decided[f"f{photos[0]}"] = decision
            if decision == "change":
                assert label is not None
                self._label(family, label, "kept")
            else:
                now.status[photos[0]] |= {"excluded" if decision == "exclude" else "kept"}
        else:
            for i in photos:
                now.status[i] = now.status[i] | {"excluded"} if kind == "exclude" else now.status[i] - {"excluded"}

    def _label(self, photos: Iterable[int], label: int, more: str) -> None:
        for i in photos:
            self.now.label[i] = label
            self.now.status[i] = (self.now.status[i] - {"none", "skipped"}) | ({more} - {""})

    def change_classes(self, do: str, number: int, name: str) -> None:
        now = self.begin()
        if do == "add":
            gone = [k for k, (known, removed) in enumerate(now.classes) if removed and known == name]
            if gone:
                now.classes[gone[0]][1] = False
            else:
                for state in (*self.before, now):  # undoing an addition is removing: the number stays
                    state.classes.append([name, state is not now])
        elif do == "rename":
            now.classes[number][0] = name
        else:
            now.classes[number][1] = True
            for i, label in now.label.items():
                if label == number:
                    now.label[i] = -1
                    now.status[i] -= {"exam"}


class Still(QuickModel):
    """A model that learns nothing: what is proved here is the state."""

    def update(self, labels: Any, usable: Any, classes: int, exam: Any = None) -> None:
        self.version += 1
        self.proba = np.full((len(self.Z), classes), 1 / max(classes, 1), np.float32)


def open_session(folder: Path, photos: list[int]) -> Session:
    """Return a session whose photo number n is photo `photos[n]`."""
    families = np.array([FAMILY[i] for i in photos])
    found = [{"id": f"f{i}", "kind": "blank", "title": "blank photo", "n": n, "score": 1.0} for n, i in enumerate(photos)]
    digests = [digest(i) for i in photos]
    project = Drawn(
        folder, digests, [[f"{i}.jpg"] for i in photos], families, labels=[None] * len(photos), findings=found
    )  # fmt: skip
    store = LabelStore(folder / "labels.db", digests)
    model = Still(np.eye(len(photos), 8, dtype=np.float32), families)
    return Session(project, store, model, Questions(model, families, store.seed, digests))


class Lives(RuleBasedStateMachine):
    """One life of a project."""

    @initialize(classes=st.integers(1, 3))
    def start(self, classes: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="lives-"))
        self.photos, self.truth = list(range(PHOTOS)), Truth()
        for i in self.photos:
            self.truth.now.label[i], self.truth.now.status[i] = -1, set()
        with mock.patch("penult.store.label_file.secrets.randbits", lambda _: classes):  # so that a life can be lived again
            self.session = open_session(self.folder / "p", self.photos)
        self.sent: list[tuple[str, dict[str, Any], list[dict[str, Any]]]] = []  # how, what, and which photos it changed
        self.seen: list[tuple[int, dict[int, tuple[int, int]]]] = []  # states that some tab knows
        for k in range(classes):
            self.send("change_classes", {"do": "add", "name": f"class {k}"})
            self.truth.change_classes("add", k, f"class {k}")

    def send(self, how: str, sent: dict[str, Any], base: int | None = None) -> dict[str, Any]:
        sent = {"id": f"i{len(self.sent)}-{self.session.store.seq}", **sent}
        if base is not None:
            sent["base_seq"] = base
        answer = getattr(self.session, how)(sent)
        COUNTED["acts"] += 1
        if answer.get("undone", answer.get("redone", True)) is not None:
            self.sent.append((how, sent, answer["changed"] if base is None else []))
        self.seen.append((answer["seq"], self.states()))
        return dict(answer)

    def states(self) -> dict[int, tuple[int, int]]:
        view = self.session.view()
        return {i: (int(view.labels[n]), int(view.status[n])) for n, i in enumerate(self.photos)}

    @rule(
        kind=st.sampled_from(KINDS),
        picks=st.lists(st.integers(0, PHOTOS + MORE - 1), min_size=1, max_size=4, unique=True),
        others=st.lists(st.integers(0, PHOTOS + MORE - 1), max_size=2, unique=True),
        label=st.integers(0, 5),
        decision=st.sampled_from(("keep", "change", "exclude")),
        tab=st.integers(0, 40),
    )
    def act(self, kind: str, picks: list[int], others: list[int], label: int, decision: str, tab: int) -> None:
        numbers = list(dict.fromkeys(n % len(self.photos) for n in picks))
        wrong = list(dict.fromkeys(n % len(self.photos) for n in others)) if kind == "page" else []
        live = [k for k, (_, removed) in enumerate(self.truth.now.classes) if not removed]
        able = {"exam": self.session.questions.exam.reserved, "again": self.session.view().labels >= 0}.get(kind)
        if able is not None and able.any() and tab % 8:  # else one that is refused
            numbers = np.flatnonzero(able)[[picks[0] % int(able.sum())]].tolist()
        taken: int | None = live[label % len(live)] if live and tab % 8 else label % len(self.truth.now.classes)
        if kind == "many" and label == 5:
            taken = None
        sent: dict[str, Any] = {"kind": kind}
        if kind in ("label", "exam", "again"):
            sent |= {"n": numbers[0], "label": taken}
        elif kind in ("none", "skip"):
            sent |= {"n": numbers[0]}
        elif kind == "page":
            sent |= {"class": taken, "accepted": numbers, "wrong": wrong}
        elif kind == "finding":
            sent |= {"finding": f"f{self.photos[numbers[0]]}", "decision": decision}
            sent |= {"label": taken} if decision == "change" else {}
        else:
            sent |= {"numbers": numbers} | ({"label": taken} if kind == "many" else {})
        one = numbers[:1] if "numbers" not in sent and kind != "page" else numbers
        removed = taken is not None and self.truth.now.classes[taken][1] and ("label" in sent or "class" in sent)
        asked = self.photos[numbers[0]]
        refused = removed or (kind == "again" and self.truth.now.label[asked] < 0)
        refused |= kind == "exam" and not self.session.questions.exam.reserved[numbers[0]]
        base, known = self.seen[tab % len(self.seen)] if tab < 30 else (None, {})
        if refused:
            before = self.session.store.seq
            try:
                self.send("act", sent)
            except InputError:
                assert self.session.store.seq == before
                return
            raise AssertionError(f"{sent} was taken")
        self.truth.act(kind, [self.photos[n] for n in one], taken, [self.photos[n] for n in wrong], decision)
        answer = self.send("act", sent, base)
        if base:  # the tab, with what it is told, knows the state
            told = {self.photos[one["n"]]: (one["label"], one["status"]) for one in answer["changed"]}
            view = {i: told.get(i, (old[0], status_names(old[1]))) for i, old in known.items() if i in self.photos}
            assert view == {i: (s[0], status_names(s[1])) for i, s in self.states().items() if i in known}

    @rule(back=st.booleans(), often=st.integers(1, 6))
    def turn(self, back: bool, often: int) -> None:
        for _ in range(often):
            answer = self.send("undo" if back else "redo", {})
            assert (answer["undone" if back else "redone"] is not None) == self.truth.turn(back)

    @rule(do=st.sampled_from(("add", "rename", "remove")), number=st.integers(0, 7), name=st.integers(0, 9))
    def classes(self, do: str, number: int, name: int) -> None:
        now = self.truth.now.classes
        number %= len(now)
        taken = [k for k, (known, removed) in enumerate(now) if not removed and known == f"class {name}"]
        if len(now) > 8 or taken or (do != "add" and now[number][1]):
            return
        sent: dict[str, Any] = {"do": do} | ({"name": f"class {name}"} if do != "remove" else {})
        self.send("change_classes", sent | ({} if do == "add" else {"number": number}))
        self.truth.change_classes(do, number, f"class {name}")

    @precondition(lambda self: self.sent)
    @rule(which=st.integers(0, 1000))
    def again(self, which: int) -> None:
        """What was sent is sent once more, as after a break."""
        how, sent, changed = self.sent[which % len(self.sent)]
        seq = self.session.store.seq
        answer = getattr(self.session, how)({key: value for key, value in sent.items() if key != "base_seq"})
        assert (answer["seq"], self.session.store.seq) == (seq, seq)
        if "base_seq" not in sent:
            assert [one["n"] for one in answer["changed"]] == [one["n"] for one in changed]

    @rule(order=st.randoms(use_true_random=False), new=st.integers(0, MORE), known=st.booleans())
    def restart(self, order: Any, new: int, known: bool) -> None:
        self.session.close()
        self.read_table()
        for i in range(len(self.photos), min(len(self.photos) + new, PHOTOS + MORE)):
            self.photos.append(i)
            for state in (*self.truth.before, self.truth.now, *self.truth.after):
                state.label[i], state.status[i] = -1, set()
        if not known:
            order.shuffle(self.photos)
            self.sent = []  # with other numbers the page loads everything again
        self.session = open_session(self.folder / "p", self.photos)
        assert self.session.store.check() == []

    def read_table(self) -> None:
        """labels.csv has exactly the photos with a label that are not excluded."""
        now = self.truth.now
        with (self.folder / "p" / "labels.csv").open(newline="") as file:
            rows = list(csv.reader(file))
        names = [name for name, _ in now.classes]
        wanted = {f"../photos/{i}.jpg": names[k] for i, k in now.label.items() if k >= 0 and "excluded" not in now.status[i]}
        assert {row[0]: row[1] for row in rows[1:]} == wanted
        assert rows[0] == ["file", "label", "sha256", "status"]

    @rule()
    def kill(self) -> None:
        """The files as a dead process would leave them are opened beside."""
        dead = self.folder / "dead"
        shutil.rmtree(dead, ignore_errors=True)
        dead.mkdir()
        for name in ("labels.db", "labels.db-wal"):
            if (self.folder / "p" / name).exists():
                shutil.copy(self.folder / "p" / name, dead / name)
        session = open_session(dead, self.photos)
        living, self.session = self.session, session
        self.agrees()
        assert session.store.check() == []
        assert session.store.seq == living.store.seq
        session.close()
        self.session = living

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "session"):
            return
        COUNTED["states"] += 1
        now, view = self.truth.now, self.session.view()
        mine = {i: (int(view.labels[n]), set(status_names(int(view.status[n])))) for n, i in enumerate(self.photos)}
        assert mine == {i: (now.label[i], now.status[i]) for i in self.photos}
        assert [[one.name, one.removed] for one in self.session.store.classes] == now.classes
        struck = {k: {self.photos[n] for n in np.flatnonzero(mask)} for k, mask in view.rejected.items() if mask.any()}
        assert struck == {k: set(v) for k, v in now.struck.items() if v}
        assert {self.photos[n]: same for n, same in view.asked_again.items()} == now.again
        assert dict(self.session._memory.decisions) == now.decided
        assert view.acts == now.answered
        assert (self.session.store.can_undo, self.session.store.can_redo) == (bool(self.truth.before), bool(self.truth.after))

    def teardown(self) -> None:
        if hasattr(self, "session"):
            assert self.session.store.check() == []
            self.session.close()
            self.read_table()
            shutil.rmtree(self.folder)

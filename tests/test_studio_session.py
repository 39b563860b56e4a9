"""The session: one writer for all tabs, answers after the act is durable and learnt, labels.csv that `penult train` takes."""

from __future__ import annotations

import csv
import json
import os
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labelling import digest, drawn, opened
from penult.errors import InputError, OutputError
from penult.evaluate import Score
from penult.images import scan_labelled
from penult.store.labels import EXAM
from penult.studio import label_table
from penult.studio.background import HeadResult
from penult.studio.questions import AGAIN_EVERY, EXAM_EVERY
from penult.studio.session import Session, UnknownState
from penult.studio.view import LabelView
from test_names import CLASSES, LEARNT, PHOTOS


@pytest.fixture
def session(tmp_path: Path) -> Any:
    made = opened(drawn(tmp_path / "p"))
    for i, name in enumerate(("cat", "dog", "owl")):
        made.change_classes({"id": f"c{i}", "do": "add", "name": name})
    yield made
    made.close()


def truth(n: int) -> int:
    return n // 2 % 3


def label(session: Session, n: int, **more: Any) -> dict[str, Any]:
    return session.act({"id": f"l{session.store.seq}", "kind": "label", "n": n, "label": truth(n), **more})


def test_questions_are_answered_until_the_model_is_right_and_the_exam_is_not_learnt(session: Session) -> None:
    asked = session.queue("doubt", 1)["questions"]
    for i in range(30):
        one = asked[0]
        kind = one["kind"] if one["kind"] in ("exam", "again") else "label"
        answer = session.act({"id": f"a{i}", "kind": kind, "n": one["n"], "label": truth(one["n"]), "mode": "doubt"})
        asked = answer["next"]
        assert answer["seq"] == session.store.seq == 4 + i
        if kind in ("exam", "again"):
            assert one["guesses"] == []
    json.dumps([session.state(), session.quality(), session.findings(), session.colors(), session.page(1, 5)], allow_nan=False)
    state, view = session.state(), session.view()
    reserved = session.questions.exam.reserved
    blind = np.flatnonzero(reserved & ~view.decided).tolist()  # nowhere a guess before the exam has asked
    assert blind
    assert all((one["guess"], one["p"], one["guesses"]) == (-1, 0, []) for one in session.details(blind)["photos"])
    assert {session.colors()["guesses"][n] for n in blind} == {-1}
    assert state["model"] == {
        "ready": True,
        "version": answer["model"]["version"],
        "labels": int(view.labelled[~reserved].sum()),
    }
    assert state["exam"]["asked"] >= 3
    assert state["exam"]["right"] == state["exam"]["asked"]
    right = session.model.proba.argmax(axis=1) == [truth(n) for n in range(60)]
    assert right.mean() > 0.9
    assert state["counts"]["labelled"] + state["counts"]["unlabelled"] == 60


def test_a_repeated_act_is_answered_and_not_done_again(session: Session) -> None:
    first = label(session, 8, mode="doubt")
    version = first["model"]["version"]
    sent = {"id": f"l{first['seq'] - 1}", "kind": "label", "n": 8, "label": truth(8), "mode": "doubt"}
    label(session, 10)
    again = session.act(sent)
    assert again["changed"] == first["changed"] == [{"n": 8, "label": 1, "status": []}]
    assert (again["seq"], again["model"]["version"]) == (first["seq"] + 1, version + 1)
    session.undo({"id": "u"})
    assert session.undo({"id": "u"})["undone"] == {"kind": "label", "n": [10]}  # sent again
    assert int(session.view().labels[8]) == 1
    session.redo({"id": "r"})
    assert session.redo({"id": "r2"})["redone"] is None
    session.undo({"id": "u2"})
    assert session.redo({"id": "r2"})["redone"] is None  # what it did not find then it does not do now
    assert int(session.view().labels[10]) == -1


def test_a_tab_is_told_what_other_tabs_did_since_it_last_heard(session: Session) -> None:
    fresh = session.act({"id": "f", "kind": "skip", "n": 30, "base_seq": 0})  # a tab that knows of no act yet
    label(session, 32)
    told = session.act({"id": "g", "kind": "skip", "n": 34, "base_seq": 0})["changed"]
    assert ([one["n"] for one in fresh["changed"]], [one["n"] for one in told]) == ([30], [30, 32, 34])
    heard: list[int] = []
    end = session.subscribe(lambda: heard.append(session.state()["seq"]))
    base = label(session, 8)["seq"]
    label(session, 0)  # by another tab; a family of two
    answer = label(session, 20, base_seq=base)
    assert [one["n"] for one in answer["changed"]] == [0, 1, 20]
    assert session.changes(base)["changed"] == answer["changed"]
    assert session.undo({"id": "u1", "base_seq": answer["seq"]})["changed"] == [{"n": 20, "label": -1, "status": []}]
    assert heard == [base, base + 1, base + 2, base + 3]
    end()
    assert session.redo({"id": "r1"})["redone"] == {"kind": "label", "n": [20]}
    assert len(heard) == 4
    with pytest.raises(UnknownState, match="the page knows act 99, and the last one here is"):
        label(session, 22, base_seq=99)
    with pytest.raises(UnknownState, match="load the page again"):
        label(session, 22, order="0" * 16)
    with pytest.raises(InputError, match="base_seq"):
        label(session, 22, base_seq=-1)
    assert int(session.view().labels[22]) == -1  # refused before anything was written


def test_second_answers_struck_photos_and_decisions_hold_over_undo_and_restart(tmp_path: Path) -> None:
    findings = [{"id": "blank-9", "kind": "blank", "title": "blank photo", "n": 9, "related": None, "score": 0.9}]
    project = drawn(tmp_path / "p", classes=("cat", "dog", "owl"), findings=findings)
    session = opened(project)
    for n in (0, 2, 4):
        label(session, n)
    session.act({"id": "p", "kind": "page", "class": 0, "accepted": [12, 18], "wrong": [14]})
    told = session.act({"id": "g", "kind": "again", "n": 2, "label": 0})["again"]
    assert told == {"n": 2, "before": 1, "label": 0, "same": False}
    session.act({"id": "x", "kind": "finding", "finding": "blank-9", "decision": "exclude"})
    assert session.findings()["findings"][0]["decision"] == "exclude"
    session.act({"id": "i", "kind": "include", "numbers": [9]})
    assert session.findings()["findings"][0]["decision"] is None
    for i in range(2):
        session.undo({"id": f"x{i}"})
    session.act({"id": "f", "kind": "finding", "finding": "blank-9", "decision": "keep"})
    for _ in range(2):
        view = session.view()
        assert (dict(view.asked_again), view.acts) == ({2: False}, 4)
        assert np.flatnonzero(view.rejected[0]).tolist() == [14]
        assert [one["decision"] for one in session.findings()["findings"]] == ["keep"]
        assert session.state()["agreement"] == {"asked": 1, "same": 0}
        session.close()
        session = opened(project)
    for i in range(3):
        session.undo({"id": f"u{i}"})
    view = session.view()
    assert (dict(view.asked_again), view.rejected[0].any(), view.acts, session.findings()["findings"][0]["decision"]) == (
        {}, False, 3, None,
    )  # fmt: skip
    session.redo({"id": "r"})
    assert session.view().rejected[0][14]
    session.close()


def test_labels_that_photos_came_with_are_taken_once_and_never_undone(tmp_path: Path) -> None:
    labels = ["cat" if n < 5 else None for n in range(60)]
    project = drawn(tmp_path / "p", classes=("cat", "dog"), labels=labels)
    session = opened(project)
    assert session.state()["counts"]["labelled"] == 5
    assert [(one["name"], one["key"]) for one in session.classes()] == [("cat", "1"), ("dog", "2")]
    assert session.undo({"id": "u"})["undone"] is None
    session.act({"id": "n", "kind": "many", "numbers": [3], "label": None})
    session.change_classes({"id": "r", "do": "rename", "number": 0, "name": "cats"})
    session.change_classes({"id": "d", "do": "remove", "number": 1})
    session.close()
    more = [*labels, *["owl"] * 8, "cat", "dog"]
    session = opened(drawn(tmp_path / "p", 70, classes=("cat", "dog", "owl"), labels=more))
    assert session.view().labels[[2, 3, 4, 59, 60, 67, 68, 69]].tolist() == [-1, -1, 0, -1, 2, 2, 0, -1]
    assert [(one["name"], one["removed"]) for one in session.classes()] == [("cats", False), ("dog", True), ("owl", False)]
    assert session.store.check() == []
    session.close()


def test_guesses_that_photos_came_with_follow_their_class(tmp_path: Path) -> None:
    project = drawn(tmp_path / "p", classes=("cat", "dog"), guesses=dict.fromkeys(range(60), ("dog", 0.8)))

    def guesses(session: Session) -> set[int]:
        reserved = session.questions.exam.reserved
        return {guess for n, guess in enumerate(session.colors()["guesses"]) if not reserved[n]}

    session = opened(project)
    session.change_classes({"id": "r", "do": "rename", "number": 1, "name": "dogs"})
    session.close()
    session = opened(project)
    assert guesses(session) == {1}
    session.change_classes({"id": "d", "do": "remove", "number": 1})
    assert guesses(session) == {-1}
    session.close()


def test_a_point_of_the_curve_that_was_not_written_is_written_later(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    path = session.project.folder / "curve.json"
    for n in range(60):
        label(session, n)
    path.mkdir()
    session._pause()
    path.rmdir()
    session._pause()
    assert path.is_file()


def test_only_own_labels_of_some_time_ago_are_asked_again(tmp_path: Path) -> None:
    given = [["cat", "dog", "owl"][truth(n)] if n >= 8 else None for n in range(60)]
    session = opened(drawn(tmp_path / "p", copies=0, labels=given, classes=("cat", "dog", "owl")))
    for n in range(4):
        label(session, n)
    assert session.view().age.tolist() == [3, 2, 1, 0] + [session.store.seq] * 4 + [0] * 52
    for _ in range(20):
        session.act({"id": f"s{session.store.seq}", "kind": "skip", "n": 7})
    label(session, 4)
    number = AGAIN_EVERY - 1 - EXAM_EVERY // 2
    asked = [session.questions.next("doubt", replace(session.view(), acts=number + AGAIN_EVERY * i), 1)[0] for i in range(20)]
    assert {one.number for one in asked if one.kind == "again"} == {0, 1, 2, 3}
    session.close()


def test_photos_that_left_the_exam_are_learnt_and_no_answer_to_them_is_a_proof(session: Session) -> None:
    reserved = session.questions.exam.reserved
    one, other = int(np.flatnonzero(~reserved)[-1]), int(np.flatnonzero(reserved)[-1])
    session.act({"id": "a", "kind": "many", "numbers": [one, other], "label": 0})
    labels, status, proba = session.view().labels, np.zeros(60, np.uint8), np.eye(3, dtype=np.float32)[np.ones(60, int)]
    status[one] = EXAM  # by an earlier lot
    result = HeadResult(40, np.arange(3), np.eye(3, dtype=np.float32)[np.zeros(60, int)], Score(1, 1, 1), {}, {}, ())
    now = replace(session._now, view=LabelView(labels, status, 3), ready=True, proba=proba, result=result)
    assert np.flatnonzero(now.mistaken).tolist() == np.flatnonzero(now.exam).tolist() == [other]
    assert session._photos.numbers(now, {"status": "exam"}) == [other] and now.view.count(reserved)["exam"] == 1


def test_filters_and_orders_find_what_they_say(session: Session) -> None:
    for n in range(0, 30, 2):
        label(session, n)
    session.act({"id": "e", "kind": "exclude", "numbers": [40]})
    session.act({"id": "n", "kind": "none", "n": 42})
    view = session.view()

    def photos(**query: str) -> list[int]:
        found = session.photos(query)
        assert found["total"] == len(found["numbers"])
        return list(found["numbers"])

    assert photos() == list(range(60))
    assert photos(status="labelled") == np.flatnonzero(view.labels >= 0).tolist()
    assert (photos(status="excluded"), photos(status="none"), photos(status="copies")) == ([40], [42], list(range(8)))
    assert set(photos(status="unlabelled")) == set(range(60)) - set(photos(status="labelled")) - {40, 42}
    assert photos(**{"class": "1"}) == np.flatnonzero(view.labels == 1).tolist()
    taken = session.model.proba.argmax(axis=1) == 2
    assert photos(guess="2", status="unlabelled") == [n for n in photos(status="unlabelled") if taken[n]]
    assert photos(text="3.JPG") == [3, 13, 23, 33, 43, 53]
    assert photos(sort="file", descending="1") == list(range(60))[::-1]
    margin = [np.diff(np.sort(session.model.proba[n])[-2:])[0] for n in photos(sort="doubt")]
    assert margin == sorted(margin)
    order = [view.labels[n] for n in photos(sort="label")]
    assert order == sorted(order, key=lambda own: (own < 0, own))
    doubtful = photos(status="doubtful")
    assert all(session.model.proba[n].max() < 0.9 and view.labels[n] < 0 for n in doubtful)
    for query, said in (
        ({"status": "odd"}, "'odd' is no status; use one of all, "),
        ({"sort": "\x1b"}, r"'\\x1b' is no sort"),
        ({"class": "3"}, "'3' is no class; give the number of a class"),
        ({"guess": "١"}, "is no guess"),
        ({"offset": "3"}, "'offset' is no filter"),
    ):
        with pytest.raises(InputError, match=said):
            session.photos(query)
    details = session.details([1, 40])["photos"]
    assert [(one["n"], one["label"], one["status"], one["family"]) for one in details] == [
        (1, 0, [], [0]), (40, -1, ["excluded"], []),
    ]  # fmt: skip
    for numbers in ([60], [-1], ["1"], list(range(201))):
        with pytest.raises(InputError):
            session.details(numbers)


class Finished:
    """A background head that has a result: it doubts photo 2 and finds photo 50 unlike all others."""

    running = False
    done: Any = None
    asked = 0

    def __init__(self) -> None:
        proba = np.tile(np.float32([0.1, 0.2, 0.7]), (60, 1))
        novelty = np.linspace(0.1, 0.9, 60, dtype=np.float32)
        novelty[50] = 1.5
        self.given = HeadResult(
            20, np.arange(3), proba, Score(None, None, None), {}, {}, doubted=((2, 1, 0.8, 2), (0, 0, 0.6, 2)), novelty=novelty
        )

    def offer(self, *_: Any, pause: bool = False) -> bool:
        self.asked += 1
        return False

    def result(self) -> HeadResult | None:
        return self.given if self.done is not None else None

    def close(self) -> None:
        self.asked = -1


def test_what_the_whole_head_finds_is_shown_and_can_be_decided_on(tmp_path: Path) -> None:
    background = Finished()
    session = opened(drawn(tmp_path / "p", classes=("cat", "dog", "owl")), background=background)
    for n in (0, 2, 4):
        label(session, n)
    background.done()  # from the background's thread: a new result
    found = session.findings()
    assert found["expected"] == {"label": 1.4}
    one, _ = found["findings"]
    session.change_classes({"id": "r", "do": "remove", "number": 2})
    assert session.findings()["findings"] == []  # nothing looks like a class that is no more
    session.undo({"id": "u"})
    session.act({"id": "c", "kind": "many", "numbers": [0], "label": 1})
    assert [left["id"] for left in session.findings()["findings"]] == [one["id"]]  # that of photo 0 was about its former label
    assert (one["n"], one["label"], one["other"], one["decision"]) == (2, 1, 2, None)
    assert one["reason"] == "labelled dog, looks like owl; the label is wrong with a probability of 80%"
    assert session.photos({"status": "unlike"})["numbers"] == [50]
    assert session.photos({"sort": "novelty"})["numbers"][:2] == [50, 59]
    assert session.details([50])["photos"][0]["novelty"] == 1.5
    assert session.photos({"status": "mistakes"})["numbers"] == [0, 1, 2, 3]
    session.act({"id": "d", "kind": "finding", "finding": one["id"], "decision": "keep"})
    assert session.findings()["findings"][0]["decision"] == "keep"
    assert session.findings()["expected"] == {}
    session.act({"id": "e", "kind": "finding", "finding": one["id"], "decision": "change", "label": 2})
    assert session.findings()["findings"] == []
    assert session.state()["background"]["labels"] == 20
    session.close()
    assert background.asked == -1


def test_an_act_that_the_disk_refuses_is_not_done(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    before = session.state()

    def full(*_: Any) -> None:
        raise OutputError("could not write labels.db: the disk is full; free some space.")

    with monkeypatch.context() as patch, pytest.raises(OutputError):
        patch.setattr(session.store, "_write", full)
        session.act({"id": "x", "kind": "label", "n": 5, "label": 0})
    assert session.state() == before
    assert session.act({"id": "x", "kind": "label", "n": 5, "label": 0})["seq"] == before["seq"] + 1


def test_the_table_is_what_train_takes_with_the_oddest_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [[os.fsdecode(name)] for name in PHOTOS]
    names = [os.fsdecode(LEARNT[name]) for name in CLASSES]
    kinds = list(dict.fromkeys(names))
    labels = [kinds[n % len(kinds)] for n in range(len(files))]
    for file in files:
        path = tmp_path / "photos" / file[0]
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"\x89PNG")
    project = drawn(tmp_path / "p", len(files), 0, files=files, classes=kinds, labels=labels)
    session = opened(project)
    session.act({"id": "e", "kind": "exclude", "numbers": [7]})
    session.close()
    data = (project.folder / "labels.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbffile,label,sha256,status\r\n")  # the mark by which Excel knows UTF-8
    monkeypatch.chdir(tmp_path)
    found = scan_labelled("p/labels.csv")
    wanted = {
        os.path.join("p", "..", "photos", file[0]): label
        for n, (file, label) in enumerate(zip(files, labels, strict=True))
        if n != 7
    }
    assert {image.path: image.label for image in found.images} == wanted


def test_the_table_is_written_after_a_pause_and_a_failure_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_table, "LONGEST", 0.4)
    rows = [("a.jpg", "cat", digest(1), "labelled")]
    paused = threading.Event()
    path = tmp_path / "labels.csv"
    table = label_table.LabelTable(path, lambda: rows, paused.set, pause=0.2)
    start = time.monotonic()
    while not path.exists() and time.monotonic() < start + 5:  # acts without a pause do not put it off for ever
        table.touch()
        time.sleep(0.02)
    assert path.read_bytes().decode() == f"file,label,sha256,status\r\na.jpg,cat,{digest(1)},labelled\r\n"
    assert paused.wait(5)
    path.unlink()
    path.mkdir()
    table.touch()
    while table.trouble is None and time.monotonic() < start + 10:
        time.sleep(0.02)
    assert "labels.csv is a folder, not a file" in str(table.trouble)
    path.rmdir()
    rows.append(("=1+1.jpg", "=1", digest(2), "exam"))
    table.close()  # what failed is tried once more
    with path.open(newline="") as file:
        assert list(csv.reader(file))[2] == ["=1+1.jpg", "=1", digest(2), "exam"]

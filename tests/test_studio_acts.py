"""What a page sends: each field is checked and refused in a sentence; what is taken goes to whole families."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

from penult.errors import InputError
from penult.store import Change, ClassName
from penult.store.labels import EXAM, EXCLUDED, KEPT, NONE_OF_THESE, SKIPPED
from penult.studio.acts import FIELDS, Board, class_name, parse_act, parse_class
from test_names import CLASSES, LEARNT

# photos 0 and 2 are one picture, and so are 3, 4 and 5
BOARD = Board(
    np.array([-1, 1, -1, 0, 0, 0, -1], np.int32),
    np.array([SKIPPED, 0, SKIPPED, EXAM, EXAM, EXAM | EXCLUDED, NONE_OF_THESE], np.uint8),
    np.array([0, 1, 0, 2, 2, 2, 3]),
    [ClassName("cat", "1"), ClassName("dog", "2"), ClassName("owl", "", removed=True)],
    {"blank-6": 6, "label-3": 3},
)


@pytest.mark.parametrize(
    ("sent", "changes", "info"),
    [
        ({"kind": "label", "n": 2, "label": 1}, [(0, 1, 0), (2, 1, 0)], {}),
        ({"kind": "label", "n": 6, "label": 0}, [(6, 0, 0)], {}),
        ({"kind": "exam", "n": 0, "label": 1}, [(0, 1, EXAM), (2, 1, EXAM)], {}),
        ({"kind": "again", "n": 3, "label": 1}, [(3, 0, EXAM)], {"label": 1, "same": False}),
        ({"kind": "none", "n": 1}, [(1, -1, NONE_OF_THESE)], {}),
        ({"kind": "skip", "n": 1}, [(1, 1, SKIPPED)], {}),
        (
            {"kind": "page", "class": 0, "accepted": [2, 1], "wrong": [1]},
            [(0, 0, 0), (2, 0, 0), (1, 1, 0)],
            {"class": 0, "wrong": 1},
        ),
        ({"kind": "many", "numbers": [1, 6], "label": 0}, [(1, 0, 0), (6, 0, 0)], {}),
        ({"kind": "many", "numbers": [4], "label": None}, [(3, -1, 0), (4, -1, 0), (5, -1, EXCLUDED)], {}),
        ({"kind": "exclude", "numbers": [2]}, [(2, -1, SKIPPED | EXCLUDED)], {}),
        ({"kind": "include", "numbers": [5, 1]}, [(5, 0, EXAM), (1, 1, 0)], {}),
        (
            {"kind": "finding", "finding": "label-3", "decision": "change", "label": 1},
            [(3, 1, EXAM | KEPT), (4, 1, EXAM | KEPT), (5, 1, EXAM | EXCLUDED | KEPT)],
            {"finding": "label-3", "decision": "change"},
        ),
        (
            {"kind": "finding", "finding": "label-3", "decision": "keep"},
            [(3, 0, EXAM | KEPT)],
            {"finding": "label-3", "decision": "keep"},
        ),
        (
            {"kind": "finding", "finding": "blank-6", "decision": "exclude"},
            [(6, -1, NONE_OF_THESE | EXCLUDED)],
            {"finding": "blank-6", "decision": "exclude"},
        ),
    ],
)
def test_an_act_says_what_each_photo_of_the_family_becomes(
    sent: dict[str, Any], changes: list[tuple[int, int, int]], info: dict[str, Any]
) -> None:
    act = parse_act({"id": "x", "base_seq": 3, "order": "ab", "mode": "doubt", "count": 2, **sent}, BOARD)
    assert (act.id, act.kind, dict(act.info)) == ("x", sent["kind"], info)
    assert act.changes == tuple(Change(*one) for one in changes)


GOOD: dict[str, dict[str, Any]] = {
    "label": {"n": 0, "label": 0},
    "exam": {"n": 0, "label": 0},
    "again": {"n": 1, "label": 0},
    "none": {"n": 0},
    "skip": {"n": 0},
    "page": {"class": 0, "accepted": [0], "wrong": [1]},
    "many": {"numbers": [0], "label": 0},
    "exclude": {"numbers": [0]},
    "include": {"numbers": [0]},
    "finding": {"finding": "label-3", "decision": "change", "label": 0},
}
# no value of any field: none of these is a number of a photo or a class, a list of them, an id, or a word that is known
NEVER: tuple[Any, ...] = (-1, 7, 1.0, True, "0", {}, [-1], [0, 0], [7], [0.0], [True], [[0]], "no", "\ud800", 10**400)


@pytest.mark.parametrize("kind", FIELDS)
def test_every_field_that_is_wrong_or_missing_is_refused_in_one_sentence(kind: str) -> None:
    good = {"id": "a-1", "kind": kind, **GOOD[kind]}
    parse_act(good, BOARD)
    wrong = [{**good, field: value} for field in GOOD[kind] for value in NEVER]
    wrong += [{**good, "id": value} for value in (*NEVER[3:-3], 0, None, "", "a b", "x" * 65, "a\n")]
    wrong += [{key: value for key, value in good.items() if key != field} for field in good]
    wrong += [{**good, "kind": value} for value in NEVER] + [{**good, "numberss": 1}]
    for sent in wrong:
        if isinstance(sent.get("id"), str) and sent["id"] in ("0", "no"):
            continue
        with pytest.raises(InputError) as refused:
            parse_act(sent, BOARD)
        said = str(refused.value)
        assert said.isprintable(), sent
        assert len(said) < 300, sent
        assert "; send " in said, sent


def test_a_class_that_was_removed_takes_no_labels_and_an_empty_page_is_none() -> None:
    with pytest.raises(InputError, match="class 2, 'owl', was removed; add it again"):
        parse_act({"id": "a", "kind": "label", "n": 0, "label": 2}, BOARD)
    with pytest.raises(InputError, match="the page has no photos"):
        parse_act({"id": "a", "kind": "page", "class": 0, "accepted": [], "wrong": []}, BOARD)
    with pytest.raises(InputError, match="photo 0 has no label to be asked again for"):
        parse_act({"id": "a", "kind": "again", "n": 0, "label": 0}, BOARD)


def test_classes_are_added_renamed_removed_and_get_keys() -> None:
    def classes(**sent: Any) -> dict[int, ClassName]:
        return dict(parse_class({"id": "c", **sent}, BOARD).classes)

    assert classes(do="add", name=" fox ") == {3: ClassName("fox", "3")}
    assert classes(do="add", name="owl", key="o") == {2: ClassName("owl", "o")}  # back under its number
    assert classes(do="add", name="bee", key=None) == {3: ClassName("bee", "3")}
    assert classes(do="rename", number=0, name="Cat") == {0: ClassName("Cat", "1")}
    assert classes(do="key", number=0, key="c") == {0: ClassName("cat", "c")}
    assert classes(do="key", number=0, key=None) == {0: ClassName("cat", "")}
    gone = parse_class({"id": "c", "do": "remove", "number": 0}, BOARD)
    assert gone.classes == {0: ClassName("cat", "", removed=True)}
    assert gone.changes == (Change(3, -1, 0), Change(4, -1, 0), Change(5, -1, EXCLUDED))
    for sent, said in (
        ({"do": "add", "name": "CAT"}, "there is a class 'cat' already; choose another name"),
        ({"do": "rename", "number": 1, "name": "cat"}, "there is a class 'cat' already"),
        ({"do": "rename", "number": 2, "name": "x"}, "was removed"),
        ({"do": "key", "number": 0, "key": "2"}, "the key 2 is that of 'dog'; choose another key"),
        ({"do": "key", "number": 0, "key": "0"}, "the field 'key' is '0'; send one of 1"),
        ({"do": "key", "number": 0, "key": "12"}, "the field 'key' is '12'"),
        ({"do": "add", "name": 5}, "the field 'name' is 5; send the name of a class"),
        ({"do": "swap"}, "the field 'do' is 'swap'; send one of add, rename, remove, key"),
        ({"do": "add", "name": "x", "number": 1}, "the field 'number' is not known here"),
    ):
        with pytest.raises(InputError, match=said.replace("(", r"\(")):
            parse_class({"id": "c", **sent}, BOARD)


def test_a_name_of_a_class_is_one_that_a_folder_and_a_table_can_have() -> None:
    for name in CLASSES:
        assert class_name(os.fsdecode(name)) == os.fsdecode(LEARNT[name])
    for name, why in (
        ("", "is empty"),
        (" \u200b\t", "is empty"),
        ("a/b", "has a sign that a folder's name cannot have"),
        ("..\\b", "has a sign that a folder's name cannot have"),
        ("a\0b", "has a sign that a folder's name cannot have"),
        (".", "hidden or system file"),
        ("..", "hidden or system file"),
        (".git", "hidden or system file"),
        ("Thumbs.DB", "hidden or system file"),
        ("nan", "there is no label"),
        ("N/A", "has a sign"),
        ("é" * 128, "is longer than 255 bytes"),
    ):
        with pytest.raises(InputError, match=why) as refused:
            class_name(name)
        assert str(refused.value).isprintable()
    assert class_name("b'cat'") == "cat"
    assert class_name("\ud800x") == "\ufffdx"

"""The label store: what was acknowledged is on the disk, everything can be undone, and no other file is taken for one."""

from __future__ import annotations

import os
import random
import resource
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from labelling import digest
from penult.errors import DamagedFile, InputError, OutputError
from penult.store import Act, Change, ClassName, LabelStore
from penult.store.labels import EXAM, EXCLUDED

DIGESTS = [digest(i) for i in range(8)]
CLASSES = {0: ClassName("cat", "1"), 1: ClassName("dog", "2")}


def made(path: Path, digests: list[str] = DIGESTS) -> LabelStore:
    store = LabelStore(path, digests)
    store.apply(Act("c", "class", classes=CLASSES))
    store.apply(Act("a", "label", (Change(1, 0, 0), Change(2, 0, 0))))
    store.apply(Act("b", "exam", (Change(2, 1, EXAM), Change(3, 1, EXAM)), {"why": "é"}))
    return store


def test_what_was_done_is_there_after_the_file_was_opened_again_and_photos_are_known_by_their_content(tmp_path: Path) -> None:
    with made(tmp_path / "labels.db") as store:
        seed = store.seed
    others = [*DIGESTS[::-1][:7], digest(99)]  # the first photo is gone, one is new, the others have other numbers
    with LabelStore(tmp_path / "labels.db", others) as store:
        assert store.labels().tolist() == [-1, -1, -1, -1, 1, 1, 0, -1]
        assert store.status().tolist() == [0, 0, 0, 0, EXAM, EXAM, 0, 0]
        assert store.changed().tolist() == [0, 0, 0, 0, 3, 3, 2, 0]
        assert (store.seq, store.seed, [one.name for one in store.classes]) == (3, seed, ["cat", "dog"])
        told = list(store.history(1))
        assert [(one.seq, one.kind) for one in told] == [(2, "label"), (3, "exam")]
        assert told[1].act == Act("b", "exam", (Change(5, 1, EXAM), Change(4, 1, EXAM)), {"why": "é"})
        store.undo("u")
        assert store.labels().tolist()[4:7] == [-1, 0, 0]
        assert store.check() == []
    with LabelStore(tmp_path / "labels.db", DIGESTS) as store:
        assert store.labels().tolist() == [-1, 0, 0, -1, -1, -1, -1, -1]


def test_an_act_that_is_sent_again_gets_its_first_answer_and_changes_nothing(tmp_path: Path) -> None:
    with made(tmp_path / "labels.db") as store:
        first = store.apply(Act("d", "label", (Change(5, 1, 0),)))
        again = store.apply(Act("d", "label", (Change(5, 0, 0),)))
        assert (again.seq, again.changes, again.repeated) == (first.seq, first.changes, True)
        undone, same = store.undo("u"), store.undo("u")
        assert undone is not None and same is not None
        assert (same.seq, same.act.id, same.changes) == (undone.seq, "d", (Change(5, -1, 0),))
        assert (store.seq, int(store.labels()[5])) == (5, -1)
        with pytest.raises(InputError, match="known as 'undo', and now 'label' was sent"):
            store.apply(Act("u", "label", (Change(5, 0, 0),)))


def test_undo_and_redo_have_no_end_and_a_new_act_ends_redo(tmp_path: Path) -> None:
    with LabelStore(tmp_path / "labels.db", DIGESTS) as store:
        store.apply(Act("i", "import", (Change(7, 1, 0),), classes=CLASSES))
        for i in range(6):
            store.apply(Act(f"a{i}", "label", (Change(i, i % 2, 0),)))
        assert store.live == {"import": 1, "label": 6}
        for i in range(6):
            assert store.undo(f"u{i}") is not None
        assert (store.can_undo, store.can_redo) == (False, True)
        assert store.undo("u6") is None  # what the photos came with is not undone
        assert store.labels().tolist() == [-1] * 7 + [1]
        for i in range(4):
            assert store.redo(f"r{i}") is not None
        store.apply(Act("n", "class", (Change(0, -1, EXCLUDED),), classes={1: ClassName("dogs", "2"), 2: ClassName("owl")}))
        assert store.redo("r4") is None
        store.undo("v")
        assert [(one.name, one.removed) for one in store.classes] == [("cat", False), ("dog", False), ("owl", True)]
        assert store.labels().tolist() == [0, 1, 0, 1, -1, -1, -1, 1]
        assert store.live == {"import": 1, "label": 4, "class": 0}
        assert store.check() == []


def test_what_was_before_an_import_stays_as_the_import_found_it(tmp_path: Path) -> None:
    path = tmp_path / "labels.db"
    with made(path) as store:
        store.apply(Act("n", "class", classes={2: ClassName("owl", "3")}))
        store.apply(Act("l", "label", (Change(4, 2, 0),)))
        store.undo("u")
        store.apply(Act("import 7", "import", (Change(7, 2, 0),)))  # undoing `n` would remove the class of this label
    for start in range(2):
        with LabelStore(path, DIGESTS) as store:
            assert (store.can_undo, store.can_redo) == (False, False)
            assert (store.undo(f"u{start}"), store.redo(f"r{start}")) == (None, None)
            assert (store.classes[2].removed, int(store.labels()[7])) == (False, 2)
            assert store.check() == []
    with LabelStore(path, DIGESTS) as store:
        store.apply(Act("m", "label", (Change(5, 1, 0),)))
        assert store.undo("v") is not None and store.can_redo and not store.can_undo


def test_only_one_has_a_project_at_a_time(tmp_path: Path) -> None:
    with made(tmp_path / "labels.db"), pytest.raises(OutputError, match="in use: penult studio is open on it"):
        LabelStore(tmp_path / "labels.db", DIGESTS)
    other = sqlite3.connect(tmp_path / "labels.db")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(OutputError, match="in use: another program has it open"):
        LabelStore(tmp_path / "labels.db", DIGESTS)
    other.close()
    store = LabelStore(tmp_path / "labels.db", DIGESTS)
    store.close()
    with pytest.raises(InputError, match="is closed"):
        store.apply(Act("x", "label"))


def damage(path: Path, how: str) -> None:
    if how == "text":
        path.write_text("file,label\n" * 100)
    elif how == "short":
        path.write_bytes(path.read_bytes()[:5000])
    elif how == "bytes":
        data = bytearray(path.read_bytes())
        for at in random.Random(0).sample(range(100, len(data)), len(data) // 3):
            data[at] = 0xFF
        path.write_bytes(data)
    else:
        with sqlite3.connect(path) as db:
            db.execute(how)
        db.close()


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("text", "damaged .*labels.csv beside it has the labels that were saved"),
        ("short", "damaged"),
        ("bytes", "damaged|no label store"),
        ("PRAGMA application_id = 7", "no label store of penult's"),
        ("CREATE TRIGGER t AFTER INSERT ON labels BEGIN DELETE FROM acts; END", "no label store of penult's"),
        ("PRAGMA user_version = 2", "newer version of penult .format 2; this one reads 1.; update penult"),
        ("UPDATE labels SET label = 7", "damaged"),
        ("UPDATE labels SET photo = 4000000000000 WHERE photo = 2", "damaged"),
        ("UPDATE labels SET label = 'cat'", "damaged"),
        ("DELETE FROM photos WHERE id = 3", "damaged"),
        ("INSERT INTO acts VALUES (4, 'u', 'redo', 2, '{}', 0)", "damaged"),
    ],
)
def test_a_file_that_is_damaged_or_of_something_else_is_refused(tmp_path: Path, how: str, said: str) -> None:
    path = tmp_path / "labels.db"
    made(path).close()
    damage(path, how)
    before = path.read_bytes()
    with pytest.raises(DamagedFile, match=said):
        LabelStore(path, DIGESTS)
    assert path.read_bytes() == before


def test_the_check_finds_a_state_that_is_not_the_replay_of_the_acts(tmp_path: Path) -> None:
    made(tmp_path / "labels.db").close()
    for how, said in (
        ("UPDATE labels SET label = 0 WHERE photo = 3", "the present state in the file is not the replay"),
        ("UPDATE changes SET old_label = 1 WHERE seq = 3 AND photo = 3", "act 3 found photo 3 as"),
        ("DELETE FROM class_changes", "is not the replay"),
    ):
        damage(tmp_path / "labels.db", how)
        with LabelStore(tmp_path / "labels.db", DIGESTS) as store:
            assert any(said in line for line in store.check()), how


def test_a_full_disk_refuses_the_act_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "labels.db"
    with made(path) as store:
        db = store._db
        assert db is not None
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(
            OutputError, match=r"labels.db: the disk is full; free some space or .*\. Nothing half-written"
        ) as refused:
            store.apply(Act("big", "many", (Change(4, 0, 0),), {"text": "x" * 100_000}))
        assert refused.value.exit_code == 4
        assert (store.seq, int(store.labels()[4]), store.check()) == (3, -1, [])
        db.execute("PRAGMA max_page_count = 100000")
        assert store.apply(Act("big", "many", (Change(4, 0, 0),), {"text": "x" * 100_000})).seq == 4  # sent again
    with LabelStore(path, DIGESTS) as store:
        assert (store.seq, int(store.labels()[4]), store.check()) == (4, 0, [])


FILL = """
import resource, signal, sys
from pathlib import Path
from penult.errors import OutputError
from penult.store import Act, Change, LabelStore
store = LabelStore(Path(sys.argv[1]), sys.argv[2].split(","))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    for i in range(100):
        store.apply(Act(f"n{i}", "label", (Change(i % 8, i % 2, 0),)))
        print(i)
except OutputError as error:
    print("said", error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print("then", store.apply(Act("after", "label", (Change(0, 1, 4),))).seq, store.check())
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="needs a limit of file sizes")
def test_a_write_that_is_cut_short_by_the_system_refuses_the_act_and_the_next_one_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "labels.db"
    made(path).close()
    words = [sys.executable, "-c", FILL, str(path), ",".join(DIGESTS), "90000"]
    told = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
    done = len(told) - 2
    assert 0 < done < 100
    assert told[-2].startswith(f"said could not write {path}: the disk reports an error; give another project folder")
    assert told[-1] == f"then {3 + done + 1} []"
    with LabelStore(path, DIGESTS) as store:
        assert (store.seq, int(store.status()[0]), store.check()) == (3 + done + 1, 4, [])


@pytest.mark.skipif(os.name == "nt", reason="a folder cannot be closed there")
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"could not write .*; choose another place for the results with --out DIR"):
        LabelStore(tmp_path / "file" / "labels.db", DIGESTS)
    (tmp_path / "labels.db").mkdir()
    with pytest.raises(OutputError, match="could not write"):
        LabelStore(tmp_path / "labels.db", DIGESTS)


def test_a_digest_stands_for_one_photo(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="sha256 of its own"):
        LabelStore(tmp_path / "labels.db", [DIGESTS[0], DIGESTS[0]])
    assert not (tmp_path / "labels.db").exists()
    odd = tmp_path / os.fsdecode(b"odd\xff\n'\xe9")
    with LabelStore(odd / "labels.db", DIGESTS) as store:
        assert np.array_equal(store.labels(), np.full(8, -1))

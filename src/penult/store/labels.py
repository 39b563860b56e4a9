"""The labels that somebody gives to photos, as acts in one SQLite file: what was acknowledged is kept, all can be undone.

In: acts, each with the photos that it changes. Out: the label and status of every photo now, and the acts in order. An act is
only ever added, with the values from before, so that undoing is an act, too, and the present state is the replay of all of
them (`check`). Photos are known by the sha256 of their bytes: they may be renamed and moved. SQLite is used by this module and
`label_file` alone; it writes through a log of its own (WAL) and waits for the disk at each act (synchronous=FULL).
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from penult.errors import InputError, PenultError
from penult.i18n import _
from penult.store import label_file
from penult.store.label_acts import (
    EXAM,
    EXCLUDED,
    IMPORT,
    KEPT,
    NONE_OF_THESE,
    REDO,
    SKIPPED,
    UNDO,
    Act,
    Applied,
    Change,
    ClassName,
)  # fmt: skip

__all__ = [
    "EXAM", "EXCLUDED", "IMPORT", "KEPT", "NONE_OF_THESE", "REDO", "SKIPPED", "UNDO",
    "Act", "Applied", "Change", "ClassName", "LabelStore",
]  # fmt: skip

Row = tuple[int, int, int, int, int]  # photo's key in the file; label and status before, and after
ClassRow = tuple[int, str, str, int, str, str, int]  # number; name, key and removed before, and after


class LabelStore:
    """The labels of a project in `path` (`labels.db`), for one writer at a time, until `close`.

    Parameters
    ----------
    path : Path
        The file; it is made where it is not there, and so is its folder.
    digests : sequence of str
        sha256 of each photo of the project, 64 hex digits, each once. Their order gives the photos their numbers for as long
        as this store is open. Labels of photos that are not among them are kept in the file.

    Raises
    ------
    OutputError
        Another process has the folder, or it cannot be written.
    DamagedFile
        The file is no label store of penult's, is damaged, or is of a newer version.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from penult.store import Act, Change, ClassName, LabelStore
    >>> with tempfile.TemporaryDirectory() as folder, LabelStore(Path(folder) / "labels.db", ["0" * 64, "1" * 64]) as store:
    ...     applied = store.apply(Act("a1", "label", (Change(1, 0, 0),), classes={0: ClassName("cat", "1")}))
    ...     before = store.labels().tolist()
    ...     undone = store.undo("a2")
    ...     print(applied.seq, before, store.labels().tolist())
    1 [-1, 0] [-1, -1]
    """

    def __init__(self, path: Path, digests: Sequence[str]) -> None:
        wanted = [bytes.fromhex(one) for one in digests]
        if len(set(wanted)) != len(wanted) or any(len(one) != 32 for one in wanted):
            raise ValueError("each photo needs a sha256 of its own")
        self.path = Path(path)
        self._folder = label_file.claim(self.path)
        self._db: sqlite3.Connection | None = None
        try:
            self._db = label_file.connect(self.path)
            try:
                with label_file.reading(self.path):
                    self._load(wanted)
            except PenultError:
                raise
            except (LookupError, TypeError, ValueError, OverflowError) as error:  # of values that penult did not write
                raise label_file.damaged(self.path, error) from error
        except BaseException:
            self.close()
            raise

    def _load(self, wanted: Sequence[bytes]) -> None:
        db = self._file
        keys: dict[bytes, int] = dict(db.execute("SELECT sha256, id FROM photos"))
        if max(keys.values(), default=0) != len(keys):
            raise ValueError("photos are gone")
        new = [one for one in wanted if one not in keys]
        if new:
            with label_file.writing(db, self.path):
                db.executemany("INSERT INTO photos (sha256) VALUES (?)", ((one,) for one in new))
            keys = dict(db.execute("SELECT sha256, id FROM photos"))
        self.seed = int(db.execute("SELECT value FROM facts WHERE name = 'seed'").fetchone()[0])
        self._keys = np.array([keys[one] for one in wanted], np.int64)  # (N,) the photos' keys in the file
        self._numbers = np.full(len(keys) + 1, -1)  # by key, from 1: the number, -1 for photos that the project has not
        self._numbers[self._keys] = np.arange(len(wanted))
        self._labels = np.full(len(keys) + 1, -1, np.int32)  # by key, as all that follows
        self._status = np.zeros(len(keys) + 1, np.uint8)
        self._changed = np.zeros(len(keys) + 1, np.int64)
        rows = db.execute("SELECT name, key, removed FROM classes ORDER BY class")
        self.classes = tuple(ClassName(str(name), str(key), bool(removed)) for name, key, removed in rows)
        now = np.array(list(db.execute("SELECT photo, label, status, seq FROM labels")), np.int64).reshape(-1, 4)
        if now.min(initial=0) < -1 or now[:, 1].max(initial=-1) >= len(self.classes):
            raise ValueError("a label of no class")
        self._labels[now[:, 0]], self._status[now[:, 0]], self._changed[now[:, 0]] = now[:, 1:].T
        self.seq = 0
        self._done: list[tuple[int, str]] = []  # acts that can be undone, by number and kind, the last one at the end
        self._undone: list[tuple[int, str]] = []
        self._imported = 0  # the last import; its labels may be of classes that acts before it made, so those are not undone
        self.live: Counter[str] = Counter()  # of each kind how many acts are not undone
        for seq, kind, of in db.execute("SELECT seq, kind, of FROM acts ORDER BY seq"):
            self._count(seq, kind, of)

    @property
    def _file(self) -> sqlite3.Connection:
        if self._db is None:
            raise InputError(_("{path} is closed; open the project again.", path=self.path))
        return self._db

    def labels(self) -> NDArray[np.int32]:
        """Return the class number of each photo (N,), -1 where it has none."""
        return self._labels[self._keys]

    def status(self) -> NDArray[np.uint8]:
        """Return the status bits of each photo (N,)."""
        return self._status[self._keys]

    def changed(self) -> NDArray[np.int64]:
        """Return the number of the last act that changed each photo (N,), 0 where none did."""
        return self._changed[self._keys]

    @property
    def can_undo(self) -> bool:
        """Whether there is an act to undo."""
        return self._turns(self._done)

    @property
    def can_redo(self) -> bool:
        """Whether there is an undone act to do again."""
        return self._turns(self._undone)

    def apply(self, act: Act) -> Applied:
        """Do an act, durably; an id that is known returns its first answer. Raises `OutputError`, and nothing is changed."""
        known = self.known(act.id, act.kind)
        if known is not None:
            return known
        rows = []
        for change in {change.photo: change for change in act.changes}.values():
            key = int(self._keys[change.photo])
            rows.append((key, int(self._labels[key]), int(self._status[key]), change.label, change.status))
        names = []
        for number, new in sorted(act.classes.items()):
            # a class that does not exist yet is one that was removed: so undoing its addition is removing it
            old = self.classes[number] if number < len(self.classes) else ClassName(new.name, new.key, removed=True)
            names.append((number, old.name, old.key, int(old.removed), new.name, new.key, int(new.removed)))
        self._write(act.id, act.kind, None, act.info, rows, names)
        return Applied(self.seq, act.kind, act, self.seq, self._changes(rows))

    def undo(self, id: str) -> Applied | None:
        """Undo the last act that is not undone, as an act; None where there is none since the last import."""
        return self._turn(id, UNDO, self._done)

    def redo(self, id: str) -> Applied | None:
        """Do the act again that was undone last, as an act; None where there is none, or another was done since."""
        return self._turn(id, REDO, self._undone)

    def _turns(self, stack: list[tuple[int, str]]) -> bool:
        return bool(stack) and stack[-1][0] > self._imported

    def _turn(self, id: str, kind: str, stack: list[tuple[int, str]]) -> Applied | None:
        known = self.known(id, kind)
        if known is not None or not self._turns(stack):
            return known
        of = stack[-1][0]
        rows, names = self._rows(of)
        if kind == UNDO:
            rows = [(row[0], *row[3:], *row[1:3]) for row in rows]
            names = [(row[0], *row[4:], *row[1:4]) for row in names]
        self._write(id, kind, of, {}, rows, names)
        return Applied(self.seq, kind, self._act(of), of, self._changes(rows))

    def names_ever(self) -> dict[str, int]:
        """Return the number of the class that has, or else last had, each name."""
        with label_file.reading(self.path):
            ever = dict(self._file.execute("SELECT name, class FROM class_changes ORDER BY seq"))
        return ever | {one.name: number for number, one in enumerate(self.classes)}

    def history(self, start: int = 0, kinds: Sequence[str] = ()) -> Iterator[Applied]:
        """Yield the acts after number `start` in order, of some kinds or all, each with the changes that it made."""
        db = self._file
        asked = f" AND kind IN ({','.join('?' * len(kinds))})" if kinds else ""
        with label_file.reading(self.path):
            found = db.execute(f"SELECT seq, kind, of FROM acts WHERE seq > ?{asked} ORDER BY seq", (start, *kinds)).fetchall()
            for seq, kind, of in found:
                yield Applied(seq, kind, self._act(of or seq), of or seq, self._changes(self._rows(seq)[0]))

    def known(self, id: str, kind: str) -> Applied | None:
        """Return the answer that an act of this id got before. Raises `InputError` where the id was another act's."""
        with label_file.reading(self.path):
            found = self._file.execute("SELECT seq, kind, of FROM acts WHERE id = ?", (id,)).fetchone()
            if found is None:
                return None
            seq, was, of = found
            if was != kind:
                raise InputError(
                    _(
                        "the act {id!r} is known as {was!r}, and now {kind!r} was sent under the same id; send a new id.",
                        id=id,
                        was=was,
                        kind=kind,
                    )
                )
            return Applied(seq, kind, self._act(of or seq), of or seq, self._changes(self._rows(seq)[0]), repeated=True)

    def _act(self, seq: int) -> Act:
        id, kind, info = self._file.execute("SELECT id, kind, info FROM acts WHERE seq = ?", (seq,)).fetchone()
        rows, names = self._rows(seq)
        return Act(
            id, kind, self._changes(rows), json.loads(info), {row[0]: ClassName(*row[4:6], bool(row[6])) for row in names}
        )

    def _rows(self, seq: int) -> tuple[list[Row], list[ClassRow]]:
        db = self._file
        rows = db.execute("SELECT photo, old_label, old_status, label, status FROM changes WHERE seq = ?", (seq,)).fetchall()
        wanted = (
            "SELECT class, old_name, old_key, old_removed, name, key, removed FROM class_changes WHERE seq = ? ORDER BY class"
        )
        return rows, db.execute(wanted, (seq,)).fetchall()

    def _changes(self, rows: Sequence[Row]) -> tuple[Change, ...]:
        known = ((int(self._numbers[key]), label, status) for key, _, _, label, status in rows)
        return tuple(Change(number, label, status) for number, label, status in known if number >= 0)

    def _write(
        self, id: str, kind: str, of: int | None, info: Mapping[str, Any], rows: Sequence[Row], names: Sequence[ClassRow]
    ) -> None:
        """Write an act and what it changes, in one transaction; only then the state in memory follows."""
        seq = self.seq + 1
        with label_file.writing(self._file, self.path) as db:
            told = json.dumps(info, ensure_ascii=True, allow_nan=False)
            db.execute("INSERT INTO acts VALUES (?, ?, ?, ?, ?, ?)", (seq, id, kind, of, told, time.time()))
            db.executemany(f"INSERT INTO changes VALUES ({seq}, ?, ?, ?, ?, ?)", rows)
            db.executemany(
                f"REPLACE INTO labels VALUES (?, ?, ?, {seq})", ((key, label, status) for key, _, _, label, status in rows)
            )
            db.executemany(f"INSERT INTO class_changes VALUES ({seq}, ?, ?, ?, ?, ?, ?, ?)", names)
            db.executemany("REPLACE INTO classes VALUES (?, ?, ?, ?)", ((row[0], *row[4:]) for row in names))
        self._count(seq, kind, of)
        if rows:
            keys, _, _, labels, status = np.array(rows, np.int64).T
            self._labels[keys], self._status[keys], self._changed[keys] = labels, status, seq
        classes = list(self.classes)
        for number, *_, name, key, removed in names:
            classes[number : number + 1] = [ClassName(name, key, bool(removed))]
        self.classes = tuple(classes)

    def _count(self, seq: int, kind: str, of: int | None) -> None:
        """Keep what can be undone and done again up to date."""
        self.seq = seq
        if of is not None:
            source, target = (self._done, self._undone) if kind == UNDO else (self._undone, self._done)
            target.append(source.pop())
            self.live[target[-1][1]] += -1 if kind == UNDO else 1
            return
        self.live[kind] += 1
        if kind == IMPORT:
            self._imported = seq
        else:
            self._done.append((seq, kind))
            self._undone.clear()

    def check(self) -> list[str]:
        """Return what is wrong with the file, in sentences: its pages, and the replay of all acts beside the present state."""
        with label_file.reading(self.path):
            return label_file.replay(self._file, self._snapshot())

    def _snapshot(self) -> tuple[dict[int, tuple[int, int]], dict[int, tuple[str, str, int]]]:
        """Return what this process holds to be the state: of each photo that an act touched, and of each class."""
        keys = np.flatnonzero(self._changed).tolist()
        photos = {key: (int(self._labels[key]), int(self._status[key])) for key in keys}
        return photos, {number: (one.name, one.key, int(one.removed)) for number, one in enumerate(self.classes)}

    def close(self) -> None:
        """Close the file, which leaves it without its log beside it, and let others have it."""
        if self._db is not None:
            self._db.close()
            self._db = None
        self._folder.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

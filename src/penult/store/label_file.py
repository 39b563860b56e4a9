"""The SQLite file of a label store: its tables, how it is opened, and what SQLite's errors mean to a user.

In: a path. Out: a connection that writes durably, or an error in three parts. Tables of acts and changes are only added to;
`labels` and `classes` are the present state, which `replay` compares with what all acts together make.
"""

from __future__ import annotations

import contextlib
import errno
import secrets
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from penult.errors import DamagedFile, OutputError
from penult.i18n import N_, _
from penult.store.atomic import make_folder
from penult.store.disk import FolderLock, disk
from penult.store.paths import output_error
from penult.texts import printable

State = tuple[dict[int, tuple[int, int]], dict[int, tuple[str, str, int]]]  # of photos by key, of classes by number

VERSION = 1
_OURS = 0x70656E75  # "penu", as the file's application id

_TABLES = (
    """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE photos (id INTEGER PRIMARY KEY, sha256 BLOB NOT NULL UNIQUE);
CREATE TABLE acts (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, of INTEGER, info TEXT NOT NULL,
    time REAL NOT NULL);
CREATE TABLE changes (seq INTEGER NOT NULL, photo INTEGER NOT NULL, old_label INTEGER NOT NULL, old_status INTEGER NOT NULL,
    label INTEGER NOT NULL, status INTEGER NOT NULL, PRIMARY KEY (seq, photo)) WITHOUT ROWID;
CREATE TABLE class_changes (seq INTEGER NOT NULL, class INTEGER NOT NULL, old_name TEXT NOT NULL, old_key TEXT NOT NULL,
    old_removed INTEGER NOT NULL, name TEXT NOT NULL, key TEXT NOT NULL, removed INTEGER NOT NULL,
    PRIMARY KEY (seq, class)) WITHOUT ROWID;
CREATE TABLE labels (photo INTEGER PRIMARY KEY, label INTEGER NOT NULL, status INTEGER NOT NULL, seq INTEGER NOT NULL);
CREATE TABLE classes (class INTEGER PRIMARY KEY, name TEXT NOT NULL, key TEXT NOT NULL, removed INTEGER NOT NULL);
""".strip()
    .removesuffix(";")
    .split(";\n")
)

_NUMBERS = {  # SQLite's codes of what the system refused
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
    sqlite3.SQLITE_PERM: errno.EACCES,
}

_BUSY = N_("penult studio is open on it")
_CURE = N_("close that one, or give another folder with --out")
_ROOM = N_("give another project folder with --out")
_AGAIN = N_("move it away and open the project again; labels.csv beside it has the labels that were saved, to import")


def claim(path: Path) -> FolderLock:
    """Make the folder and lock it until its release. Raises `OutputError` where another process has it."""
    make_folder(path.parent)
    return FolderLock(path.parent, _BUSY, _CURE)


def connect(path: Path) -> sqlite3.Connection:
    """Open the file, which is made where it is not there, and check it. Raises `OutputError` or `DamagedFile`."""
    with reading(path):
        # one lock decides which thread uses it; transactions are begun by hand
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0.2)
    try:
        with reading(path):
            for setting in (
                "locking_mode = EXCLUSIVE",  # a second lock, for systems without locks on folders; no file of shared memory
                "journal_mode = WAL",
                "synchronous = FULL",
                "trusted_schema = OFF",
                "cell_size_check = ON",
            ):
                db.execute(f"PRAGMA {setting}")
            if not db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                _create(db, path)
            _check(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _create(db: sqlite3.Connection, path: Path) -> None:
    with writing(db, path):
        for table in _TABLES:
            db.execute(table)
        db.execute("INSERT INTO facts VALUES ('seed', ?)", (str(secrets.randbits(31)),))
        db.execute(f"PRAGMA application_id = {_OURS}")
        db.execute(f"PRAGMA user_version = {VERSION}")
    try:
        disk.sync_folder(path.parent)
    except OSError as error:
        raise output_error(error, path, _ROOM) from error


def _check(db: sqlite3.Connection, path: Path) -> None:
    """Raise `DamagedFile` for a file of something else, of a newer version, or with damaged pages."""
    kind, version = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
    if kind == _OURS and version > VERSION:
        raise DamagedFile(
            _(
                "{path} was written by a newer version of penult (format {version}; this one reads {known}); "
                "update penult with pip install -U penult.",
                path=printable(path),
                version=version,
                known=VERSION,
            )
        )
    tables = {sql for (sql,) in db.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")}
    if kind != _OURS or tables != set(_TABLES):
        raise DamagedFile(
            _(
                "{path} is no label store of penult's, or another program changed its tables; {cure}.",
                path=printable(path),
                cure=_(_AGAIN),
            )
        )
    said = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if said != "ok":
        raise damaged(path, said)


def damaged(path: Path, said: object) -> DamagedFile:
    """Return the error for a file whose content cannot be."""
    return DamagedFile(
        _("{path} is damaged ({said}); {cure}.", path=printable(path), said=printable(str(said)), cure=_(_AGAIN))
    )


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into penult's."""
    try:
        yield
    except sqlite3.OperationalError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise OutputError(
                _("{path} is in use: another program has it open. Nothing was touched; close that.", path=printable(path))
            ) from error
        if code not in _NUMBERS:
            raise damaged(path, error) from error
        raise output_error(OSError(_NUMBERS[code], str(error)), path, _ROOM) from error
    except sqlite3.DatabaseError as error:
        raise damaged(path, error) from error


@contextlib.contextmanager
def writing(db: sqlite3.Connection, path: Path) -> Iterator[sqlite3.Connection]:
    """Do what the block does durably, or not at all. Raises `OutputError`: what was written before stays."""
    with reading(path):
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:  # a full disk may have ended it already
                db.execute("ROLLBACK")
            raise


def replay(db: sqlite3.Connection, held: State) -> list[str]:
    """Return what is wrong, in sentences: damaged pages, or a present state that is not what all acts together make.

    `held` is what a process holds to be the state: label and status of each photo that an act touched; name, key and removed
    of each class.
    """
    wrong = [said for (said,) in db.execute("PRAGMA integrity_check(5)") if said != "ok"]
    photos: dict[int, tuple[int, int]] = {}
    for seq, photo, *values in db.execute("SELECT seq, photo, old_label, old_status, label, status FROM changes ORDER BY seq"):
        before, after = tuple(values[:2]), tuple(values[2:])
        if photos.get(photo, (-1, 0)) != before:
            wrong.append(
                f"act {seq} found photo {photo} as {before}, and the acts before made it {photos.get(photo, (-1, 0))}"
            )
        photos[photo] = (after[0], after[1])
    classes: dict[int, tuple[str, str, int]] = {}
    for seq, number, *named in db.execute(
        "SELECT seq, class, old_name, old_key, old_removed, name, key, removed FROM class_changes ORDER BY seq"
    ):
        if number in classes and classes[number] != tuple(named[:3]):
            wrong.append(f"act {seq} found class {number} as {named[:3]}, and the acts before made it {classes[number]}")
        classes[number] = (named[3], named[4], named[5])
    present = {photo: (label, status) for photo, label, status in db.execute("SELECT photo, label, status FROM labels")}
    named_now = {number: tuple(row) for number, *row in db.execute("SELECT class, name, key, removed FROM classes")}
    for what, told in (("the present state in the file", (present, named_now)), ("the state in memory", held)):
        if told != (photos, classes):
            wrong.append(f"{what} is not the replay of the acts")
    return wrong

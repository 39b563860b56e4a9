"""labels.csv beside the label store: whole, after each pause and at the end, so that labels are never held hostage by SQLite.

In: the rows as they are now. Out: `file,label,sha256,status`, a line for each file that has a label and is not excluded: what
`penult train labels.csv` takes, and a spreadsheet.
"""

from __future__ import annotations

import csv
import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from penult.errors import OutputError
from penult.i18n import N_
from penult.store import atomic_write_text

log = logging.getLogger(__name__)

HEADER = ("file", "label", "sha256", "status")
PAUSE = 1.0  # seconds without an act, after which it is written
LONGEST = 10.0  # seconds after which it is written although acts keep coming
_CURE = N_("free some space; the labels themselves are in labels.db, and this file is written again after the next one")

Rows = Sequence[tuple[str, str, str, str]]


def write_labels(path: Path, rows: Rows) -> None:
    """Write the table, whole or not at all. Raises `OutputError`.

    Names that are not ASCII get a byte order mark in front of them, without which Excel takes UTF-8 for something else.
    """
    plain = all(cell.isascii() for row in rows for cell in row[:2])
    with atomic_write_text(path, cure=_CURE) as file:
        file.write("" if plain else "\ufeff")
        table = csv.writer(file)
        table.writerow(HEADER)
        table.writerows(rows)


class LabelTable:
    """Writes the table from a thread of its own, `pause` seconds after the last `touch`, and at `close`.

    `trouble` is the sentence of the last failure, None while all is well; a failed table is tried again after the next touch
    and at `close`.
    `paused` is called after each pause, written or not.
    """

    def __init__(
        self, path: Path, rows: Callable[[], Rows], paused: Callable[[], None] = lambda: None, pause: float = PAUSE
    ) -> None:
        self.path, self.trouble = path, None
        self._rows, self._paused, self._pause = rows, paused, pause
        self._news = threading.Condition()
        self._first = self._last = 0.0  # when the first and the last act came that are not in the table; 0: none
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="penult-labels", daemon=True)
        self._thread.start()

    trouble: str | None

    def touch(self) -> None:
        """Say that the labels have changed."""
        with self._news:
            self._last = time.monotonic()
            self._first = self._first or self._last
            self._news.notify()

    def close(self) -> None:
        """Write what is not written yet, and end the thread."""
        with self._news:
            self._closed = True
            self._news.notify()
        self._thread.join()
        if self.trouble is not None:  # its cause may be gone since
            self._write()

    def _work(self) -> None:
        while self._wait():
            try:
                self._write()
                if not self._closed:
                    self._paused()
            except Exception:  # a mistake of ours: the next pause comes all the same
                log.exception("labels.csv was not written")

    def _wait(self) -> bool:
        """Return True when it is time to write, False at the end."""
        with self._news:
            while not self._closed:
                due = min(self._last + self._pause, self._first + max(LONGEST, self._pause))
                left = due - time.monotonic()
                if self._first and left <= 0:
                    break
                self._news.wait(left if self._first else None)
            due_now, self._first = bool(self._first), 0.0
            return due_now

    def _write(self) -> None:
        try:
            write_labels(self.path, self._rows())
            self.trouble = None
        except OutputError as error:
            self.trouble = str(error)
            log.warning("%s", error)

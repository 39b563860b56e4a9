"""Long work for the page, one at a time, in a child process: it reports how far it is, and can be cancelled.

In: what to do, as plain values. Out: the state that pages show, and a result.
"""

from __future__ import annotations

import logging
import os
import queue
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from penult.errors import PenultError
from penult.i18n import VARIABLE, _, language, set_language
from penult.stored_texts import retranslated
from penult.studio import exports
from penult.worker import Crashed, Worker

log = logging.getLogger(__name__)

RUNNING, DONE, FAILED, CANCELLED = "running", "done", "failed", "cancelled"
THREADS = 2  # of a child's libraries


class JobRunning(PenultError):
    """There is a job already."""


@dataclass
class BackgroundJob:
    """One piece of work and how far it is."""

    kind: str
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    stage: str = ""
    done: int = 0
    total: int = 0
    state: str = RUNNING
    error: str | None = None
    result: Any = None
    worker: Worker | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for the page."""
        names = ("id", "kind", "stage", "done", "total", "state", "error", "result")
        found = {name: getattr(self, name) for name in names}
        return found | {"error": None if self.error is None else retranslated(self.error)}


class Jobs:
    """The jobs of one project; `changed` is called, in any thread, when the present one says something new."""

    def __init__(self, run: Path, changed: Callable[[], None]) -> None:
        self.run, self.changed = run, changed
        self._job: BackgroundJob | None = None
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def state(self) -> dict[str, Any] | None:
        """Return the present job, or the last one, as plain values."""
        return None if self._job is None else self._job.to_dict()

    def start(self, kind: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Begin a job of a kind in `WORK`. Raises `JobRunning` where one is at work."""
        with self._lock:
            if self._job is not None and self._job.state == RUNNING:
                raise JobRunning(
                    _("{kind} is at work already; wait until it has ended, or cancel it.", kind=_(self._job.kind))
                )
            job = self._job = BackgroundJob(kind)
            job.worker = Worker("penult.studio.jobs:work", THREADS)
            follow = partial(copy_context().run, self._follow, job, dict(asked))  # in the language of the one who asks
            self._thread = threading.Thread(target=follow, name="penult-job", daemon=True)
            self._thread.start()
        self.changed()
        return job.to_dict()

    def cancel(self) -> bool:
        """End the job that is at work; return whether there was one."""
        with self._lock:
            job = self._job
            if job is None or job.state != RUNNING or job.worker is None:
                return False
            job.state = CANCELLED
            job.worker.kill()
        self.changed()
        return True

    def close(self) -> None:
        """Cancel what is at work, and wait for its end."""
        self.cancel()
        if self._thread is not None:
            self._thread.join()

    def _follow(self, job: BackgroundJob, asked: dict[str, Any]) -> None:
        assert job.worker is not None  # noqa: S101 - for the type checker
        try:
            with job.worker as worker:
                worker.send((job.kind, asked, language()))
                for what, *said in worker.answers():
                    if what == "progress":
                        job.stage, job.done, job.total = said
                    else:
                        job.result = said[0]
                    self.changed()
            self._end(job, DONE)
        except PenultError as error:
            self._end(job, FAILED, str(error))
        except Crashed as error:
            self._end(job, FAILED, _("the process of this job ended ({error}); free some memory and try again.", error=error))
        except Exception as error:
            log.exception("a job failed")
            self._end(job, FAILED, _("a mistake of penult's own: {error!r}.", error=error))

    def _end(self, job: BackgroundJob, state: str, error: str | None = None) -> None:
        with self._lock:
            if job.state == RUNNING:
                job.state, job.error = state, error
        self.changed()


def work(asked: Iterator[Any]) -> Iterator[tuple[Any, ...]]:
    """Be the child process: do the job in a thread, and yield its progress and its result.

    Raises the `PenultError` that stopped it.
    """
    kind, values, spoken = next(asked)
    set_language(spoken)
    os.environ[VARIABLE] = spoken  # for its own children
    said: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()

    def do() -> None:
        try:
            said.put(
                ("result", exports.WORK[kind](values, lambda stage, done, total: said.put(("progress", stage, done, total))))
            )
            said.put(("end", None))
        except PenultError as error:
            said.put(("end", error))
        except BaseException as error:  # a mistake of ours: the child dies of it, and says so
            log.exception("a job failed")
            said.put(("end", PenultError(_("a mistake of penult's own: {error!r}.", error=error))))

    threading.Thread(target=do, daemon=True).start()
    while (one := said.get())[0] != "end":
        yield one
    if one[1] is not None:
        raise one[1]

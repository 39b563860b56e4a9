"""One project while the studio is open: first it is prepared, in a thread, then its session answers; jobs run beside both.

In: `StudioOptions`. Out: what every endpoint asks. Nothing here knows HTTP.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penult import __version__, store
from penult.errors import PenultError
from penult.i18n import N_, _, language
from penult.pixels import Failure
from penult.stored_texts import retranslated
from penult.studio.jobs import Jobs
from penult.studio.options import StudioOptions
from penult.studio.photos import RUN, find_photos, remember
from penult.studio.pictures import PictureMaker
from penult.studio.prepared import KIND
from penult.studio.project import Project, find_places, prepare_project
from penult.worker import Crashed, Worker

if TYPE_CHECKING:  # scikit-learn takes a second to import, in which the page is there already
    from penult.studio.session import Session

log = logging.getLogger(__name__)

PAGES = (24, 48)  # photos on a page that is confirmed as a whole
_BUSY = N_("another penult studio has it open")
_CURE = N_("go on there, or end that one first")


class Stopped(Exception):
    """The studio ends while a project is prepared."""


class Workspace:
    """A project that is being prepared or open; `close` ends all of it. Raises what `find_photos` raises.

    `changed` is called, in any thread, whenever `state` says something new.
    """

    def __init__(self, options: StudioOptions, changed: Callable[[], None] = lambda: None) -> None:
        self.found = find_photos(options)
        if options.settings.folder is None:  # a user without a home folder
            options = replace(options, settings=replace(options.settings, cache=self.found.folder / "cache"))
        self.options, self.changed = options, changed
        store.make_folder(self.found.folder / KIND)
        self._claim = store.FolderLock(self.found.folder / KIND, _BUSY, _CURE)
        try:
            remember(self.found, options)
        except BaseException:
            self._claim.release()
            raise
        self.jobs = Jobs(self.found.folder / RUN, self._tell)
        self.pictures = PictureMaker(max_pixels=options.settings.max_pixels)
        self.project: Project | None = None
        self.session: Session | None = None
        self.preparing: dict[str, Any] | None = {"stage": "files", "done": 0, "total": len(self.found.images)}
        self.failed: PenultError | None = None
        self._ending, self._opened = threading.Event(), threading.Event()
        self._worker: Worker | None = None  # that makes the map
        self._thread = threading.Thread(target=self._prepare, name="penult-studio-prepare", daemon=True)

    def start(self) -> None:
        """Begin to prepare the project, in a thread."""
        self._thread.start()

    def wait(self) -> Session:
        """Wait until the project is open. Raises what stopped its preparation."""
        self._opened.wait()
        if self.session is None:
            raise self.failed or PenultError(_("the project was not opened, because the studio is ending; start it again."))
        return self.session

    def _prepare(self) -> None:
        try:
            self._open()
        except Stopped:
            return
        except PenultError as error:
            self._fail(error)
        except Exception as error:  # a mistake of ours: the page is told, and the log has where
            log.exception("the project could not be prepared")
            self._fail(PenultError(_("a mistake of penult's own while the photos were prepared: {error!r}.", error=error)))
        finally:
            self._opened.set()
        if self.project is not None and not self._ending.is_set():
            self._place(self.project)

    def _open(self) -> None:
        from penult.studio.background import BackgroundHead
        from penult.studio.questions import Questions
        from penult.studio.quick_model import QuickModel
        from penult.studio.session import Session

        project = prepare_project(self.found, self.options, self._progress)
        self.pictures.depth = project.depth
        with ExitStack() as failed:
            labels = failed.enter_context(store.LabelStore(project.folder / "labels.db", project.digests))
            background = failed.enter_context(closing(BackgroundHead(project.Z, project.families)))
            model = QuickModel(project.Z, project.families, self.options.seed)
            questions = Questions(model, project.families, labels.seed, project.digests)
            session = Session(project, labels, model, questions, background)
            failed.pop_all()  # the session closes them
        session.subscribe(self._tell)
        self.project, self.session = project, session
        self.preparing = None
        self._tell()

    def _place(self, project: Project) -> None:
        """Make the map; without one everything else works all the same."""
        try:
            find_places(project, self._take_worker)
        except (PenultError, Crashed) as error:
            if not self._ending.is_set():
                log.warning("the map of the photos could not be made or kept: %s", error)
        self._tell()

    def _take_worker(self, worker: Worker) -> None:
        """Keep the process that makes the map, to end it with the studio."""
        self._worker = worker
        if self._ending.is_set():
            worker.kill()

    def _fail(self, error: PenultError) -> None:
        self.failed = error
        self.preparing = {"stage": "failed", "done": 0, "total": 0, "error": str(error)}
        self._tell()

    def _progress(self, stage: str, done: int, total: int) -> None:
        if self._ending.is_set():
            raise Stopped
        self.preparing = {"stage": stage, "done": done, "total": total}
        self._tell()

    def _tell(self, *_: object) -> None:
        self.changed()

    def about(self) -> dict[str, Any]:
        """Return what `/api/project` says."""
        found, project = self.found, self.project
        known: dict[str, Any] = {
            "photos": 0, "families": 0, "copies": 0, "unreadable": [], "classes": [], "order": None,
        }  # fmt: skip
        if project is not None and self.session is not None:
            families = project.families
            sizes = [0] * (int(families.max()) + 1)
            for family in families.tolist():
                sizes[family] += 1
            known = {
                "photos": len(project),
                "families": len(sizes),
                "copies": sum(size > 1 for size in sizes),
                "unreadable": [
                    {"file": u.file, "reason": retranslated(u.reason), "advice": retranslated(u.advice)}
                    for u in project.unreadable
                ],
                "classes": self.session.classes(),
                "order": project.order,
            }
        return {
            "name": found.name, "source": found.source, "out": str(found.folder), "kind": found.kind,
            "preparing": self._prepared(), "files": len(found.images), "notes": list(map(retranslated, found.notes)), **known,
            "trained": (self.run / "report.html").is_file(),
            "version": __version__, "limits": {"page": list(PAGES)}, "language": language(),
        }  # fmt: skip

    def _prepared(self) -> dict[str, Any] | None:
        """Return how far the preparation is, an error in the language of the one who asks."""
        found = self.preparing
        return found if found is None or "error" not in found else found | {"error": retranslated(found["error"])}

    def state(self) -> dict[str, Any]:
        """Return the snapshot that pages are told of."""
        known = {} if self.session is None else self.session.state()
        placed = self.project is not None and self.project.places is not None
        return {**known, "job": self.jobs.state(), "preparing": self._prepared(), "map": placed}

    def thumbnail(self, number: int) -> bytes | Failure:
        """Return the small picture of a photo as a JPEG file, or why there is none."""
        assert self.project is not None  # noqa: S101 - for the type checker: asked of an open project only
        small = self.project.thumbnails[number]
        return Failure("unreadable file", _("it is gone, or damaged")) if small is None else small

    def photo(self, number: int, side: int) -> bytes | Failure:
        """Return a photo as a JPEG file, its longer side at most `side`."""
        assert self.project is not None  # noqa: S101
        return self.pictures.jpeg(self.project.paths[number][0], side)

    @property
    def run(self) -> Path:
        """The run folder of this project."""
        return self.found.folder / RUN

    def close(self) -> None:
        """End jobs, session and preparation; what is computed is kept."""
        self._ending.set()
        if self._worker is not None:
            self._worker.kill()
        self.jobs.close()
        if self._thread.ident is not None:
            self._thread.join()
        if self.session is not None:
            self.session.close()
        self.pictures.close()
        self._claim.release()

"""The paths of the studio and what stands behind each: an application to be put behind a `Guard` with a `BrowserSession`.

What computes or waits for the disk runs in threads: acts one after the other in one, since they are in the order in which the
user made them; questions and lists in others.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar

from penult.errors import InputError, OutputError, PenultError
from penult.i18n import _, in_language, language_of
from penult.studio import pages
from penult.studio.jobs import JobRunning
from penult.studio.tasks import Tasks
from penult.studio.workspace import Workspace
from penult.web import BodyReader, BrowserSession, Refusal, header_map, route_app
from penult.web.guard import App

if TYPE_CHECKING:
    from penult.studio.session import Session

T = TypeVar("T")

STREAMS = frozenset({"/api/state"})  # answered for as long as the page is there
ALIVE = 15.0  # seconds after which a stream says that it is there


class StudioEndpoints:
    """What is behind each path; every method takes a request and returns a response, or raises `Refusal`."""

    def __init__(self, workspace: Workspace, browser: BrowserSession, bodies: BodyReader) -> None:
        self.workspace, self.browser, self.bodies = workspace, browser, bodies
        self.tasks = Tasks(workspace)
        self._writer = ThreadPoolExecutor(1, "penult-acts")
        self._readers = ThreadPoolExecutor(6, "penult-answers")
        self._news: set[asyncio.Event] = set()
        self._ending = False

    # --- the page ---

    async def open(self, request: Any) -> Any:
        """Take the one-time token, and give the browser its cookie."""
        return pages.redirect(self.browser.enter(request.query_params.get("token", ""), header_map(request)))

    async def page(self, request: Any) -> Any:
        """Return the page."""
        return pages.asset("index.html")

    async def asset(self, request: Any) -> Any:
        """Return one of the files that the page loads."""
        return pages.asset(request.path_params["name"])

    async def run_file(self, request: Any) -> Any:
        """Return a file of the project's run, read-only, with a policy of its own."""
        return await self._read(pages.run_file, self.workspace.run, request.path_params["name"])

    # --- what there is ---

    async def project(self, request: Any) -> Any:
        """Return what the project is."""
        return await self._answer(self._readers, self.workspace.about)

    async def state(self, request: Any) -> Any:
        """Return one snapshot, or all that come, as Server-Sent Events."""
        from starlette.responses import StreamingResponse

        if "text/event-stream" not in request.headers.get("accept", ""):
            return await self._answer(self._readers, self.workspace.state)
        language = language_of(request.query_params.get("language", ""))  # an EventSource can send no header
        return StreamingResponse(self._states(language), media_type="text/event-stream", headers={"x-accel-buffering": "no"})

    async def _states(self, language: str | None) -> AsyncIterator[str]:
        news = asyncio.Event()
        news.set()
        self._news.add(news)
        try:
            while not self._ending:
                try:
                    await asyncio.wait_for(news.wait(), ALIVE)
                except TimeoutError:
                    yield ": alive\n\n"
                    continue
                news.clear()
                if not self._ending:
                    with in_language(language):
                        state = await self._run(self._readers, self.workspace.state)
                    yield f"event: state\ndata: {_text(state)}\n\n"
                    await asyncio.sleep(0.05)  # progress comes by the thousand
        finally:
            self._news.discard(news)

    def news(self) -> None:
        """Tell all streams that something is new; in the event loop."""
        for one in self._news:
            one.set()

    def end(self) -> None:
        """Let all streams end; in the event loop."""
        self._ending = True
        self.news()

    async def photos(self, request: Any) -> Any:
        """Return the numbers of the photos of a filter, in order."""
        return await self._read(self._session().photos, dict(request.query_params))

    async def details(self, request: Any) -> Any:
        """Return what is known of some photos."""
        numbers = request.query_params.get("numbers", "")
        if not re.fullmatch(r"\d{1,9}(,\d{1,9})*", numbers, re.ASCII):
            raise Refusal(400, _("`numbers` are no photo numbers with commas between them."))
        return await self._read(self._session().details, [int(number) for number in numbers.split(",")])

    async def queue(self, request: Any) -> Any:
        """Return the next questions."""
        mode, count = request.query_params.get("mode", "mixed"), _whole(request, "count", 3)
        return await self._read(self._session().queue, mode, count)

    async def class_page(self, request: Any) -> Any:
        """Return photos that are taken for one class."""
        number, count = _whole(request, "class", None), _whole(request, "count", 24)
        return await self._read(self._session().page, number, count)

    async def changes(self, request: Any) -> Any:
        """Return what changed after an act."""
        return await self._read(self._session().changes, _whole(request, "since", 0))

    async def colors(self, request: Any) -> Any:
        """Return label, guess and probability of every photo."""
        return await self._read(self._session().colors)

    async def map(self, request: Any) -> Any:
        """Return where each photo lies on the map."""
        return await self._read(self.tasks.map)

    async def findings(self, request: Any) -> Any:
        """Return what is odd about the photos."""
        return await self._read(self._session().findings)

    async def quality(self, request: Any) -> Any:
        """Return how good the model is, and what would help."""
        return await self._read(self._session().quality)

    async def differences(self, request: Any) -> Any:
        """Return what changed between the last two trainings."""
        return await self._read(self.tasks.differences)

    # --- pictures ---

    async def thumb(self, request: Any) -> Any:
        """Return a small picture of a photo."""
        return pages.picture(await self._run(self._readers, self.workspace.thumbnail, self._named(request)))

    async def photo(self, request: Any) -> Any:
        """Return a photo, decoded, upright and written anew."""
        number, side = self._named(request), _whole(request, "side", 1600, 64, 4096)
        return pages.picture(await self._run(self._readers, self.workspace.photo, number, side))

    def _named(self, request: Any) -> int:
        """Return the number of the photo in the path; its digest must be the photo's, since the answer is kept for ever."""
        self._session()
        number, digest = request.path_params["number"], request.path_params["digest"]
        project = self.workspace.project
        if project is None or number >= len(project) or project.digests[number][:16] != digest:
            raise Refusal(404, _("there is no such photo in this project."))
        return int(number)

    # --- what changes something ---

    async def act(self, request: Any) -> Any:
        """Take an act."""
        return await self._write(request, self._session().act)

    async def undo(self, request: Any) -> Any:
        """Take the last act back."""
        return await self._write(request, self._session().undo)

    async def redo(self, request: Any) -> Any:
        """Do an act again that was taken back."""
        return await self._write(request, self._session().redo)

    async def classes(self, request: Any) -> Any:
        """Add, rename, or remove a class, or give it a key."""
        return await self._write(request, self._session().change_classes)

    async def alike(self, request: Any) -> Any:
        """Return the photos that are most like some."""
        body = await self._body(request)
        return await self._read(self._session().alike, body.get("numbers"), body.get("count", 48))

    async def train(self, request: Any) -> Any:
        """Begin to train."""
        self._session()
        return await self._answer(self._writer, self.tasks.train, await self._body(request))

    async def export(self, request: Any) -> Any:
        """Write what is asked for."""
        self._session()
        return await self._answer(self._writer, self.tasks.export, await self._body(request))

    async def cancel(self, request: Any) -> Any:
        """End the job that is at work."""
        await self._body(request)
        return await self._answer(self._readers, self.tasks.cancel)

    # --- how ---

    def _session(self) -> Session:
        if self.workspace.session is None:
            raise Refusal(
                409, _("the photos are still being prepared; ask again soon."), {"preparing": self.workspace.preparing}
            )
        return self.workspace.session

    async def _write(self, request: Any, act: Callable[[dict[str, Any]], Any]) -> Any:
        """Let the session do what a body says."""
        return await self._answer(self._writer, act, await self._body(request))

    async def _read(self, function: Callable[..., Any], *arguments: Any) -> Any:
        self._session()
        return await self._answer(self._readers, function, *arguments)

    async def _answer(self, where: Executor, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return the JSON of what a function returns; a response of its own as it is."""
        from starlette.responses import Response

        def done() -> Any:
            found = function(*arguments)
            return found if isinstance(found, Response) else Response(_text(found), media_type="application/json")

        return await self._run(where, done)

    @staticmethod
    async def _run(where: Executor, function: Callable[..., T], *arguments: Any) -> T:
        try:
            in_context = copy_context().run  # in the language of the one who asks
            return await asyncio.get_running_loop().run_in_executor(where, in_context, function, *arguments)
        except PenultError as error:
            raise _refused(error) from error

    async def _body(self, request: Any) -> dict[str, Any]:
        """Return the JSON object of a body. Raises `Refusal`."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Refusal(415, _("send JSON: Content-Type: application/json."))
        body = await self.bodies.read(request.receive, header_map(request), request.scope["penult"])
        try:
            found = json.loads(body, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            raise Refusal(400, _("the body is no JSON that can be read ({error}).", error=str(error)[:100])) from None
        finally:
            self.bodies.give_back(len(body))
        if not isinstance(found, dict):
            raise Refusal(400, _("the body is no JSON object."))
        return found

    def close(self) -> None:
        """End the threads; acts that were taken are done first."""
        self._writer.shutdown()
        self._readers.shutdown(cancel_futures=True)

    def app(self) -> App:
        """Return the application."""
        get = [
            ("/", self.page), ("/open", self.open), ("/assets/{name:path}", self.asset), ("/run/{name:path}", self.run_file),
            ("/thumb/{number:int}/{digest}.jpg", self.thumb), ("/photo/{number:int}/{digest}.jpg", self.photo),
            ("/api/project", self.project), ("/api/state", self.state), ("/api/photos", self.photos),
            ("/api/details", self.details), ("/api/queue", self.queue), ("/api/page", self.class_page),
            ("/api/changes", self.changes), ("/api/colors", self.colors), ("/api/map", self.map),
            ("/api/findings", self.findings), ("/api/quality", self.quality), ("/api/differences", self.differences),
        ]  # fmt: skip
        post = [
            ("/api/acts", self.act), ("/api/undo", self.undo), ("/api/redo", self.redo), ("/api/classes", self.classes),
            ("/api/alike", self.alike), ("/api/train", self.train), ("/api/export", self.export),
            ("/api/job/cancel", self.cancel),
        ]  # fmt: skip
        return route_app(get, post)


def _refused(error: PenultError) -> Refusal:
    """Return what a mistake of the page's, or of the disk, is answered with."""
    from penult.studio.session import UnknownState

    known = ((UnknownState, 409), (JobRunning, 409), (OutputError, 507), (InputError, 400))
    return Refusal(next((status for kind, status in known if isinstance(error, kind)), 422), str(error))


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number")


def _text(values: object) -> str:
    return json.dumps(values, allow_nan=False, separators=(",", ":"))


def _whole(request: Any, name: str, usual: int | None, low: int = 0, high: int = 1 << 60) -> int:
    """Return a whole number of the query. Raises `Refusal`."""
    text = request.query_params.get(name, "" if usual is None else str(usual))
    if not re.fullmatch(r"\d{1,19}", text, re.ASCII) or not low <= int(text) <= high:
        raise Refusal(400, _("`{name}` is no whole number from {low} to {high}.", name=name, low=low, high=high))
    return int(text)

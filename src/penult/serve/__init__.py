"""Models over HTTP: photos in, `predict`'s answers out, on a page, as JSON, and in the Open Inference Protocol.

In: model files. Out: answers, metrics, logs. What a server must have beside the models (limits, access, logs, a graceful
end) is in `web`; what answers a photo is in `predict`. Needs the extra `serve`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from penult.serve.models import MakePredictor, ModelSet, ServedModel
from penult.serve.options import TOKEN, Queue, ReviewOptions, ServeOptions, parse_models
from penult.web import Access, BodyReader, Guard, WebServer, address_of, bind, check_extra, event

__all__ = [
    "TOKEN", "ModelServer", "Queue", "ReviewOptions", "ServeOptions", "ServedModel", "parse_models",
]  # fmt: skip


class ModelServer:
    """A server of models; `run` serves until it is told to end.

    The files are read and the socket is taken when it is made, so that mistakes are told at once; `/v2/health/ready` says yes
    when all models have passed their self-tests.

    Parameters
    ----------
    options : ServeOptions
        What is served, to whom, and within which limits.
    make : callable, optional
        What puts a model to work; `OnlinePredictor` by default.

    Raises
    ------
    MissingExtra
        The extra `serve` is not installed.
    InputError, DamagedFile
        A model cannot be read, or the address is taken.

    Examples
    --------
    >>> from penult.serve import ModelServer, ServeOptions, parse_models
    >>> server = ModelServer(ServeOptions(parse_models(["cats"]), port=8000))  # doctest: +SKIP
    >>> server.run()  # doctest: +SKIP
    """

    def __init__(self, options: ServeOptions, make: MakePredictor | None = None) -> None:
        check_extra()
        from penult.serve.app import HEALTH, OPEN_PATHS, Endpoints
        from penult.serve.metrics import Metrics
        from penult.serve.review import ReviewFolder

        self.options = options
        self.models = ModelSet(options.models, options.settings, make)
        self._read = self.models.read_first()
        self._review = ReviewFolder(options.review) if options.review is not None else None
        bodies, metrics = BodyReader(options.limits), Metrics(self.models)
        endpoints = Endpoints(self.models, options.queue, bodies, metrics, self._review)
        access = Access(options.token, frozenset(name.lower() for name in options.allow_hosts), OPEN_PATHS)
        guard = Guard(endpoints.app(), access, options.limits, metrics.count_request, HEALTH)
        endpoints.guard = metrics.guard = guard
        metrics.bodies = bodies
        listening = bind(options.host, options.port)
        self.address = address_of(listening)
        self.web = WebServer(guard, options.limits, listening, options.grace, self._hangup)
        self._tasks: set[asyncio.Task[None]] = set()  # that look after the models

    def run(self, ready: Callable[[], None] | None = None) -> None:
        """Serve until SIGTERM, Ctrl-C or `stop`; `ready()` is called once all models have passed their self-tests.

        Raises `DamagedFile` where one has not.
        """

        async def started() -> None:
            event("listening", address=self.address)
            await self.models.open_all(self._read)
            self._read = {}
            if self.options.reload_seconds:
                self._begin(self.models.watch(self.options.reload_seconds))
            if ready is not None:
                ready()

        try:
            self.web.run(started, self._ended)
        finally:
            if self._review is not None:
                self._review.close()

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop, while it runs."""
        return self.web.loop

    def stop(self) -> None:
        """End as SIGTERM does; from any thread."""
        self.web.stop()

    def _hangup(self) -> None:
        self._begin(self.models.reload())

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ended(self) -> None:
        for task in list(self._tasks):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self.models.close()
        event("ended")

"""The studio as one object: it prepares a project, takes a socket of this machine, and answers until it is told to end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from penult.errors import InputError
from penult.studio.app import STREAMS, StudioEndpoints
from penult.studio.options import PORT, StudioOptions
from penult.studio.workspace import Workspace
from penult.web import BodyReader, BrowserSession, Guard, HttpLimits, WebServer, bind, check_extra, event

HOST = "127.0.0.1"
GRACE = 5.0  # seconds for what is in work when the studio is to end
LIMITS = HttpLimits(max_bytes=4_000_000, max_connections=128, max_requests=128, deadline=120.0)


class StudioServer:
    """A studio for one user at this machine; `run` serves until it is told to end.

    The photos are looked for and the socket is taken when it is made, so that mistakes are told at once. Preparing goes on
    while the page is there already.

    Parameters
    ----------
    options : StudioOptions
        What is labelled.

    Raises
    ------
    MissingExtra
        The extra `studio` is not installed.
    InputError, DamagedFile
        The source cannot be used, or the port is taken.
    OutputError
        The project folder cannot be written, or another studio has it.

    Examples
    --------
    >>> from pathlib import Path
    >>> from penult.studio import StudioOptions, StudioServer
    >>> studio = StudioServer(StudioOptions(Path("photos")))  # doctest: +SKIP
    >>> studio.run(lambda: print(studio.address()))  # doctest: +SKIP
    """

    def __init__(self, options: StudioOptions) -> None:
        check_extra("studio")
        self.options = options
        self.listening = _bound(options.port)
        try:
            self.workspace = Workspace(options, self._changed)
        except BaseException:
            self.listening.close()
            raise
        self.port = int(self.listening.getsockname()[1])
        self.browser = BrowserSession(self.port)
        self.endpoints = StudioEndpoints(self.workspace, self.browser, BodyReader(LIMITS))
        self.guard = Guard(self.endpoints.app(), self.browser, LIMITS, streams=STREAMS)
        self.web = WebServer(self.guard, LIMITS, self.listening, GRACE, on_end=self.endpoints.end)

    def address(self) -> str:
        """Return an address that lets one browser in, once."""
        return f"http://{HOST}:{self.port}/open?token={self.browser.token()}"

    def run(self, ready: Callable[[], None] | None = None) -> None:
        """Serve until SIGTERM, Ctrl-C or `stop`; `ready()` is called once it answers."""

        async def started() -> None:
            event("listening", port=self.port)
            self.workspace.start()
            if ready is not None:
                ready()

        async def ended() -> None:
            await asyncio.to_thread(self._close)
            event("ended")

        self.web.run(started, ended)

    def stop(self) -> None:
        """End as Ctrl-C does; from any thread."""
        self.web.stop()

    def _close(self) -> None:
        self.endpoints.close()
        self.workspace.close()

    def _changed(self) -> None:
        """Tell the pages that there is something new; from any thread."""
        loop = self.web.loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self.endpoints.news)


def _bound(port: int | None) -> socket.socket:
    """Return a socket at the port that was asked for, or at the usual one, or at any."""
    if port is not None:
        return bind(HOST, port)
    try:
        return bind(HOST, PORT)
    except InputError:
        return bind(HOST, 0)

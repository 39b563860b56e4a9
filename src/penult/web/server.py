"""Run an ASGI application with uvicorn: one socket, limits of connections, and an end that loses no request.

The first SIGTERM or Ctrl-C stops accepting and lets what is in work finish, for `grace` seconds; a second one ends at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ipaddress
import os
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from typing import Any

from penult import system
from penult.errors import InputError, MissingExtra, distribution
from penult.i18n import _
from penult.texts import system_words
from penult.web.connection import limited
from penult.web.guard import Guard
from penult.web.limits import HttpLimits
from penult.web.logs import event

NEEDED = ("starlette", "uvicorn", "httptools", "prometheus_client")
SWITCH = 5e-4  # seconds after which a busy thread lets another on: requests must not wait for the 5 ms of Python's default
BACKLOG = 256  # connections that wait for the first look


def check_extra(extra: str = "serve") -> None:
    """Raise `MissingExtra` where a library of the extra is not installed."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise MissingExtra(
            _(
                "a server needs {names}: pip install '{package}[{extra}]'",
                names=", ".join(missing),
                package=distribution(),
                extra=extra,
            )
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server at this address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises `InputError` where there is no such address, or it is taken."""
    try:
        family, *_kind, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG, reuse_port=False)
    except (OSError, OverflowError, UnicodeError) as error:
        why = system_words(error) if isinstance(error, OSError) else error
        raise InputError(
            _("cannot listen at {host}, port {port} ({why}); give another --host or --port.", host=host, port=port, why=why)
        ) from error


def address_of(listening: socket.socket) -> str:
    """Return the address of a socket as a browser takes it."""
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - what is shown, not what is bound
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


class WebServer:
    """A server of one application at one socket; `run` blocks, `stop` ends it from any thread.

    `started()` is called in the server's event loop once it accepts, `ended()` when nothing is in work any more.
    `on_hangup()` is called at SIGHUP, where there is that; `on_end()` when it begins to end, so that streams can.
    """

    def __init__(
        self,
        guard: Guard,
        limits: HttpLimits,
        listening: socket.socket,
        grace: float = 30.0,
        on_hangup: Callable[[], None] | None = None,
        on_end: Callable[[], None] | None = None,
    ) -> None:
        from uvicorn import Config, Server
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

        self.guard = guard
        self.listening = listening
        self.grace = grace
        self.on_hangup = on_hangup
        self.on_end = on_end
        config = Config(
            guard,
            http=limited(HttpToolsProtocol, limits),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=None,
        )
        self._server: Any = Server(config)
        self._server.capture_signals = contextlib.nullcontext  # ours are below: they end with exit code 0
        self.loop: asyncio.AbstractEventLoop | None = None

    def run(self, started: Callable[[], Awaitable[None]], ended: Callable[[], Awaitable[None]]) -> None:
        """Serve until it is ended."""
        sys.setswitchinterval(SWITCH)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(self._serve(started, ended))

    def stop(self) -> None:
        """Begin to end, as the first SIGTERM does; from any thread."""
        if self.loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended already
                self.loop.call_soon_threadsafe(self.end)

    async def _serve(self, started: Callable[[], Awaitable[None]], ended: Callable[[], Awaitable[None]]) -> None:
        self.loop = asyncio.get_running_loop()
        self._take_signals(self.loop)
        beginning = asyncio.ensure_future(started())
        beginning.add_done_callback(lambda task: self.end() if not task.cancelled() and task.exception() else None)
        try:
            await self._server.serve(sockets=[self.listening])
            if not beginning.done():
                beginning.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await beginning  # raises what went wrong
        finally:
            await ended()

    def end(self, name: str = "stop") -> None:
        """Begin to end, as at a signal of this name, in the event loop; at a second signal end the process at once."""
        if self.guard.ending and name == "stop":
            return
        if self.guard.ending:
            event("ended at once", signal=name)
            os._exit(130 if name == "SIGINT" else 143)
        self.guard.ending = True
        event("ending", signal=name, in_work=self.guard.in_work, grace=self.grace)
        if self.on_end is not None:
            self.on_end()
        self._server.config.timeout_graceful_shutdown = self.grace
        self._server.should_exit = True

    def _take_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for name in system.end_signals():
            self._on_signal(loop, name, functools.partial(self.end, name))
        if self.on_hangup is not None and hasattr(signal, "SIGHUP"):
            self._on_signal(loop, "SIGHUP", self.on_hangup)

    def _on_signal(self, loop: asyncio.AbstractEventLoop, name: str, act: Callable[[], object]) -> None:
        number = getattr(signal, name)
        try:
            loop.add_signal_handler(number, act)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(act))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory

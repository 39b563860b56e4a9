"""Limits of one connection that uvicorn does not have: slow or endless headers, endless refused bodies, too many connections.

`LimitedConnection` stands between the transport and uvicorn's own protocol, hands everything on, and looks at how far the
request is. An answer that is sent before the body was read would reach the client as "connection reset" if the connection were
closed; so the rest of the body is read and dropped up to a limit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from penult.i18n import _
from penult.web.limits import HttpLimits
from penult.web.logs import event
from penult.web.refusal import Refusal, raw_answer

HEADERS, DRAIN, IDLE = "headers", "drain", "idle"
WRITE_SECONDS = 20.0  # a client that takes nothing of its answer for so long is given up


class LimitedConnection(asyncio.Protocol):
    """One connection; `inner` is uvicorn's protocol, and `others` the connections that are open."""

    def __init__(self, inner: Any, limits: HttpLimits, others: set[LimitedConnection]) -> None:
        self._inner = inner
        self._limits = limits
        self._others = others
        self._transport: Any = None
        self._phase = ""
        self._count = 0  # bytes of this phase
        self._timer: asyncio.TimerHandle | None = None
        self._stuck: asyncio.TimerHandle | None = None
        self._refused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a connection, or answer 503 where there are too many."""
        self._transport = transport
        if len(self._others) >= self._limits.max_connections:
            self._refuse(
                Refusal(
                    503,
                    _(
                        "{n} connections are open already; try again soon.",
                        n=self._limits.max_connections,
                    ),
                )
            )
            return
        self._others.add(self)
        self._inner.connection_made(transport)
        self._inner.send_400_response = self._bad_request
        self._enter(HEADERS)

    def data_received(self, data: bytes) -> None:
        """Hand bytes on, and see whether they began, ended or went on with a request."""
        if self._refused:
            return
        self._inner.data_received(data)
        phase = self._now()
        if phase != self._phase:
            self._enter(phase)
        self._count += len(data)
        if phase == HEADERS and self._count > self._limits.max_header_bytes:
            self._refuse(
                Refusal(
                    431,
                    _(
                        "the headers have more than {most:,} bytes; send less.",
                        most=self._limits.max_header_bytes,
                    ),
                )
            )
        elif phase == DRAIN and self._count > self._limits.drain_bytes:
            self._transport.abort()

    def _now(self) -> str:
        """Return which phase the connection is in; empty where a request is in work."""
        scope, cycle = self._inner.scope, self._inner.cycle
        if scope is not None and (cycle is None or scope is not cycle.scope):
            return HEADERS
        if cycle is None or (cycle.response_complete and not cycle.more_body):
            return IDLE  # empty lines, or the end of a body that was answered already: uvicorn does not wait for more
        return DRAIN if cycle.response_complete else ""

    def _enter(self, phase: str) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._phase, self._count = phase, 0
        seconds = {
            HEADERS: self._limits.header_seconds,
            IDLE: self._limits.header_seconds,
            DRAIN: self._limits.body_seconds,
        }.get(phase)
        if seconds is not None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._late)

    def _late(self) -> None:
        if self._phase == HEADERS and self._now() == HEADERS:
            self._refuse(
                Refusal(
                    408,
                    _(
                        "the headers took longer than {seconds:g} s to arrive.",
                        seconds=self._limits.header_seconds,
                    ),
                )
            )
        elif not self._refused:
            self._transport.close()  # nothing was sent at all, or the rest of a refused body does not end

    def _bad_request(self, message: str) -> None:
        self._refuse(Refusal(400, _("this is no HTTP request that can be read; the connection is closed.")))

    def _refuse(self, refusal: Refusal) -> None:
        self._refused = True
        event("refused", status=refusal.status, error=refusal.sentence, client=_peer(self._transport))
        self._transport.write(raw_answer(refusal))
        self._transport.close()

    def eof_received(self) -> None:
        """Hand on that nothing more is coming."""
        self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give up the timers, and tell uvicorn."""
        for timer in (self._timer, self._stuck):
            if timer is not None:
                timer.cancel()
        if self in self._others:
            self._others.discard(self)
            self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """Give the client some seconds to take its answer."""
        self._stuck = asyncio.get_running_loop().call_later(WRITE_SECONDS, self._transport.abort)
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Go on: the client took it."""
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None
        self._inner.resume_writing()


def limited(protocol: Callable[..., Any], limits: HttpLimits) -> Callable[..., LimitedConnection]:
    """Return what makes a connection for uvicorn, whose own `protocol` class it uses."""
    others: set[LimitedConnection] = set()

    def connect(**arguments: Any) -> LimitedConnection:
        return LimitedConnection(protocol(**arguments), limits, others)

    return connect


def _peer(transport: Any) -> str:
    address = transport.get_extra_info("peername")
    return str(address[0]) if isinstance(address, tuple) else ""

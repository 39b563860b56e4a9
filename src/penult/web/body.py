"""The body of a request, read into memory within limits of bytes, of seconds, and of all bodies together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from penult.i18n import _
from penult.web.limits import HttpLimits
from penult.web.refusal import Refusal

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
_DROP_SECONDS = 10.0


@dataclass
class Told:
    """What one request and its answer were, for the log and the metrics."""

    method: str
    path: str
    request_id: str
    client: str
    began: float
    status: int = 0
    received: int = 0
    facts: dict[str, object] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Seconds since the headers were there."""
        return time.perf_counter() - self.began


class BodyReader:
    """Reads bodies; knows how many bytes of all requests are held, so that many large ones cannot fill the memory."""

    def __init__(self, limits: HttpLimits) -> None:
        self.limits = limits
        self.held = 0

    async def read(self, receive: Receive, headers: Mapping[bytes, bytes], told: Told) -> bytes:
        """Return a whole body; call `give_back(len(body))` once it is not needed any more. Raises `Refusal`."""
        if headers.get(b"content-encoding", b"identity").lower() not in (b"identity", b""):
            raise Refusal(415, _("packed bodies (Content-Encoding) are not read; send the bytes as they are."))
        declared = headers.get(b"content-length", b"")
        if declared.isdigit() and (len(declared) > 18 or int(declared) > self.limits.max_bytes):
            raise self._too_large()
        try:
            async with asyncio.timeout(self.limits.body_seconds):
                return await self._read(receive, told, int(declared) if declared.isdigit() else 0)
        except TimeoutError:
            raise Refusal(
                408,
                _("the body took longer than {seconds:g} s to arrive.", seconds=self.limits.body_seconds),
                headers=[(b"connection", b"close")],
            ) from None

    async def _read(self, receive: Receive, told: Told, declared: int) -> bytes:
        """Read, with as many bytes reserved as have come: who only declares many takes nothing from others."""
        parts: list[bytes] = []
        held = 0
        self._check_space(declared)
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Refusal(400, _("the connection ended before the body was whole."))
                parts.append(message.get("body", b""))
                told.received += len(parts[-1])
                if told.received > self.limits.max_bytes:
                    raise self._too_large()
                self._check_space(len(parts[-1]))
                self.held += len(parts[-1])
                held += len(parts[-1])
                if not message.get("more_body", False):
                    break
        except BaseException:
            self.held -= held
            raise
        return b"".join(parts)

    def give_back(self, count: int) -> None:
        """Say that so many bytes are not held any more."""
        self.held -= count

    def _check_space(self, count: int) -> None:
        if self.held + count > self.limits.max_held_bytes:
            raise Refusal(503, _("other requests with large bodies are in work; try again soon."))

    def _too_large(self) -> Refusal:
        return Refusal(
            413,
            _("the body has more than {most:,} bytes; send a smaller photo, or fewer.", most=self.limits.max_bytes),
        )


async def drop_body(receive: Receive, limits: HttpLimits) -> None:
    """Read the rest of a body and forget it, up to a limit: a connection that closes before loses the answer, too."""
    left = limits.drain_bytes
    try:
        async with asyncio.timeout(_DROP_SECONDS):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return

"""What every request passes before a page or a prediction sees it, as one ASGI application around another.

Request id, Host, origin, token, number of requests in work, deadline; and after it: security headers, refusals as JSON, one
line in the log. CORS stays off: no header ever allows another origin.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Protocol

from penult.i18n import _, accepted, for_everybody, in_language, language_of
from penult.web.body import Message, Receive, Told, drop_body
from penult.web.limits import HttpLimits
from penult.web.logs import event, log
from penult.web.refusal import JSON_TYPE, Headers, Refusal

Scope = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# Of every answer; those of pages come with `PAGE_HEADERS`
SECURITY: Headers = [
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]
PAGE_HEADERS = {
    "content-security-policy": PAGE_POLICY,
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "cache-control": "no-cache",
}
_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
_NAMES_OF_THIS_MACHINE = frozenset({"localhost"})
CHANGES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
LANGUAGE = b"x-penult-language"  # with which a page says what language it is set to


@dataclass(frozen=True, slots=True)
class Access:
    """Who may ask.

    Parameters
    ----------
    token : str, optional
        What `Authorization: Bearer ...` must say; none where only this machine can reach the server.
    hosts : iterable of str
        Host names that the server answers to, beside `localhost` and addresses in numbers; `*` for any.
    open_paths : tuple of str
        Beginnings of the paths that need no token: the page without its data, and health.
    """

    token: str | None = None
    hosts: frozenset[str] = frozenset()
    open_paths: tuple[str, ...] = ()

    def check(self, scope: Scope, headers: Mapping[bytes, bytes]) -> None:
        """Raise `Refusal` for a request that may not be asked."""
        host = headers.get(b"host", b"").decode("latin-1")
        if not self._answers_to(host):
            raise Refusal(
                403, _("this server does not answer to the name {host!r}; start it with --allow-host NAME.", host=host[:100])
            )
        if scope["method"] in CHANGES and _from_elsewhere(headers, host):
            raise Refusal(403, _("this request was sent by a page of another origin; CORS is off."))
        if self.token is None or _is_open(scope["path"], self.open_paths):
            return
        scheme, _blank, given = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer" or not hmac.compare_digest(given.strip(), self.token.encode()):
            raise Refusal(
                401,
                _("give the token of this server: Authorization: Bearer TOKEN."),
                headers=[(b"www-authenticate", b"Bearer")],
            )

    def _answers_to(self, host: str) -> bool:
        """Whether a Host header is ours: a name that an attacker's DNS could point here is not, a number cannot be."""
        name = host_name(host)
        if "*" in self.hosts or name in _NAMES_OF_THIS_MACHINE or name in self.hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def reader_language(headers: Mapping[bytes, bytes]) -> str | None:
    """Return the language in which to answer, None for the server's own: that which its page was set to, else the browser's.

    A server that was started with `--lang` does not ask the browser.
    """
    if told := language_of(headers.get(LANGUAGE, b"").decode("latin-1")):
        return told
    return None if for_everybody() else accepted(headers.get(b"accept-language", b"").decode("latin-1"))


def host_name(host: str) -> str:
    """Return the name in a Host header, without the port, in small letters; empty where there is none."""
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]@/\s]+))(?::\d{1,5})?", host)
    return (found[1] or found[2]).lower().rstrip(".") if found else ""


def _from_elsewhere(headers: Mapping[bytes, bytes], host: str) -> bool:
    """Whether a browser says that another origin's page sends this; other clients say nothing."""
    site = headers.get(b"sec-fetch-site")
    if site is not None:
        return site not in (b"same-origin", b"none")
    origin = headers.get(b"origin")
    return origin is not None and origin.decode("latin-1").rpartition("//")[2].lower() != host.lower()


def _is_open(path: str, beginnings: Iterable[str]) -> bool:
    return any(path == one or (one.endswith("/") and len(one) > 1 and path.startswith(one)) for one in beginnings)


class AccessCheck(Protocol):
    """Who may ask: `Access` with a bearer's token, or `session.BrowserSession` with a cookie."""

    def check(self, scope: Scope, headers: Mapping[bytes, bytes]) -> None:
        """Raise `Refusal` for a request that may not be asked."""


class Guard:
    """An ASGI application around `app`; `done(told)` is called after each answer.

    In `app`, `scope["penult"]` is the request's `Told`; a `Refusal` that it raises becomes the answer. A path of `streams` is
    answered for as long as the client listens, without a deadline.
    """

    def __init__(
        self,
        app: App,
        access: AccessCheck,
        limits: HttpLimits,
        done: Callable[[Told], None] | None = None,
        unlimited: str = "",
        streams: frozenset[str] = frozenset(),
    ) -> None:
        self.app = app
        self.access = access
        self.limits = limits
        self.done = done
        self.unlimited = unlimited  # beginning of the paths that are answered however busy the server is
        self.streams = streams
        self.in_work = 0
        self.ending = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, in the language of its reader."""
        if scope["type"] != "http":
            raise RuntimeError(f"{scope['type']} is not served")
        headers = dict(scope["headers"])
        with in_language(reader_language(headers)):
            await self._answer(scope, headers, receive, send)

    async def _answer(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, send: Send) -> None:
        told = _told(scope, headers)
        scope["penult"] = told
        sender = _Sender(send, told, b"expect" in headers)
        closes = scope.get("http_version") == "1.0" or b"close" in headers.get(b"connection", b"").lower()
        limited = not (self.unlimited and scope["path"].startswith(self.unlimited))
        body = _Body(receive)
        self.in_work += limited
        try:
            self.access.check(scope, headers)
            if limited and self.in_work > self.limits.max_requests:
                raise Refusal(
                    503,
                    _("{n} requests are in work already; try again soon.", n=self.limits.max_requests),
                )
            async with asyncio.timeout(None if scope["path"] in self.streams else self.limits.deadline):
                await self.app(scope, body, sender)
        except Refusal as refusal:
            if closes and not sender.expects and not body.whole:
                await drop_body(receive, self.limits)
            await sender.refuse(refusal)
        except TimeoutError:
            await sender.refuse(
                Refusal(
                    504, _("no answer within {seconds:g} s; try again, or send fewer photos.", seconds=self.limits.deadline)
                )
            )
        except asyncio.CancelledError:
            if not self.ending:
                raise
            await sender.refuse(Refusal(503, _("the server is ending; try again soon.")))
        except Exception:
            log.exception("a mistake of penult's own", extra={"facts": {"request_id": told.request_id}})
            await sender.refuse(Refusal(500, _("a mistake of penult's own, in the log as request {id}.", id=told.request_id)))
        finally:
            self.in_work -= limited
            _write_line(told, not limited)
            if self.done is not None:
                self.done(told)


class _Body:
    """Receives one request, and knows whether its body has come to its end: nothing but the client's end comes then."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.whole = False

    async def __call__(self) -> Message:
        message = await self._receive()
        self.whole |= not message.get("more_body", False)
        return message


class _Sender:
    """Sends one answer, with the headers that every answer has."""

    def __init__(self, send: Send, told: Told, expects: bool) -> None:
        self._send = send
        self._told = told
        self.expects = expects  # 100-continue: who gets an answer instead sends no body, and uses another connection

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._told.status = message["status"]
            own = {name.lower() for name, _ in message.get("headers", [])}
            more = [header for header in SECURITY if header[0] not in own]
            more.append((b"x-request-id", self._told.request_id.encode("ascii")))
            if self.expects and not self._told.received:
                more.append((b"connection", b"close"))
            message = {**message, "headers": [*message.get("headers", []), *more]}
        await self._send(message)

    async def refuse(self, refusal: Refusal) -> None:
        """Send a refusal, unless an answer has begun."""
        if self._told.status:
            return
        body = refusal.body
        headers = [JSON_TYPE, (b"content-length", b"%d" % len(body)), *refusal.headers]
        self._told.facts["error"] = refusal.sentence
        await self({"type": "http.response.start", "status": refusal.status, "headers": headers})
        await self({"type": "http.response.body", "body": body})


def _told(scope: Scope, headers: Mapping[bytes, bytes]) -> Told:
    given = headers.get(b"x-request-id", b"").decode("latin-1")
    client = scope.get("client")
    return Told(
        scope["method"],
        scope["path"],
        given if _ID.fullmatch(given) else uuid.uuid4().hex,
        str(client[0]) if client else "",
        time.perf_counter(),
    )


def _write_line(told: Told, minor: bool) -> None:
    """Write the line of a request; of health checks only where something is wrong."""
    if (minor and told.status < 400) or not log.isEnabledFor(logging.INFO):
        return
    event(
        "request",
        request_id=told.request_id,
        method=told.method,
        path=told.path[:200],
        status=told.status,
        ms=round(1000 * told.seconds, 1),
        bytes=told.received,
        client=told.client,
        **told.facts,
    )

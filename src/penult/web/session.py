"""Access to a server for the one user at this machine: a one-time token in the address becomes a cookie of the browser.

Other pages in the same browser are kept out four times over: the Host must be this machine's with this port (DNS rebinding),
the cookie is HttpOnly and SameSite=Strict, what changes something must come from this origin and bring a header of its own,
and every path but the one that takes the token needs the cookie.
"""

from __future__ import annotations

import hmac
import re
import secrets
import threading
from collections.abc import Mapping
from typing import Any

from penult.i18n import N_, _
from penult.web.guard import CHANGES, Scope
from penult.web.refusal import Refusal

OPEN = "/open"  # where the token is taken; the only path without a cookie
HEADER = b"x-penult"  # what other origins' forms and pictures cannot send
_OWN = (b"same-origin", b"none")
_HOW = N_("open the address that the command printed")


class BrowserSession:
    """Who may ask a server that only this machine reaches: browsers that came with a one-time token.

    Parameters
    ----------
    port : int
        The port of the server; it is part of the cookie's name, since browsers share cookies among ports.
    name : str
        The beginning of the cookie's name.
    """

    def __init__(self, port: int, name: str = "penult") -> None:
        self.hosts = frozenset(f"{host}:{port}" for host in ("127.0.0.1", "localhost", "[::1]"))
        self.cookie = f"{name}-{port}"
        self._secret = secrets.token_urlsafe(32)
        self._tokens: set[str] = set()
        self._lock = threading.Lock()

    def token(self) -> str:
        """Return a new token, which opens the server once."""
        made = secrets.token_urlsafe(24)
        with self._lock:
            self._tokens.add(made)
        return made

    def enter(self, token: str, headers: Mapping[bytes, bytes]) -> tuple[bytes, bytes] | None:
        """Return the header that gives the cookie, None where the browser has it; a token is good once. Raises `Refusal`."""
        with self._lock:
            good = any(hmac.compare_digest(token.encode("utf-8", "replace"), one.encode()) for one in self._tokens)
            if good:
                self._tokens.discard(token)
        if good:
            value = f"{self.cookie}={self._secret}; HttpOnly; SameSite=Strict; Path=/"
            return b"set-cookie", value.encode()
        if self._knows(headers):
            return None
        raise Refusal(403, _("this address was used already; end the command with Ctrl-C, and start it again."))

    def check(self, scope: Scope, headers: Mapping[bytes, bytes]) -> None:
        """Raise `Refusal` for a request that may not be asked."""
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if host not in self.hosts:
            raise Refusal(403, _("this server does not answer to the name {host!r}; {cure}.", host=host[:100], cure=_(_HOW)))
        site = headers.get(b"sec-fetch-site", b"same-origin")
        if scope["method"] in CHANGES:
            origin = headers.get(b"origin", b"").decode("latin-1").lower()
            if origin != f"http://{host}" or site not in _OWN:
                raise Refusal(403, _("this request was not sent by the page of this server; CORS is off."))
            if headers.get(HEADER) != b"1":
                raise Refusal(403, _("this request lacks the header X-Penult: 1, which the page of this server sends."))
        elif scope["path"] not in ("/", OPEN) and site not in _OWN:
            raise Refusal(403, _("a page of another site asked for this; only this server's own page may."))
        if scope["path"] != OPEN and not self._knows(headers):
            raise Refusal(401, _("this browser has not been let in; {cure}.", cure=_(_HOW)))

    def _knows(self, headers: Mapping[bytes, bytes]) -> bool:
        found: Any = re.search(
            rf"(?:^|;\s*){re.escape(self.cookie)}=([A-Za-z0-9_-]+)(?:;|$)", headers.get(b"cookie", b"").decode("latin-1")
        )
        return found is not None and hmac.compare_digest(found[1], self._secret)

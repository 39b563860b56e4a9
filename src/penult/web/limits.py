"""The limits of an HTTP server of penult: bytes, seconds and numbers, each with what is answered beyond it."""

from __future__ import annotations

from dataclasses import dataclass

from penult.errors import InputError
from penult.i18n import _

MB = 1_000_000


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """What one client, and all of them together, may ask of a server.

    Parameters
    ----------
    max_bytes : int
        Bytes of one request's body; 413 beyond.
    max_held_bytes : int, optional
        Bytes of all bodies that are in memory at once, four times `max_bytes` by default; 503 beyond.
    max_requests : int
        Requests in work at once; 503 beyond.
    max_connections : int
        Open connections; 503 beyond.
    max_header_bytes : int
        Bytes of a request's headers; 431 beyond.
    header_seconds, body_seconds : float
        In which headers, and then the body, must have arrived; 408 beyond.
    deadline : float
        Seconds from the headers to the answer; 504 beyond.
    drain_bytes : int, optional
        Bytes of a refused body that are read and dropped, so that the client sees the answer instead of a connection that
        was reset; four times `max_bytes` by default. The connection is closed beyond.
    """

    max_bytes: int = 20 * MB
    max_held_bytes: int = 0
    max_requests: int = 256
    max_connections: int = 512
    max_header_bytes: int = 65_536
    header_seconds: float = 10.0
    body_seconds: float = 30.0
    deadline: float = 60.0
    drain_bytes: int = 0

    def __post_init__(self) -> None:
        for name in ("max_bytes", "max_requests", "max_connections", "header_seconds", "body_seconds", "deadline"):
            if not getattr(self, name) > 0:
                raise InputError(
                    _("{name} = {value} is no limit; give a number above 0.", name=name, value=getattr(self, name))
                )
        for name in ("max_held_bytes", "drain_bytes"):
            object.__setattr__(self, name, getattr(self, name) or 4 * self.max_bytes)

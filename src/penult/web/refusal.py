"""What an HTTP server of penult answers when it does not do what was asked: a status and a sentence, as JSON.

Every refusal has the form `{"error": "..."}`, which is that of the Open Inference Protocol too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus

Headers = list[tuple[bytes, bytes]]

JSON_TYPE = (b"content-type", b"application/json")
BUSY = (429, 503)  # statuses that come with Retry-After


class Refusal(Exception):
    """A request that is not done: the status, a sentence that says why, and what to do where the client can do something.

    Parameters
    ----------
    status : int
        The HTTP status.
    sentence : str
        What is wrong, for the one who sent the request.
    more : mapping, optional
        Other values of the answer's JSON.
    headers : list of (bytes, bytes), optional
        Further headers of the answer.
    """

    def __init__(
        self, status: int, sentence: str, more: Mapping[str, object] | None = None, headers: Headers | None = None
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.more = dict(more or {})
        self.headers = list(headers or [])
        if status in BUSY and not any(name == b"retry-after" for name, _ in self.headers):
            self.headers.append((b"retry-after", b"1"))

    @property
    def body(self) -> bytes:
        """The JSON of the answer."""
        return json.dumps({"error": self.sentence, **self.more}, ensure_ascii=False).encode("utf-8", "replace")


def raw_answer(refusal: Refusal) -> bytes:
    """Return a refusal as the bytes of a whole HTTP/1.1 answer, for connections that have no request yet; it closes them."""
    body = refusal.body
    head = [f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}".encode()]
    always = [JSON_TYPE, (b"content-length", b"%d" % len(body)), (b"connection", b"close")]
    lines = head + [name + b": " + value for name, value in (*always, *refusal.headers)]
    return b"\r\n".join([*lines, b"", body])

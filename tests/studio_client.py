"""A studio of `penult.studio` in a thread of this process, and a client that asks as the page does."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from penult.embed import EmbedOptions
from penult.studio import StudioOptions, StudioServer
from serving import PATIENCE, Answer, in_thread


class StudioClient:
    """A browser's part: it has the cookie, and sends the headers that a page of the server sends."""

    def __init__(self, port: int) -> None:
        self.port, self.cookie, self.acts = port, "", 0

    def ask(
        self, path: str, body: Any = None, method: str | None = None, headers: Mapping[str, str | None] | None = None
    ) -> Answer:
        """Ask once; headers that are None are left out."""
        method = method or ("GET" if body is None else "POST")
        sent: dict[str, str | None] = {"Cookie": self.cookie or None}
        if method != "GET":
            sent |= {"Origin": f"http://127.0.0.1:{self.port}", "X-Penult": "1", "Content-Type": "application/json"}
        sent |= headers or {}
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, data, {name: value for name, value in sent.items() if value is not None})
            given = connection.getresponse()
            return Answer(given.status, {k.lower(): v for k, v in given.getheaders()}, given.read())
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        answer = self.ask(path)
        assert answer.status == 200, (path, answer.status, answer.body[:300])
        return answer.json()

    def post(self, path: str, **body: Any) -> Any:
        self.acts += 1
        answer = self.ask(path, {"id": f"act-{self.acts}", **body} if path != "/api/alike" else body)
        assert answer.status == 200, (path, answer.status, answer.body[:300])
        return answer.json()

    def enter(self, address: str) -> None:
        answer = self.ask(address.partition(str(self.port))[2])
        assert answer.status == 303
        self.cookie = answer.headers["set-cookie"].partition(";")[0]

    def until(self, ready: Callable[[dict[str, Any]], bool], seconds: float = PATIENCE) -> dict[str, Any]:
        """Return the first snapshot of the state that is as wanted."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            state = self.get("/api/state")
            if ready(state):
                return dict(state)
            time.sleep(0.02)
        raise AssertionError(f"not within {seconds} s; the last state: {state}")


@contextmanager
def studio(
    source: Path | None, out: Path | None, wait: bool = True, **options: Any
) -> Iterator[tuple[StudioClient, StudioServer]]:
    """Run a studio until the block ends, with a client that was let in; the project is open unless `wait` is False."""
    given = {"backbones": ("colour_histogram",), "settings": EmbedOptions(), **options}
    server = StudioServer(StudioOptions(source, out=out, port=0, **given))
    with in_thread(server):
        client = StudioClient(server.port)
        client.enter(server.address())
        if wait:
            server.workspace.wait()
        yield client, server

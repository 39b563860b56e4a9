"""Runs of shards that are killed (-9) at random moments, forty times, until one ends.

Bound: no row lost, doubled or wrong beside a run that nobody killed, every file as it was written, and nothing left behind:
no temporary file, no mark of a process, no decoder.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path

import numpy as np

from cluster.bounds import Bounds
from cluster.cpu import start_group
from cluster.photos import lay_out

_SHARDS = "import sys; from penult import shards; shards.run_shards(sys.argv[1])"


def add(p: argparse.ArgumentParser) -> None:
    """Add the options."""
    p.add_argument("--count", type=int, default=1500)
    p.add_argument("--rows", type=int, default=25)
    p.add_argument("--kills", type=int, default=40)
    p.add_argument("-b", "--backbone", default="efficientnet_lite0")


def run(args: argparse.Namespace) -> int:
    """Kill, and hold what stands at the end against a run that was left alone."""
    import psutil

    from penult import shards, zoo
    from penult.embed import EmbedOptions

    bounds, rng = Bounds(), random.Random(0)
    with tempfile.TemporaryDirectory(prefix="penult-kills-") as name:
        photos = lay_out(Path(name, "photos"), args.count)
        for out in ("whole", "out"):
            networks = [zoo.find_backbone(args.backbone)]
            shards.make_ready(str(photos), str(Path(name, out)), networks, EmbedOptions(cache=False), rows=args.rows)
        whole = shards.open_features(shards.run_shards(str(Path(name, "whole"))).out)
        place, kills = Path(name, "out"), 0
        while kills < args.kills and not (place / "manifest.json").exists():
            child = start_group(_SHARDS, str(place))
            time.sleep(rng.uniform(0.5, 3.5))
            kills += child.poll() is None
            child.kill()  # its decoders see the end of their connection
            child.wait()
        print(f"{kills} kills")
        shards.run_shards(str(place))
        X = shards.open_features(str(place))
        bounds.most("rows lost or doubled", len(set(whole.ids()) ^ set(X.ids())) + len(X) - len(set(X.ids())), 0)
        same = X.shape == whole.shape and np.array_equal(X[:], whole[:])
        bounds.most("rows that are wrong", 0 if same else int((X[:] != whole[:]).any(axis=1).sum()), 0)
        bounds.most("failures that differ", len(set(X.failures()) ^ set(whole.failures())), 0)
        bounds.most("files that are not as written", sum(bool(one.wrong) for one in shards.check_shards(str(place))), 0)
        time.sleep(1)
        left = [p for p in place.rglob("*") if p.name.startswith(".tmp")] + list((place / "attempts").iterdir())
        bounds.most("files left behind", len(left), 0)
        orphans = [p for p in psutil.process_iter(["cmdline"]) if str(place) in " ".join(p.info["cmdline"] or ())]
        bounds.most("processes left behind", len(orphans), 0)
    return bounds.code

"""Runs of shards that are killed (-9) at random moments, forty times, until one ends.

Bound: no row lost, doubled or wrong beside a run that nobody killed, every file as it was written, and nothing left behind:
no temporary file, no mark of a process, no decoder.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cluster.bounds import Bounds
from cluster.photos import lay_out
from cluster.processes import start_group

if TYPE_CHECKING:
    from penult.shards import ShardedFeatures

_SHARDS = "import sys; from penult import shards; shards.run_shards(sys.argv[1])"


def add(p: argparse.ArgumentParser) -> None:
    """Add the options."""
    p.add_argument("--count", type=int, default=1500)
    p.add_argument("--rows", type=int, default=25)
    p.add_argument("--kills", type=int, default=40)
    p.add_argument("-b", "--backbone", default="efficientnet_lite0")


def run(args: argparse.Namespace) -> int:
    """Kill until there were enough, in runs of their own, and hold each at its end against a run that was left alone."""
    from penult import shards, zoo
    from penult.embed import EmbedOptions

    bounds, rng = Bounds(), random.Random(0)
    wrong: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="penult-kills-") as name:
        photos = lay_out(Path(name, "photos"), args.count)
        networks = [zoo.find_backbone(args.backbone)]

        def ready(out: str) -> Path:
            shards.make_ready(str(photos), str(Path(name, out)), networks, EmbedOptions(cache=False), rows=args.rows)
            return Path(name, out)

        whole = shards.open_features(shards.run_shards(str(ready("whole"))).out)
        kills = runs = 0
        while kills < args.kills:
            place, runs = ready(f"out-{runs}"), runs + 1
            while kills < args.kills and not (place / "manifest.json").exists():
                child = start_group(_SHARDS, str(place))
                time.sleep(rng.uniform(0.5, 3.5))
                kills += child.poll() is None
                child.kill()  # its decoders see the end of their connection
                child.wait()
            shards.run_shards(str(place))
            wrong.update(_differences(whole, place))
    print(f"{kills} kills in {runs} runs")
    for what, count in wrong.items():
        bounds.most(what, count, 0)
    return bounds.code


def _differences(whole: ShardedFeatures, place: Path) -> dict[str, int]:
    """Return what differs at `place` from features that nobody disturbed, and what is left there."""
    import psutil

    from penult import shards

    X = shards.open_features(str(place))
    same = X.shape == whole.shape and np.array_equal(X[:], whole[:])
    time.sleep(1)  # in which decoders end
    orphans = [p for p in psutil.process_iter(["cmdline"]) if str(place) in " ".join(p.info["cmdline"] or ())]
    return {
        "rows lost or doubled": len(set(whole.ids()) ^ set(X.ids())) + len(X) - len(set(X.ids())),
        "rows that are wrong": 0 if same else int((X[:] != whole[:]).any(axis=1).sum()),
        "failures that differ": len(set(X.failures()) ^ set(whole.failures())),
        "files that are not as written": sum(bool(one.wrong) for one in shards.check_shards(str(place))),
        "files left behind": sum(p.name.startswith(".tmp") for p in place.rglob("*")) + (place / "attempts").exists(),
        "processes left behind": len(orphans),
    }

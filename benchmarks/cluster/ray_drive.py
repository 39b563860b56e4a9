"""The driver of `ray-kills`, in a process of its own: do what is missing in a place, on the cluster of RAY_ADDRESS."""

from __future__ import annotations

import sys

from cluster.ray_worker import LoggedExtractor
from penult import cluster
from penult.shards import run_shards

if __name__ == "__main__":
    asked = cluster.ActorResources(cpus=1)
    done = run_shards(sys.argv[1], runner=cluster.ray_runner("ray", LoggedExtractor, asked))
    raise SystemExit(0 if done.manifest else 1)

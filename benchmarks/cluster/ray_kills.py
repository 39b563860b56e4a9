"""Kill Ray's actors, nodes and driver while they extract, on files and on a local S3 server; then count what is there.

A cluster of three raylets on this machine: a head without processors, two nodes of one, an actor on each. Killed with -9, each
time in the middle: three actors one after the other; a node that nobody replaces; a node that is replaced, and the new one
must have done shards; the driver, after which the same command goes on. Bounds: 0 rows lost, doubled, wrong (bytes of the
shards as without Ray), 0 files left behind, at most 2 shards an actor that was killed begun again.
"""

from __future__ import annotations

import argparse
import os
import random
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from cluster.bounds import Bounds
from cluster.local_s3 import local_s3
from cluster.photos import lay_out
from penult import zoo
from penult.shards import PLAN, Plan, make_ready, run_shards
from penult.shards.output import name_below

BENCHMARKS = Path(__file__).resolve().parents[1]
PATIENCE = 240.0


def add(p: argparse.ArgumentParser) -> None:
    """Add the options."""
    p.add_argument("--place", choices=("files", "s3", "both"), default="both")
    p.add_argument("--kill", choices=(*KILLS, "all"), default="all")
    p.add_argument("--photos", type=int, default=400)
    p.add_argument("--shards", type=int, default=40)
    p.add_argument("-b", "--backbone", default="efficientnet_lite0")


def run(args: argparse.Namespace) -> int:
    """Kill, and count."""
    bounds = Bounds()
    with tempfile.TemporaryDirectory(prefix="penult-kills-") as base, local_s3(Path(base) / "s3"):
        os.environ.update(PYTHONPATH=str(BENCHMARKS), PENULT_BENCH_LOG=f"{base}/begun")
        lay_out(Path(base) / "s3" / "photos", args.photos)
        with _cluster(Path(base)) as nodes:
            for place in ("files", "s3") if args.place == "both" else (args.place,):
                source = "s3://photos" if place == "s3" else f"{base}/s3/photos"
                want = Path(base, f"want-{place}")
                make_ready(source, str(want), [zoo.find_backbone(args.backbone)], rows=-(-args.photos // args.shards))
                run_shards(str(want))
                for kill in KILLS if args.kill == "all" else (args.kill,):
                    folder = Path(base, "s3", "out", f"{place}-{kill}")
                    out = f"s3://out/{folder.name}" if place == "s3" else str(folder)
                    _copy_plan(want, folder)
                    _scenario(kill, place, out, folder, nodes, Path(base, "begun"))
                    _count(f"{place}, {kill}", folder, want, Path(base, "begun"), bounds, KILLS[kill][1])
    return bounds.code


def _copy_plan(want: Path, folder: Path) -> None:
    """Give a place the plan and networks that the run without Ray has."""
    shutil.copytree(want, folder, ignore=lambda at, names: {"shards", "done", "manifest.json", "shards.csv"} & set(names))


class Nodes:
    """The two nodes that work, by the harness that Ray has for its own tests."""

    def __init__(self, harness: Any) -> None:
        self.harness = harness
        self.alive: list[Any] = []

    def fill(self) -> None:
        """See that there are two."""
        while len(self.alive) < 2:
            self.alive.append(self.harness.add_node(num_cpus=1, object_store_memory=100 << 20))

    def kill(self) -> None:
        """Kill one, at once."""
        self.harness.remove_node(self.alive.pop(), allow_graceful=False)


@contextmanager
def _cluster(base: Path) -> Iterator[Nodes]:
    settings = {"RAY_worker_niceness": "0", "RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    settings |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16), "RAY_TMPDIR": str(base / "ray")}
    (base / "ray").mkdir()
    os.environ.update(settings)
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": 100 << 20}
    harness = Cluster(initialize_head=True, head_node_args=head)
    os.environ["RAY_ADDRESS"] = harness.address
    try:
        yield Nodes(harness)
    finally:
        harness.shutdown()


def _scenario(kill: str, place: str, out: str, folder: Path, nodes: Nodes, log: Path) -> None:
    """Run the driver, kill, and wait for the end."""
    nodes.fill()
    log.write_text("")
    act, rest = KILLS[kill][0], KILLS[kill][2]
    log.with_name("begun.rest").write_text(str(rest))
    began = time.monotonic()
    driver = subprocess.Popen([sys.executable, "-m", "cluster.ray_drive", out])
    driver = act(driver, lambda: len(list((folder / "done").glob("*.json"))) if (folder / "done").exists() else 0, nodes)
    try:
        code = driver.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        driver.kill()
        code = driver.wait()
    print(f"{place}, {kill}: the driver ended with {code} after {time.monotonic() - began:.0f} s", flush=True)


def _wait(count: Callable[[], int], share: float, total: int = 40) -> None:
    end = time.monotonic() + PATIENCE
    while count() < share * total:
        if time.monotonic() > end:
            raise SystemExit("the shards do not come: see above")
        time.sleep(0.05)


def _kill_actors(driver: subprocess.Popen[bytes], count: Callable[[], int], nodes: Nodes) -> subprocess.Popen[bytes]:
    """Kill three actors that are at work, one after the other."""
    for share in (0.15, 0.35, 0.55):
        _wait(count, share)
        at_work = [p for p in psutil.process_iter() if p.name().startswith("ray::MapWorker") and p.children()]
        victim = random.choice(at_work)
        print(f"  killed {victim.pid} of {[p.pid for p in at_work]} at {count()} shards", flush=True)
        victim.kill()
    return driver


def _kill_node(driver: subprocess.Popen[bytes], count: Callable[[], int], nodes: Nodes) -> subprocess.Popen[bytes]:
    _wait(count, 0.3)
    nodes.kill()
    return driver


def _replace_node(driver: subprocess.Popen[bytes], count: Callable[[], int], nodes: Nodes) -> subprocess.Popen[bytes]:
    _kill_node(driver, count, nodes)
    nodes.fill()
    return driver


def _kill_driver(driver: subprocess.Popen[bytes], count: Callable[[], int], nodes: Nodes) -> subprocess.Popen[bytes]:
    _wait(count, 0.4)
    driver.kill()
    driver.wait()
    print(f"  {count()} shards stood when the driver was killed", flush=True)
    return subprocess.Popen([sys.executable, "-m", "cluster.ray_drive", *driver.args[3:]])


# What is done, how many actors that ends, and how long an actor rests with each shard (seconds).
KILLS: dict[str, tuple[Callable[..., Any], int, float]] = {
    "actors": (_kill_actors, 3, 0.6),
    "node": (_kill_node, 1, 0.4),
    "node-replaced": (_replace_node, 1, 1.6),
    "driver": (_kill_driver, 2, 0.4),
}


def _count(what: str, folder: Path, want: Path, log: Path, bounds: Bounds, actors: int) -> None:
    """Compare a place with the one that was made without Ray, and hold the differences against the bounds."""
    tasks = Plan.open(name_below(str(want), PLAN)).tasks()
    there = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    wanted = {str(file.relative_to(want)): file.read_bytes() for file in want.rglob("*") if file.is_file()}
    files = {f"shards/{task.name}.parquet": task.rows for task in tasks}
    lost = sum(rows for name, rows in files.items() if name not in there)
    wrong = sum(rows for name, rows in files.items() if there.get(name) != wanted[name])
    bounds.most(f"{what}: rows lost", lost, 0)
    bounds.most(f"{what}: rows doubled (shards that the plan has not)", _foreign(there, wanted, "shards/"), 0)
    bounds.most(f"{what}: rows wrong", wrong - lost, 0)
    bounds.most(f"{what}: files left behind, or others than without Ray", len(set(there) ^ set(wanted)), 0)
    bounds.least(f"{what}: the manifest is the same", float(there.get("manifest.json") == wanted["manifest.json"]), 1)
    lines = [line.split() for line in log.read_text().splitlines()]
    print(f"  {len(lines)} shards begun for {len(tasks)}", flush=True)
    again = sum(times - 1 for times in Counter(name for name, _ in lines).values())
    bounds.most(f"{what}: shards begun again, for each of {actors} actors that ended", again / actors, 2)
    if what.endswith("replaced"):
        served = Counter(raylet for _, raylet in lines)
        bounds.least(f"{what}: nodes that did shards", len(served), 3)
        print(f"  shards by node, in the order they came: {list(served.values())}", flush=True)


def _foreign(there: dict[str, bytes], wanted: dict[str, bytes], folder: str) -> int:
    return sum(name.startswith(folder) and name not in wanted for name in there)

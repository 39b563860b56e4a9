"""What Ray costs: the same shard by penult alone and by a Ray actor in turn, a job without work, the driver.

Bounds: wall and CPU of penult alone >= 0.95 of Ray's (medians of the pairs), a job without work <= 20 CPU s, the driver
<= 10 ms a shard (2,000 descriptors that need no work).
"""

from __future__ import annotations

import argparse
import ctypes
import os
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from cluster.bounds import Bounds
from cluster.photos import lay_out
from cluster.ray_worker import NoWorker
from penult import cluster, zoo
from penult.shards import PLAN, Extractor
from penult.shards.output import name_below, open_output
from penult.shards.place import make_ready
from penult.shards.plan import Plan, ShardTask


def add(p: argparse.ArgumentParser) -> None:
    """Add the options."""
    p.add_argument("--pairs", type=int, default=12)
    p.add_argument("--rows", type=int, default=500, help="photos of a shard")
    p.add_argument("--tasks", type=int, default=2000, help="descriptors that need no work")
    p.add_argument("-b", "--backbone", default="efficientnet_lite0")


def run(args: argparse.Namespace) -> int:
    """Measure, and hold against the bounds."""
    bounds = Bounds()
    os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parents[1])  # where the actors find `cluster.ray_worker`
    with tempfile.TemporaryDirectory(prefix="penult-pairs-") as folder:
        with Meter() as meter:
            list(cluster.ray_runner("ray", NoWorker)(folder, [ShardTask("", 0, "none", 1)]))
        bounds.most("a job on Ray without work, all processes", meter.cpu, 20, "s")
        with cluster.connect_ray("ray"):
            _pairs(Path(folder), args, bounds)
            _driver(folder, args.tasks, bounds)
    return bounds.code


def _pairs(folder: Path, args: argparse.Namespace, bounds: Bounds) -> None:
    """Time a shard here and in an actor, in turn, with both warm."""
    import ray

    lay_out(folder / "photos", args.rows)
    network = zoo.find_backbone(args.backbone)
    tasks = {}
    for way in ("alone", "ray"):
        make_ready(str(folder / "photos"), str(folder / way), [network], rows=args.rows)
        tasks[way] = Plan.open(name_below(str(folder / way), PLAN)).tasks()[0]
    actor = ray.remote(num_cpus=len(os.sched_getaffinity(0)))(Timed).remote(str(folder / "ray"))
    alone = Timed(str(folder / "alone"))
    seen: dict[str, list[tuple[float, float]]] = {"alone": [], "ray": []}
    for turn in range(args.pairs + 1):
        ways = {"alone": lambda: alone.run(tasks["alone"]), "ray": lambda: ray.get(actor.run.remote(tasks["ray"]))}
        for way in ("alone", "ray") if turn % 2 else ("ray", "alone"):
            _forget(folder / way)
            seen[way].append(ways[way]())
    # The first pair warms up.
    ratios = [(a[0] / r[0], a[1] / r[1]) for a, r in zip(seen["alone"][1:], seen["ray"][1:], strict=True)]
    for place, what in enumerate(("wall", "CPU")):
        values = sorted(ratio[place] for ratio in ratios)
        low, high = values[len(values) // 4], values[-1 - len(values) // 4]
        said = f"{what}: penult alone / by a Ray actor, {args.pairs} pairs of {args.rows} (quartiles {low:.3f}, {high:.3f})"
        bounds.least(said, statistics.median(values), 0.95)
    alone.close()


def _forget(out: Path) -> None:
    output = open_output(str(out))
    for part in ("shards", "done"):
        for name in list(output.list(part)):
            output.delete(f"{part}/{name}")


def _driver(folder: str, count: int, bounds: Bounds) -> None:
    """Time the driver on descriptors that need no work: from the first answer to the last."""
    asked = [ShardTask("", i, f"shard{i}", 1) for i in range(count)]
    cpu, first, done = time.process_time(), 0.0, 0
    for _ in cluster.ray_runner("ray", NoWorker)(folder, asked):
        first = first or time.perf_counter()
        done += 1
    assert done == count
    wall, cpu = time.perf_counter() - first, time.process_time() - cpu
    bounds.most(f"the driver, from the first to the last of {count} answers", wall / count * 1e3, 10, "ms")
    bounds.most("the driver's CPU, start and all", cpu / count * 1e3, 10, "ms")


class Timed:
    """An extractor that says how long a shard took: seconds, and CPU seconds of it and its decoder processes."""

    def __init__(self, out: str) -> None:
        self._extractor = Extractor(out)

    def run(self, task: ShardTask) -> tuple[float, float]:
        """Do a shard."""
        before, began = _cpu(), time.perf_counter()
        assert not self._extractor.run(task).skipped
        return time.perf_counter() - began, _cpu() - before

    def close(self) -> None:
        """End its processes."""
        self._extractor.close()


def _cpu() -> float:
    own = psutil.Process()
    return sum(sum(process.cpu_times()[:2]) for process in (own, *filter(_decodes, own.children(recursive=True))))


def _decodes(process: psutil.Process) -> bool:
    """Tell a decoder process from Ray's, which are below the same process."""
    try:
        return any("penult.pixels" in part for part in process.cmdline())
    except psutil.Error:  # it has ended
        return False


class Meter:
    """CPU seconds of this process and of all that come and go below it while the block lasts, looked at five times a second.

    Processes whose parent ends become children of this one, so that none is missed.
    """

    def __enter__(self) -> Meter:
        ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
        self.cpu, self._seen, self._ended = 0.0, {}, threading.Event()
        self._own = time.process_time()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._ended.wait(0.2):
            for process in psutil.Process().children(recursive=True):
                try:
                    self._seen[process.pid, process.create_time()] = sum(process.cpu_times()[:2])
                except psutil.Error:
                    continue

    def __exit__(self, *_: Any) -> None:
        self._ended.set()
        self._thread.join()
        self.cpu = time.process_time() - self._own + sum(self._seen.values())

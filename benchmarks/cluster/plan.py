"""What a plan of many images costs: time an image, and memory, of a folder, a table and an object store; and of an addition.

Bounds: <= 20 us an image, <= 100 MB for 10^6 images, in a process of its own; memory is the most that it has beyond what it
has once a plan of ten images was made. The folder is real (empty files, in /dev/shm where there is one), the store made up.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from cluster.bounds import Bounds
from penult.objects import StoredObject
from penult.shards import plan, planning
from penult.shards.facts import NetworkFacts, PlanFacts
from penult.shards.plan import Plan
from penult.shards.planning import make_plan
from penult.sources import stores

FACTS = PlanFacts("", (NetworkFacts("colour_histogram", "0" * 64, (4,)),), "cpu", "numpy", "f32", "1.pillow12")
CLASSES = 200


def add(p: argparse.ArgumentParser) -> None:
    """Add the options."""
    p.add_argument("--files", type=int, default=200_000, help="of the real folder and of the table")
    p.add_argument("--objects", type=int, default=1_000_000, help="of the store that is made up")
    p.add_argument("--shards", type=int, default=500_000, help="of a plan that is opened")
    p.add_argument("--child", nargs=3, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Measure, and hold against the bounds."""
    if args.child:
        return _child(*args.child)
    bounds = Bounds()
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="penult-plan-", dir=memory if memory.is_dir() else None) as place:
        _lay_out(Path(place, "photos"), args.files)
        rows = (f"photos/{name},{name.partition('/')[0]}\n" for name in _names(args.files))
        Path(place, "list.csv").write_text("file,label\n" + "".join(rows))
        store = _MadeUp.url(args.objects)
        for what, source, act, number in (
            ("a folder", f"{place}/photos", "make", args.files),
            ("a table", f"{place}/list.csv", "make", args.files),
            ("a store", store, "make", args.objects),
            ("the store again, with 1% more", store, "add", args.objects),
        ):
            cpu, wall, grown, peak, made = _child_says(source, f"{place}/plan.parquet", act)
            print(f"{what}: {made:,.0f} images in the plan, {wall:.1f} s, {peak:.0f} MB with Python and pyarrow")
            bounds.most(f"{what}: CPU an image", 1e6 * cpu / number, 20, "us")
            bounds.most(f"{what}: memory beyond that of ten images", grown, 100, "MB")
        _open(bounds, Path(place), args.shards)
    return bounds.code


def _open(bounds: Bounds, place: Path, shards: int) -> None:
    """Open a plan of so many shards; each has one image here, and a row group as many shards as one of 1,000 images each."""
    planning.GROUP_ROWS = plan.GROUP_ROWS // FACTS.rows
    source = _MadeUp.url(shards)
    stores.open_store = _MadeUp  # type: ignore[assignment]
    make_plan(source, f"{place}/many.parquet", replace(FACTS, rows=1))
    cpu, _, grown, _, made = _child_says(source, f"{place}/many.parquet", "open")
    print(f"a plan of {made:,.0f} shards opened, and the last shard read: {cpu:.1f} CPU s")
    bounds.most(f"memory of a process that opens a plan of {shards:,} shards", grown, 200, "MB")


def _child_says(source: str, out: str, act: str) -> list[float]:
    """Do it in a process of its own; return CPU and wall time, memory beyond a small plan's, all memory, rows or shards."""
    command = [sys.executable, str(Path(__file__).parents[1] / "cluster.py"), "plan", "--child", source, out, act]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    if child.returncode:
        raise RuntimeError(child.stderr[-2000:])
    return [float(word) for word in child.stdout.split()]


def _child(source: str, out: str, act: str) -> int:
    with tempfile.TemporaryDirectory() as small:
        _lay_out(Path(small, "photos"), 10)
        make_plan(f"{small}/photos", f"{small}/plan.parquet", FACTS)
        Plan.open(f"{small}/plan.parquet").members(0)
    if source.startswith("s3://"):
        stores.open_store = lambda url: _MadeUp(url, more=act == "add")  # type: ignore[assignment]
    before, began, cpu = _memory(), time.perf_counter(), time.process_time()
    if act == "open":
        opened = Plan.open(out)
        opened.members(len(opened.tasks()) - 1)
        made = len(opened)
    else:
        made = make_plan(source, out, FACTS if act == "make" else None, add=act == "add").rows
    peak = _memory() if act == "open" else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(time.process_time() - cpu, time.perf_counter() - began, peak - before, peak, made)
    return 0


def _names(number: int) -> Iterator[str]:
    for at in range(number):
        yield f"class {at * CLASSES // number}/photo {at}.jpg"


def _lay_out(folder: Path, number: int) -> None:
    made = ""
    for name in _names(number):
        above = name.partition("/")[0]
        if above != made:
            (folder / above).mkdir(parents=True)
            made = above
        os.close(os.open(f"{folder}/{name}", os.O_CREAT | os.O_WRONLY))


def _memory() -> float:
    """Return the memory that this process has now, in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


class _MadeUp:
    """An object store with so many objects below `s3://made-up/NUMBER`, and 1% more where `more`."""

    def __init__(self, url: str, more: bool = False) -> None:
        self._number = int(url.rsplit("/", 1)[1])
        self._more = self._number // 100 * more

    @staticmethod
    def url(number: int) -> str:
        return f"s3://made-up/{number}"

    def list(self) -> Iterator[StoredObject]:
        for at in range(self._number + self._more):
            tag = hashlib.md5(at.to_bytes(8, "little")).hexdigest()
            yield StoredObject(f"{at * CLASSES // self._number:03}/photo {at}.jpg", 35_000, tag)

"""Contents of files beside their paths: the same bits, as fast, and nothing left behind by kill -9.

Pairs in turn: the same photos through the decoding processes and a network, once by path and once by content; and, without a
bound, as members of a tar, zip and Parquet file. Ratios above 1 mean that the contents are faster. Archives of many small
photos are listed, and by Python's own readers, too. Then a process is killed in the middle, and what its workers, the folder
for temporary files and /dev/shm hold is counted.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import tracemalloc
import zipfile
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cluster.bounds import Bounds

CHILD = """
import sys
from penult.pixels import Recipe, prepare_all
from penult.sources import FileContent
from pathlib import Path
data = [FileContent(path.read_bytes()) for path in sorted(Path(sys.argv[1]).iterdir())]
for one in prepare_all(data * 1000, [Recipe(224)], workers=2):
    if one.index == 200:
        print("going", flush=True)
"""


def add(topic: argparse.ArgumentParser) -> None:
    """Add what can be chosen."""
    topic.add_argument("--photos", type=Path, help="a folder of photos (default: some are drawn)")
    topic.add_argument("--number", type=int, default=400, help="photos of a run")
    topic.add_argument("--pairs", type=int, default=16)
    topic.add_argument("--network", default="efficientnet_lite0")
    topic.add_argument("--kills", type=int, default=3)


def run(args: argparse.Namespace) -> int:
    """Measure, and return the exit code."""
    from penult import zoo
    from penult.sources import FileContent, members

    bounds = Bounds()
    with tempfile.TemporaryDirectory(prefix="bytes-") as place:
        folder = Path(place, "photos")
        _lay_out(folder, args.photos, args.number)
        paths = [str(path) for path in sorted(folder.iterdir())]
        contents = [FileContent(Path(path).read_bytes()) for path in paths]
        network = zoo.find_backbone(args.network)
        print(f"{len(paths)} photos of {np.mean([len(one.data) for one in contents]) / 1000:.0f} KB, {args.network}")
        archives = _packed(Path(place), paths)
        ways = {"content": contents, **{name: list(members(path)) for name, path in archives.items()}}
        for name, sources in ways.items():
            pairs = args.pairs if name == "content" else 3
            _compare(name, paths, sources, network, pairs, bounds)
        _list(Path(place), bounds)
        _kill(folder, args.kills, bounds)
    return bounds.code


def _lay_out(folder: Path, photos: Path | None, number: int) -> None:
    folder.mkdir()
    if photos is not None:
        found = sorted(path for path in photos.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))[:number]
        for i, path in enumerate(found):
            (folder / f"{i:06d}{path.suffix}").symlink_to(path.resolve())
        return
    from PIL import Image

    chance = np.random.default_rng(0)
    for i in range(number):
        coarse = chance.integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((400, 360), Image.Resampling.BICUBIC).save(folder / f"{i:06d}.jpg", quality=92)


def _packed(place: Path, paths: Sequence[str]) -> dict[str, str]:
    """Return the photos as a tar, zip and, where pyarrow is there, Parquet file."""
    found = {"tar": str(place / "a.tar"), "tar.gz": str(place / "a.tar.gz"), "zip": str(place / "a.zip")}
    for name, mode in (("tar", "w"), ("tar.gz", "w:gz")):
        with tarfile.open(found[name], mode, dereference=True) as tar:  # type: ignore[call-overload]
            for path in paths:
                tar.add(path, Path(path).name)
    with zipfile.ZipFile(found["zip"], "w", zipfile.ZIP_DEFLATED) as packed:
        for path in paths:
            packed.write(path, Path(path).name)
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        return found
    rows = [{"bytes": Path(path).read_bytes(), "path": Path(path).name} for path in paths]
    pq.write_table(pa.table({"image": rows}), place / "a.parquet", row_group_size=100)
    return {**found, "parquet": str(place / "a.parquet")}


def _compare(name: str, paths: Sequence[Any], sources: Sequence[Any], network: Any, pairs: int, bounds: Bounds) -> None:
    """Embed both in turn; the first pair warms up."""
    from penult.embed import EmbedOptions, EnginePool, embed

    settings = EmbedOptions(cache=False)
    pool = EnginePool(settings.compute([network]))
    walls, cpus, off = [], [], 0.0
    try:
        for pair in range(pairs + 1):
            done = {}
            for which, taken in (("path", paths), (name, sources)) if pair % 2 else ((name, sources), ("path", paths)):
                done[which] = _timed(lambda taken=taken: embed(taken, [network], settings, pool=pool))  # type: ignore[misc]
            (one, wall, cpu), (other, their_wall, their_cpu) = done["path"], done[name]
            off = max(off, float(np.abs(one.features() - other.features()).max()))
            assert np.array_equal(one.digests, other.digests)
            if pair:
                walls.append(wall / their_wall)
                cpus.append(cpu / their_cpu)
    finally:
        pool.close()
    bounds.most(f"{name}: greatest difference of the features", off, 0)
    low, wall, high = np.quantile(walls, (0.25, 0.5, 0.75))
    if name != "content":
        print(f"{name} beside paths, {pairs} pairs: wall {wall:.3f} ({low:.3f} to {high:.3f}), CPU {np.median(cpus):.3f}")
        return
    print(f"{name} beside paths, {pairs} pairs: quartiles of the wall {low:.3f} to {high:.3f}")
    bounds.least(f"{name} beside paths, wall, median", float(wall), 0.97)
    bounds.least(f"{name} beside paths, CPU, median", float(np.median(cpus)), 0.97)


def _list(place: Path, bounds: Bounds, number: int = 20_000) -> None:
    """List archives by our readers and by Python's: the CPU time and the peak of the memory that a member takes."""
    from penult.sources import members

    with tarfile.open(place / "many.tar", "w") as tar, zipfile.ZipFile(place / "many.zip", "w") as packed:
        for i in range(number):
            about = tarfile.TarInfo(f"{i % 10}/photo-{i:07}.jpg")
            about.size = 200
            tar.addfile(about, io.BytesIO(bytes(200)))
            packed.writestr(about.name, bytes(200))
    readers: dict[str, Callable[[str], Iterable[Any]]] = {
        "tar": tarfile.open,
        "zip": lambda path: zipfile.ZipFile(path).infolist(),
    }
    for kind, theirs in readers.items():
        (seconds, peak), (other_seconds, other_peak) = (_cost(read, str(place / f"many.{kind}")) for read in (members, theirs))
        ours, other = 1e6 * seconds / number, 1e6 * other_seconds / number
        print(f"{kind}, listed, CPU of a member: {ours:.1f} us, by {kind}file {other:.1f} us")
        bounds.most(f"{kind}, listed: memory beside that of {kind}file", peak / other_peak, 0.5)


def _cost(listing: Callable[[str], Iterable[Any]], path: str) -> tuple[float, int]:
    """Return the CPU seconds of going through a listing, and the peak of its memory in bytes."""
    began = time.process_time()
    deque(listing(path), maxlen=0)
    seconds = time.process_time() - began
    tracemalloc.start()
    deque(listing(path), maxlen=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return seconds, peak


def _timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """Return what work returns, with the seconds it took, and those of all processors in this process and its children."""
    before, began = _cpu(), time.perf_counter()
    found = work()
    return found, time.perf_counter() - began, _cpu() - before


def _cpu() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in usages)


def _kill(folder: Path, kills: int, bounds: Bounds) -> None:
    """Kill a process that decodes contents, and count what is left of it."""
    import psutil

    left = 0
    with tempfile.TemporaryDirectory(prefix="bytes-") as place:
        for _ in range(kills):
            before = _shared()
            environment = {**os.environ, "TMPDIR": place}
            child = subprocess.Popen([sys.executable, "-c", CHILD, str(folder)], stdout=subprocess.PIPE, env=environment)
            assert child.stdout is not None
            child.stdout.readline()
            workers = psutil.Process(child.pid).children()
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
            child.stdout.close()
            _, alive = psutil.wait_procs(workers, timeout=20)
            left += len(alive) + len(list(Path(place).iterdir())) + len(_shared() - before)
    bounds.most(f"files and processes left behind by {kills} kills", left, 0)


def _shared() -> set[str]:
    place = Path("/dev/shm")
    return {path.name for path in place.iterdir() if "penult" in path.name} if place.is_dir() else set()

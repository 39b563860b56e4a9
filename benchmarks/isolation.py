"""What it costs that a bad picture costs one picture: workers with limits, the same without, and threads of this process.

    python benchmarks/isolation.py FOLDER [--images 2000] [--turns 5]

FOLDER holds photos. Every turn goes the three ways in another order. What counts is the time of the processors, of all
processes together, since a busy machine disturbs it least: the ratio of each turn, of which the middle one is printed beside
the images/s. `start` is what the first worker costs, for a single photo.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import time
from collections.abc import Iterable
from pathlib import Path

from penult.images import scan_unlabelled
from penult.pixels import Recipe, prepare_all
from penult.pixels.pipeline import DECODER, Pipeline, load_decoder
from penult.pixels.preparing import _flat, _in_threads

RECIPES = (Recipe(224), Recipe(240), Recipe(260))  # the three that ship
NO_LIMITS = {"seconds": 0.0, "memory": resource.RLIM_INFINITY}


def seconds(prepared: Iterable[object]) -> tuple[float, float]:
    """Return the seconds that passed, and those of the processors."""
    began, busy = time.perf_counter(), processor()
    for _ in prepared:
        pass
    return time.perf_counter() - began, processor() - busy


def processor() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--turns", type=int, default=5)
    asked = parser.parse_args()
    paths = list(scan_unlabelled(asked.folder).paths)
    paths = (paths * (asked.images // len(paths) + 1))[: asked.images]
    cores = os.cpu_count() or 1
    pipeline = Pipeline(RECIPES, (_flat(None),) * 3, load_decoder(DECODER))
    ways = {
        "workers with limits": lambda: prepare_all(paths, RECIPES, workers=cores),
        "workers without": lambda: prepare_all(paths, RECIPES, workers=cores, **NO_LIMITS),
        "threads here": lambda: _in_threads(paths, pipeline, range(len(paths)), cores),
    }
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    names = list(ways)
    for turn in range(asked.turns + 1):
        for name in names[turn % 3 :] + names[: turn % 3]:
            taken[name].append(seconds(ways[name]()))
    own = taken["workers with limits"][1:]  # the first turn reads the files from the disk
    print(f"{len(paths)} photos, {cores} cores, {asked.turns} turns")
    for name, times in taken.items():
        ratio = statistics.median(mine[1] / other[1] for mine, other in zip(own, times[1:], strict=True))
        rate = len(paths) / statistics.median(passed for passed, _ in times[1:])
        print(f"{name:20} {rate:8.0f} images/s   workers with limits take {100 * (ratio - 1):+.1f}% more processor time")
    start = statistics.median(
        seconds(prepare_all(paths[:1], RECIPES))[1] - seconds(prepare_all(paths[:1], RECIPES, workers=0))[1] for _ in range(9)
    )
    print(f"start of the first worker: {1000 * start:.0f} ms")


if __name__ == "__main__":
    main()

"""Embed ten times as many photos: what a photo costs then, and how much memory; print a table.

    python benchmarks/many.py                                   2,000 and 20,000 photos; 0.7 GB of disk, deleted at the end
    python benchmarks/many.py --images 400 4000 --repeats 1

EfficientNet-Lite0 in the precision of this machine, JPEG photos of 400 x 360 made here: some hundred pictures, each with a
comment of its own in every copy, so that all are new to the cache. Few and many take turns. MB is the height of private and
shared memory of penult and its children, not the file cache of the system. Linux only.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from peers import photos
from scale import grown

PICTURES = 400


def lay_out(folder: Path, count: int) -> None:
    """Write `count` different JPEG files of `PICTURES` pictures in two class folders."""
    made = [path.read_bytes() for path in photos.make(folder.parent / "pictures", PICTURES)]
    for i in range(count):
        place = folder / photos.CLASSES[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        number = i.to_bytes(4, "big")
        data = made[i % PICTURES]
        (place / f"{i}.jpg").write_bytes(data[:2] + b"\xff\xfe\x00\x06" + number + data[2:])  # start, comment, the rest


def child(folder: Path) -> None:
    """Embed a folder, cache empty; print seconds a photo and the most memory."""
    from penult import images, zoo
    from penult.embed import EmbedOptions, embed

    most, over = [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            most[0] = max(most[0], grown())

    watcher = threading.Thread(target=watch)
    watcher.start()
    found = images.scan_labelled(folder)
    with tempfile.TemporaryDirectory(dir=folder.parent) as cache:
        began = time.perf_counter()
        done = embed(found.paths, [zoo.find_backbone("efficientnet_lite0")], EmbedOptions(cache=cache))
        seconds = time.perf_counter() - began
    over.set()
    watcher.join()
    assert done.embedded == len(found) and not done.failures
    print(json.dumps({"each": seconds / len(found), "bytes": most[0]}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs=2, default=[2000, 20_000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--place", type=Path, default=None, help="where to make the files (default: a temporary folder)")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        child(asked.child)
        return
    with tempfile.TemporaryDirectory(dir=asked.place) as name:
        folders = [Path(name) / str(count) for count in asked.images]
        for folder, count in zip(folders, asked.images, strict=True):
            lay_out(folder, count)
        turns = [[one(folder) for folder in folders] for _ in range(asked.repeats)]
    print("| photos | ms a photo | MB at the height |\n|---|---|---|")
    for i, count in enumerate(asked.images):
        each, size = (statistics.median(turn[i][what] for turn in turns) for what in ("each", "bytes"))
        print(f"| {count:,} | {1000 * each:.3f} | {size / 1e6:.0f} |")
    time_ratio, size_ratio = (
        statistics.median(few_many[1][w] / few_many[0][w] for few_many in turns) for w in ("each", "bytes")
    )
    print(f"| ratio, median of {asked.repeats} | {time_ratio:.3f} | {size_ratio:.3f} |")


def one(folder: Path) -> dict[str, float]:
    line = [sys.executable, __file__, "--child", str(folder)]
    return json.loads(subprocess.run(line, stdout=subprocess.PIPE, text=True, check=True).stdout)


if __name__ == "__main__":
    main()

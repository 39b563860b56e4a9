"""`penult predict MODEL FOLDER --csv FILE` on a folder of many photos: private memory, seconds a photo, every photo once.

    python benchmarks/cluster.py predictions                        100,000 photos; three minutes
    python benchmarks/cluster.py predictions --rows 1000000         the whole

The photos are links to a few hundred drawn ones, some thousands to a folder, so that they take no room on the disk; all
but the first of each come from the cache, as in a second run. The network is a histogram of colors. The memory is that of
the command and its children at its height, beyond that of the same command on 2,000 photos.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from cluster.bounds import Bounds
from cluster.photos import draw
from cluster.processes import measured

PICTURES, EACH = 200, 2000  # drawn photos; photos in a folder
FEW = 2000


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=100_000)


def run(args: argparse.Namespace) -> int:
    bounds = Bounds()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        os.environ["PENULT_CACHE"] = str(place / "cache")
        model = train(place)
        few = measured("predict", model, _linked(place / "few", FEW), "--csv", place / "few.csv", "--quiet")
        many = measured("predict", model, _linked(place / "many", args.rows), "--csv", place / "many.csv", "--quiet")
        print(f"{FEW:,} photos: {few.memory:.0f} MB; {args.rows:,} photos: {many.memory:.0f} MB, {many.wall:.0f} s")
        with (place / "many.csv").open(newline="") as file:
            names = [row[0] for row in csv.reader(file)][1:]
        bounds.most(f"memory of {args.rows:,} predictions", many.memory - few.memory, 150, "MB")
        bounds.least("share of the photos that have one line", len(set(names)) / args.rows, 1)
        bounds.most("lines for one photo", len(names) / args.rows, 1)
    return bounds.code


def train(place: Path) -> Path:
    """Train on drawn photos, and return the run."""
    for i in range(PICTURES):
        file = place / "train" / ("warm" if i % 2 else "cold") / f"{i}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        draw(i, (64, 64)).save(file)
    line = ["train", place / "train", "--out", place / "run", "-b", "colour_histogram", "--head", "centroid", "--quiet"]
    subprocess.run([sys.executable, "-m", "penult", *map(str, line)], check=True, stdout=subprocess.DEVNULL)
    return place / "run"


def _linked(folder: Path, count: int) -> Path:
    """Fill a folder with links to the drawn photos."""
    photos = sorted(folder.parent.joinpath("train").rglob("*.jpg"))
    for i in range(count):
        below = folder / f"{i // EACH:04d}"
        if i % EACH == 0:
            below.mkdir(parents=True)
        os.link(photos[i % len(photos)], below / f"{i:07d}.jpg")
    return folder

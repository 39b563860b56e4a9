"""The page of a run on many photos, made anew: private memory, seconds, and that it says what it shows.

    python benchmarks/cluster.py report                        100,000 photos
    python benchmarks/cluster.py report --rows 1000000         the whole

The run is one on drawn photos whose tables were filled up with rows of photos that are not there; a tenth of them have a
finding. The memory is that of `penult report` at its height, with all of penult.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import tempfile
from pathlib import Path

import numpy as np

from cluster.bounds import Bounds
from cluster.predictions import train
from cluster.processes import measured
from penult.audit import COLUMNS

CLASSES = ("cold", "warm")
MEGABYTES = 500


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=100_000)


def run(args: argparse.Namespace) -> int:
    bounds = Bounds()
    with tempfile.TemporaryDirectory() as name:
        os.environ["PENULT_CACHE"] = f"{name}/cache"
        folder = train(Path(name))
        wrong = _fill(folder, args.rows)
        many = measured("report", folder)
        page = (folder / "report.html").read_text(encoding="utf-8")
        print(f"{args.rows:,} photos: {many.wall:.0f} s, {many.memory:.0f} MB, a page of {len(page) / 1e6:.1f} MB")
        bounds.most(f"memory of the page of {args.rows:,} photos", many.memory, MEGABYTES, "MB")
        bounds.most("the page", len(page) / 1e6, 20, "MB")
        says = f"a sample of 25,000 of {args.rows:,} photos" in page
        bounds.least("it says that it shows a sample", float(says), 1)
        bounds.least("it counts all misclassified photos", float(f"{wrong:,} misclassified photos" in page), 1)
    return bounds.code


def _fill(folder: Path, n: int) -> int:
    """Let the tables of a run have n photos; return how many of them are misclassified."""
    rng = np.random.default_rng(0)
    y, warm = rng.integers(2, size=n), np.round(rng.random(n), 6)
    wrong = (warm > 0.5) != y  # 0.5 counts as the first class, as the largest of equals does
    places = rng.random((n, 2))
    names = [f"{CLASSES[c]}/{i:08d}.jpg" for i, c in enumerate(y.tolist())]
    near = (" ".join(str((i + step) % n) for step in range(1, 6)) for i in range(n))
    lines = zip(names, y.tolist(), places.tolist(), near, strict=True)
    _table(folder / "map.csv", ("file", "label", "x", "y", "near"),
           ((name, CLASSES[c], f"{x[0]:.5f}", f"{x[1]:.5f}", beside) for name, c, x, beside in lines))  # fmt: skip
    shares = ((f"{1 - p:.6g}", f"{p:.6g}") for p in warm.tolist())
    _table(folder / "oof.csv", ("file", "label", "fold", *CLASSES),
           ((names[i], CLASSES[y[i]], i % 5, *share) for i, share in enumerate(shares)))  # fmt: skip
    found = ({"kind": "label", "file": names[i], "related": "", "score": "0.9", "reason": f"looks like {i}",
              "suggestion": "look at it"} for i in np.flatnonzero(wrong)[: n // 10].tolist())  # fmt: skip
    _table(folder / "findings.csv", COLUMNS, ([row[name] for name in COLUMNS] for row in found))
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["classes"] = dict(zip(CLASSES, np.bincount(y).tolist(), strict=True))
    metrics["files"] |= {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.csv")}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return int(wrong.sum())


def _table(path: Path, header: tuple[str, ...], rows: object) -> None:
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(header)
        table.writerows(rows)  # type: ignore[arg-type]

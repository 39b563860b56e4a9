"""How long map and page of many photos take, how large the page is, and whether it scrolls: synthetic rows, drawn photos.

    python benchmarks/report.py [--rows 25000] [--width 10848]

Features are made of 20 classes of 12 groups each, the photos are 200 drawn pictures under 25,000 names; 3% of the answers are
wrong and 400 photos have findings. With a Chromium on the machine the page is opened, scrolled from top to bottom and its map
walked, and the frames are timed.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

CLASSES = tuple(f"class {i:02d}" for i in range(20))

SCROLL = """new Promise((done) => {
  const times = [], height = document.documentElement.scrollHeight - innerHeight;
  let last = performance.now(), at = 0;
  const step = (now) => {
    times.push(now - last); last = now; at += 60;
    scrollTo({top: at, behavior: 'instant'});
    at < height ? requestAnimationFrame(step) : done(times.slice(2));
  };
  requestAnimationFrame(step);
})"""
HOVER = """new Promise((done) => {
  const c = document.getElementById('map-canvas'); c.scrollIntoView({block: 'center', behavior: 'instant'});
  const r = c.getBoundingClientRect(), times = [];
  let i = 0, last = performance.now();
  const step = (now) => {
    times.push(now - last); last = now;
    const a = i / 7, x = r.x + r.width * (0.5 + 0.4 * Math.cos(a)), y = r.y + r.height * (0.5 + 0.4 * Math.sin(a));
    c.dispatchEvent(new PointerEvent('pointermove', {clientX: x, clientY: y, pointerType: 'mouse', bubbles: true}));
    ++i < 200 ? requestAnimationFrame(step) : done(times.slice(2));
  };
  requestAnimationFrame(step);
})"""


def features(rows: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows in groups inside classes: (n, d), (n,)."""
    random = np.random.default_rng(0)
    y = np.sort(random.integers(0, len(CLASSES), rows))
    centres = random.normal(size=(len(CLASSES), 1, 64)) + 0.7 * random.normal(size=(len(CLASSES), 12, 64))
    hidden = centres[y, random.integers(0, 12, rows)] + 0.5 * random.normal(size=(rows, 64))
    turn = random.normal(size=(64, width)).astype(np.float32)
    X = np.empty((rows, width), np.float32)
    for start in range(0, rows, 1000):
        X[start : start + 1000] = hidden[start : start + 1000].astype(np.float32) @ turn
    return X, y


def photos(folder: Path, files: list[str]) -> None:
    """Draw 200 photos of 400 x 300 and give each of the names one of them."""
    from PIL import Image

    random = np.random.default_rng(1)
    drawn = []
    for i in range(200):
        coarse = random.integers(0, 255, (9, 12, 3), dtype=np.uint8)
        drawn.append(folder / f"{i}.jpg")
        Image.fromarray(coarse).resize((400, 300), Image.Resampling.BICUBIC).save(drawn[-1], quality=85)
    for i, file in enumerate(files):
        (folder / file).parent.mkdir(exist_ok=True)
        os.link(drawn[i % len(drawn)], folder / file)


def table(path: Path, header: list[str], rows: list[list[object]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def lay_out(run: Path, files: list[str], y: np.ndarray) -> dict[str, object]:
    """Write the tables of a run and return its metrics."""
    from penult import evaluate

    random = np.random.default_rng(2)
    proba = random.dirichlet(np.full(len(CLASSES), 0.08), len(y))
    proba[np.arange(len(y)), y] += random.exponential(2.0, len(y))
    proba /= proba.sum(axis=1, keepdims=True)
    found = evaluate.score(y, proba, CLASSES, name="logistic on all 3 backbones")
    rows = [[f, CLASSES[c], 0, *(f"{p:.6g}" for p in row)] for f, c, row in zip(files, y, proba, strict=True)]
    table(run / "oof.csv", ["file", "label", "fold", *CLASSES], rows)
    told = [
        ["label", files[i], "", 0.9, "given another label by a model that had not seen it", "look"] for i in range(0, 4000, 10)
    ]
    table(run / "findings.csv", ["kind", "file", "related", "score", "reason", "suggestion"], told)
    return {
        "penult": "0", "command": ["penult", "train"], "classes": dict.fromkeys(CLASSES, 1), "images": {"train": len(y)},
        "scores": found.to_dict(), "compared": [], "seconds": {}, "options": {},
    }  # fmt: skip


def measure(rows: int, width: int, base: Path) -> Path:
    from penult import audit, report

    X, y = features(rows, width)
    files = [f"{CLASSES[c]}/{i:06d}.jpg" for i, c in enumerate(y)]
    photos(base, files)
    run = base / "run"
    run.mkdir()
    metrics = lay_out(run, files, y) | {"sources": {"train": str(base)}}
    parts = [width // 6] * 5 + [width - 5 * (width // 6)]
    began = time.perf_counter()
    drawn = audit.photo_map(X, parts)
    print(f"map of {rows:,} rows of {width:,} numbers: {time.perf_counter() - began:.1f} s")
    places = [
        [f, CLASSES[c], *p, " ".join(map(str, n))] for f, c, p, n in zip(files, y, drawn.places, drawn.near, strict=True)
    ]
    table(run / "map.csv", ["file", "label", "x", "y", "near"], places)
    own = np.mean(y[drawn.near[:, 0]] == y)
    print(f"rows whose nearest one is of their class: {own:.4f}")
    began = time.perf_counter()
    page = report.write_report(run, metrics)
    print(f"page: {time.perf_counter() - began:.1f} s, {page.stat().st_size / 1e6:.1f} MB")
    return page


def frames(page: Path) -> None:
    """Time the frames of a scroll from top to bottom, and of a pointer that goes round on the map."""
    from browser import Chromium, found

    if found() is None:
        print("no Chromium here: frames were not timed")
        return
    with Chromium() as browser:
        began = time.perf_counter()
        tab = browser.open(page.as_uri())
        tab.settle()
        print(f"opened and drawn: {time.perf_counter() - began:.1f} s; complaints: {tab.complaints()}")
        for name, code in (("scroll", SCROLL), ("pointer on the map", HOVER)):
            times = np.array(tab.run(code))
            print(
                f"{name}: {len(times)} frames, median {np.median(times):.1f} ms, 95% below {np.quantile(times, 0.95):.1f} ms,"
                f" longest {times.max():.1f} ms"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=25_000)
    parser.add_argument("--width", type=int, default=10_848, help="numbers a photo (default: the three Lite networks')")
    parser.add_argument("--keep", metavar="FILE", help="copy the page here")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        page = measure(asked.rows, asked.width, Path(folder))
        frames(page)
        if asked.keep:
            Path(asked.keep).write_bytes(page.read_bytes())
    print(json.dumps({"cores": os.cpu_count()}))


if __name__ == "__main__":
    main()

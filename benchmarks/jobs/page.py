"""Does a page of ten thousand predictions stay usable? Its size, and what a browser takes to load, filter and turn it.

Photos of `--photos` are repeated under other names until there are enough; answers are drawn. Bounds: 25 MB, 3 s until the
photos are there, 200 ms for a filter, a sort or a page (median of seven). Above 10,000 the page shows a sample.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

MEGABYTES, LOAD, ACT = 25.0, 3.0, 200.0
SET = "const s = document.getElementById('filter-{}'); s.{}; s.dispatchEvent(new Event('{}'))"
ACTS = {
    "class": SET.format("class", "selectedIndex = 1 + N % 2", "change"),
    "sort": SET.format("sort", "selectedIndex = N % 5", "change"),
    "search": SET.format("file", "value = String(N)", "input"),
    "page": "document.getElementById('page-on').click()",
}


def add(topic: argparse.ArgumentParser) -> None:
    topic.add_argument("--model", required=True, help="a model with networks, or its run folder")
    topic.add_argument("--photos", required=True, type=Path, help="a folder of photos")
    topic.add_argument("--number", type=int, default=10_000)


def run(args: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as folder:
        page = _written(args, Path(folder) / "page.html")
        size = page.stat().st_size / 1e6
        shown = [("size", size, MEGABYTES, "MB"), *_in_browser(page)]
    for name, value, bound, unit in shown:
        print(f"{name:8} {value:8.2f} {unit:3} bound {bound:g}{'' if value <= bound else '   MISSED'}")
    return int(any(value > bound for _, value, bound, _ in shown))


def _written(args: argparse.Namespace, path: Path) -> Path:
    import penult
    from penult.predict import Predictions
    from penult.predict.summary import PredictionSummary
    from penult.report.predictions import PredictionPage

    model = penult.load_model(args.model)
    files = [str(one) for one in sorted(args.photos.rglob("*.jpg"))]
    rng, k = np.random.default_rng(0), len(model.bundle.classes)
    proba = rng.dirichlet(np.full(k, 0.2), args.number)  # (n, k)
    ids = tuple(f"{i // 100}/{i}.jpg" for i in range(args.number))
    answers = Predictions.of(model.bundle, ids, proba, {}, rng.gamma(4, 0.2, args.number))
    page, summary = PredictionPage(model), PredictionSummary(model.bundle)
    page.add(answers, list(islice(cycle(files), args.number)))
    summary.add(answers)
    return page.write(path, summary)


def _in_browser(page: Path) -> list[tuple[str, float, float, str]]:
    from browser import Chromium

    with Chromium() as browser:
        began = time.perf_counter()
        opened = browser.open(page.as_uri())
        assert opened.run("document.querySelectorAll('#cards li').length") == 60
        found = [("load", time.perf_counter() - began, LOAD, "s")]
        for name, act in ACTS.items():
            timed = f"(() => {{ const t = performance.now(); {act}; return performance.now() - t; }})()"
            took = [opened.run(timed.replace("N", str(n))) for n in range(7)]
            found.append((name, float(np.median(took)), ACT, "ms"))
    return found

"""Scrolling the grid of all photos in Chromium: elements, heap, and how long the main thread works for a frame.

The page is the studio's own, its photos are made up (tests/studio_page.py): what the browser does is measured, not the
server. The grid is scrolled by so many pixels in each of `--frames` frames; times are CPU times of the main thread (DevTools'
thread ticks), so that other work on the machine does not count. Bounds: 500 elements and 60 MB at any number, 8 ms a frame
at 20,000 photos, 16 ms at 100,000.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

STEPS = (60, 400, 40_000)  # pixels a frame: a flick, with photos that load; a fast wheel; the scroll bar dragged
SCROLL = """
(async () => {
  const grid = document.querySelector("photo-grid"), frame = () => new Promise((done) => requestAnimationFrame(done));
  let most = 0;
  for (let i = 0; i < FRAMES; i++) {
    grid.scrollTop = (grid.scrollTop + STEP) % (grid.scrollHeight - grid.clientHeight);
    await frame();
    most = Math.max(most, document.querySelectorAll("*").length);
  }
  return most;
})()
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--photos", type=int, nargs="+", default=[20_000, 100_000])
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--wide", type=int, default=1280, help="window, 10:7")


def run(args: argparse.Namespace) -> None:
    """Measure, and print a table."""
    from browser import Chromium
    from studio_page import MadeUpStudio

    print("  photos   jump  elements  heap MB  main thread, ms a frame  of it script  layout and style")
    for photos in args.photos:
        with MadeUpStudio(photos) as studio, Chromium() as browser:
            page = browser.open(studio.url + "#/photos", width=args.wide, height=args.wide * 7 // 10)
            while not page.run("document.querySelectorAll('photo-grid img[src]').length"):
                time.sleep(0.1)
            page.call("Performance.enable", timeDomain="threadTicks")
            for step in STEPS:
                before = metrics(page)
                most = page.run(SCROLL.replace("FRAMES", str(args.frames)).replace("STEP", str(step)))
                after = metrics(page)
                page.call("HeapProfiler.collectGarbage")
                heap = metrics(page)["JSHeapUsedSize"] / 1e6
                spent = {name: 1000 * (after[name] - before[name]) / args.frames for name in after}
                style = spent["LayoutDuration"] + spent["RecalcStyleDuration"]
                numbers = f"{spent['TaskDuration']:25.2f}{spent['ScriptDuration']:14.2f}{style:18.2f}"
                print(f"{photos:8,}{step:7,}{most:10,}{heap:9.1f}{numbers}", flush=True)


def metrics(page: Any) -> dict[str, float]:
    """Return DevTools' counters of the page."""
    return {one["name"]: one["value"] for one in page.call("Performance.getMetrics")["metrics"]}

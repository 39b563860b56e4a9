"""From a key to the pixel: the next photo is painted, while the real studio saves, refits and scores behind the page.

A key labels the photo that is shown; the time runs from the key's event in the browser to the end of the frame in which the
next photo stands there whole. The user takes a while for each photo (`--pause`). Also told: how long it takes until nothing is
unsaved, and what an act costs the page's main thread and the server. Wall times mean something on a quiet machine only, CPU
times on any. Bound: 95% of the photos within 200 ms.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from studio.many import lay_out, parser_of_photos, studio

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

BANDS = ((0, 100), (100, 300), (300, 600), (600, 1000))
# The end of a frame is heard of in the task after the callbacks before its painting.
WATCH = """
window.painted = []; window.saved = [];
window.addEventListener("keydown", (event) => {
  const stage = document.querySelector(".stage"), before = stage.dataset.number, began = event.timeStamp;
  const look = () => {
    const photo = stage.querySelector("img"), there = stage.dataset.number !== before && photo?.complete && photo.naturalWidth;
    if (!there) { requestAnimationFrame(look); return; }
    const after = new MessageChannel();
    after.port1.onmessage = () => window.painted.push(performance.now() - began);
    after.port2.postMessage(0);
  };
  const save = () => {
    if (document.getElementById("sync").dataset.state === "saved") window.saved.push(performance.now() - began);
    else setTimeout(save, 1);
  };
  requestAnimationFrame(look);
  setTimeout(save, 0);
}, true);
1"""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser_of_photos(parser)
    parser.add_argument("--labels", type=int, default=1000, metavar="N")
    parser.add_argument("--pause", type=float, default=1.0, metavar="S", help="seconds the user looks at a photo")


def run(args: argparse.Namespace) -> None:
    """Measure, and print a table."""
    from browser import Chromium

    with tempfile.TemporaryDirectory() as folder:
        many = lay_out(Path(folder), args.many, args.photos)
        with studio(str(many.source), "--out", str(many.project), "--unlabelled") as server, Chromium() as chromium:
            server.until_open()
            for name in many.classes:
                server.act("/api/classes", do="add", name=name)
            page = let_in(chromium, server)
            page.run("location.hash = '#/label'")
            wait(page, "document.querySelector('.stage img')?.complete")
            page.run(WATCH)
            page.call("Performance.enable", timeDomain="threadTicks")
            before = main_thread(page), server.cpu()
            for done in range(args.labels):
                wait(page, "document.querySelector('.stage')?.dataset.number")
                number = int(page.run("document.querySelector('.stage').dataset.number"))
                page.key("123456789abcdefghijklmnopqrstuvwxyz"[many.truth[number]])
                time.sleep(args.pause)
                wait(page, f"painted.length > {done}")
            wait(page, f"saved.length >= {args.labels}")
            painted, saved = np.array(page.run("painted")), np.array(page.run("saved"))
            page_cpu, server_cpu = main_thread(page) - before[0], server.cpu() - before[1]
            labelled = server.json("/api/state")["counts"]["labelled"]
    load = os.getloadavg()[0]
    print(f"{args.many:,} photos, {len(many.classes)} classes, {labelled} labels, load {load:.1f}; ms")
    print("  acts         painted p50   p95   max    saved p50   p95")
    for low, high in (*BANDS, (0, args.labels)):
        if low < args.labels:
            p, s = painted[low:high], saved[low:high]
            shown = f"{np.median(p):11.0f} {np.percentile(p, 95):5.0f} {p.max():5.0f}"
            print(f"  {low:>4}-{min(high, args.labels):<5} {shown} {np.median(s):12.0f} {np.percentile(s, 95):5.0f}")

    each = 1000 / args.labels
    print(f"CPU an act: page's main thread {each * page_cpu:.0f} ms, server {each * server_cpu:.0f} ms")


def main_thread(page: Any) -> float:
    """Return the processor seconds of the page's main thread."""
    metrics = page.call("Performance.getMetrics")["metrics"]
    return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))


def let_in(chromium: Any, server: Any) -> Any:
    """Open the studio's page in a browser that has the cookie of the benchmark."""
    page = chromium.open("about:blank", width=1280, height=860)
    name, _, value = server.cookie.partition("=")
    address = f"http://127.0.0.1:{server.port}/"
    page.call("Network.setCookie", name=name, value=value, url=address, httpOnly=True, sameSite="Strict")
    page.call("Page.navigate", url=address)
    wait(page, "document.querySelector('nav a')")
    return page


def wait(page: Any, code: str, seconds: float = 120) -> None:
    """Wait until a piece of JavaScript is true."""
    end = time.monotonic() + seconds
    while not page.run(f"Boolean({code})"):
        if time.monotonic() > end:
            raise SystemExit(f"never: {code}; {page.complaints()}")
        time.sleep(0.01)

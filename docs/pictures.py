"""Photograph the pages that penult makes, for the docs: `python docs/pictures.py DIR [NAME ...]`.

DIR is what `python tests/tutorials.py --keep DIR` left. No picture shows a photo that is not drawn. Writes
docs/pictures/NAME.webp. Needs Chromium. The studio's pictures come from `python benchmarks/studio.py pictures`, the
server's from `python benchmarks/serve_conformance.py`, report-light, -dark and -phone from `python benchmarks/screenshots.py`.
"""

from __future__ import annotations

import base64
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

OUT = Path(__file__).resolve().parent / "pictures"
sys.path.insert(0, str(OUT.parents[1] / "tests"))
WIDE, DARK = {"width": 1100, "height": 760}, {"width": 1100, "height": 760, "dark": True}
QUALITY = 78
PAGES: dict[str, tuple[str, dict[str, Any]]] = {  # name: page, look
    "report-cells": ("quality-control/run/report.html", WIDE),
    "report-cells-dark": ("quality-control/run/report.html", DARK),
    "predictions": ("model-to-web-page/answers.html", {**WIDE, "height": 1300}),
    "predictions-dark": ("model-to-web-page/answers.html", {**DARK, "height": 1300}),
    "exported-page": ("model-to-web-page/fruit.html", {"width": 900, "height": 940}),
}
FIGURES = {
    "blog2017-curves": "blog2017/blog/figures/training_curves.png",
    "compare": "kaggle/compared/figures/compare.png",
}
DROPPED = ("apple/apple.61.jpg", "lemon/lemon.62.jpg", "pear/pear.60.jpg", "plum/plum.61.jpg")


def photograph(browser: Any, page: Path, look: dict[str, Any]) -> bytes:
    """Return a picture of a page; the exported one gets photos first."""
    tab = browser.open(page.resolve().as_uri(), **look)
    if page.name == "fruit.html":
        drop(tab, [str((page.parent / "test" / name).resolve()) for name in DROPPED])
    time.sleep(1)
    tab.settle()
    return base64.b64decode(tab.call("Page.captureScreenshot", format="webp", quality=QUALITY)["data"])


def drop(tab: Any, files: list[str]) -> None:
    """Give photos to the page's file input, and wait until each has its answer."""
    root = tab.call("DOM.getDocument")["root"]["nodeId"]
    node = tab.call("DOM.querySelector", nodeId=root, selector="input[type=file]:not([webkitdirectory])")["nodeId"]
    for _ in range(600):  # the networks are being made ready
        if tab.run("!document.querySelector('input[type=file]').disabled"):
            break
        time.sleep(0.1)
    tab.call("DOM.setFileInputFiles", nodeId=node, files=files)
    for _ in range(600):
        if tab.run("document.querySelectorAll('img').length") >= len(files):
            return
        time.sleep(0.1)
    raise SystemExit("the exported page did not answer")


def made(runs: Path) -> bytes:
    """Write the page of predictions of drawn fruit, and return the heat map of one, as `penult explain` draws it."""
    here, photo = runs / "model-to-web-page", "test/pear/pear.60.jpg"
    subprocess.run(["penult", "predict", "run", "test", "--html", "answers.html", "-q"], cwd=here, check=True)
    subprocess.run(["penult", "explain", "run", photo, "-o", "explained", "-q"], cwd=here, check=True)
    return shrunk(next((here / "explained").rglob("*.png")))


def shrunk(path: Path) -> bytes:
    """Return a figure as a small WebP."""
    file = BytesIO()
    with Image.open(path) as figure:
        small = figure.convert("RGB")
    small.thumbnail((1000, 1000))
    small.save(file, "WEBP", quality=QUALITY, method=6)
    return file.getvalue()


def main() -> None:
    """Write the pictures that are asked for, or all."""
    from browser import Chromium

    runs, asked = Path(sys.argv[1]), set(sys.argv[2:])
    every = {*PAGES, *FIGURES, "explain"}
    if asked - every:
        raise SystemExit(f"no such picture: {', '.join(asked - every)}; there are {', '.join(sorted(every))}")
    explained = made(runs)
    OUT.mkdir(exist_ok=True)
    with Chromium() as browser:
        for name in sorted(asked or every):
            if name in PAGES:
                data = photograph(browser, runs / PAGES[name][0], PAGES[name][1])
            else:
                data = shrunk(runs / FIGURES[name]) if name in FIGURES else explained
            (OUT / f"{name}.webp").write_bytes(data)
            print(name, len(data), flush=True)


if __name__ == "__main__":
    main()

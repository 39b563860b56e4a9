"""The pictures of the studio in the docs: drawn fruit, labelled over HTTP, photographed in a Chromium without a window.

Writes studio-label.webp and the like into `--out`.
"""

from __future__ import annotations

import argparse
import base64
import math
import shutil
import sys
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "tests"), str(Path(__file__).resolve().parents[1])]

QUALITY = 86
EACH, QUESTIONS, SLIPS = (
    100,
    250,
    17,
)  # photos a kind; answered questions; of so many one is answered wrongly, for Mend to find
WIDE, DARK, PHONE = (
    {"width": 1180, "height": 760},
    {"width": 1180, "height": 760, "dark": True},
    {"width": 390, "height": 760, "scale": 1.5},
)
SELECT = "(() => {const g = document.querySelector('photo-grid'); g.selection.all(g.numbers.slice(9, 13)); g.changed();})()"
PICTURES: dict[str, tuple[str, dict[str, Any], str]] = {  # name: place, look, what to do there
    "studio-label": ("label?mode=doubt", WIDE, ""),
    "studio-page": ("label?mode=page&class=2", WIDE, ""),
    "studio-mend": ("mend?kind=label", WIDE, ""),
    "studio-photos": ("photos", WIDE, SELECT),
    "studio-map": ("photos?view=map", DARK, "lasso"),
    "studio-quality": ("quality", {**WIDE, "height": 1160}, ""),
    "studio-done": ("done", WIDE, ""),
    "studio-phone": ("label?mode=doubt", PHONE, ""),
}
SHOWN = """
document.querySelector(".place img[src], canvas, .card") && [...document.images].every((one) => one.complete)
  && ![...document.querySelectorAll("photo-grid img:not([src])")].some((one) => one.checkVisibility())
"""
BOX = "(({x, y, width, height}) => [x, y, width, height])(document.querySelector('canvas.map').getBoundingClientRect())"


def add(topic: argparse.ArgumentParser) -> None:
    """Add the options."""
    topic.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[2] / "docs")
    topic.add_argument("--only", default="", help="pictures whose name begins so")
    topic.add_argument("--language", choices=("en", "zh"), default="en")


def run(args: argparse.Namespace) -> None:
    """Lay out the fruit, label it, and take the pictures."""
    import fruit

    from penult.zoo import DEFAULT
    from studio_client import studio

    with tempfile.TemporaryDirectory() as folder:
        fruit.lay_out(Path(folder) / "drawn", EACH)
        truth = flat(Path(folder) / "drawn", Path(folder) / "fruit")
        with studio(Path(folder) / "fruit", Path(folder) / "fruit-studio", backbones=tuple(DEFAULT)) as (client, _):
            label(client, truth)
            client.until(lambda state: state["map"] and not state["background"]["running"], 300)
            photograph(client, args)


def flat(drawn: Path, photos: Path) -> dict[str, str]:
    """Put all photos into one folder in disorder; return the kind of each file."""
    photos.mkdir()
    truth = {}
    every = sorted(drawn.rglob("*.jpg"), key=lambda path: zlib.crc32(path.name.encode()))
    for number, path in enumerate(every, 1):
        name = f"fruit{number:03d}{path.suffix}"
        shutil.copy(path, photos / name)
        truth[name] = path.parent.name
    return truth


def label(client: Any, truth: dict[str, str]) -> None:
    """Answer questions as a person would who slips now and then."""
    kinds = sorted(set(truth.values()))
    for name in kinds:
        client.post("/api/classes", do="add", name=name)
    count = client.get("/api/project")["photos"]
    files = {}
    for first in range(0, count, 200):
        numbers = ",".join(map(str, range(first, min(first + 200, count))))
        files |= {one["n"]: one["file"] for one in client.get(f"/api/details?numbers={numbers}")["photos"]}
    questions = client.get("/api/queue?mode=doubt&count=3")["questions"]
    for i in range(QUESTIONS):
        one = questions[0]
        right = kinds.index(truth[files[one["n"]]])
        kind = one["kind"] if one["kind"] in ("exam", "again") else "label"
        said = (right + 1) % len(kinds) if kind == "label" and i % SLIPS == SLIPS - 1 else right
        questions = client.post("/api/acts", kind=kind, n=one["n"], label=said, mode="doubt")["next"]


def photograph(client: Any, args: argparse.Namespace) -> None:
    """Take the pictures."""

    from browser import Chromium

    url = f"http://127.0.0.1:{client.port}/"
    name, _, value = client.cookie.partition("=")
    with Chromium() as browser:
        for picture, (place, look, act) in PICTURES.items():
            if not picture.startswith(args.only):
                continue
            page = browser.open("about:blank", **look)
            page.call("Network.setCookie", name=name, value=value, url=url)
            page.call(
                "Page.addScriptToEvaluateOnNewDocument", source=f"localStorage.setItem('penult-language', '{args.language}')"
            )
            page.call("Page.navigate", url=f"{url}#/{place}")
            settle(page)
            if act == "lasso":
                lasso(page)
            elif act:
                page.run(act)
            settle(page)
            shot = page.call("Page.captureScreenshot", format="webp", quality=QUALITY)["data"]
            (args.out / f"{picture}.webp").write_bytes(base64.b64decode(shot))
            print(picture, len(shot) * 3 // 4, flush=True)


def settle(page: Any) -> None:
    """Wait until all pictures of the place are there."""
    for _ in range(200):
        time.sleep(0.1)
        if page.run(f"Boolean({SHOWN.strip()})"):
            break
    time.sleep(1.5)


def lasso(page: Any) -> None:
    """Draw around what lies in the middle of the upper half."""
    x, y, wide, high = page.run(BOX)
    line = [
        (x + wide * (0.5 + 0.16 * math.cos(turn / 3)), y + high * 0.3 + wide * 0.13 * math.sin(turn / 3)) for turn in range(19)
    ]
    page.mouse("mousePressed", *line[0], "left")
    for spot in line[1:]:
        page.mouse("mouseMoved", *spot, "left")
    page.mouse("mouseReleased", *line[-1], "left")

"""kill -9 of the browser while somebody labels: labels lost that the page had called saved, or that nobody gave. Bound: 0.

The real page in Chromium, keys at a random pace; the browser and all its processes are ended by SIGKILL in the middle. Every
key that the page had called saved must be a label of the server, no label may be another than the key's class, and in the end
the state is the replay of the acts and labels.csv has every label.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from studio.browser import let_in, wait
from studio.many import lay_out, studio

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

MOST = 6  # keys of one life


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--photos", type=Path, required=True, metavar="DIR", help="class folders of real photos")
    parser.add_argument("--times", type=int, default=100, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N")


def run(args: argparse.Namespace) -> None:
    """Label and kill, and say what is not as it must be."""
    from penult.store import LabelStore

    rng, saved, pressed, wrong = random.Random(args.seed), 0, 0, []
    with tempfile.TemporaryDirectory() as folder:
        many = lay_out(Path(folder), max(300, MOST * args.times), args.photos)
        with studio(str(many.source), "--out", str(many.project), "--unlabelled") as server:
            server.until_open()
            for name in many.classes:
                server.act("/api/classes", do="add", name=name)
            keys = {}
            for _ in range(args.times):
                before = set(keys)
                known = one_life(server, many, keys, rng)
                saved, pressed = saved + len(known), pressed + len(set(keys) - before)
                labels = server.json("/api/colors")["labels"]
                wrong += [f"photo {n} was saved and has no label" for n in known if labels[n] != keys[n]]
                wrong += [
                    f"photo {n} has a label that nobody gave" for n, k in enumerate(labels) if k >= 0 and keys.get(n) != k
                ]
            digests = [one["digest"] for one in details(server, len(many.truth))]
        with (many.project / "labels.csv").open(encoding="utf-8-sig", newline="") as file:
            table = {row["sha256"]: row["label"] for row in csv.DictReader(file)}
        short = {digest[:16]: label for digest, label in table.items()}
        given = {n: many.classes[label] for n, label in enumerate(labels) if label >= 0}
        wrong += [f"labels.csv lacks photo {n}" for n, label in given.items() if short.get(digests[n]) != label]
        store = LabelStore(many.project / "labels.db", sorted(table))
        wrong += store.check()
        store.close()
    print(f"{args.times} times kill -9 of the browser: {pressed} keys, {saved} called saved; differences: {len(wrong)}")
    for line in wrong[:20]:
        print(line)


def one_life(server: Any, many: Any, keys: dict[int, int], rng: random.Random) -> list[int]:
    """Label some photos in a new browser and kill it; return the photos that the page had called saved."""
    from browser import Chromium

    with Chromium() as chromium:
        page = let_in(chromium, server)
        page.run("location.hash = '#/label'")
        wait(page, "document.querySelector('.stage img')?.complete")
        given: list[int] = []
        known = 0
        for _ in range(rng.randint(1, MOST)):
            wait(page, "document.querySelector('.stage')?.dataset.number")
            number = int(page.run("document.querySelector('.stage').dataset.number"))
            keys[number] = int(many.truth[number])
            page.key("123456789abcdefghijklmnopqrstuvwxyz"[keys[number]])
            given.append(number)
            time.sleep(rng.random() * 0.15)
            if page.run("document.getElementById('sync').dataset.state") == "saved":
                known = len(given)
        for one in [*psutil.Process(chromium._process.pid).children(recursive=True), psutil.Process(chromium._process.pid)]:
            try:
                os.kill(one.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
    return given[:known]


def details(server: Any, n: int) -> list[dict[str, Any]]:
    """Return what the server knows of all photos."""
    found: list[dict[str, Any]] = []
    for start in range(0, n, 200):
        numbers = ",".join(map(str, range(start, min(start + 200, n))))
        found += server.json(f"/api/details?numbers={numbers}")["photos"]
    return found

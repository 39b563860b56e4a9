"""A newcomer by keyboard alone: a folder of photos without labels to labels, model, report and HTML page.

One command is given, `penult studio FOLDER`; everything else are keys in Chromium, each counted as one act, the Tab keys on
the way to a control and the letters of a class name too. What the newcomer sees in a photo is its true class. First some
photos one by one, then pages (the wrong ones are reached by arrow keys and struck) of a class as long as a page labels more
photos than it takes keys, then what is left one by one; then the training, and the page. An act takes a second; the machine is
waited for, and that is added. Bound: 500 photos within 12 minutes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from studio.browser import wait
from studio.many import StudioProcess

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

AN_ACT = 1.0  # seconds
TABS = 80  # that a control may be away
NUMBER = "document.querySelector('.stage')?.dataset.number"
PICKS = "[...document.querySelectorAll('.pick')].map((one) => Number(one.dataset.number))"
COLUMNS = "getComputedStyle(document.querySelector('.picks')).gridTemplateColumns.split(' ').length"
IDLE = "document.getElementById('sync').dataset.state === 'saved'"
READY = f"{IDLE} && document.querySelector('.picks').getAttribute('aria-busy') === 'false'"
WHICH_WAY = """((wanted) => {
  const here = document.activeElement;
  if (here.matches(wanted)) return 0;
  return here.compareDocumentPosition(document.querySelector(wanted)) & Node.DOCUMENT_POSITION_FOLLOWING ? 1 : -1;
})"""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--photos", type=Path, required=True, metavar="DIR", help="class folders; their names are not told")
    parser.add_argument("--count", type=int, default=500, metavar="N", help="photos (default: 500)")
    parser.add_argument("--first", type=int, default=60, metavar="N", help="photos one by one before pages")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where the photos and the project are to stay")


def run(args: argparse.Namespace) -> None:
    """Do it, and print acts and waits."""
    with tempfile.TemporaryDirectory() as temporary:
        base = args.keep or Path(temporary)
        truth, classes = lay_out(args.photos, base / "photos", args.count, args.seed)
        os.environ["PENULT_CACHE"] = str(base / "cache")  # no features that were computed before
        server = StudioProcess(str(base / "photos"), "--out", str(base / "project"), "--unlabelled")
        try:
            newcomer = Newcomer(server, truth, classes)
            newcomer.everything(args.first)
        finally:
            server.process.terminate()
            server.process.wait(60)
        newcomer.report(base / "project")


def lay_out(photos: Path, folder: Path, count: int, seed: int) -> tuple[dict[str, int], list[str]]:
    """Copy some photos under names that say nothing; return the true class of each file, and the classes."""
    classes = sorted(one.name for one in photos.iterdir() if one.is_dir())
    every = [(file, k) for k, name in enumerate(classes) for file in sorted((photos / name).iterdir())]
    chosen = np.random.default_rng(seed).permutation(len(every))[:count]
    folder.mkdir(parents=True)
    truth = {}
    for i, which in enumerate(chosen.tolist()):
        file, k = every[which]
        name = f"{i:04}{file.suffix}"
        shutil.copyfile(file, folder / name)
        truth[name] = k
    return truth, classes


class Newcomer:
    """Eyes, and a finger on the keys."""

    def __init__(self, server: StudioProcess, truth: dict[str, int], classes: list[str]) -> None:
        from browser import Chromium

        self.server, self.truth, self.classes = server, truth, classes
        self.acts: dict[str, int] = {}
        self.waited: dict[str, float] = {}
        self.step = "begin"
        self._chromium = Chromium()
        self._known: dict[int, int] = {}

    def everything(self, first: int) -> None:
        """Go from the open page to the finished model."""
        from studio.browser import let_in

        with self._chromium as chromium:
            self.page = let_in(chromium, self.server)
            self.begin()
            self.one_by_one("one by one", first)
            self.by_page()
            self.one_by_one("the rest", len(self.truth))
            self.done()

    def key(self, name: str, *modifiers: str) -> None:
        """Press a key; while photos are prepared, at the pace of a person, since the two go on side by side."""
        self.acts[self.step] = self.acts.get(self.step, 0) + 1
        self.page.key(name, "", *modifiers)
        if self.step == "begin":
            time.sleep(AN_ACT)

    def until(self, code: str, seconds: float = 900) -> None:
        """Wait for the machine."""
        began = time.monotonic()
        wait(self.page, code, seconds)
        self.waited[self.step] = self.waited.get(self.step, 0.0) + time.monotonic() - began

    def reach(self, wanted: str) -> None:
        """Press Tab, or Shift and Tab, until a control has the focus."""
        for _ in range(TABS):
            way = self.page.run(f"{WHICH_WAY}({wanted!r})")
            if way == 0:
                return
            if way > 0 and self.page.run("document.activeElement.matches('[data-photo]')"):
                self.key("Escape")  # Tab belongs to the photos there
            self.key("Tab", *(["Shift"] if way < 0 else []))
        raise SystemExit(f"{wanted} is not reached by the Tab key")

    def classes_of(self, numbers: list[int]) -> list[int]:
        """Return what the photos show."""
        new = [n for n in numbers if n not in self._known]
        if new:
            found = self.server.json(f"/api/details?numbers={','.join(map(str, new))}")["photos"]
            self._known.update({one["n"]: self.truth[one["file"]] for one in found})
        return [self._known[n] for n in numbers]

    def begin(self) -> None:
        """Name the classes, and go to the first photo."""
        self.reach("#new-class")
        for name in self.classes:
            for letter in name:
                self.key(letter)
            self.key("Enter")
        self.until(f"document.querySelectorAll('input.cap').length === {len(self.classes)} && {IDLE}")
        self.until("document.querySelector('.begin-step a.main')")
        self.reach(".begin-step a.main")
        self.key("Enter")
        self.until(NUMBER)

    def one_by_one(self, step: str, count: int) -> None:
        """Answer questions until there are none, or so many are answered."""
        self.step = step
        while not self.page.run("location.hash.includes('mode=doubt') || !location.hash.includes('mode=')"):
            before = self.page.run("location.hash")
            self.key("Tab")
            self.until(f"location.hash !== {before!r} && document.activeElement.matches('[data-photo]')")
        for _ in range(count):
            self.until(f"{NUMBER} || document.querySelector('.stage .empty')")
            number = self.page.run(NUMBER)
            if number is None:
                return
            self.key(str(1 + self.classes_of([int(number)])[0]))
        self.until(IDLE)

    def by_page(self) -> None:
        """Confirm pages of each class as long as there are some; the wrong ones are struck out."""
        self.step = "by page"
        self.until(IDLE)
        self.key("Tab")
        self.until("document.querySelector('.picks')")
        going = list(range(len(self.classes)))
        while going:
            for label in tuple(going):
                self.key(str(1 + label))
                self.until(f"document.querySelector('.class-buttons [aria-pressed=true]')?.dataset.class === '{label}'")
                self.until(READY)
                while numbers := self.page.run(PICKS):
                    before = self.acts[self.step]
                    right = self.strike(numbers, label)
                    self.key("Enter")
                    self.until(f"{READY} && {PICKS}.join() !== '{','.join(map(str, numbers))}'")
                    if right < self.acts[self.step] - before:
                        going.remove(label)
                        break
                else:
                    going.remove(label)

    def strike(self, numbers: list[int], label: int) -> int:
        """Go to each wrong photo by the arrow keys, and strike it out; return how many are right."""
        columns, at, wrong = int(self.page.run(COLUMNS)), 0, 0
        for i, shown in enumerate(self.classes_of(numbers)):
            if shown == label:
                continue
            (row, column), (here_row, here) = divmod(i, columns), divmod(at, columns)
            aside = "ArrowRight" if column > here else "ArrowLeft"
            for key in [*["ArrowDown"] * (row - here_row), *[aside] * abs(column - here)]:
                self.key(key)
            self.key("x")
            at, wrong = i, wrong + 1
        return len(numbers) - wrong

    def done(self) -> None:
        """Train, and write the page."""
        self.step = "done"
        self.reach("nav a[data-place=done]")
        self.key("Enter")
        self.until("document.querySelector('[data-act=train]')")
        self.reach("[data-act=train]")
        self.key("Enter")
        self.until("document.querySelector('.train [role=status]')")
        self.reach("[data-act^=page]")
        self.key("Enter")
        self.until("[...document.querySelectorAll('.takes .told .file')].some((one) => one.textContent.endsWith('.html'))")

    def report(self, project: Path) -> None:
        """Print acts and waits, and what there is now."""
        for step, acts in self.acts.items():
            print(f"{step:12} {acts:5} acts {self.waited.get(step, 0.0):6.0f} s waited")
        acts, waited = sum(self.acts.values()), sum(self.waited.values())
        minutes = (AN_ACT * acts + waited) / 60
        what = f"{len(self.truth)} photos, {len(self.classes)} classes"
        print(f"{what}: {acts} acts and {waited:.0f} s of waiting, {minutes:.1f} minutes; load {os.getloadavg()[0]:.0f}")
        for name in ("labels.csv", "run/model.penult", "run/report.html", "model.html"):
            path = project / name
            print(f"{name:18} {f'{path.stat().st_size:,} bytes' if path.is_file() else 'MISSING'}")

"""What axe-core finds in every place of the studio's page, and which controls the Tab key does not reach.

    npm pack axe-core && tar xzf axe-core-*.tgz
    python benchmarks/studio.py accessibility package/axe.min.js

Light and dark, 1280 and 390 pixels wide, both languages; the photos are made up (tests/studio_page.py). axe-core is no part of
penult (MPL 2.0); it is read from where you put it. Bounds: no finding that is serious or critical, every control reached.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

OPEN_LARGE = "document.querySelector('photo-grid').open(3)"
SELECT = "(() => {const g = document.querySelector('photo-grid'); g.selection.all([0, 1, 2]); g.changed();})()"
PLACES = {  # address, what to do there
    "begin": ("begin", ""),
    "label, doubt": ("label?mode=doubt", ""),
    "label, page": ("label?mode=page", ""),
    "label, alike": ("label?mode=alike&numbers=3", ""),
    "mend": ("mend", ""),
    "all photos": ("photos", ""),
    "all photos, selection": ("photos", SELECT),
    "all photos, large": ("photos", OPEN_LARGE),
    "all photos, none": ("photos?status=excluded", ""),
    "all photos, map": ("photos?view=map", ""),
    "how good": ("quality", ""),
    "done": ("done", ""),
}
AXE = """
axe.run().then((told) => told.violations.map((one) => [one.id, one.impact, ...one.nodes.slice(0, 3).map((node) => node.html)]))
"""
CONTROLS = """
(() => {
  const root = document.querySelector("dialog[open]") ?? document;
  const all = root.querySelectorAll("button, a[href], input, select, textarea, summary, [tabindex='0']");
  const seen = (one) => !one.disabled && one.tabIndex >= 0 && one.checkVisibility({visibilityProperty: true});
  const shown = [...all].filter(seen);
  shown.forEach((one, i) => { one.dataset.control = i; });
  return shown.map((one) => one.outerHTML.slice(0, 110));
})()
"""
HERE = "document.activeElement?.dataset.control === undefined ? -1 : Number(document.activeElement.dataset.control)"
ON_PHOTO = "Boolean(document.activeElement?.closest('[data-photo]'))"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("axe", type=Path, help="axe.min.js")
    parser.add_argument("--only", default="", help="places whose name begins so")


def run(args: argparse.Namespace) -> None:
    """Look at every place, and print what was found."""
    from browser import Chromium
    from studio_page import MadeUpStudio

    serious = missed = looked = 0
    axe = args.axe.read_text(encoding="utf-8")
    with MadeUpStudio(400) as studio, Chromium() as browser:
        for wide, dark, language in itertools.product((1280, 390), (False, True), ("en", "zh")):
            page = browser.open(studio.url + "assets/icon.svg", width=wide, height=900, dark=dark)
            page.call("Page.setBypassCSP", enabled=True)  # the page lets no other script in
            page.run(f"localStorage.setItem('penult-language', '{language}')")
            for name, (address, act) in PLACES.items():
                if not name.startswith(args.only):
                    continue
                show(page, studio.url, address, act)
                page.run(f"{axe};1")
                found = page.run(AXE)
                grave = [one for one in found if one[1] in ("serious", "critical")]
                lost = unreached(page)
                serious, missed, looked = serious + len(grave), missed + len(lost), looked + 1
                for one in (*found, *(("not reached", control) for control in lost)):
                    print(f"{name}, {wide} px, {'dark' if dark else 'light'}, {language}:", *one, flush=True)
    print(f"{looked} looks: {serious} serious findings, {missed} controls that Tab does not reach")


def show(page: Any, url: str, address: str, act: str) -> None:
    """Go to a place, and wait until nothing more comes."""
    page.call("Page.navigate", url=f"{url}?{time.monotonic_ns()}#/{address}")
    before = -1
    for _ in range(100):
        now = page.run("document.querySelector('.place') ? document.querySelectorAll('*').length : -2")
        if now == before > 0:
            break
        before = now
        time.sleep(0.3)
    if act:
        page.run(act)
        time.sleep(0.3)


def unreached(page: Any) -> list[str]:
    """Return the controls that Tab does not come to."""
    controls = page.run(CONTROLS)
    page.run("document.activeElement?.blur()")
    reached: set[int] = set()
    for _ in range(2 * len(controls) + 5):
        if page.run(ON_PHOTO):
            page.key("Escape")  # there Tab changes the mode
        page.key("Tab")
        reached.add(page.run(HERE))
        if len(reached - {-1}) == len(controls):
            break
    return [one for i, one in enumerate(controls) if i not in reached]

"""What axe-core finds on the page of a run, light, dark and on a phone; and how many sheets of paper it prints on.

    npm pack axe-core && tar xzf axe-core-*.tgz
    python benchmarks/accessibility.py package/axe.min.js RUN [RUN ...]

axe-core is no part of penult (MPL 2.0); it is read from where you put it. Ends with 1 where it finds something.
"""

from __future__ import annotations

import argparse
import base64
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

LOOKS = {"light": {}, "dark": {"dark": True}, "phone": {"width": 390}}
FOUND = "axe.run().then((told) => told.violations.map((one) => [one.id, one.impact, one.nodes.map((node) => node.html)]))"


def main() -> int:
    from browser import Chromium

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("axe", type=Path, help="axe.min.js")
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="run folder of `penult train`")
    asked = parser.parse_args()
    findings = 0
    with Chromium() as browser:
        for run in asked.runs:
            address = (run / "report.html").resolve().as_uri()
            for name, look in LOOKS.items():
                page = browser.open(address, **look)
                page.settle()
                page.call("Page.setBypassCSP", enabled=True)  # the page lets no other script in
                page.run(f"{asked.axe.read_text(encoding='utf-8')};1")
                found = page.run(FOUND)
                findings += len(found)
                print(f"{run.name}, {name}: {len(found)} findings", *found, sep="\n  ")
            page = browser.open(address)
            paper = base64.b64decode(page.call("Page.printToPDF", printBackground=True, preferCSSPageSize=True)["data"])
            pages = re.findall(rb"/Type\s*/Page[^s]", paper)
            print(f"{run.name}, paper: {len(pages)} pages")
    return bool(findings)


if __name__ == "__main__":
    sys.exit(main())

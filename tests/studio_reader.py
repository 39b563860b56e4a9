"""What a reader of docs/tutorials/label-500.md does in the browser, done over the studio's HTTP interface.

The reader sees what is in a photo; here `truth.csv` says it.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

from studio_client import StudioClient

PATIENCE = 300.0
PAGE = 24


class Reader:
    """Labels the photos of a studio whose output is in a file, as somebody would who makes no mistakes."""

    def __init__(self, output: Path, truth: Path) -> None:
        address = re.search(r"http://127\.0\.0\.1:(\d+)/open\?token=\S+", output.read_text(encoding="utf-8"))
        assert address is not None, output.read_text(encoding="utf-8")
        self.client = StudioClient(int(address[1]))
        self.client.enter(address[0])
        self.client.until(lambda state: state["preparing"] is None, PATIENCE)
        with truth.open(encoding="utf-8") as file:
            kinds = {row["file"]: row["label"] for row in csv.DictReader(file)}
        self.classes = sorted(set(kinds.values()))
        self.truth: dict[int, int] = {}
        count = self.client.get("/api/project")["photos"]
        for first in range(0, count, 200):
            numbers = ",".join(map(str, range(first, min(first + 200, count))))
            for one in self.client.get(f"/api/details?numbers={numbers}")["photos"]:
                self.truth[one["n"]] = self.classes.index(kinds[one["file"]])

    def name_classes(self) -> None:
        """Begin: type the names."""
        for name in self.classes:
            self.client.post("/api/classes", do="add", name=name)

    def one_by_one(self, most: int) -> int:
        """Label: answer up to so many questions; return how many there were."""
        for done in range(most):
            questions = self.client.get("/api/queue?mode=doubt&count=1")["questions"]
            if not questions:
                return done
            one = questions[0]
            kind = one["kind"] if one["kind"] in ("exam", "again") else "label"
            self.client.post("/api/acts", kind=kind, n=one["n"], label=self.truth[one["n"]], mode="doubt")
        return most

    def by_page(self) -> int:
        """Label: go through pages, the fullest first, until none is worth it; return how many there were."""
        pages = 0
        while True:
            shown = [self.client.get(f"/api/page?class={k}&count={PAGE}") for k in range(len(self.classes))]
            page = max(shown, key=lambda one: len(one["photos"]))
            photos = [one["n"] for one in page["photos"]]
            right = [n for n in photos if self.truth[n] == page["class"]]
            if 2 * len(right) < max(len(photos), PAGE // 3):
                return pages
            wrong = [n for n in photos if n not in right]
            self.client.post("/api/acts", kind="page", **{"class": page["class"]}, accepted=right, wrong=wrong)
            pages += 1

    def train(self) -> None:
        """Done: train the final model."""
        self.client.post("/api/train")
        state = self.client.until(lambda state: state["job"] and state["job"]["state"] != "running", PATIENCE)
        assert state["job"]["state"] == "done", state["job"]

    def counts(self) -> dict[str, Any]:
        """Return how many photos are labelled, and so on."""
        return dict(self.client.get("/api/state")["counts"])

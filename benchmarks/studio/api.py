"""The simulation through the real HTTP API: a folder of class folders, taken as unlabelled, labelled with the true classes.

`--mode page` labels every photo by pages, as the topic pages does; `--mode doubt` labels one by one in the order of doubt and
prints how right the guesses for the photos without a label are, and what the exam says. One act is one request.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

SMALL, LARGE, SURE = 24, 48, 2.0  # as the topic pages
MARKS = (25, 50, 100, 200, 400, 800)


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options of this topic."""
    parser.add_argument("photos", type=Path, help="folder of class folders, or with train and test in it")
    parser.add_argument("--mode", choices=("page", "doubt"), default="page")
    parser.add_argument("--acts", type=int, default=200, help="questions of the mode doubt")
    parser.add_argument("--each", type=int, default=5, help="photos a class asked by doubt before the first page")


def run(asked: argparse.Namespace) -> None:
    """Label a project in a folder that goes away afterwards."""
    from penult.zoo import DEFAULT
    from studio_client import studio

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "project"
        with studio(asked.photos, out, unlabelled=True, backbones=DEFAULT) as (client, _):
            life = ApiLife(client, asked.photos)
            print(f"{len(life.truth)} photos of {len(life.names)} classes", flush=True)
            (life.by_page if asked.mode == "page" else life.by_doubt)(asked)


class ApiLife:
    """A client that knows the true class of every photo by its folder."""

    def __init__(self, client: Any, photos: Path) -> None:
        self.client, self.acts, self.took = client, 0, []
        total = client.get("/api/project")["photos"]
        every = [one for at in range(0, total, 200) for one in self.details(range(at, min(total, at + 200)))]
        folders = [Path(one["file"]).parent.name for one in every]
        self.names = sorted(set(folders))
        for name in self.names:
            client.post("/api/classes", do="add", name=name)
        self.truth = [self.names.index(folder) for folder in folders]

    def details(self, numbers: Any) -> list[dict[str, Any]]:
        return self.client.get(f"/api/details?numbers={','.join(map(str, numbers))}")["photos"]

    def send(self, kind: str, acts: int = 1, **fields: Any) -> dict[str, Any]:
        self.acts += acts
        start = time.perf_counter()
        answer = self.client.post("/api/acts", kind=kind, **fields)
        self.took.append(time.perf_counter() - start)
        return answer

    def answer(self, question: dict[str, Any]) -> None:
        kind = question["kind"] if question["kind"] in ("exam", "again") else "label"
        assert not (kind != "label" and question["guesses"])
        self.send(kind, n=question["n"], label=self.truth[question["n"]])

    def question(self, mode: str) -> dict[str, Any] | None:
        return next(iter(self.client.get(f"/api/queue?mode={mode}&count=1")["questions"]), None)

    def best_page(self) -> tuple[int, list[int], float] | None:
        best = None
        for label in range(len(self.names)):
            page = self.client.get(f"/api/page?class={label}&count={LARGE}")
            if page["photos"] and page["expected_wrong"] > SURE:
                page = self.client.get(f"/api/page?class={label}&count={SMALL}")
            if page["photos"]:
                share = (page["expected_wrong"] * 2 + 1) / len(page["photos"])
                if best is None or share < best[0]:
                    best = share, label, [one["n"] for one in page["photos"]], page["expected_wrong"]
        return best[1:] if best and best[0] < 1 else None

    def by_page(self, asked: argparse.Namespace) -> None:
        expected, struck, pages = 0.0, 0, 0
        while question := self.question("doubt"):
            state = self.client.get("/api/state")
            last = (
                state["counts"]["unlabelled"] <= state["exam"]["planned"] - state["exam"]["asked"]
            )  # they come on pages, too
            drawn = question["kind"] in ("exam", "again") and not last
            found = None if drawn or self.acts < asked.each * len(self.names) else self.best_page()
            if found is None:
                self.answer(question)
                continue
            label, numbers, hoped = found
            wrong = [n for n in numbers if self.truth[n] != label]
            self.send("page", 1 + len(wrong), **{"class": label}, accepted=[n for n in numbers if n not in wrong], wrong=wrong)
            for n in wrong:
                self.send("label", n=n, label=self.truth[n])
            expected, struck, pages = expected + hoped, struck + len(wrong), pages + 1
        self.told()
        print(
            f"every photo in {self.acts} acts, {len(self.truth) / self.acts:.2f} times fewer than one by one; {pages} pages, "
            f"{struck} photos on them wrong, {expected:.0f} expected"
        )

    def by_doubt(self, asked: argparse.Namespace) -> None:
        while self.acts < asked.acts and (question := self.question("doubt")):
            self.answer(question)
            if self.acts in MARKS:
                self.told()
        self.told()

    def told(self) -> None:
        """Print how right the guesses and labels are, and the exam."""
        colors, state = self.client.get("/api/colors"), self.client.get("/api/state")
        labels, guesses = colors["labels"], colors["guesses"]
        assert all(label in (-1, true) for label, true in zip(labels, self.truth, strict=True))
        open_ = [n for n, label in enumerate(labels) if label < 0]
        right = sum(guesses[n] == self.truth[n] for n in open_) / max(len(open_), 1)
        exam, took = state["exam"], sorted(self.took)
        score = f"{exam['score']:.3f} [{exam['low']:.3f}, {exam['high']:.3f}]" if exam["score"] is not None else "no score yet"
        print(
            f"{self.acts} acts: guesses for the {len(open_)} photos without a label right in {right:.3f}; exam "
            f"{exam['right']} of {exam['asked']}, {score}; an act took {1000 * took[len(took) // 2]:.0f} ms, 95%: "
            f"{1000 * took[int(0.95 * len(took))]:.0f} ms",
            flush=True,
        )

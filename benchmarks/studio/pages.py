"""How many acts it takes to label everything by *page*, beside one by one.

A project is labelled with the true classes, right to the last photo. An act is a key or a click: Enter takes a page, a wrong
photo on it costs two (strike it, say what it is), every other question one. Some photos a class are labelled one by one, by
*doubt*; then comes the page that takes the fewest acts a photo, as expected, or a single photo where that is more than one.
Questions of the exam and those asked again come in their turn, and count. It also prints how many wrong photos the pages were
expected to have, and how many they had.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from studio.accuracy import Life, Photos, photos

SMALL, LARGE = 24, 48  # photos on a page
SURE = 2.0  # expected wrong photos up to which a large page is taken


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options of this topic."""
    parser.add_argument("features", type=Path, help="folder of NAME.npz")
    parser.add_argument("--sets", nargs="+", default=("elpv", "trashnet", "clothing", "signs", "cats_dogs"))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--each", type=int, default=5, help="photos a class that are asked by doubt before the first page")


def run(asked: argparse.Namespace) -> None:
    """Print a line for each set."""
    for name in asked.sets:
        data = photos(asked.features, name)
        lives = np.array([labelled(data, seed, asked.each * data.k) for seed in range(asked.seeds)])
        acts, expected, wrong, pages, exam = lives.mean(axis=0)
        n = len(data.y)
        print(
            f"{name:10} {n} photos: {acts:.0f} acts, {n / acts:.2f} times fewer than one by one; {pages:.0f} pages, "
            f"{wrong:.0f} photos on them wrong, {expected:.0f} expected; {exam:.0f} exam answers",
            flush=True,
        )


def labelled(data: Photos, seed: int, doubts: int) -> tuple[int, float, int, int, int]:
    """Return the acts until every photo has a label, expected and true wrong photos on pages, pages, answers of the exam."""
    life = Life(data.Z, data.y, data.k, seed)
    expected, wrong, pages = 0.0, 0, 0
    while not life.view.decided.all():
        asked = life.questions.next("doubt", life.view, 1)
        last = (life.view.decided | life.questions.exam.reserved).all()  # only the exam's are left: they come on pages, too
        drawn = bool(asked) and asked[0].kind in ("exam", "again") and not last
        found = None
        if not drawn and life.model.ready and life.learnt >= doubts:
            found = best_page(life)
        if found is None:
            life.answer(asked[0])
            continue
        label, numbers, hoped = found
        bad = int((data.y[numbers] != label).sum())
        expected, wrong, pages = expected + hoped, wrong + bad, pages + 1
        life.give(numbers, 1 + 2 * bad)
    return life.acts, expected, wrong, pages, len(life.questions.exam.sample(life.view))


def best_page(life: Life) -> tuple[int, np.ndarray, float] | None:
    """Return the class, photos and expected wrong ones of the best page; None where none is good enough."""
    best = None
    for label in range(life.k):
        page = life.questions.page(label, life.view, LARGE)
        if page.numbers and page.expected_wrong > SURE:
            page = life.questions.page(label, life.view, SMALL)
        if page.numbers:
            share = (page.expected_wrong * 2 + 1) / len(page.numbers)  # acts a photo
            if best is None or share < best[0]:
                best = share, label, np.array(page.numbers), page.expected_wrong
    return best[1:] if best and best[0] < 1 else None

"""Does the exam's 95% interval hold? Simulated lives, each with photos of its own that nobody labels.

Half of a set, drawn by lot, is the project; the other half are its twins. The project is labelled by *doubt* with exam
questions in their turn, and the truth is the accuracy of the model of that moment on the twins. The interval is asked after 20
answers of the exam, and at the end. The twins' own noise is added to it, as a variance, before it is asked whether the truth
lies inside. Beside it stands what out-of-fold answers of the labelled photos say, which is no score of all photos.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from penult.evaluate import wilson
from penult.evaluate.intervals import Z95
from studio.accuracy import Life, Photos, photos

BATCH = 16  # questions between two fits: two of them are the exam's
LEAST = 20  # answers of the exam at the first look


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options of this topic."""
    parser.add_argument("features", type=Path, help="folder of NAME.npz")
    parser.add_argument("--sets", nargs="+", default=("elpv", "signs", "clothing", "trashnet"))
    parser.add_argument("--lives", type=int, default=200)
    parser.add_argument("--acts", type=int, default=240, help="questions of a life, fewer where the project is small")


def run(asked: argparse.Namespace) -> None:
    """Print the coverage of each set and of all."""
    every = []
    for i, name in enumerate(asked.sets):
        data = photos(asked.features, name)
        seeds = range(asked.lives * i // len(asked.sets), asked.lives * (i + 1) // len(asked.sets))
        looks = [look for seed in seeds for look in lived(data, seed, asked.acts)]
        every += looks
        print(told(name, looks), flush=True)
    print(told("all", every))


def told(name: str, looks: list[tuple[bool, float, float, float, float]]) -> str:
    """Return the sentence for the looks of some lives: inside, score, truth, width, out-of-fold accuracy."""
    inside, score, truth, width, fold = np.array(looks, float).T
    low, high = wilson(inside.sum(), len(inside))
    return (
        f"{name:10} {len(inside)} looks: the interval holds the truth in {100 * inside.mean():.1f}% [{100 * low:.1f}, "
        f"{100 * high:.1f}]; score minus truth {100 * (score - truth).mean():+.1f} points, width {100 * width.mean():.0f}; "
        f"labelled photos out of fold {100 * np.nanmean(fold):.0f}%, truth {100 * truth.mean():.0f}%"
    )


def lived(data: Photos, seed: int, most: int) -> list[tuple[bool, float, float, float, float]]:
    """Return what one life shows: whether the interval holds the truth, score, truth, width, out-of-fold accuracy."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(data.y))
    own, twins = np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :])
    n = len(own)
    rows = np.concatenate([own, twins])
    life = Life(data.Z[rows], data.y[rows], data.k, seed, n)
    looks: list[tuple[bool, float, float, float, float]] = []
    while life.acts < min(most, int(0.8 * n)):
        for question in life.questions.next("doubt", life.view, BATCH):
            life.answer(question, fit=False)
        life.fit()
        asked = len(life.questions.exam.sample(life.view))
        last = life.acts + BATCH > min(most, int(0.8 * n))
        if life.model.ready and asked >= LEAST and (not looks or last):
            one = life.questions.exam.score(life.view, life.model.proba)
            truth = float(life.watched().mean())
            held = life.model._head._settings.chosen
            fold = np.nan if held.codes is None else float((held.logits.argmax(axis=1) == held.codes).mean())
            noise = Z95 * np.sqrt(truth * (1 - truth) / len(twins))
            low, high = one.score - np.hypot(one.score - one.low, noise), one.score + np.hypot(one.high - one.score, noise)
            looks.append((low <= truth <= high, one.score, truth, one.high - one.low, fold))
    return looks

"""How many labels a model needs in the order of *doubt*, beside random order.

A quarter of a set is held out; the others are labelled one by one with their true classes. The mean accuracy on the held-out
photos over the draws is followed until it is within a point of that of the model that has all labels, and stays there for
`STAYS` labels. Labels for the exam are counted apart: they are no part of the order, and tell the score.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.accuracy import Life, Photos, photos

Array = NDArray[Any]
STEP, STAYS = 5, 25  # labels between two looks, and for how long the accuracy must stay within a point
COARSE = 5  # times as many between two looks at random order, which needs more of them
POINT = 0.01


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options of this topic."""
    parser.add_argument("features", type=Path, help="folder of NAME.npz")
    parser.add_argument("--sets", nargs="+", default=("elpv", "trashnet", "clothing", "signs", "cats_dogs"))
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--most", type=int, default=1100, help="labels at which random order ends, doubt at half of them")


def run(asked: argparse.Namespace) -> None:
    """Print a line for each set."""
    for name in asked.sets:
        data = photos(asked.features, name)
        lives = [lived(data, seed, asked.most) for seed in range(asked.seeds)]
        print(told(name, lives), flush=True)


def told(name: str, lives: list[tuple[Array, Array, float, float]]) -> str:
    """Return the sentence for a set of lives."""
    goal = float(np.mean([life[2] for life in lives])) - POINT
    curves = [np.mean([life[i] for life in lives], axis=0) for i in range(2)]
    needed = [reached(curve, goal) for curve in curves]
    own = [[reached(life[i], life[2] - POINT) or len(life[i]) * STEP for life in lives] for i in range(2)]
    at = " ".join(f"{100 * curve[min(len(curve), n // STEP) - 1]:.1f}" for n in (50, 100, 200, 400) for curve in curves)
    share = f"{needed[0] / needed[1]:.2f}" if needed[0] and needed[1] else "-"
    return (
        f"{name:10} doubt {needed[0]}, random {needed[1]} labels until {100 * goal:.1f}% (ratio {share}); medians of single "
        f"draws {np.median(own[0]):.0f}, {np.median(own[1]):.0f}; exam answers beside them "
        f"{np.mean([life[3] for life in lives]):.0f}; accuracy (doubt, random) at 50, 100, 200, 400: {at}"
    )


def reached(curve: Array, goal: float) -> int | None:
    """Return the labels from which the accuracy is at the goal, for a while at least."""
    good = curve >= goal
    span = STAYS // STEP
    starts = [i for i in range(len(good) - span + 1) if good[i : i + span].all()]
    return STEP * (starts[0] + 1) if starts else None


def lived(data: Photos, seed: int, most: int) -> tuple[Array, Array, float, float]:
    """Return the accuracy at each step by doubt and at random, that with all labels, and the exam's answers at the end."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(data.y))
    held, pool = np.sort(order[: len(order) // 4]), np.sort(order[len(order) // 4 :])
    most = min(most, int(0.85 * len(pool)))
    y = data.y
    rows = np.concatenate([pool, held])
    curves = []
    for way in ("doubt", "random"):
        life = Life(data.Z[rows], y[rows], data.k, seed, len(pool))
        free = rng.permutation(np.flatnonzero(~life.questions.exam.reserved)).tolist()
        seen: list[float] = []
        end, step = (most // 2, 1) if way == "doubt" else (most, COARSE)
        while len(seen) < end // STEP and (way == "doubt" or len(free) >= STEP * step):
            if way == "doubt":
                life.answer(life.ask())
            else:
                life.give([free.pop() for _ in range(STEP * step)], STEP * step)
            if life.learnt >= STEP * (len(seen) + step):
                seen += [float(life.watched().mean())] * step
        curves.append(np.array(seen + seen[-1:] * (most // STEP - len(seen))))
        if way == "doubt":
            answered = len(life.questions.exam.sample(life.view))
    labels = y[pool].astype(np.int32)
    life.model.update(labels, labels >= 0, data.k)
    return curves[0], curves[1], float(life.watched().mean()), answered

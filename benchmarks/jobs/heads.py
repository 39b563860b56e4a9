"""What the blend of three heads gives and costs beside the default blend of two.

SET.npz in --features is what the default networks see: `X` (n, d), `y` and `part`. Each head learns the training part (half of
it where the test part has no labels) and answers the rest; then as many photos, drawn at random. Bound: over all sets and
draws `blend3` has the smaller log loss.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from jobs.views import CHOICES, SETS, answers, geometric, judged, splits

HEADS = ("blend", "blend3")
FIRST = 11  # the seed of the first draw: those below were seen when the rule was chosen


def add(topic: argparse.ArgumentParser) -> None:
    topic.add_argument("--features", type=Path, required=True, help="folder of SET.npz")
    topic.add_argument("--sets", nargs="+", default=SETS)
    topic.add_argument("--draws", type=int, default=3)


def run(args: argparse.Namespace) -> int:
    losses: dict[str, dict[str, float]] = {name: {} for name in HEADS}
    print("set: test part, log loss and accuracy of blend, of blend3; over draws, log loss and accuracy; processor time")
    for name in args.sets:
        data = np.load(args.features / f"{name}.npz", allow_pickle=True)
        classes = np.unique(data["y"][data["part"] == "train"])
        y = np.where(np.isin(data["y"], classes), np.searchsorted(classes, data["y"]), -1)
        learnt, rest = splits(y, data["part"])[0]
        labelled = np.union1d(learnt, rest)
        drawn = [np.random.default_rng(FIRST + i).permutation(labelled)[: len(learnt)] for i in range(args.draws)]
        found, spent = measured(data["X"], y, [learnt, *drawn], labelled)
        for head in HEADS:
            losses[head][name] = float(np.exp(np.log(found[head][1:, 0]).mean()))
        change = losses["blend3"][name] / losses["blend"][name] - 1
        right = (found["blend3"] - found["blend"])[1:, 1].mean()
        parts = ", ".join(f"{found[head][0, 0]:.4f} {found[head][0, 1]:.1%}" for head in HEADS)
        print(f"{name}: {parts}; {change:+.1%} {right:+.2%}; x {spent['blend3'] / spent['blend']:.1f}", flush=True)
    ratio = geometric(losses["blend3"], losses["blend"])
    print(f"blend3: log loss {ratio - 1:+.1%} over the draws of {len(args.sets)} sets; bound: below blend")
    return 0 if ratio < 1 else 1


def measured(X: Any, y: Any, learnt: list[Any], labelled: Any) -> tuple[dict[str, Any], dict[str, float]]:
    """Return log loss and accuracy (draws, 2) of each head, and the processor seconds that it learnt."""
    blocks = sum((2 * widths for _, _, widths in CHOICES["default"][1]), ())
    found: dict[str, Any] = {}
    spent = dict.fromkeys(HEADS, 0.0)
    for head in HEADS:
        scores = []
        for train in learnt:
            rest = np.setdiff1d(labelled, train)
            proba, seconds = answers(head, blocks, X[train], y[train], X[rest])
            scores.append(judged(proba, y[rest]))
            spent[head] += seconds
        found[head] = np.array(scores)
    return found, spent

"""Are class shares that are estimated from unlabelled photos right, and do their 95% intervals hold?

Each set is a file NAME.npz of features of the default networks: `X` (n, d), `y`, `part`. A model of half the photos is asked
of others that are drawn with other class shares (two classes: 10% and 90%, or at random; more: at random), 50, 100 and 300 of
them. Bounds: nine in ten intervals hold their share, and the error is below half of that of keeping the shares of training.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from penult import evaluate, heads, zoo
from penult.errors import InputError
from penult.evaluate.prior_shift import estimate_prior

SETS, SIZES = ("cats_dogs", "trashnet", "clothing", "signs", "elpv"), (50, 100, 300)


def add(topic: argparse.ArgumentParser) -> None:
    topic.add_argument("--features", type=Path, required=True, help="folder of NAME.npz")
    topic.add_argument("--sets", nargs="+", default=SETS)
    topic.add_argument("--models", type=int, default=2, help="of each set")
    topic.add_argument("--draws", type=int, default=4, help="of each number of photos, for each model")


def run(args: argparse.Namespace) -> int:
    blocks = sum((zoo.find_backbone(name).blocks for name in zoo.DEFAULT), ())
    held, missed, errors, kept, refused = [], [], [], [], 0
    for name in args.sets:
        data = np.load(args.features / f"{name}.npz", allow_pickle=True)
        classes = np.unique(data["y"][data["part"] == "train"])
        rows = np.flatnonzero(np.isin(data["y"], classes))
        X, y = data["X"][rows], np.searchsorted(classes, data["y"][rows])
        before = len(held), len(errors)
        for seed in range(args.models):
            rng = np.random.default_rng(seed)
            order = rng.permutation(len(X))
            train, rest = order[: len(X) // 2], order[len(X) // 2 :]
            head = heads.make_head("blend", blocks=blocks, random_state=0)
            measured = evaluate.cross_validate(head, X[train], y[train], classes.tolist())
            proba, old = head.fit(X[train], y[train]).predict_proba(X), np.bincount(y[train]) / len(train)
            for draw in range(args.draws):
                for size in SIZES:
                    k = len(classes)
                    shares = np.array([0.1, 0.9])[:: rng.choice([-1, 1])] if k == 2 and draw % 2 else rng.dirichlet(np.ones(k))
                    counts = rng.multinomial(size, shares)
                    new = np.concatenate([rng.choice(rest[y[rest] == c], n) for c, n in enumerate(counts)])
                    try:
                        found = estimate_prior(proba[new], y[train], measured.proba, old, classes.tolist())
                    except InputError:
                        refused += 1
                        continue
                    held.extend(((found.low <= shares + 1e-3) & (shares - 1e-3 <= found.high)).tolist())
                    missed.append(len(found.doubts) > 0)
                    errors.append(np.abs(found.shares - shares).mean())
                    kept.append(np.abs(old - shares).mean())
        error, usual = np.mean(errors[before[1] :]), np.mean(kept[before[1] :])
        cover = np.mean(held[before[0] :])
        print(f"{name}: error {error:.3f} (shares of training kept: {usual:.3f}), intervals hold {cover:.1%}", flush=True)
    right, ratio = float(np.mean(held)), float(np.mean(errors) / np.mean(kept))
    print(f"intervals hold {right:.1%} (bound: 90%); error {ratio:.0%} of that of keeping the shares (bound: 50%)")
    print(
        f"doubts told in {np.mean(missed):.1%} of {len(missed)} draws, in which all is as it should be; {refused} more refused"
    )
    return 0 if right >= 0.9 and ratio < 0.5 else 1

"""Are photos of something unknown called unlike? Classes left out of their set, and photos of other sets.

Features lie in `FOLDER/SET.npz` (X, y). Of each set each class (ten at most) is left out in turn: a model knows 70% of the
photos of the others; asked are the remaining 30% (false alarms) and the class that was left out. With `--each N` it
knows N photos a class. `said` is what the training itself measures of its own classes, as the report does; `far` are photos of
the other sets. The last line is the mean of the sets of three classes or more: of two classes one is left, so there are no
classes to be between, and a run cannot measure it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from penult import evaluate
from penult.arrays import stratified_rows
from penult.heads.unlike import fit_novelty


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("features", type=Path, metavar="FOLDER")
    parser.add_argument("--sets", nargs="+", metavar="SET", help="all of the folder when left out")
    parser.add_argument("--columns", type=int, help="the first so many columns only")
    parser.add_argument("--blocks", type=int, nargs="+", required=True, help="widths of the blocks of columns")
    parser.add_argument("--each", type=int, help="training photos a class")
    parser.add_argument("--most", type=int, default=2000, help="photos taken of a set")
    parser.add_argument("--seeds", type=int, default=1)


def labelled(path: Path, args: argparse.Namespace) -> tuple[Any, Any]:
    found = np.load(path)
    here = np.flatnonzero(found["y"] != "test1")  # cats and dogs: its test photos have no labels
    here = here[np.sort(np.random.default_rng(0).permutation(len(here))[: args.most])]
    return found["X"][here, : sum(args.blocks)], np.unique(found["y"][here], return_inverse=True)[1]


def auc(known: Any, other: Any) -> float:
    return float((other[:, None] > known).mean() + (other[:, None] == known).mean() / 2)


def left_out(X: Any, y: Any, c: int, seed: int, others: Any, args: argparse.Namespace) -> dict[str, float]:
    rest = np.flatnonzero(y != c)
    counts = [args.each or round(0.7 * (y == label).sum()) for label in range(int(y.max()) + 1)]
    train = rest[stratified_rows(y[rest], counts, seed)]
    asked = np.setdiff1d(rest, train)
    names = [str(label) for label in range(int(y.max()) + 1)]
    codes = np.unique(y[train], return_inverse=True)[1]
    if codes.max() > 0:
        fold = evaluate.outer_folds(codes, names[: int(codes.max()) + 1], np.arange(len(train)), seed=seed)
    else:
        fold = np.random.default_rng(seed).permutation(len(train)) % 5
    measure, _, left = fit_novelty(X[train], codes, fold, args.blocks)
    known, new, far = measure(X[asked]), measure(X[y == c]), measure(others)
    return {
        "alarms": float((known > 1).mean()),
        "found": float((new > 1).mean()),
        "at 2%": float((new > np.quantile(known, 0.98, method="higher")).mean()),
        "auc": auc(known, new),
        "far": float((far > 1).mean()),
        "far auc": auc(known, far),
        "said": np.nan if left is None else left.mean,
        "MB": sum(a.nbytes for a in measure.arrays.values()) / 1e6,
    }


def run(args: argparse.Namespace) -> None:
    paths = {p.stem: p for p in sorted(args.features.glob("*.npz")) if not args.sets or p.stem in args.sets}
    data = {name: labelled(path, args) for name, path in paths.items()}
    means = []
    for name, (X, y) in data.items():
        others = np.concatenate([X[:0], *(data[o][0][::20] for o in data if o != name)])
        classes = np.random.default_rng(0).permutation(int(y.max()) + 1)[:10]
        rows = [left_out(X, y, int(c), seed, others, args) for seed in range(args.seeds) for c in classes]
        means.append({key: float(np.mean([row[key] for row in rows])) for key in rows[0]})
        print(f"{name:<12}", "  ".join(f"{key} {value:.3f}" for key, value in means[-1].items()), flush=True)
    several = [bool(y.max() > 1) for _, y in data.values()]
    for what, some in (("mean", means), ("3 or more", [m for m, more in zip(means, several, strict=True) if more])):
        if some:
            print(f"{what:<12}", "  ".join(f"{key} {np.nanmean([m[key] for m in some]):.3f}" for key in some[0]))

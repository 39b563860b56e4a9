"""How right the default head is beside logistic regression alone, on features of several data sets.

Each set is a file NAME.npz with `X` (n, d) float32, `y` (n,), `part` (n,) "train" or "test", and
maybe `blocks`, the widths that are scaled separately.
Heads learn 10, 20 and 50 photos a class (several draws) and all training photos, and answer the same test photos.

A set counts once, its draws averaged; "worse" and "better": the 95% interval of the difference over its test photos (paired
bootstrap) leaves 0 out. The interval of all sets is Student's t over the logarithms of their ratios.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import evaluate, heads
from penult.arrays import stratified_rows
from penult.heads.calibration import row_losses

Array = NDArray[Any]
ALL = 0
BLOCKS = [40, 80, 112, 192, 320, 1280] * 2 + [208, 352, 1280] * 2  # of the default networks
T95 = (12.7, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.2, 2.18)


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options of this topic."""
    parser.add_argument("features", type=Path, help="folder of NAME.npz")
    parser.add_argument("--heads", nargs="+", default=["blend", "lda"], help="beside the first of them all: logistic")
    parser.add_argument("--each", nargs="+", type=int, default=[10, 20, 50, ALL], help="photos a class, 0: all")
    parser.add_argument("--seeds", type=int, default=5, help="draws of 10 and 20 a class; half as many of 50")
    parser.add_argument("--sets", nargs="+", default=None, help="only these")
    parser.add_argument("--blocks", nargs="+", type=int, default=BLOCKS, help="where a file does not say")


def run(asked: argparse.Namespace) -> None:
    """Print a table for each number of photos."""
    files = [f for f in sorted(asked.features.glob("*.npz")) if asked.sets is None or f.stem in asked.sets]
    names = ["logistic", *asked.heads]
    for each in asked.each:
        print(f"\n{each or 'all'} photos a class: test log loss (accuracy), mean of the draws", flush=True)
        rows = []
        for file in files:
            losses, right = measured(file, names, each, asked.seeds, asked.blocks)  # (heads, draws, m)
            rows.append(
                (
                    np.nanmean(losses, axis=(1, 2)),
                    np.nanmean(right, axis=(1, 2)),
                    [significant(losses, i) for i in range(len(names))],
                )
            )
            told = [f"{n} {loss:.4f} ({a:.4f}){s}" for n, loss, a, s in zip(names, *rows[-1], strict=True)]
            print(
                f"  {file.stem:10} {'; '.join(told)}; worst draw {np.nanmean(losses, axis=2).max(axis=1).round(3).tolist()}",
                flush=True,
            )
        for i, name in enumerate(names[1:], 1):
            logs = np.array([np.log(loss[i] / loss[0]) for loss, _, _ in rows])
            points = 100 * np.mean([a[i] - a[0] for _, a, _ in rows])
            half = T95[len(logs) - 2] * logs.std(ddof=1) / np.sqrt(len(logs)) if len(logs) > 1 else np.nan
            low, middle, high = (f"{np.expm1(logs.mean() + d):+.1%}" for d in (-half, 0, half))
            marks = [s[i] for _, _, s in rows]
            clear = [marks.count(mark) for mark in (" better", " worse")]
            print(
                f"  {name}: log loss {middle} [{low}, {high}], accuracy {points:+.2f} points, less in "
                f"{int((logs < 0).sum())}/{len(logs)}, clearly better in {clear[0]}, worse in {clear[1]}"
            )


def measured(file: Path, names: list[str], each: int, seeds: int, blocks: list[int]) -> tuple[Array, Array]:
    """Return loss and whether it is right of each head, draw and test photo, (heads, draws, m) each."""
    data = np.load(file, allow_pickle=True)
    X, widths = data["X"], tuple(data["blocks"].tolist() if "blocks" in data else blocks)
    train, test = np.flatnonzero(data["part"] == "train"), np.flatnonzero(data["part"] == "test")
    classes, found = np.unique(data["y"][train], return_inverse=True)
    codes = np.searchsorted(classes, data["y"]).clip(max=len(classes) - 1)
    codes[train] = found
    if not np.isin(data["y"][test], classes).all():  # the test photos have no labels: the other training photos serve
        test = train
    draws = 1 if each == ALL else max(2, seeds // 2) if each >= 50 else seeds
    losses, right = np.full((2, len(names), draws, len(test)), np.nan)
    for draw in range(draws):
        rows = train[stratified_rows(codes[train], [each or len(train)] * len(classes), draw)]
        fold = np.zeros(len(test), int) if test is not train else out_of_fold(rows, train, codes, classes)
        for i, name in enumerate(names):
            for part in np.unique(fold[fold >= 0]):
                here = np.flatnonzero(fold == part)
                own = np.setdiff1d(rows, test[here])
                head = heads.make_head(name, blocks=widths).fit(X[own], codes[own])
                proba = head.predict_proba(X[test[here]])
                losses[i, draw, here] = row_losses(proba, codes[test[here]])
                right[i, draw, here] = proba.argmax(axis=1) == codes[test[here]]
    return losses, right


def out_of_fold(rows: Array, train: Array, codes: Array, classes: Array) -> Array:
    """Return which model answers each training photo, (n,): that of the drawn rows all others, or folds where all are."""
    if len(rows) < len(train):
        return np.where(np.isin(train, rows), -1, 0)
    return evaluate.outer_folds(codes[train], [str(c) for c in classes])


def significant(losses: Array, i: int) -> str:
    """Return " better" or " worse" where head i differs clearly from the first, over test photos."""
    gap = np.nanmean(losses[i] - losses[0], axis=0)  # (m,)
    drawn = gap[np.random.default_rng(0).integers(0, len(gap), (2000, len(gap)))].mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return " better" if high < 0 else " worse" if low > 0 else ""

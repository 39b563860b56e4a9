"""More accuracy for those who want it: what more views of a photo, and a support vector machine in the blend, give and cost.

Features of each network and view are files NET_SIZE_VIEW_SET.npz in --views: `X` (n, 3 c), the means, the maxima and the
standard deviations of the maps of all stages, and `ch`, the channels of each. SET.npz in --labels has `y` and `part`. Each
choice learns the training part, and once more other photos, and answers the rest. Bound: `lite+` has the smaller log loss over
all sets.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import heads, zoo
from penult.heads.calibration import row_losses

SETS = ("cats_dogs", "trashnet", "clothing", "signs", "elpv")
LITE1, LITE2 = (40, 80, 112, 192, 320, 1280), (208, 352, 1280)
CHOICES: dict[str, tuple[str, tuple[tuple[str, tuple[str, ...], tuple[int, ...]], ...]]] = {
    "default": ("default", (("lite1_288", ("crop",), LITE1), ("lite2_288", ("whole",), LITE2))),
    "--views 2": ("default:crop+squash", (("lite1_288", ("crop", "whole"), LITE1), ("lite2_288", ("crop", "whole"), LITE2))),
    "lite+": ("lite+", (("lite1_320", ("crop",), LITE1), ("lite2_288", ("crop", "whole"), LITE2))),
}
SVM = "default, svm in the blend"
Array = NDArray[Any]


def add(topic: argparse.ArgumentParser) -> None:
    topic.add_argument("--views", type=Path, required=True, help="folder of NET_SIZE_VIEW_SET.npz")
    topic.add_argument("--labels", type=Path, required=True, help="folder of SET.npz")
    topic.add_argument("--sets", nargs="+", default=SETS)


def block(file: Path, widths: tuple[int, ...]) -> Array:
    """Return means and maxima (n, 2 w) of the last stages, which have these widths."""
    data = np.load(file)
    channels = int(data["ch"].sum())
    last = slice(channels - sum(widths), channels)
    return np.hstack([data["X"][:, :channels][:, last], data["X"][:, channels : 2 * channels][:, last]])


def features(folder: Path, name: str, choice: str) -> Array | None:
    """Return the features (n, d) of a set, None where a view of it is missing."""
    parts = []
    for network, views, widths in CHOICES[choice][1]:
        files = [folder / f"{network}_{view}_{name}.npz" for view in views]
        if not all(file.exists() for file in files):
            return None
        parts.append(np.mean([block(file, widths) for file in files], axis=0, dtype=np.float32))
    return np.hstack(parts)


def splits(y: Array, part: Array) -> list[tuple[Array, Array]]:
    """Return the training part and the rest, as they are and once at random; halves where the rest has no labels."""
    labelled = np.flatnonzero(y >= 0)
    train = np.flatnonzero((y >= 0) & (part == "train"))
    many = len(train) if len(train) < len(labelled) else len(train) // 2
    drawn = [np.random.default_rng(seed).permutation(labelled)[:many] for seed in (1, 2)]
    if len(train) < len(labelled):
        drawn[0] = train
    return [(learnt, np.setdiff1d(labelled, learnt)) for learnt in drawn]


def answers(name: str, blocks: tuple[int, ...], X: Array, y: Array, rest: Array) -> tuple[Array, float]:
    """Return what a head answers for the rest (m, k), and the CPU seconds that it learnt."""
    began = time.process_time()
    head = heads.make_head(name, blocks=blocks, random_state=0).fit(X, y)
    return head.predict_proba(rest), time.process_time() - began


def run(args: argparse.Namespace) -> int:
    losses: dict[str, dict[str, float]] = {}
    rights: dict[str, list[float]] = {}
    spent = {"blend": 0.0, "svm": 0.0}
    for name in args.sets:
        data = np.load(args.labels / f"{name}.npz", allow_pickle=True)
        classes = np.unique(data["y"][data["part"] == "train"])
        y = np.where(np.isin(data["y"], classes), np.searchsorted(classes, data["y"]), -1)
        found: dict[str, list[tuple[float, float]]] = {}
        for choice in CHOICES:
            X = features(args.views, name, choice)
            if X is None:
                continue
            blocks = sum((2 * widths for _, _, widths in CHOICES[choice][1]), ())
            for train, rest in splits(y, data["part"]):
                proba, seconds = answers("blend", blocks, X[train], y[train], X[rest])
                found.setdefault(choice, []).append(judged(proba, y[rest]))
                if choice == "default":
                    spent["blend"] += seconds
                    other, seconds = answers("svm", blocks, X[train], y[train], X[rest])
                    spent["svm"] += seconds
                    mixed = proba ** (2 / 3) * other ** (1 / 3)
                    found.setdefault(SVM, []).append(judged(mixed / mixed.sum(axis=1, keepdims=True), y[rest]))
        for choice, some in found.items():
            loss, right = np.mean(some, axis=0).tolist()
            losses.setdefault(choice, {})[name] = loss
            rights.setdefault(choice, []).append(right)
        print(f"{name}: " + "; ".join(f"{c} {losses[c][name]:.4f}" for c in found), flush=True)
    means = {choice: geometric(losses[choice], losses["default"]) for choice in losses}
    macs = {choice: sum(zoo.find_backbone(one).gmacs for one in zoo.expand([named])) for choice, (named, _) in CHOICES.items()}
    for choice, ratio in means.items():
        work = macs.get(choice, macs["default"]) / macs["default"]
        better = sum(loss < losses["default"][name] for name, loss in losses[choice].items())
        cost = f"{1 + spent['svm'] / spent['blend']:.1f} x the head" if choice == SVM else f"{work:.2f} x the networks"
        print(f"{choice}: log loss {ratio - 1:+.1%}, smaller on {better} of {len(losses[choice])}; {cost}")
    print("bound: lite+ below default")
    return 0 if means["lite+"] < 1 else 1


def judged(proba: Array, y: Array) -> tuple[float, float]:
    """Return log loss and accuracy."""
    return float(row_losses(proba, y).mean()), float((proba.argmax(axis=1) == y).mean())


def geometric(losses: dict[str, float], base: dict[str, float]) -> float:
    """Return the geometric mean of the ratios of losses over the sets that both have."""
    return float(np.exp(np.mean([np.log(loss / base[name]) for name, loss in losses.items()])))

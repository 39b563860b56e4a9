"""Do the 95% intervals hold? Coverage of scores and forecasts, against models fitted on all photos and tried on many others.

Each repeat draws n photos (stratified), cross-validates the head and its learning curve as `penult train` does, and fits it on
all n and on 2 n; the truth is what these two models score on the photos left over. Settings are subsets of real features and
simulated classes, of which any number of photos can be drawn. Where few photos are left over the truth has noise of its own;
it is added to the interval (as a variance) before it is asked whether the truth lies inside.
"""

from __future__ import annotations

import argparse
import pickle
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from penult import heads
from penult.evaluate import cross_validate, learning_curve

COLUMNS = 3584  # efficientnet_lite0 of the default's features
UNSEEN = 6000  # simulated photos on which a model's truth is measured
DIMENSIONS = 64


@dataclass(frozen=True)
class Setting:
    """`n` photos of a set of features, or of simulated classes: their number, how far apart, t's degrees of freedom."""

    name: str
    n: int
    classes: int = 2
    apart: float = 0.0
    freedom: float = np.inf

    @property
    def title(self) -> str:
        return f"{self.name} {self.n}"


SETTINGS = (
    Setting("easy", 100, apart=10.0, freedom=5),
    Setting("easy", 200, apart=10.0, freedom=5),
    Setting("middle", 150, classes=6, apart=5.0),
    Setting("hard", 200, apart=1.3),
    Setting("chance", 100),
    Setting("elpv", 100),
    Setting("elpv", 300),
    Setting("trashnet", 100),
    Setting("clothing", 200),
    Setting("signs", 150),
    Setting("cats_dogs", 100),
)


def simulated(setting: Setting) -> Callable[[int, np.random.Generator], tuple[Any, Any]]:
    """Return what draws photos of classes whose means lie apart among directions of falling spread."""
    fixed = np.random.default_rng(7)
    spread = np.arange(1, DIMENSIONS + 1) ** -0.5  # (d,)
    means = fixed.normal(size=(setting.classes, DIMENSIONS)) / np.sqrt(2 * DIMENSIONS) * setting.apart * spread  # (k, d)

    def draw(n: int, rng: np.random.Generator) -> tuple[Any, Any]:
        y = rng.permutation(np.arange(n) % setting.classes)
        noise = rng.normal(size=(n, DIMENSIONS))
        if np.isfinite(setting.freedom):  # photos of their own kind: t's tails for the whole photo
            noise *= np.sqrt(setting.freedom / rng.chisquare(setting.freedom, size=(n, 1)))
        return (means[y] + noise * spread).astype(np.float32), y

    return draw


def stratified(y: Any, n: int, rng: np.random.Generator) -> Any:
    """Return the rows in an order whose first n, and first 2 n, hold the classes in their shares."""
    place = np.empty(len(y))
    for c in np.unique(y):
        own = rng.permutation(np.flatnonzero(y == c))
        place[own] = (np.arange(len(own)) + rng.random()) / len(own)
    order = np.argsort(place)
    return np.r_[rng.permutation(order[:n]), order[n:]]


def draws(setting: Setting, features: Path, repeats: int) -> Iterator[tuple[Any, Any, Any, Any]]:
    """Yield features and classes of 2 n photos (of n, where more would leave too few) and of unseen ones, for each repeat."""
    if setting.name in ("easy", "middle", "hard", "chance"):
        draw = simulated(setting)
        unseen = draw(UNSEEN, np.random.default_rng(10**6))
        for repeat in range(repeats):
            yield (*draw(2 * setting.n, np.random.default_rng(repeat)), *unseen)
        return
    with np.load(features / f"{setting.name}.npz") as found:
        known = found["y"] != "test1"  # photos without a label
        X, y = found["X"][known, :COLUMNS], np.unique(found["y"][known], return_inverse=True)[1]
    for repeat in range(repeats):
        order = stratified(y, setting.n, np.random.default_rng(repeat))
        seen = 2 * setting.n if len(y) >= 3 * setting.n else setting.n
        yield X[order[:seen]], y[order[:seen]], X[order[seen:]], y[order[seen:]]


def collect(setting: Setting, features: Path, repeats: int, head: str) -> list[dict[str, Any]]:
    """Return for each repeat the evaluation, its curve, and what the models of n and 2 n photos say of the unseen."""
    rows = []
    for repeat, (X, y, others, truth) in enumerate(draws(setting, features, repeats)):
        n, k = setting.n, int(max(y.max(), truth.max())) + 1
        model = heads.make_head(head)
        evaluation = cross_validate(model, X[:n], y[:n], [str(c) for c in range(k)], seed=repeat)
        curve = learning_curve(model, X[:n], evaluation, seed=repeat)
        fitted = [heads.make_head(head).fit(X[:m], y[:m]).predict_proba(others) for m in sorted({n, len(y)})]
        rows.append({"evaluation": evaluation, "curve": curve, "y": truth, "proba": fitted})
    return rows


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--features", type=Path, required=True, help="folder of SET.npz: X (n, d), y (n,)")
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--head", default="logistic")
    parser.add_argument("--only", nargs="*", help="settings by name")
    parser.add_argument("--keep", type=Path, help="folder for what was measured, which is read again")


def run(args: argparse.Namespace) -> None:
    for setting in SETTINGS:
        if args.only and setting.name not in args.only:
            continue
        began = time.process_time()
        rows = collect(setting, args.features, args.repeats, args.head)
        if args.keep:
            args.keep.mkdir(parents=True, exist_ok=True)
            (args.keep / f"{setting.title}.pickle").write_bytes(pickle.dumps(rows))
        print(setting.title, f"{time.process_time() - began:.0f} s", flush=True)
        acc = np.mean([(r["proba"][0].argmax(1) == r["y"]).mean() for r in rows])
        print("   truth", acc, "cv", np.mean([r["evaluation"].scores["accuracy"].value for r in rows]), flush=True)

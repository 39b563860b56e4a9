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
from penult.evaluate import Evaluation, LearningCurve, Score, carry, cross_validate, learning_curve
from penult.evaluate.intervals import Z95
from penult.evaluate.metrics import bin_of, calibration_columns, losses_per_image

NAMES = ("accuracy", "log_loss", "brier", "auc", "ece", "twice: log loss", "twice: accuracy", "twice: change")
BLOCKS = (40, 80, 112, 192, 320, 1280) * 2  # of the first network of the default
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


SIMULATED = ("easy", "middle", "fair", "heavy", "hard", "chance")
SETTINGS = (
    Setting("easy", 100, apart=10.0, freedom=5),
    Setting("easy", 200, apart=10.0, freedom=5),
    Setting("middle", 150, classes=6, apart=5.0),
    Setting("fair", 150, classes=3, apart=3.0),
    Setting("heavy", 200, classes=4, apart=8.0, freedom=4),
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


def draws(setting: Setting, features: Path, seeds: range) -> Iterator[tuple[Any, Any, Any, Any]]:
    """Yield features and classes of 2 n photos (of n, where more would leave too few) and of unseen ones, for each seed."""
    if setting.name in SIMULATED:
        draw = simulated(setting)
        unseen = draw(UNSEEN, np.random.default_rng(10**6))
        for seed in seeds:
            yield (*draw(2 * setting.n, np.random.default_rng(seed)), *unseen)
        return
    with np.load(features / f"{setting.name}.npz") as found:
        known = found["y"] != "test1"  # photos without a label
        X, y = found["X"][known, : sum(BLOCKS)], np.unique(found["y"][known], return_inverse=True)[1]
    for seed in seeds:
        order = stratified(y, setting.n, np.random.default_rng(seed))
        seen = 2 * setting.n if len(y) >= 3 * setting.n else setting.n
        yield X[order[:seen]], y[order[:seen]], X[order[seen:]], y[order[seen:]]


@dataclass(frozen=True)
class Repeat:
    """The evaluation of one draw and its curve, the classes of the unseen photos, and the answers of both models."""

    evaluation: Evaluation
    curve: LearningCurve
    y: Any
    proba: list[Any]  # (m, k) of the models of n and of 2 n photos


def measured(setting: Setting, features: Path, seeds: range, head: str, keep: Path | None) -> Iterator[Repeat]:
    """Yield the repeats; those that were kept before are read."""
    place = keep / f"{setting.title} {head} {seeds.start}.pickle" if keep else None
    known = 0
    if place and place.exists():
        with place.open("rb") as file:
            while known < len(seeds) and file.peek(1):
                yield pickle.load(file)
                known += 1
    seeds = seeds[known:]
    for seed, (X, y, others, truth) in zip(seeds, draws(setting, features, seeds), strict=True):
        n, k = setting.n, int(max(y.max(), truth.max())) + 1
        blocks = BLOCKS if X.shape[1] == sum(BLOCKS) else None
        model = heads.make_head(head, blocks=blocks)
        evaluation = cross_validate(model, X[:n], y[:n], [str(c) for c in range(k)], seed=seed)
        curve = learning_curve(model, X[:n], evaluation, seed=seed)
        fitted = [heads.make_head(head, blocks=blocks).fit(X[:m], y[:m]).predict_proba(others) for m in sorted({n, len(y)})]
        found = Repeat(evaluation, curve, truth, fitted)
        if place:
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("ab") as file:
                pickle.dump(found, file)
        yield found


def truths(y: Any, proba: Any) -> dict[str, tuple[float, float]]:
    """Return each measure of a model on the unseen photos, and the standard error of that."""
    columns = losses_per_image(y, np.asarray(proba, np.float64))
    found = {}
    for name, column in columns.items():
        mean = float(column.mean())
        error = float(np.sqrt((column.var() + (column.max() if mean else 1.0) ** 2 / len(y)) / len(y)))  # one more is wrong
        found[name] = (1 - mean if name in ("accuracy", "auc") else mean, error)
    # the calibration error of many photos has noise too, though little; where it has much nothing can be compared
    confidence = np.clip(np.asarray(proba, np.float64).max(axis=1), 0, 1)
    noise = np.sqrt(np.bincount(bin_of(confidence), weights=confidence * (1 - confidence), minlength=15)) / len(y)
    gaps = np.abs(calibration_columns(y, np.asarray(proba, np.float64)).mean(axis=0))
    found["ece"] = (float(np.sqrt(max(0.0, gaps.sum() ** 2 - (np.sqrt(2 / np.pi) * noise.sum()) ** 2))), float(noise.sum()))
    return found


def compared(one: Repeat) -> dict[str, tuple[Score, float, float]]:
    """Return for each number that is shown: what was said, the truth, and the truth's own standard error."""
    evaluation = carry(one.evaluation, one.curve)
    now = truths(one.y, one.proba[0])
    found = {name: (evaluation.scores[name], *now[name]) for name in NAMES if name in now}
    twice = one.curve.twice
    if twice is None or len(one.proba) < 2:
        return found
    later = truths(one.y, one.proba[1])
    found["twice: log loss"] = (twice.log_loss, *later["log_loss"])
    if twice.accuracy.value is not None:
        found["twice: accuracy"] = (twice.accuracy, *later["accuracy"])
    found["twice: change"] = (twice.change, later["log_loss"][0] / max(now["log_loss"][0], 1e-12), 0.0)
    return found


def row(name: str, several: list[tuple[Score, float, float]]) -> str:
    """Return coverage, how often the truth is below and above, the mean truth and estimate, and the mean width."""
    known = [(s.value, s.low, s.high, truth, Z95 * error) for s, truth, error in several if s.value is not None]
    if not known:
        return f"    {name:16} not said"
    value, low, high, truth, more = np.array(known).T
    below = truth < value - np.hypot(value - low, more)
    above = truth > value + np.hypot(high - value, more)
    return (
        f"    {name:16} holds {1 - (below | above).mean():.3f}  below {below.mean():.3f}  above {above.mean():.3f}  "
        f"said {value.mean():.4f}  true {truth.mean():.4f}  width {(high - low).mean():.4f}  of {len(known)}"
    )


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--features", type=Path, required=True, help="folder of SET.npz: X (n, d), y (n,)")
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0, help="of the first repeat")
    parser.add_argument("--head", default=heads.head_names()[0])
    parser.add_argument("--only", nargs="*", help="settings, such as 'easy 100'")
    parser.add_argument("--keep", type=Path, help="folder for what was measured, to go on from")


def run(args: argparse.Namespace) -> None:
    total: dict[str, list[Any]] = {}
    for setting in SETTINGS:
        if args.only and setting.title not in args.only:
            continue
        began = time.process_time()
        seeds = range(args.seed, args.seed + args.repeats)
        found = [compared(one) for one in measured(setting, args.features, seeds, args.head, args.keep)]
        print(f"{setting.title}: {len(found)} repeats, {time.process_time() - began:.0f} s of processor time")
        for name in NAMES:
            several = [one[name] for one in found if name in one]
            if several:
                print(row(name, several), flush=True)
                total.setdefault(name, []).extend(several)
    print("all settings")
    for name, several in total.items():
        print(row(name, several))

"""Are the labels that are accused wrong? Planted label errors, labels by a coin, and the solar cells of the demo.

`planted`: a share of the labels is moved to another class at random. Printed for each set are recall and precision of the
list, how many it expects to be wrong, and recall and precision of two methods of cleanlab (Northcutt et al. 2021) on the same
out-of-fold probabilities. The sets have wrong labels of their own, which count as false; a second precision leaves out those
that are listed without any planted, too. `chance`: labels in disorder, and features that are nearly all noise: nothing may be
listed. `demo`: how many of the listed photos have an annotation in doubt, and what the list does to the test accuracy when its
photos are removed, or given the other label.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from penult import evaluate
from penult.arrays import unit_blocks
from penult.audit.noise_model import DOUBTED
from penult.demo import held_out
from penult.heads import make_head
from penult.training import TrainOptions
from penult.training.label_check import LabelCheck, check_labels
from penult.zoo import expand, find_backbone

SETS = ("cats_dogs", "trashnet", "clothing", "signs", "elpv")


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("planted", "chance", "demo"))
    parser.add_argument("--features", type=Path, required=True, help="folder of SET.npz: X (n, d), y (n,), part (n,)")
    parser.add_argument("--sets", nargs="+", default=SETS[:4])
    parser.add_argument("--rates", nargs="+", type=float, default=[0.05])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the first seed")
    parser.add_argument("--head", default=TrainOptions().head)


def run(args: argparse.Namespace) -> None:
    {"planted": planted, "chance": chance, "demo": demo}[args.what](args)


def load(features: Path, name: str) -> tuple[Any, Any, list[str], Any, Any]:
    """Return features (n, m), y (n,), the classes, whether annotations are in doubt (n,), groups, of all photos with a label.

    `groups` (n,), where the file has them, are what `train` keeps together; None otherwise.
    """
    with np.load(features / f"{name}.npz") as found:
        X, y, part = found["X"], found["y"], found["part"]
        doubt = found["doubt"] if "doubt" in found else np.zeros(len(y))
        groups = found.get("groups")
    known = np.isin(y, np.unique(y[part == "train"]))
    classes, numbers = np.unique(y[known], return_inverse=True)
    return reduced(X[known]), numbers, [str(name) for name in classes], doubt[known], None if groups is None else groups[known]


def reduced(X: Any) -> Any:
    """Return scaled features in as many columns as there are rows: the same to linear heads, and faster."""
    presets = [[w for one in expand([name]) for w in find_backbone(one).blocks] for name in ("default", "lite", "lite+")]
    Z = unit_blocks(X, next((blocks for blocks in presets if sum(blocks) == X.shape[1]), [X.shape[1]]))
    squares, axes = np.linalg.eigh((Z @ Z.T).astype(np.float64))
    kept = squares > 1e-6 * squares[-1]
    return (axes[:, kept] * np.sqrt(squares[kept])).astype(np.float32)


def checked(head: str, X: Any, y: Any, classes: list[str], seed: int, groups: Any = None) -> tuple[Any, LabelCheck, Any]:
    """Return the out-of-fold evaluation, what is said of the labels, and how probable it is that each is wrong, (n,)."""
    fresh = make_head(head, random_state=seed)
    seen = evaluate.cross_validate(fresh, X, y, classes, groups, seed=seed)
    said = check_labels(fresh, X, seen)
    wrong = np.zeros(len(y))
    wrong[said.rows] = said.wrong
    return seen, said, wrong


def spoilt(y: Any, k: int, rate: float, rng: np.random.Generator) -> Any:
    """Return the labels, a share of them moved to another class."""
    rows = rng.choice(len(y), round(rate * len(y)), replace=False)
    out = y.copy()
    out[rows] = (y[rows] + rng.integers(1, k, len(rows))) % k
    return out


def confident_learning(y: Any, proba: Any) -> Any:
    """Return the labels off the diagonal of the confident joint, (n,): p_j at least its mean among the photos labelled j."""
    return _confident(y, proba) != y


def prune_by_noise_rate(y: Any, proba: Any) -> Any:
    """Return for each pair of classes as many labels as the joint estimates, those with the largest margin first, (n,)."""
    k, counted, out = proba.shape[1], _confident(y, proba), np.zeros(len(y), bool)
    joint = np.zeros((k, k))
    np.add.at(joint, (y, counted), 1)
    joint *= np.bincount(y, minlength=k)[:, None] / np.maximum(joint.sum(axis=1, keepdims=True), 1)
    for i, j in np.argwhere(~np.eye(k, dtype=bool)):
        rows = np.flatnonzero(y == i)
        out[rows[np.argsort(proba[rows, i] - proba[rows, j], kind="stable")][: round(joint[i, j])]] = True
    return out


def _confident(y: Any, proba: Any) -> Any:
    level = np.array([proba[y == j, j].mean() for j in range(proba.shape[1])])
    sure = np.where(proba >= level, proba, 0)
    return np.where(sure.any(axis=1), sure.argmax(axis=1), y)


def planted(args: argparse.Namespace) -> None:
    """Print a line for each set and share of planted errors: the mean of the seeds."""
    print("recall / precision; expected precision; precision without what is listed of the set as it is; cleanlab's methods")
    for name in args.sets:
        X, y, classes, *_ = load(args.features, name)
        own = checked(args.head, X, y, classes, 0)[2] > DOUBTED
        print(f"{name:10} {len(y):5} photos, none planted: {own.sum()} listed", flush=True)
        for rate in args.rates:
            rows = np.array(list(_repeats(args, X, y, classes, own, rate)))
            precision, recall, foretold, cleared, *others = np.nanmean(rows, axis=0)
            print(
                f"{name:10} {100 * rate:4.0f}% planted, {len(rows)} seeds: {recall:.2f} / {precision:.2f}; "
                f"{foretold:.2f}; {cleared:.2f}; confident learning {others[0]:.2f} / {others[1]:.2f}, "
                f"prune by noise rate {others[2]:.2f} / {others[3]:.2f}",
                flush=True,
            )


def _repeats(args: argparse.Namespace, X: Any, y: Any, classes: list[str], own: Any, rate: float) -> Iterator[list[float]]:
    """Yield for each seed precision, recall, expected precision, precision without the set's own, and the others'."""
    for seed in range(args.first, args.first + args.seeds):
        given = spoilt(y, len(classes), rate, np.random.default_rng([1000, seed]))
        bad = given != y
        seen, _, wrong = checked(args.head, X, given, classes, seed)
        listed = wrong > DOUBTED
        recall, precision = _rates(listed, bad)
        foretold = wrong[listed].mean() if listed.any() else np.nan
        line = [precision, recall, foretold, _rates(listed & (bad | ~own), bad)[1]]
        for other in (confident_learning, prune_by_noise_rate):
            line += _rates(other(given, seen.proba), bad)
        yield line


def _rates(listed: Any, bad: Any) -> tuple[float, float]:
    """Return recall and precision."""
    hit = (listed & bad).sum()
    return hit / max(bad.sum(), 1), hit / listed.sum() if listed.any() else np.nan


def chance(args: argparse.Namespace) -> None:
    """Print how many labels are listed where nothing, or nearly nothing, can be learnt."""
    for name in args.sets:
        X, y, classes, *_ = load(args.features, name)
        for seed in range(args.first, args.first + args.seeds):
            rng = np.random.default_rng([2000, seed])
            noise = rng.normal(size=X.shape).astype(np.float32) * X.std()
            for what, features, labels in (
                ("shuffled labels", X, rng.permutation(y)),
                ("faint features", X * 0.1 + noise, y),
            ):
                seen, said, wrong = checked(args.head, features, labels, classes, seed)
                right = seen.scores["accuracy"]
                print(
                    f"{name:10} {what:15} accuracy {right.value:.2f}, from {right.low:.2f}: {(wrong > DOUBTED).sum()} listed",
                    end="",
                )
                print(f" ({said.note})" if said.note else "", flush=True)


def demo(args: argparse.Namespace) -> None:
    """Print the list of each of the demo's splits, and the test accuracy as it is and with the list followed."""
    X, y, classes, doubt, groups = load(args.features, "elpv")
    rows = []
    for seed in range(args.first, args.first + args.seeds):
        test = held_out((y == classes.index("defective")).astype(int), seed)  # as `penult demo` numbers them
        train, labels = ~test, y[~test]
        seen, _, wrong = checked(args.head, X[train], labels, classes, seed, None if groups is None else groups[train])
        listed = wrong > DOUBTED
        flipped = np.where(listed, 1 - labels, labels)
        line = [listed.sum(), doubt[train][listed].mean() if listed.any() else np.nan, wrong[listed].sum()]
        for kept, given in ((slice(None), labels), (~listed, labels), (slice(None), flipped)):
            fitted = make_head(args.head, random_state=seed).fit(X[train][kept], given[kept])
            scores = evaluate.score(y[test], fitted.predict_proba(X[test]), classes).scores
            line += [scores["accuracy"].value, scores["log_loss"].value]
        rows.append(line)
        missed = int((seen.proba.argmax(axis=1) != labels).sum())
        print(
            f"split {seed}: {missed} errors of the model, {listed.sum()} listed, {wrong[listed].sum():.1f} expected wrong; ",
            end="",
        )
        print(_followed(line), flush=True)
    print(
        "mean:", _followed(np.nanmean(np.array(rows, float), axis=0).tolist()), f"; of all photos in doubt {doubt.mean():.3f}"
    )


def _followed(line: list[float]) -> str:
    scores = [f"{how} {line[i]:.4f} / {line[i + 1]:.4f}" for how, i in (("as it is", 3), ("removed", 5), ("relabelled", 7))]
    return f"in doubt {line[1]:.2f}; test accuracy / log loss {', '.join(scores)}"

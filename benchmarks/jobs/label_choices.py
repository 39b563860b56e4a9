"""Several labels a photo: what the choices inside the head and its thresholds are worth on new photos.

Each set is a file NAME.npz of features: `X` (n, d), `y` (n,). Pictures of several photos are put together from the features of
one or two sets, as their mean; those of one group share photos. A third of the groups is asked, of the others 150 pictures or
all are learnt. `settings`: mAP and log loss with one thing changed at a time. `thresholds`: F1 with thresholds by the expected
F1, by the F1 that was seen, and in the middle. `folds`: the log loss that cross-validation says, nested and with one search,
beside that of new photos.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from penult.evaluate import cross_validate_labels, label_folds, score_labels, thresholds
from penult.heads import label_calibration, label_search
from penult.heads.multilabel import MultiLabelHead

Array = NDArray[Any]
SETS = {"clothing+cats_dogs": (2, 2), "trashnet": (1, 3), "signs": (1, 4), "elpv+trashnet": (1, 3)}  # photos in a picture
BLOCKS = (*([40, 80, 112, 192, 320, 1280] * 2), *([208, 352, 1280] * 2))  # of the default networks
GROUP, FEW, LEAST = 9, 150, 2  # photos of a group, pictures, photos that a label must have on both sides


def add(topic: argparse.ArgumentParser) -> None:
    topic.add_argument("what", choices=("settings", "thresholds", "folds"))
    topic.add_argument("--features", type=Path, required=True, help="folder of NAME.npz")
    topic.add_argument("--draws", type=int, default=2)


def run(args: argparse.Namespace) -> None:
    """Print a line for each set and number of pictures, and the mean of all."""
    measure: Callable[..., dict[str, Any]] = {"settings": settings, "thresholds": by_threshold, "folds": by_folds}[args.what]
    rows: dict[str, list[list[float]]] = {}
    for name, parts in SETS.items():
        for count in (FEW, None):
            drawn = [pictures(args.features, name, parts, seed) for seed in range(args.draws)]
            found = [measure(*some(one, count, seed), seed) for seed, one in enumerate(drawn)]
            print(f"{name}, {count or 'all'} pictures:")
            for key in found[0]:
                values = np.array([one[key] for one in found], float)
                rows.setdefault(key, []).extend(values.tolist())
                print(f"  {key}: {told(np.nanmean(values, axis=0))}", flush=True)
    print("all:")
    for key, values in rows.items():
        print(f"  {key}: {told(np.nanmean(np.array(values), axis=0))}")


def told(values: Array) -> str:
    return "  ".join(f"{value:.4f}" for value in values)


def pictures(folder: Path, name: str, parts: tuple[int, int], seed: int) -> tuple[Array, Array, Array]:
    """Return features (n, d) of pictures, their labels (n, L), and the groups (n,)."""
    rng, X, y = np.random.default_rng(seed), [], []
    for one in name.split("+"):
        with np.load(folder / f"{one}.npz", allow_pickle=True) as found:
            known = found["y"] != "test1"  # photos without a label
            X.append(found["X"][known])
            y += [f"{one}:{label}" for label in found["y"][known]]
    rows, codes = np.concatenate(X), np.unique(y, return_inverse=True)[1]
    pool, made, Y, groups = rng.permutation(len(rows)), [], [], []
    for number, start in enumerate(range(0, min(len(pool), 2000) - 1, GROUP)):
        own = pool[start : start + GROUP]
        for _ in own:
            chosen = rng.choice(own, min(int(rng.integers(parts[0], parts[1] + 1)), len(own)), replace=False)
            made.append(rows[chosen].mean(axis=0))
            Y.append(np.isin(np.arange(codes.max() + 1), codes[chosen]))
            groups.append(number)
    return np.array(made, np.float32), np.array(Y, np.float32), np.array(groups)


def some(drawn: tuple[Array, Array, Array], count: int | None, seed: int) -> tuple[Any, Any]:
    """Return what is learnt, `count` pictures or all, and what is asked: features, labels, groups each."""
    X, Y, groups = drawn
    learnt = label_folds(Y, groups, 3, seed) > 0
    if count is not None:
        order = np.random.default_rng(seed).permutation(np.unique(groups[learnt]))
        learnt &= np.isin(groups, order[: count // GROUP])
    asked = label_folds(Y, groups, 3, seed) == 0
    use = (Y[learnt].sum(axis=0) >= LEAST) & (Y[asked].sum(axis=0) >= LEAST)
    return (X[learnt], Y[learnt][:, use], groups[learnt]), (X[asked], Y[asked][:, use], groups[asked])


def scored(Y: Array, proba: Array, limits: Array | None = None) -> Any:
    return score_labels(Y, proba, [str(i) for i in range(Y.shape[1])], limits).scores


def settings(learnt: Any, asked: Any, seed: int) -> dict[str, Any]:
    """Return mAP and log loss of new pictures as it is, and with one thing changed."""
    X, Y, groups = learnt
    ways: dict[str, Any] = {
        "as it is": patch.object(label_search, "SHARED", label_search.SHARED),
        "each C by its own label alone": patch.object(label_search, "SHARED", 0.0),
        "one C for all labels": patch.object(label_search, "SHARED", 1e9),
        "no prior of the slope": patch.object(label_calibration, "SLOPE_PRIOR", 0.0),
    }
    found = {}
    for name, way in ways.items():
        with way:
            head = MultiLabelHead(blocks=BLOCKS, random_state=seed).fit(X, Y, groups=groups)
        scores = scored(asked[1], head.predict_proba(asked[0]))
        found[f"{name}: mAP, log loss"] = [scores["mAP"].value, scores["log_loss"].value]
    return found


def by_threshold(learnt: Any, asked: Any, seed: int) -> dict[str, Any]:
    """Return macro and micro F1 of new pictures by three kinds of thresholds."""
    X, Y, groups = learnt
    head = MultiLabelHead(blocks=BLOCKS, random_state=seed)
    proba = cross_validate_labels(head, X, Y, [str(i) for i in range(Y.shape[1])], groups, seed=seed).proba
    answers = head.fit(X, Y, groups=groups).predict_proba(asked[0])
    ways = {"expected F1": thresholds(Y, proba), "F1 seen": best_seen(Y, proba), "0.5": None}
    found = {}
    for name, limits in ways.items():
        scores = scored(asked[1], answers, limits)
        found[f"{name}: macro F1, micro F1"] = [scores["macro_f1"].value, scores["micro_f1"].value]
    return found


def best_seen(Y: Array, proba: Array) -> Array:
    """Return the thresholds (L,) with the largest F1 on these very pictures."""
    limits = []
    for y, p in zip(Y.T, proba.T, strict=True):
        order = np.argsort(-p)
        f1 = 2 * np.cumsum(y[order]) / (np.arange(1, len(p) + 1) + y.sum())
        limits.append(p[order][int(np.argmax(f1))])
    return np.array(limits)


def by_folds(learnt: Any, asked: Any, seed: int) -> dict[str, Any]:
    """Return the log loss that cross-validation says, nested and with one search, and that of new pictures."""
    X, Y, groups = learnt
    labels, found = [str(i) for i in range(Y.shape[1])], []
    for nested in (len(X), 0):
        head = MultiLabelHead(blocks=BLOCKS, random_state=seed)
        seen = cross_validate_labels(head, X, Y, labels, groups, seed=seed, nested=nested)
        found.append(seen.scores["log_loss"].value)
    parts = [seen.fold != part for part in range(5)]  # the folds' own models, as the one that is kept learns from more
    heads = [MultiLabelHead(blocks=BLOCKS, random_state=seed).fit(X[o], Y[o], groups=groups[o]) for o in parts]
    new = [scored(asked[1], head.predict_proba(asked[0]))["log_loss"].value for head in heads]
    return {"log loss nested, with one search, of new pictures": [*found, float(np.mean(new))]}

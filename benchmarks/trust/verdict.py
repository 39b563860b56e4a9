"""Does the verdict lead with "another kind" when it should, and only then? Random test splits of one set, and planted shifts.

Same kind: a set is dealt at random into training and test photos; the verdict may lead with a contradiction in 5% of the
repeats at most. Planted: test features moved along the directions in which photos vary, other class shares, and bursts (each
training photo three times, hardly changed, as patients and scenes are), whose folds promise too much.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from penult import heads, store
from penult.evaluate import accuracy_gap, cross_validate, score, verdict
from penult.evaluate.shift import class_shares, features_apart, other_features
from penult.fit import group_copies

BLOCKS = (40, 80, 112, 192, 320, 1280) * 2  # of the first network of the default
SETS = {"cats_dogs": 120, "trashnet": 250, "clothing": 300, "signs": 300, "elpv": 600}  # training photos of a repeat
TEST = 200


def add(topic: argparse.ArgumentParser) -> None:
    topic.add_argument("folder", type=Path, help="SET.npz with X (n, d), y (n,)")
    topic.add_argument("--repeats", type=int, default=40)
    topic.add_argument("--planted", type=int, default=10, help="repeats of each planted shift")
    topic.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)


def run(asked: argparse.Namespace) -> None:
    told: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for name in asked.sets:
        with np.load(asked.folder / f"{name}.npz") as read:
            known = read["y"] != "test1"  # photos without a label
            X, y = np.ascontiguousarray(read["X"][known, : sum(BLOCKS)]), read["y"][known]
        y = np.unique(y, return_inverse=True)[1].astype(np.intp)
        for seed in range(asked.repeats):
            rng = np.random.default_rng(seed)
            train, test = deal(y, SETS[name], rng)
            told["same kind", name].append(judge(X[train], y[train], X[test], y[test]))
            if seed >= asked.planted:
                continue
            told["moved", name].append(judge(X[train], y[train], moved(X, X[test], rng), y[test]))
            few = skewed(y, test, rng)
            told["class shares", name].append(judge(X[train], y[train], X[few], y[few]))
            told["bursts", name].append(judge(*bursts(X[train], y[train], rng), X[test], y[test], grouped=False))
        print(f"{name} done", flush=True)
    print("planted           set          n   worse  better  classes  features  mean gap")
    for (kind, name), rows in told.items():
        shares = [np.mean([row[key] for row in rows]) for key in ("worse", "better", "classes", "features")]
        gap = 100 * np.mean([row["gap"] for row in rows])
        print(f"{kind:<16}  {name:<10} {len(rows):>3}  " + "  ".join(f"{s:6.2f}" for s in shares) + f"  {gap:+8.1f}")
    same = [row for (kind, _), rows in told.items() if kind == "same kind" for row in rows]
    print(f"false alarms: worse {np.mean([r['worse'] for r in same]):.3f}, better {np.mean([r['better'] for r in same]):.3f}")


def deal(y: Any, n: int, rng: np.random.Generator) -> tuple[Any, Any]:
    """Return random rows to train on, stratified, and others to test."""
    order = rng.permutation(len(y))
    place = np.empty(len(y))
    for c in np.unique(y):
        own = order[y[order] == c]
        place[own] = (np.arange(len(own)) + rng.random()) / len(own)
    order = np.argsort(place)
    return order[:n], rng.permutation(order[n:])[:TEST]


def judge(X: Any, y: Any, Z: Any, labels: Any, grouped: bool = True) -> dict[str, Any]:
    """Train as `penult train` does, test, and return what is said."""
    names = [str(c) for c in range(int(max(y.max(), labels.max())) + 1)]
    groups = group_copies(store.row_digests(X), X, BLOCKS)[0] if grouped else None
    head = heads.make_head(heads.head_names()[0], blocks=BLOCKS)
    scores = cross_validate(head, X, y, names, groups=groups)
    proba = head.fit(X, y, groups=groups).predict_proba(Z)
    test = score(labels, proba, names)
    gap = accuracy_gap(scores.to_dict(), test.to_dict())
    assert gap is not None
    leads = verdict(scores, test=test).startswith("Your test photos")
    classes = class_shares(scores.to_dict(), test.to_dict(), proba.mean(axis=0)) is not None
    features = other_features(*features_apart(X, y, Z, labels, BLOCKS)) is not None
    assert leads is (gap.worse or gap.better)
    return {"gap": gap.value, "worse": gap.worse, "better": gap.better, "classes": classes, "features": features}


def moved(X: Any, Z: Any, rng: np.random.Generator) -> Any:
    """Return rows moved by as much as photos vary along ten of the directions in which they do (another camera)."""
    centre = X.mean(axis=0)
    _, spread, axes = np.linalg.svd(X[rng.permutation(len(X))[:200]] - centre, full_matrices=False)
    step = (rng.choice([-1, 1], 10) * spread[:10] / np.sqrt(200)) @ axes[:10]
    return (Z + 1.5 * step).astype(np.float32)


def skewed(y: Any, test: Any, rng: np.random.Generator) -> Any:
    """Return test rows of which the first class has a fifth of its photos."""
    return test[(y[test] != y[test].min()) | (rng.random(len(test)) < 0.2)]


def bursts(X: Any, y: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    """Return a third of the rows, three times, each copy changed by a tenth of how photos vary."""
    kept = rng.permutation(len(y))[: len(y) // 3]
    kept = np.concatenate([kept, [np.flatnonzero(y == c)[0] for c in np.unique(y)]])
    rows = np.tile(kept, 3)
    return (X[rows] + 0.1 * X.std(axis=0) * rng.normal(size=(len(rows), X.shape[1]))).astype(np.float32), y[rows]

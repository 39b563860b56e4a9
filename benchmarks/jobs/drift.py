"""Is drift told where there is some, and only there? False alarms of the two tests, and three kinds of drift.

Each set is a file NAME.npz of features of the default networks: `X` (n, d) float32, `y` (n,), `path` (n,) the photos.
False alarms: models of a random half of each set (a fifth of its photos are there two or three times, as near copies), asked of
random others, 30 to 1,000, with as many copies among them; the bound is 5% of 200 draws. What must be told each time: solar
cells asked of a model of cats and dogs, dogs alone beside cats and dogs, and photos darkened to 0.6 of their brightness (their
features are computed, and cached).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from penult import evaluate, heads, zoo
from penult.bundle import Bundle
from penult.embed import EmbedOptions, embed
from penult.evaluate.drift import Drift
from penult.fit import learn, to_bundle
from penult.predict import Predictor

SETS = ("cats_dogs", "trashnet", "clothing", "signs", "elpv")
SIZES = (30, 60, 100, 200, 400, 700, 1000)
BOUND = 0.05
Array = NDArray[Any]


def add(topic: argparse.ArgumentParser) -> None:
    topic.add_argument("--features", type=Path, required=True, help="folder of NAME.npz")
    topic.add_argument("--sets", nargs="+", default=SETS)
    topic.add_argument("--draws", type=int, default=200, help="of photos of the same kind, over all sets")
    topic.add_argument("--models", type=int, default=3, help="of each set")
    topic.add_argument("--dark", type=int, default=60, help="photos of each set that are darkened")


@dataclass
class PhotoSet:
    """The photos of a set, those without a label (class -1) among them."""

    name: str
    X: Array  # (n, d)
    y: Array  # (n,)
    classes: list[str]
    paths: list[str]

    @classmethod
    def read(cls, folder: Path, name: str) -> PhotoSet:
        data = np.load(folder / f"{name}.npz", allow_pickle=True)
        names = np.unique(data["y"][data["part"] == "train"])
        y = np.where(np.isin(data["y"], names), np.searchsorted(names, data["y"]).clip(max=len(names) - 1), -1)
        return cls(name, data["X"], y, names.tolist(), data["path"].tolist())


def copied(X: Array, rows: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return features (m, d) of some rows, a fifth of them two or three times, nearly the same, and which row each is of."""
    of = np.concatenate([rows, *(rng.permutation(rows)[: len(rows) // 5] for _ in range(2))])
    Z = X[of].copy()
    new = slice(len(rows), None)
    Z[new] += (0.15 * Z[new] * rng.normal(size=Z[new].shape)).astype(np.float32)
    return Z, of


def model_of(photos: PhotoSet, rows: Array, rng: np.random.Generator) -> Predictor:
    """Return a model of some photos and their copies, as `penult train` makes it of features."""
    networks = [zoo.find_backbone(name) for name in zoo.DEFAULT]
    X, of = copied(photos.X, rows, rng)
    y, blocks = photos.y[of], sum((one.blocks for one in networks), ())
    head = heads.make_head("blend", blocks=blocks, random_state=0)
    measured = evaluate.cross_validate(head, X, y, photos.classes, groups=of)
    fitted = learn(head, X, y, of, blocks, measured.fold)
    kept = fitted.reference(y, measured.proba, of)
    model: Bundle = to_bundle(fitted, photos.classes, [one.width for one in networks], reference=kept)
    assert kept is not None
    size = sum(array.nbytes for array in kept.arrays.values())
    assert size <= 200_000, size
    return Predictor(model, check=False)


def asked(model: Predictor, X: Array) -> Drift:
    """Return what a model says of features (n, d)."""
    model.watch_drift()
    model.score(X)
    return model.drift()


def darkened(paths: list[str], factor: float = 0.6) -> Array:
    """Return the features of photos with so much of their brightness."""
    networks = [zoo.find_backbone(name) for name in zoo.DEFAULT]
    pictures = [ImageOps.exif_transpose(Image.open(path)).convert("RGB") for path in paths]
    done = embed([np.asarray(ImageEnhance.Brightness(one).enhance(factor)) for one in pictures], networks, EmbedOptions())
    return done.features()


def told(name: str, drifts: list[Drift], bound: int) -> bool:
    """Print how often drift was found, and by what; return whether that is as often as it must be."""
    found = sum(one.found for one in drifts)
    by = [sum(test is not None and test.differs for test in tests) for tests in zip(*((d.features, d.probabilities) for d in drifts))]
    shares = sum(one.shares for one in drifts)
    print(f"{name}: told {found} of {len(drifts)} (bound: {bound}); by features {by[0]}, probabilities {by[1]}; shares alone {shares}")
    print(f"  {drifts[0].meaning}", flush=True)
    return found >= bound


def run(args: argparse.Namespace) -> int:
    fine, alarms, draws = True, 0, 0
    dark, others, dogs = [], [], []
    sets = {name: PhotoSet.read(args.features, name) for name in args.sets}
    each = -(-args.draws // (len(sets) * args.models))
    for photos in sets.values():
        found = {size: [0, 0] for size in SIZES}
        for seed in range(args.models):
            rng = np.random.default_rng(seed)
            labelled = rng.permutation(np.flatnonzero(photos.y >= 0))
            learnt = labelled[: len(labelled) // 2]
            rest = np.setdiff1d(np.arange(len(photos.X)), learnt)
            model = model_of(photos, learnt, rng)
            for draw in range(each):
                size = min(SIZES[(seed * each + draw) % len(SIZES)], len(rest))
                X, _ = copied(photos.X, rng.choice(rest, size, replace=False), rng)
                counted = found[max(s for s in SIZES if s <= size)]
                counted[0] += asked(model, X).found
                counted[1] += 1
            some = rng.choice(rest, min(args.dark, len(rest)), replace=False)
            dark.append(asked(model, darkened([photos.paths[i] for i in some])))
            if photos.name == "cats_dogs":
                if "elpv" in sets:
                    others.append(asked(model, sets["elpv"].X[rng.choice(len(sets["elpv"].X), 60, replace=False)]))
                alone = rest[photos.y[rest] == photos.classes.index("dog")]
                dogs.append(asked(model, photos.X[alone]))
        alarms, draws = alarms + sum(a for a, _ in found.values()), draws + sum(n for _, n in found.values())
        print(f"{photos.name}: false alarms " + ", ".join(f"{s} photos {a}/{n}" for s, (a, n) in found.items() if n), flush=True)
    print(f"false alarms: {alarms} of {draws} = {alarms / draws:.1%} (bound: {BOUND:.0%})")
    fine &= alarms <= BOUND * draws
    if dogs:
        fine &= told("dogs alone beside cats and dogs", dogs, len(dogs))
    if others:
        fine &= told("solar cells asked of cats and dogs", others, len(others))
    fine &= told("brightness x 0.6", dark, len(dark))
    return 0 if fine else 1

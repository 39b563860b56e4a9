"""Is drift told where there is some, and only there? False alarms of the two tests, and three kinds of drift.

Each set is a file NAME.npz of features of the default networks: `X` (n, d) float32, `y` (n,), `path` (n,) the photos.
False alarms: models of a random half of each set are asked of random others, 30 to 1,000; of some photos there are near copies
(JPEG of quality 40, cropped), on the same side. The bound is 5% of 200 draws. What must be told each time: solar
cells asked of a model of cats and dogs, dogs alone beside cats and dogs, and photos darkened to 0.6 of their brightness (their
features are computed, and cached).
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from penult import evaluate, heads, zoo
from penult.bundle import Bundle
from penult.embed import EmbedOptions, embed
from penult.evaluate.drift import Drift
from penult.fit import group_copies, learn, to_bundle
from penult.predict import Predictor

SETS = ("cats_dogs", "trashnet", "clothing", "signs", "elpv")
SIZES = (30, 60, 100, 200, 300, 1000)
DEALT = (1000, 300, 200, 100, 60, 60, 30, 30, 30)  # of each model, as far as its photos last
BOUND = 0.05
Array = NDArray[Any]


def add(topic: argparse.ArgumentParser) -> None:
    topic.add_argument("--features", type=Path, required=True, help="folder of NAME.npz")
    topic.add_argument("--sets", nargs="+", default=SETS)
    topic.add_argument("--models", type=int, default=12, help="of each set, each asked about several draws")
    topic.add_argument("--copies", type=int, default=40, help="photos of each set of which near copies are made, two of each")
    topic.add_argument("--dark", type=int, default=100, help="photos of each set that are darkened")


@dataclass
class PhotoSet:
    """The photos of a set, those without a label (class -1) among them."""

    name: str
    X: Array  # (n, d)
    y: Array  # (n,)
    classes: list[str]
    paths: list[str]
    of: Array | None = None

    @classmethod
    def read(cls, folder: Path, name: str) -> PhotoSet:
        data = np.load(folder / f"{name}.npz", allow_pickle=True)
        names = np.unique(data["y"][data["part"] == "train"])
        y = np.where(np.isin(data["y"], names), np.searchsorted(names, data["y"]).clip(max=len(names) - 1), -1)
        return cls(name, data["X"], y, names.tolist(), data["path"].tolist())


def jpeg(picture: Image.Image) -> Image.Image:
    """Return a picture as JPEG of quality 40 has it."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=40)
    return Image.open(buffer).convert("RGB")


def crop(picture: Image.Image) -> Image.Image:
    """Return 95% of each side, from the middle."""
    w, h = picture.size
    return picture.crop((w // 40, h // 40, w - w // 40, h - h // 40))


def darker(picture: Image.Image) -> Image.Image:
    """Return 0.6 of the brightness."""
    return ImageEnhance.Brightness(picture).enhance(0.6)


def features(paths: list[str], *changes: Callable[[Image.Image], Image.Image]) -> Array:
    """Return the features (m, d) of photos after each of some changes, those of the first change first."""
    networks = [zoo.find_backbone(name) for name in zoo.DEFAULT]
    pictures = [ImageOps.exif_transpose(Image.open(path)).convert("RGB") for path in paths]
    return embed([np.asarray(change(one)) for change in changes for one in pictures], networks, EmbedOptions()).features()


def with_copies(photos: PhotoSet, number: int) -> PhotoSet:
    """Return the set with near copies of some photos, two of each: `of` says which photo each is."""
    some = np.random.default_rng(9).choice(len(photos.X), number, replace=False)
    X = features([photos.paths[i] for i in some], jpeg, crop)
    of = np.concatenate([np.arange(len(photos.X)), some, some])
    return replace(photos, X=np.concatenate([photos.X, X]), y=photos.y[of], paths=[photos.paths[i] for i in of], of=of)


def model_of(photos: PhotoSet, rows: Array, rng: np.random.Generator) -> Predictor:
    """Return a model of some photos and their copies, as `penult train` makes it of features."""
    networks = [zoo.find_backbone(name) for name in zoo.DEFAULT]
    X, y, blocks = photos.X[rows], photos.y[rows], sum((one.blocks for one in networks), ())
    widths = [one.width for one in networks]
    groups, _ = group_copies(rng.integers(0, 256, (len(X), 32), np.uint8), X, widths, photos.of[rows])
    head = heads.make_head("blend", blocks=blocks, random_state=0)
    measured = evaluate.cross_validate(head, X, y, photos.classes, groups=groups)
    fitted = learn(head, X, y, groups, blocks, measured.fold)
    kept = fitted.reference(y, measured.proba, groups)
    model: Bundle = to_bundle(fitted, photos.classes, widths, reference=kept)
    assert kept is not None
    size = sum(array.nbytes for array in kept.arrays.values())
    assert size <= 200_000, size
    return Predictor(model, check=False)


def asked(model: Predictor, X: Array) -> Drift:
    """Return what a model says of features (n, d)."""
    model.watch_drift()
    model.score(X)
    return model.drift()


def told(name: str, drifts: list[Drift]) -> bool:
    """Print how often drift was found, and by what; return whether that was each time."""
    found, shares = sum(one.found for one in drifts), sum(one.shares for one in drifts)
    looks = sum(one.features is not None and one.features.differs for one in drifts)
    answers = sum(one.probabilities is not None and one.probabilities.differs for one in drifts)
    by = f"by features {looks}, probabilities {answers}; shares alone {shares}"
    print(f"{name}: told {found} of {len(drifts)} (bound: all); {by}")
    print(f"  {drifts[0].meaning}", flush=True)
    return found == len(drifts)


def parts(rest: Array, rng: np.random.Generator) -> list[Array]:
    """Return random parts of some rows, of the sizes DEALT that they have room for; no row is in two."""
    order, found = rng.permutation(rest), []
    for size in DEALT:
        if size <= len(order):
            found.append(order[:size])
            order = order[size:]
    return found


def run(args: argparse.Namespace) -> int:
    dark, others, dogs = [], [], []
    alarms, draws = dict.fromkeys(SIZES, 0), dict.fromkeys(SIZES, 0)
    sets = {name: with_copies(PhotoSet.read(args.features, name), args.copies) for name in args.sets}
    for photos in sets.values():
        some = np.random.default_rng(8).choice(len(photos.X) - 2 * args.copies, args.dark, replace=False)
        darkened = features([photos.paths[i] for i in some], darker)
        before = sum(alarms.values()), sum(draws.values())
        for seed in range(args.models):
            rng = np.random.default_rng(seed)
            labelled = rng.permutation(np.unique(photos.of[photos.y >= 0]))  # copies lie on one side
            side = np.isin(photos.of, labelled[: len(labelled) // 2])
            learnt, rest = np.flatnonzero(side), np.flatnonzero(~side)
            model = model_of(photos, learnt, rng)
            for rows in parts(rest, rng):
                alarms[len(rows)] += asked(model, photos.X[rows]).found
                draws[len(rows)] += 1
            dark.append(asked(model, darkened[~side[some]]))
            if photos.name == "cats_dogs":
                dogs.append(asked(model, photos.X[rest[photos.y[rest] == photos.classes.index("dog")]]))
                if "elpv" in sets:
                    others.append(asked(model, sets["elpv"].X[rng.choice(len(sets["elpv"].X), 60, replace=False)]))
        found, made = (sum(counts.values()) - old for counts, old in zip((alarms, draws), before, strict=True))
        print(f"{photos.name}: {found} false alarms in {made} draws; darkened {dark[-1].photos} photos", flush=True)
    print("by photos: " + ", ".join(f"{size}: {alarms[size]} of {draws[size]}" for size in SIZES))
    found, made = sum(alarms.values()), sum(draws.values())
    print(f"false alarms: {found} of {made} = {found / made:.1%} (bound: {BOUND:.0%})")
    fine = [found <= BOUND * made, told("brightness x 0.6", dark)]
    fine += [told("dogs alone beside cats and dogs", dogs)] if dogs else []
    fine += [told("solar cells asked of cats and dogs", others)] if others else []
    return 0 if all(fine) else 1

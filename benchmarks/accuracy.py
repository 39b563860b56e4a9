"""Is the default more right than `-b lite --head logistic`, the default before it, and at what price? And `lite+`?

    python benchmarks/accuracy.py FOLDER [FOLDER ...] --demo      about 1 minute for 1,000 photos and seed on 2 cores
    python benchmarks/accuracy.py FOLDER --quick                  one seed, fewer photos for the price

A FOLDER has a folder for each class, or `train` and `test` with such folders; --demo adds the solar cells of `penult demo`.
Every model sees the same splits: seed 0 is the folder's own, the others draw test photos of the same number a class from all
of its photos; without test photos of the same classes, photos are held out by 5 folds, drawn anew with each seed. "20 a class"
learns from 20 training photos of each class and is tried on the same test photos.

The ratio of the log losses stands with its 95% interval: test photos are drawn again in pairs, 2,000 times, after each photo's
losses were averaged over the seeds. The price is processor time of `Embedder.transform` without a cache, decoding and resizing
in worker processes included; what starting costs is subtracted, by a second run with few photos; the smallest of the rounds
counts. Features and heads are those of the product; photos that are near copies are not grouped.
"""

from __future__ import annotations

import argparse
import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from penult import Embedder, demo, heads, zoo

MODELS = {
    "before": ("lite", "logistic"),
    "default": ("default", heads.head_names()[0]),
    "lite+": ("lite+", heads.head_names()[0]),
}
FEW = 20
DRAWS = 2000
FOLDS = 5


@dataclass
class PhotoSet:
    """Photos with labels, the features of each model (n, d), and which the folder holds out itself, (n,)."""

    name: str
    paths: list[Path]
    y: Any  # (n,)
    held: Any  # (n,) bool
    features: dict[str, Any] = field(default_factory=dict)

    def splits(self, seed: int) -> Iterator[tuple[Any, Any]]:
        """Yield rows to learn from and rows to be tried on, of one seed."""
        from sklearn.model_selection import StratifiedKFold

        if self.name == "solar cells":
            held = demo.held_out(self.y, seed)
        elif not self.held.any():
            yield from StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(self.paths, self.y)
            return
        else:
            held = self.held if seed == 0 else self._drawn(np.random.default_rng(seed))
        yield np.flatnonzero(~held), np.flatnonzero(held)

    def _drawn(self, rng: np.random.Generator) -> Any:
        held = np.zeros(len(self.y), bool)
        for c in np.unique(self.y):
            own = np.flatnonzero(self.y == c)
            held[rng.permutation(own)[: self.held[own].sum()]] = True
        return held


def read(folder: str) -> PhotoSet:
    """Return the photos of a folder; its test photos count where they have the classes of the training photos."""
    root = Path(folder)
    whole = not (root / "train").is_dir()
    parts = {"train": _classes(root)} if whole else {part: _classes(root / part) for part in ("train", "test")}
    if "test" in parts and set(parts["test"]) != set(parts["train"]):
        del parts["test"]
    found = [(p, c, part == "test") for part, classes in parts.items() for c, paths in classes.items() for p in paths]
    paths, labels, held = zip(*found, strict=True)
    return PhotoSet(root.name, list(paths), np.unique(labels, return_inverse=True)[1], np.array(held))


def _classes(folder: Path) -> dict[str, list[Path]]:
    if not folder.is_dir():
        return {}
    return {c.name: sorted(p for p in c.iterdir() if p.is_file()) for c in sorted(folder.iterdir()) if c.is_dir()}


def solar_cells() -> PhotoSet:
    """Return the photos of `penult demo`, whose splits are its own."""
    paths, defective = demo.elpv_photos()
    return PhotoSet("solar cells", list(paths), defective.astype(int), demo.held_out(defective.astype(int), 0))


def blocks_of(backbones: str) -> tuple[int, ...]:
    """Return the blocks of the features that a preset gives."""
    return tuple(width for name in zoo.expand([backbones]) for width in zoo.find_backbone(name).blocks)


def measure(photos: PhotoSet, model: str, few: int | None, seeds: int) -> tuple[Any, Any]:
    """Return the sum of each photo's losses over all times that it was held out, (n,), and the share of right answers."""
    backbones, head = MODELS[model]
    X, y = photos.features[backbones], photos.y
    total, times, right = np.zeros(len(y)), np.zeros(len(y)), 0
    for seed in range(seeds):
        for at, (every, test) in enumerate(photos.splits(seed)):
            train = every if few is None else some_of_each(every, y, few, np.random.default_rng([seed, at]))
            fitted = heads.make_head(head, blocks=blocks_of(backbones)).fit(X[train], y[train])
            p = fitted.predict_proba(X[test])
            total[test] -= np.log(p[np.arange(len(test)), y[test]])
            times[test] += 1
            right += int((p.argmax(axis=1) == y[test]).sum())
    return np.where(times > 0, total / np.maximum(times, 1), np.nan), right / times.sum()


def some_of_each(rows: Any, y: Any, few: int, rng: np.random.Generator) -> Any:
    """Return `few` of the rows of each class, at random."""
    rows = rng.permutation(rows)
    return np.sort(np.concatenate([rows[y[rows] == c][:few] for c in np.unique(y)]))


def ratio(losses: Any, before: Any) -> tuple[float, float, float]:
    """Return the ratio of two mean losses of the same photos, with its 95% interval by a paired bootstrap."""
    tried = ~np.isnan(before)
    a, b = losses[tried], before[tried]
    drawn = np.random.default_rng(0).integers(0, len(a), (DRAWS, len(a)))
    low, high = np.quantile(a[drawn].sum(axis=1) / b[drawn].sum(axis=1), [0.025, 0.975])
    return float(a.sum() / b.sum()), float(low), float(high)


def compare(sets: list[PhotoSet], few: int | None, seeds: int) -> None:
    """Print one line for each set and model, then the geometric means."""
    print(f"\n{'all photos' if few is None else f'{few} photos a class'}")
    print(f"{'set':14} {'model':8} {'log loss':>8} {'ratio':>6} {'95% interval':>14} {'accuracy':>8}")
    logs: dict[str, list[float]] = {}
    for photos in sets:
        before, _ = measured = measure(photos, "before", few, seeds)
        for model in MODELS:
            losses, right = measured if model == "before" else measure(photos, model, few, seeds)
            value, low, high = ratio(losses, before)
            logs.setdefault(model, []).append(np.log(value))
            worse = " significantly worse" if low > 1 else ""
            found = f"{np.nanmean(losses):8.4f} {value:6.3f} {f'{low:.3f} to {high:.3f}':>14} {right:8.1%}"
            print(f"{photos.name:14} {model:8} {found}{worse}", flush=True)
    for model, values in logs.items():
        print(f"{'geometric mean':14} {model:8} {'':8} {np.exp(np.mean(values)):6.3f}")


def price(sets: list[PhotoSet], count: int, rounds: int) -> None:
    """Print the processor time that a photo costs each preset, and its ratio to that of the default before."""
    every = [p for photos in sets for p in photos.paths]
    chosen = [str(every[i]) for i in np.random.default_rng(0).permutation(len(every))[:count]]
    seconds: dict[str, list[float]] = {name: [] for name, _ in MODELS.values()}
    for _ in range(rounds):  # in turn, so that all suffer alike from what else the machine does
        for name, took in seconds.items():
            start = min(16, count // 2)
            took.append((embedding_time(name, chosen) - embedding_time(name, chosen[:start])) / (count - start))
    before = min(seconds["lite"])
    print(f"\nprocessor time a photo, {count} photos, smallest of {rounds} rounds")
    for model, (name, _) in MODELS.items():
        best = min(seconds[name])
        print(f"{model:8} {', '.join(zoo.expand([name]))}: {1000 * best:.1f} ms, {best / before:.2f} x")


def embedding_time(backbones: str, paths: list[str]) -> float:
    """Return the processor time of embedding photos without a cache, in this process and its workers."""
    began = _used()
    Embedder(backbones, cache_dir=False).transform(paths)
    return _used() - began


def _used() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("folders", nargs="*", metavar="FOLDER")
    asked.add_argument("--demo", action="store_true", help="the solar cells, too")
    asked.add_argument("--seeds", type=int, default=5)
    asked.add_argument("--only", choices=("all", "few", "price"), help="one of the three tables")
    asked.add_argument("--quick", action="store_true", help="one seed; the price by 64 photos, one round")
    args = asked.parse_args()
    sets = [read(folder) for folder in args.folders] + ([solar_cells()] if args.demo else [])
    if not sets:
        asked.error("name a folder of photos, or --demo")
    seeds = 1 if args.quick else args.seeds
    if args.only in {None, "price"}:
        price(sets, *((64, 1) if args.quick else (256, 3)))
    if args.only == "price":
        return
    for photos in sets:
        for name in {name for name, _ in MODELS.values()}:
            photos.features[name] = Embedder(name).transform([os.fspath(p) for p in photos.paths])
    if args.only != "few":
        compare(sets, None, seeds)
    if args.only != "all":
        compare(sets, FEW, seeds)


if __name__ == "__main__":
    main()

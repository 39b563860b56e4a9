"""Where the time of a whole `penult train` goes, step by step: of the networks, and of everything beside them.

    python benchmarks/steps.py --photos FOLDER [FOLDER ...]            4,000 + 2,000 photos of two classes, then 25,000 of many
    python benchmarks/steps.py --photos FOLDER --made 0 -b default     only the first
    python benchmarks/steps.py --photos FOLDER --train 400 --test 200 --made 2000      small

Each FOLDER has photos in class folders, which are dealt to the two classes. As many as are asked for are made of them by small
changes (part of the picture, mirrored, brighter or darker, another photo of the class laid over it), so each has to be decoded
and embedded, and few are near-duplicates. The first run computes the features; another one of the same --work finds them and
shows the rest. To embed 25,000 takes too long: their features are made of those of two of the first photos, and
stand in the cache before the run; their networks' time is that of the first photos, by the number. The photos are mixed as
the features are, and small.

Processor seconds (user and system, all threads and processes) are counted, since they hardly depend on what else the machine
does; each step without those inside it. The elapsed time of all is printed, too.
"""

from __future__ import annotations

import argparse
import importlib
import json
import resource
import shutil
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parents[1]
NETWORKS = "networks (reading, decoding, features)"
STEPS = {  # step: functions that do it, as their callers know them
    "scan": ("penult.images:scan_train_and_test",),
    NETWORKS: ("penult.training:embed",),
    "near-duplicates: look": ("penult.training.data:group_copies", "penult.audit.kinds.copies:leaks"),
    "near-duplicates: register pairs": ("penult.audit.near_duplicates:one_picture",),
    "evaluation: folds": ("penult.evaluate:cross_validate", "penult.evaluate.trials:cross_validate"),
    "evaluation: learning curve": ("penult.evaluate:learning_curve",),
    "evaluation: scores and intervals": (
        "penult.evaluate.cross_validation:build",
        "penult.evaluate:carry",
        "penult.evaluate:score",
    ),
    "head of all photos": ("penult.training.trainer:learn",),
    "novelty": ("penult.fit:fit_novelty",),
    "bf16 compared with f32": ("penult.training.trainer:compare_with_f32",),
    "self-test of the model": ("penult.training.run_files:selftest",),
    "model and answers": ("penult.training.trainer:Trainer._save",),
    "labels": ("penult.training.trainer:check_labels",),
    "findings": ("penult.training.trainer:find_issues",),
    "map": ("penult.audit:photo_map",),
    "shift": ("penult.training.trainer:explain_shift", "penult.training.trainer:groups_in_names"),
    "page": ("penult.report:write_report",),
    "thumbnails of the page": ("penult.report.thumbnails:load",),
    "heat maps of the page": ("penult.report.thumbnails:add_heat",),
}
CHILDREN = {  # decoding workers count for the step that has them
    "pixels": "",
    "evaluate.trials": "beside: comparison of heads",
    "plots": "beside: figures",
    "store.h5write": "beside: feature files",
}


class Meter:
    """Processor seconds of this process by step, and of the processes that it started by what they do."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self.elapsed: dict[str, float] = defaultdict(float)
        self._stack = ["other"]
        self._cpu, self._clock = time.process_time(), time.perf_counter()
        self._children: dict[int, tuple[str, float]] = {}
        self._done = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)

    def step(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, measured as this step."""

        def measured(*args: Any, **kwargs: Any) -> Any:
            self._turn()
            self._stack.append(name)
            try:
                return function(*args, **kwargs)
            finally:
                self._turn()
                self._stack.pop()

        return measured

    def _turn(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        cpu, clock = time.process_time(), time.perf_counter()
        self.spent[self._stack[-1]] += cpu - self._cpu
        self.elapsed[self._stack[-1]] += clock - self._clock
        self._cpu, self._clock = cpu, clock

    def _look(self) -> None:
        me = psutil.Process()
        while not self._done.wait(0.05):
            for child in me.children():
                try:
                    times = child.cpu_times()
                    name, before = self._children.get(child.pid) or (_named(child), 0.0)
                except psutil.Error:
                    continue
                now = times.user + times.system + times.children_user + times.children_system
                self._children[child.pid] = name, now
                self.spent[name or self._stack[-1]] += now - before

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Measure in the block; what no sample has seen of the processes is "beside: other"."""
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        before = usage.ru_utime + usage.ru_stime
        self._watch.start()
        with ExitStack() as patches:
            for name, places in STEPS.items():
                for place in places:
                    target, _, path = place.partition(":")
                    owner: Any = importlib.import_module(target)
                    *parents, last = path.split(".")
                    for parent in parents:
                        owner = getattr(owner, parent)
                    patches.enter_context(mock.patch.object(owner, last, self.step(name, getattr(owner, last))))
            yield
        self._turn()
        self._done.set()
        self._watch.join()
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        seen = sum(seconds for _, seconds in self._children.values())
        self.spent["beside: other"] += usage.ru_utime + usage.ru_stime - before - seen


def _named(child: psutil.Process) -> str:
    words = " ".join(child.cmdline())
    return next((name for part, name in CHILDREN.items() if f"penult.{part}" in words), "beside: other")


def found_photos(folders: Sequence[Path]) -> list[Path]:
    """Return the photos in the class folders of these, in an order that only the seed knows."""
    every = sorted(path for one in folders for path in one.glob("*/*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
    if not every:
        raise SystemExit(f"{folders[0]} has no photos in class folders; give a folder like train/cat/1.jpg's `train`.")
    return [every[i] for i in np.random.default_rng(0).permutation(len(every))]


def make_photos(every: Sequence[Path], folder: Path, train: int, test: int) -> None:
    """Make `train` and `test` photos of two classes from `every`; those that are there are kept."""
    from PIL import Image, ImageEnhance, ImageOps

    names = sorted({path.parent.name for path in every})
    classes = {name: [path for path in every if path.parent.name == name] for name in names}
    for number in range(train + test):
        path = every[number % len(every)]
        named = f"class {1 + names.index(path.parent.name) % 2}"
        made = folder / ("train" if number < train else "test") / named / f"{number:05d}.jpg"
        if made.exists():
            continue
        made.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(number)
        layers = []
        for one in (path, classes[path.parent.name][int(rng.integers(len(classes[path.parent.name])))]):
            photo = ImageOps.exif_transpose(Image.open(one)).convert("RGB")
            side = rng.uniform(0.5, 0.95)
            (wide, high), (left, top) = photo.size, rng.uniform(0, 1 - side, 2)
            photo = photo.crop(
                (round(left * wide), round(top * high), round((left + side) * wide), round((top + side) * high))
            )
            layers.append((ImageOps.mirror(photo) if rng.random() < 0.5 else photo).resize(Image.open(path).size))
        mixed = Image.blend(*layers, rng.uniform(0.2, 0.45))
        ImageEnhance.Brightness(mixed).enhance(rng.uniform(0.8, 1.2)).save(made, quality=90)


def make_features(every: Sequence[Path], photos: Path, folder: Path, asked: argparse.Namespace) -> None:
    """Make small photos of many classes, each of two of those embedded, and keep the mixed features in the cache."""
    from PIL import Image

    from penult import zoo
    from penult.backbones import thumbnail
    from penult.embed import EmbedOptions, embed
    from penult.embed.streams import open_cache

    networks = [zoo.find_backbone(name) for name in zoo.expand([asked.backbone])]
    done, count = embed(sorted(photos.glob("*/*/*.jpg")), networks, EmbedOptions(cache=asked.work / "cache")), asked.made
    kind = np.array([every[int(Path(source).stem) % len(every)].parent.name for source in done.sources])
    rng = np.random.default_rng(1)
    one = rng.integers(len(kind), size=count)
    other = rng.integers(len(kind), size=count)  # of any class, or all would be easy
    share = rng.uniform(0.2, 0.5, count).astype(np.float32)
    paths = [folder / kind[i] / f"{number:05d}.jpg" for number, i in enumerate(one)]
    if not paths[-1].exists():
        small = [_small(source) for source in done.sources]
        for path, i, j, part in zip(paths, one, other, share, strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.blend(small[i], small[j], float(part)).save(path, quality=90)
    digests = embed(paths, [thumbnail()], done.settings, compute=done.compute).digests
    for index, backbone in enumerate(done.backbones):
        with open_cache(backbone, done.compute, done.settings) as cache:
            if np.isin(digests.view("V32"), cache.known().view("V32")).all():
                continue
            rows = done.rows(index)
            for at in range(0, count, 500):
                some = slice(at, at + 500)
                weight = share[some, None]
                cache.add(digests[some], rows[one[some]] * (1 - weight) + rows[other[some]] * weight)


def _small(source: Any) -> Any:
    from PIL import Image

    with Image.open(source) as photo:
        photo.draft("RGB", (160, 160))
        return photo.convert("RGB").resize((160, 160))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, nargs="+", required=True)
    parser.add_argument("--train", type=int, default=4000)
    parser.add_argument("--test", type=int, default=2000)
    parser.add_argument("--made", type=int, default=25000, help="photos whose features are made; 0: none (default: 25000)")
    parser.add_argument("-b", "--backbone", default="lite")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "steps", help="(default: build/steps)")
    parser.add_argument("--only", choices=("photos", "made"), help="one of the two jobs; the other has been there")
    parser.add_argument("--cold", action="store_true", help="forget the features of an earlier run")
    asked = parser.parse_args()
    every = found_photos(asked.photos)
    folder = asked.work / f"{asked.train}-{asked.test}"
    make_photos(every, folder, asked.train, asked.test)
    if asked.cold:
        shutil.rmtree(asked.work / "cache", ignore_errors=True)
    if asked.only != "made":
        measured(asked, folder / "train", folder / "test" if asked.test else None)
    if asked.made and asked.only != "photos":
        many = asked.work / f"made-{asked.train}-{asked.test}-{asked.made}"
        make_features(every, folder, many, asked)
        measured(asked, many, None)


def measured(asked: argparse.Namespace, train: Path, test: Path | None) -> Any:
    """Train on the photos and print the table; return the run."""
    import penult.training

    meter = Meter()
    with meter.watching():
        run = penult.training.train(
            train,
            test,
            out=asked.work / f"run-{'photos' if train.name == 'train' else 'made'}",
            overwrite=True,
            backbones=asked.backbone,
            cache_dir=asked.work / "cache",
        )
    show(meter, run.metrics, asked.work / "networks.json")
    return run


def show(meter: Meter, metrics: Any, known: Path) -> None:
    """Print the table; seconds a photo of the networks are remembered for runs that find the features in the cache."""
    counts, spent, elapsed = metrics["images"], dict(meter.spent), dict(meter.elapsed)
    names = "+".join(one["name"] for one in metrics["backbones"])
    told = json.loads(known.read_text()) if known.exists() else {}
    if counts["embedded"] == counts["scanned"]:
        told[names] = [spent[NETWORKS] / counts["scanned"], elapsed[NETWORKS] / counts["scanned"]]
        known.write_text(json.dumps(told))
    print(f"{counts['train']} + {counts['test']} photos, {len(metrics['classes'])} classes, {names}\n")
    print("| step | processor, s | elapsed, s |\n|---|---|---|")
    for name, seconds in sorted(spent.items(), key=lambda one: -one[1]):
        print(f"| {name} | {seconds:.2f} | {f'{elapsed[name]:.2f}' if name in elapsed else 'beside'} |")
    rest, after = sum(spent.values()) - spent[NETWORKS], sum(elapsed.values()) - elapsed[NETWORKS]
    print(f"| **all beside the networks** | **{rest:.2f}** | {after:.2f} |")
    if names in told:
        cpu, wall = (each * counts["scanned"] for each in told[names])
        print(f"| of the networks' {cpu:.0f} s of processor, {wall:.0f} s elapsed | {rest / cpu:.1%} | {after / wall:.1%} |")


if __name__ == "__main__":
    main()

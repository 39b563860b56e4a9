"""Where the time of a whole `penult train` goes, step by step: of the networks, and of everything beside them.

    python benchmarks/steps.py --photos FOLDER --train 4000 --test 2000
    python benchmarks/steps.py --photos FOLDER --train 25000 -b lite --work build/steps

FOLDER has photos in class folders. As many as are asked for are made of them by small changes (part of the picture, mirrored,
brighter or darker, a little of another photo of the class laid over it), so each has to be decoded and embedded, and few are
near-duplicates. The first run computes the features; another one of the same --work finds them and shows the rest.

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
from collections.abc import Callable, Iterator
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
    "self-test of the model": ("penult.training.trainer:_selftest",),
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


def make_photos(source: Path, folder: Path, train: int, test: int) -> None:
    """Make `train` and `test` photos from those in the class folders of `source`; those that are there are kept."""
    from PIL import Image, ImageEnhance, ImageOps

    every = sorted(path for path in source.glob("*/*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
    if not every:
        raise SystemExit(f"{source} has no photos in class folders; give a folder like train/cat/1.jpg's `train`.")
    classes: dict[str, list[Path]] = defaultdict(list)
    for path in every:
        classes[path.parent.name].append(path)
    order = np.random.default_rng(0).permutation(len(every))
    for number in range(train + test):
        path = every[order[number % len(every)]]
        made = folder / ("train" if number < train else "test") / path.parent.name / f"{number:05d}.jpg"
        if made.exists():
            continue
        made.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(number)
        others = classes[path.parent.name]
        photo = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
        side = rng.uniform(0.7, 0.95)
        wide, high = photo.size
        left, top = rng.uniform(0, 1 - side, 2)
        photo = photo.crop((round(left * wide), round(top * high), round((left + side) * wide), round((top + side) * high)))
        photo = ImageOps.mirror(photo) if rng.random() < 0.5 else photo
        other = ImageOps.exif_transpose(Image.open(others[int(rng.integers(len(others)))])).convert("RGB").resize(photo.size)
        photo = Image.blend(photo, other, rng.uniform(0.1, 0.3)).resize((wide, high))
        ImageEnhance.Brightness(photo).enhance(rng.uniform(0.8, 1.2)).save(made, quality=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--train", type=int, default=4000)
    parser.add_argument("--test", type=int, default=0)
    parser.add_argument("-b", "--backbone", default="default")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "steps", help="(default: build/steps)")
    parser.add_argument("--cold", action="store_true", help="forget the features of an earlier run")
    asked = parser.parse_args()
    folder = asked.work / f"{asked.photos.name}-{asked.train}-{asked.test}"
    make_photos(asked.photos, folder, asked.train, asked.test)
    if asked.cold:
        shutil.rmtree(asked.work / "cache", ignore_errors=True)
    import penult.training

    meter = Meter()
    with meter.watching():
        run = penult.training.train(
            folder / "train",
            folder / "test" if asked.test else None,
            out=asked.work / "run",
            backbones=asked.backbone,
            cache_dir=asked.work / "cache",
        )
    show(meter, run.metrics, asked.work / "networks.json")


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

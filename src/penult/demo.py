"""The whole job on real photos: which solar cells are defective?

The photos are electroluminescence pictures of solar cells from the pip package `elpv-dataset` (data: CC BY-NC-SA 4.0). They
are those of the package where it is installed (extra `demo`), else of its wheel, which pip fetches into the cache once.
"""

from __future__ import annotations

import dataclasses
import io
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from penult import images, store
from penult.errors import InputError, MissingExtra, ProgressCallback, quiet
from penult.i18n import _
from penult.images import ImageSet
from penult.training import Run, TrainOptions, train_images, train_sets

HELD_OUT = 0.25
PAPER = "Deitsch et al. 2019, doi 10.1016/j.solener.2019.02.067"
VERSION = "1.0.0.post1"  # of elpv-dataset
SHA256 = "85e31c1126ee9b48e62d3a0232c58f58b2d189b0814a45c13642fa0415af4a4c"  # of its wheel, as PyPI has it
_WHEEL = "photos.whl"  # its name in the cache
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

    Raises `MissingExtra` when the photos are neither installed nor in the cache: see `fetch_photos`.
    """
    photos, defective = elpv_photos(options.settings.cache)
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


def has_photos(cache: str | Path | bool | None = None) -> bool:
    """Return whether the photos of the demo are installed or in the cache."""
    return _installed() is not None or _kept(cache).values() is not None


def elpv_photos(cache: str | Path | bool | None = None) -> tuple[Sequence[Traversable], NDArray[np.bool_]]:
    """Return the photos of the package and which show a defect (probability above one half)."""
    data: Traversable | None = _installed()
    if data is None:
        kept = _kept(cache)
        if kept.values() is None:
            raise MissingExtra(
                _(
                    "the photos of the demo are not here yet; run `penult demo --yes` to fetch them by pip into the cache "
                    "(91 MB, CC BY-NC-SA 4.0), or pip install 'penult[demo]', or `penult demo FOLDER` for your own photos."
                )
            )
        data = zipfile.Path(io.BytesIO(kept.read(_WHEEL)), "elpv_dataset/data/")
    rows = [line.split() for line in (data / "labels.csv").read_text(encoding="utf-8").splitlines() if line.strip()]
    return [data / r[0] for r in rows], np.array([float(r[1]) > 0.5 for r in rows])


def fetch_photos(cache: str | Path | bool | None = None, progress: ProgressCallback = quiet) -> None:
    """Fetch the wheel of `elpv-dataset` by pip, from the index that pip is set up for, and keep it in the cache.

    Nothing is installed, and only the one wheel whose sha256 is known is taken. Raises `InputError` where pip cannot fetch
    it, `MissingExtra` where there is no pip, `OutputError` where it cannot be kept.
    """
    if find_spec("pip") is None:  # as in environments of uv
        raise MissingExtra(
            _(
                "there is no pip in this environment to fetch the photos of the demo; install elpv-dataset=={version} the "
                "way penult was installed (`uv pip install elpv-dataset=={version}`), and run again.",
                version=VERSION,
            )
        )
    step = _("fetching the photos of the demo")
    progress(step, 0, 1)
    with tempfile.TemporaryDirectory(prefix="penult-") as place:
        wanted = Path(place, "requirements.txt")
        wanted.write_text(f"elpv-dataset=={VERSION} --hash=sha256:{SHA256}\n", encoding="ascii")
        line = [sys.executable, "-P", "-m", "pip", "download", "--quiet", "--no-input", "--no-deps", "--only-binary", ":all:"]
        line += ["--require-hashes", "--dest", place, "--requirement", str(wanted)]
        done = subprocess.run(line, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode:
            told = [one for one in done.stderr.splitlines() if one.startswith("ERROR")] or [f"exit code {done.returncode}"]
            raise InputError(
                _(
                    "pip could not fetch the photos of the demo ({why}); try again where the package index can be reached, or "
                    "run `pip download --no-deps elpv-dataset=={version}` there, and pip install that file here.",
                    why=" ".join(told[-1].removeprefix("ERROR:").split())[:300],
                    version=VERSION,
                )
            )
        (wheel,) = Path(place).glob("*.whl")
        _kept(cache).put({_WHEEL: wheel.read_bytes()}, license="CC BY-NC-SA 4.0")
    progress(step, 1, 1)


def _installed() -> Path | None:
    """Return the folder with the photos of the package, None where it is not installed."""
    spec = find_spec("elpv_dataset")
    folders = spec.submodule_search_locations if spec else None
    return Path(next(iter(folders))) / "data" if folders else None


def _kept(cache: str | Path | bool | None) -> store.CacheEntry:
    facts = {"package": "elpv-dataset", "version": VERSION, "sha256": SHA256}
    return store.CacheEntry.of(store.cache_root(cache), "demo", facts, "elpv-dataset")


def _place(photo: Traversable, target: Path, folder: Path) -> None:
    """Write one photo to where this seed's split wants it, and nowhere else."""
    for part in ("train", "test"):
        other = folder / part / target.parent.name / photo.name
        if other != target:
            store.drop(other)
    data = photo.read_bytes()
    if not target.is_file() or target.stat().st_size != len(data):
        with store.atomic_write(target) as copy:
            copy.write(data)

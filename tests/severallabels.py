"""Drawn pictures with several properties, which a colour histogram can tell: warm colours, a bright half, stripes of black."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from penult.images import Image as Photo
from penult.images import ImageSet

LABELS = ("bright", "striped", "warm")


def picture(number: int, bright: bool, striped: bool, warm: bool, side: int = 40) -> np.ndarray:
    """Return a picture (h, w, 3) with these properties, each another one."""
    random = np.random.default_rng([number, bright, striped, warm])
    base = np.array((190, 90, 60) if warm else (60, 90, 190), float)
    found = base + random.normal(0, 40, (side, side + number % 5, 3))
    if bright:
        found[: side // 2] += 90
    if striped:
        found[:, ::4] = 0
    return np.clip(found, 0, 255).astype(np.uint8)


def properties(n: int, seed: int = 0) -> np.ndarray:
    """Return which properties each of n pictures has, (n, 3) bool."""
    return np.random.default_rng(seed).random((n, 3)) < (0.4, 0.3, 0.5)


def write(folder: Path, n: int, seed: int = 0) -> np.ndarray:
    """Write pictures `p0.png` ... into a folder and return what they show, (n, 3)."""
    folder.mkdir(parents=True, exist_ok=True)
    has = properties(n, seed)
    for i, row in enumerate(has.tolist()):
        Image.fromarray(picture(1000 * seed + i, *row)).save(folder / f"p{i}.png")
    return has


def write_cells(path: Path, has: np.ndarray, folder: str = "") -> Path:
    """Write a table `image,labels` with cells such as `bright;warm`."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "labels"])
        for i, row in enumerate(has.tolist()):
            rows.writerow([f"{folder}p{i}.png", ";".join(name for name, yes in zip(LABELS, row, strict=True) if yes)])
    return path


def write_columns(path: Path, has: np.ndarray, folder: str = "") -> Path:
    """Write a table with a column of 0 and 1 for each label."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", *LABELS])
        rows.writerows([f"{folder}p{i}.png", *map(int, row)] for i, row in enumerate(has.tolist()))
    return path


def image_set(folder: Path, has: np.ndarray) -> ImageSet:
    """Return the pictures of a folder with their labels, as a table of them is read."""
    named = (tuple(name for name, yes in zip(LABELS, row, strict=True) if yes) for row in has.tolist())
    listed = tuple(Photo(f"p{i}.png", str(folder / f"p{i}.png"), labels=labels) for i, labels in enumerate(named))
    return ImageSet(str(folder), listed, LABELS, {}, (), task="labels")

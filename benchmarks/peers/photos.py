"""Pictures like photos, made here: the same bytes on every run, so that nobody has to fetch any.

In: a folder and a count. Out: JPEG files of 400 x 360 in two class folders, about 30 KB each. A photograph's amplitudes
fall with frequency, between f^-1 and f^-1.5; soft light, noise of that spectrum and shapes with sharp edges cost a decoder
what a photo costs.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIZE = (400, 360)  # width, height
CLASSES = ("round", "square")
QUALITY = 88

Floats = NDArray[Any]


def make(folder: Path, count: int) -> list[Path]:
    """Return `count` photos below `folder`, sorted by class and number; those that are there already are kept."""
    paths = [folder / CLASSES[i % 2] / f"{i:04d}.jpg" for i in range(count)]
    for i, path in enumerate(paths):
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            save(photo(i), path)
    return sorted(paths)


def choose(photos: Path, folder: Path, count: int) -> Path:
    """Return `folder` with `count` of the photos below `photos`, evenly spread, in the same class folders.

    Raises `SystemExit` where there are fewer, or where they are not in class folders.
    """
    every = sorted(p for p in photos.glob("*/*") if p.suffix.lower() in {".jpg", ".jpeg"})
    if len(every) < count:
        raise SystemExit(f"{photos}: {len(every)} JPEG files in class folders; {count} are needed.")
    shutil.rmtree(folder, ignore_errors=True)
    for i in range(count):
        path = every[i * len(every) // count]
        place = folder / path.parent.name / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    return folder


def save(pixels: NDArray[np.uint8], path: Path) -> None:
    """Write one photo whole or not at all."""
    from PIL import Image

    half = path.with_suffix(".half")
    Image.fromarray(pixels).save(half, "JPEG", quality=QUALITY)
    half.replace(path)


def photo(number: int) -> NDArray[np.uint8]:
    """Return the photo of a number, (360, 400, 3); even ones show discs, odd ones show boxes."""
    dice = np.random.default_rng(number)
    width, height = SIZE
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    light = dice.uniform(70, 190, 3) + (x[..., None] / width - 0.5) * dice.uniform(-70, 70, 3)
    canvas = light + (y[..., None] / height - 0.5) * dice.uniform(-70, 70, 3)  # (h, w, 3)
    for _ in range(dice.integers(3, 8)):
        inside = shape(x, y, dice, round_one=number % 2 == 0)[..., None]  # (h, w, 1)
        canvas = canvas * (1 - inside) + inside * (dice.uniform(10, 245, 3) + 12 * rough(dice))
    grey, colour = 22 * rough(dice), 4 * np.concatenate([rough(dice) for _ in range(3)], axis=2)
    return np.clip(canvas + grey + colour, 0, 255).astype(np.uint8)


def shape(x: Floats, y: Floats, dice: np.random.Generator, *, round_one: bool) -> Floats:
    """Return how much of each pixel (h, w) a turned ellipse or box covers: 0 to 1, one pixel of soft edge."""
    angle = dice.uniform(0, np.pi)
    u, v = x - dice.uniform(0, SIZE[0]), y - dice.uniform(0, SIZE[1])
    along, across = u * np.cos(angle) + v * np.sin(angle), v * np.cos(angle) - u * np.sin(angle)
    long, short = dice.uniform(40, 120), dice.uniform(25, 70)
    if round_one:
        return np.clip((1 - np.hypot(along / long, across / short)) * short, 0, 1)
    return np.clip(np.minimum(long - abs(along), short - abs(across)), 0, 1)


def rough(dice: np.random.Generator) -> Floats:
    """Return noise (h, w, 1) of mean 0 and variance 1 whose power falls with frequency as a photograph's does."""
    width, height = SIZE
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])  # (h, w/2+1)
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(dice.standard_normal((height, width))) / frequency**1.4
    noise = np.fft.irfft2(spectrum, (height, width))
    return (noise / noise.std())[..., None]

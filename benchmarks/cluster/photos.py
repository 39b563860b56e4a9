"""Drawn photos for measurements: JPEG files of the size of a web photo, some of them bad, some copies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

BAD = 10


def lay_out(folder: Path, count: int, side: tuple[int, int] = (400, 360), copies: int = 4) -> Path:
    """Fill a folder, unless it is, with `count` drawn JPEGs in two class folders, bad files and copies among them."""
    done = folder / f"complete-{count}-{side[0]}"
    if done.exists():
        return folder
    bad = min(BAD, count // 20)
    for i in range(count):
        file = folder / ("warm" if i % 2 else "cold") / f"{i:06d}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        if i < bad:
            file.write_bytes((b"", b"no picture at all", b"\xff\xd8\xff\xe0 cut")[i % 3])
        elif i >= count - copies:
            file.write_bytes((folder / "warm" / f"{bad + 1 - bad % 2 + 2 * (i % 3):06d}.jpg").read_bytes())
        else:
            draw(i, side).save(file, quality=85)
    done.touch()
    return folder


def draw(number: int, side: tuple[int, int]) -> Image.Image:
    """Return a picture of soft blobs and some grain, which JPEG packs about as a photo."""
    random = np.random.default_rng(number)
    coarse = random.integers(0, 256, (9, 9, 3), dtype=np.uint8)
    soft = np.asarray(Image.fromarray(coarse).resize(side, Image.Resampling.BICUBIC), np.int16)  # (h, w, 3)
    grain = random.normal(0, 9, (*soft.shape[:2], 1)).astype(np.int16)
    return Image.fromarray(np.clip(soft + grain, 0, 255).astype(np.uint8))


def crop_out(source: Path, folder: Path, count: int, copies: int = 20) -> Path:
    """Fill a folder with `count` JPEGs cropped from the photos of another one, ten bad files and copies among them."""
    found = sorted(p for p in source.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    random = np.random.default_rng(0)
    for i in range(count):
        file = folder / f"part{i % 7}" / f"{i:06d}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        if i < BAD:
            file.write_bytes((b"", b"no picture at all", b"\xff\xd8\xff\xe0 cut")[i % 3])
        elif i >= count - copies:
            number = BAD + i - (count - copies)
            file.write_bytes((folder / f"part{number % 7}" / f"{number:06d}.jpg").read_bytes())
        else:
            with Image.open(found[i % len(found)]) as opened:
                picture = opened.convert("RGB")
            share = random.uniform(0.7, 1)
            width, height = max(1, int(picture.width * share)), max(1, int(picture.height * share))
            left, top = random.integers(0, picture.width - width + 1), random.integers(0, picture.height - height + 1)
            picture.crop((left, top, left + width, top + height)).resize((400, 360)).save(file, quality=85)
    return folder

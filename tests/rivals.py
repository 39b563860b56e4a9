"""What another library makes of the same files, and how far apart two sets of features are."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.floating[Any]]


def error(ours: Features, theirs: Features) -> float:
    """Relative L2 error after the mean feature over the images is taken away: what tells them apart must agree.

    The numbers of a network with random weights may be near the end of float32's range, or all but alike.
    """
    ours, theirs = ours.astype(np.float64), theirs.astype(np.float64)
    mean = theirs.mean(axis=0)
    return float(np.linalg.norm((ours - mean) - (theirs - mean)) / np.linalg.norm(theirs - mean))


def drawn_photos(folder: Path, count: int = 12) -> list[Path]:
    """Write JPEGs of many shapes, with edges and texture at all scales, so that each step of a recipe shows."""
    from PIL import Image

    paths = []
    for i in range(count):
        random = np.random.default_rng([7, i])
        wide, high = int(random.integers(240, 520)), int(random.integers(200, 480))
        layers = np.zeros((high, wide, 3))
        for cells in (3, 9, 30, 90):
            grid = random.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
            kind = Image.Resampling.NEAREST if cells < 20 else Image.Resampling.BICUBIC
            layers += np.asarray(Image.fromarray(grid).resize((wide, high), kind), float) / np.sqrt(cells)
        tint = random.uniform(0.4, 1.0, 3)
        picture = Image.fromarray((255 * tint * layers / layers.max()).astype(np.uint8))
        data = io.BytesIO()
        picture.save(data, "JPEG", quality=90)
        paths.append(folder / f"{i}.jpg")
        paths[-1].write_bytes(data.getvalue())
    return paths


def timm_features(model: Any, transform: Callable[[Any], Any], paths: Sequence[Path]) -> Features:
    """Return timm's own forward on a transform of the files: (n, d)."""
    import torch
    from PIL import Image

    seen = [transform(Image.open(path).convert("RGB")) for path in paths]
    with torch.no_grad():
        rows = [np.asarray(model(torch.stack(seen[i : i + 10]))) for i in range(0, len(seen), 10)]
    return np.concatenate(rows)


def wrong_transforms(timm: Any, config: dict[str, Any]) -> dict[str, Callable[[Any], Any]]:
    """Return what people get wrong: the whole picture squashed, blue for red, the mean forgotten."""
    from PIL import Image

    right = timm.data.create_transform(**config, is_training=False)
    squash = timm.data.create_transform(**{**config, "crop_mode": "squash", "crop_pct": 1.0}, is_training=False)
    no_mean = timm.data.create_transform(**{**config, "mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}, is_training=False)
    return {
        "squash": squash,
        "bgr": lambda picture: right(Image.merge("RGB", picture.split()[::-1])),
        "no mean": no_mean,
    }

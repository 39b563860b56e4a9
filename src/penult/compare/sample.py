"""Which of the images a comparison looks at.

In: an `ImageSet` with labels. Out: a smaller one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from penult.errors import InputError
from penult.images import ImageSet

FEW = 10  # images of a class that are kept in any case, or all if it has fewer


def draw(images: ImageSet, size: int, seed: int) -> ImageSet:
    """Return about `size` of the images in their order, each class by its share but `FEW` at least; the whole set if smaller.

    The same seed draws the same images. Raises `InputError` for a size below 1.
    """
    if size < 1:
        raise InputError(f"a sample of {size} images cannot be; give 1 or more.")
    if len(images) <= size:
        return images
    y = images.y  # (n,)
    counts = np.bincount(y, minlength=len(images.classes))  # (k,)
    random = np.random.default_rng(seed)
    kept = [random.permutation(np.flatnonzero(y == c))[:m] for c, m in enumerate(_shares(counts, size))]
    rows = np.sort(np.concatenate(kept))
    note = f"{len(rows)} of {len(images)} images were looked at, drawn class by class."
    return replace(images, images=tuple(images.images[i] for i in rows), notes=(*images.notes, note))


def _shares(counts: NDArray[np.intp], size: int) -> list[int]:
    """Return how many images of each class are kept (k,): largest remainders, but `FEW` of each or all that there are."""
    exact = size * counts / counts.sum()  # (k,)
    kept = np.maximum(exact.astype(int), np.minimum(counts, FEW))  # (k,)
    for _ in range(size - int(kept.sum())):
        kept[np.argmax(np.where(kept < counts, exact - kept, -np.inf))] += 1
    return [int(m) for m in kept]

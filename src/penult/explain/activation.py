"""Class activation maps: how much each position of a network's maps says for a class, exactly.

In: maps (c, h, w) of one image, the weights of their features. Out: amounts (h, w), whose sum is the weighted sum of the
features.

With the pooling "mean" this is the map of Zhou et al. ("Learning Deep Features for Discriminative Localization", CVPR 2016).
A maximum lies where it is: its whole amount belongs to that position, in equal parts if several positions have it. What the
head takes away from a feature (its mean over the training photos) is taken away from every position's value under a mean, and
from the maximum under a maximum: the map then shows what differs from an average photo.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penult.backbones.backbone import Pooling

Array = NDArray[np.float64]


def pooled(maps: Array, pooling: Pooling) -> Array:
    """Return the features (d,) of maps (c, h, w), in the precision of the maps."""
    means = maps.mean(axis=(1, 2))
    return np.concatenate([means, maps.max(axis=(1, 2))]) if pooling == "mean+max" else means


def activation(maps: Array, pooling: Pooling, weights: Array, shift: Array) -> Array:
    """Return the part that each position has in sum_j weights[j] (x_j - shift[j]), x = `pooled(maps)`: (h, w).

    weights, shift: (d,).
    """
    c, height, width = maps.shape
    flat = maps.reshape(c, -1)  # (c, p)
    parts = (weights[:c] @ flat - weights[:c] @ shift[:c]) / flat.shape[1]  # (p,)
    if pooling == "mean+max":
        top = flat.max(axis=1)  # (c,)
        there = flat == top[:, None]  # (c, p)
        amount = weights[c:] * (top - shift[c:]) / there.sum(axis=1)  # (c,)
        parts = parts + amount @ there
    return np.asarray(parts.reshape(height, width))

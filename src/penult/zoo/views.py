"""Where a network's features are the means of maps, which maps: found by trying.

In: what a network gives before and after pooling. Out: the view of the former as (n, d, h, w). This module imports torch; it
is loaded where a network is converted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch

View = Callable[[Any], Any]
_NEAR = 1e-4  # relative L2 error between the features and the means


class Pooled(torch.nn.Module):  # type: ignore[misc]
    """A network that gives its features alone."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Any) -> tuple[Any]:
        """Return (features,)."""
        return (self.model(x),)


class Viewed(torch.nn.Module):  # type: ignore[misc]
    """A network that gives its maps, too; the features are their means, so the last layers are not run twice."""

    def __init__(self, model: Any, view: View) -> None:
        super().__init__()
        self.model, self.view = model, view

    def forward(self, x: Any) -> tuple[Any, Any]:
        """Return (features, maps)."""
        maps = self.view(self.model.forward_features(x))
        return maps.mean((2, 3)), maps


def view_of(features: Any, raw: Any, prefix: int) -> View | None:
    """Return the view under which the means of `raw` are the features (n, d), or None.

    `raw` may be maps (n, d, h, w) or (n, h, w, d), or tokens (n, prefix + h w, d).
    """
    if not torch.is_tensor(raw):
        return None
    for view in _candidates(raw, features.shape[1], prefix):
        means = view(raw).mean((2, 3))
        if torch.linalg.norm(means - features) <= _NEAR * torch.linalg.norm(features):
            return view
    return None


def _candidates(raw: Any, width: int, prefix: int) -> Iterator[View]:
    if raw.ndim == 4 and raw.shape[1] == width:
        yield lambda x: x
    if raw.ndim == 4 and raw.shape[3] == width:
        yield lambda x: x.permute(0, 3, 1, 2)
    if raw.ndim == 3 and raw.shape[2] == width:
        side = math.isqrt(raw.shape[1] - prefix)
        if side * side == raw.shape[1] - prefix:
            yield lambda x: x[:, prefix:].transpose(1, 2).unflatten(2, (side, side))

"""Occlusion: cover the photo bit by bit and see by how much the class's logit falls (Zeiler & Fergus, ECCV 2014).

It works for any head and any network; what it gives does not add up to anything.

A patch is as wide as two cells of a grid of 8 on the shorter side of what the networks see, and moves by one cell; each cell
is covered by four patches and gets the mean of what they took away. A patch shows what the network sees with all its pixels
in disorder: the photo's own colours, and none of its shapes. (On cats and dogs a patch in the mean colour, or a blurred one,
was itself a reason for one of the classes: the logit of a cat rose when its face was covered.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from penult.arrays import default_errors
from penult.embed import EnginePool
from penult.explain.field_of_view import Attribution, FieldOfView, View, relative_logit, spread
from penult.explain.model import ExplainedModel
from penult.pixels.resizing import Box

CELLS = 8  # on the shorter side
MOST = 24  # on the longer one
Pixels = NDArray[np.uint8]  # (s, s, 3)


class Occlusion:
    """Explains by covering; as a `with` block, which gives the engines back."""

    def __init__(self, model: ExplainedModel):
        self.model = model
        self._engines = EnginePool(model.compute, model.settings.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._engines.close()

    @default_errors
    def rows(self, photos: Sequence[FieldOfView]) -> NDArray[np.float32]:
        """Return the features of photos as they are, (n, d)."""
        return np.concatenate([self._rows(seen, ()) for seen in photos])

    @default_errors
    def __call__(self, photos: Sequence[FieldOfView], labels: Sequence[int | None]) -> list[Attribution]:
        """Return the answer for each photo, about the class asked for or the likeliest one."""
        return [self._explain(seen, label) for seen, label in zip(photos, labels, strict=True)]

    def _explain(self, seen: FieldOfView, wanted: int | None) -> Attribution:
        model = self.model
        area = seen.area
        rows, columns = cells(area, seen.shape)
        patches = list(_patches(area, rows, columns))
        features = self._rows(seen, patches)  # (1 + m, d)
        proba = model.proba(features[:1])[0]  # (k,)
        label = int(proba.argmax()) if wanted is None else wanted
        logits = relative_logit(model.raw(features), label, model.several)  # (1 + m,)
        fall = (logits[0] - logits[1:]).reshape(rows + 1, columns + 1)
        # a patch hides the four cells around a corner of the grid; at the rim fewer of them are there
        grid = (fall[:-1, :-1] + fall[:-1, 1:] + fall[1:, :-1] + fall[1:, 1:]) / 4  # (rows, columns)
        pixels = (area[3] - area[1]) * seen.shape[0] * (area[2] - area[0]) * seen.shape[1]
        heat = spread(grid, area, seen.shape) * (pixels / grid.size)  # a cell's value, not its share
        return Attribution(proba, label, heat, float(logits[0]), None)

    def _rows(self, seen: FieldOfView, patches: Sequence[Box]) -> NDArray[np.float32]:
        """Return the features of all networks, of the photo as it is and with each patch covered: (1 + m, d)."""
        return np.hstack([self._features(i, seen, patches) for i in range(len(self.model.backbones))])

    def _features(self, number: int, seen: FieldOfView, patches: Sequence[Box]) -> NDArray[np.float32]:
        """Return the features of one network for the photo as it is, then with each patch covered: (1 + m, d)."""
        backbone = self.model.backbones[number]
        engine = self._engines.get(backbone)
        views = [(view, shuffled(view.pixels)) for view in seen.views[number]]
        engine.submit(np.stack([view.pixels for view, _ in views]))
        for start in range(0, len(patches), engine.batch):
            some = patches[start : start + engine.batch]
            engine.submit(np.stack([covered(view, disorder, patch) for patch in some for view, disorder in views]))
        return backbone.mean_over_views(np.concatenate([vectors for _, vectors in engine.drain()]))


def shuffled(plain: Pixels) -> Pixels:
    """Return the pixels (s, s, 3) in another order, the same one each time."""
    order = np.random.default_rng(0).permutation(plain.shape[0] * plain.shape[1])
    return plain.reshape(-1, 3)[order].reshape(plain.shape)


def covered(view: View, cover: Pixels, patch: Box) -> Pixels:
    """Return the pixels (s, s, 3) of a view with those of `cover` where it shows `patch`, a part of the photo."""
    side, box = len(view.pixels), view.box
    out = view.pixels.copy()
    left, right = (round((x - box[0]) / (box[2] - box[0]) * side) for x in (patch[0], patch[2]))
    top, bottom = (round((y - box[1]) / (box[3] - box[1]) * side) for y in (patch[1], patch[3]))
    if view.mirrored:
        left, right = side - right, side - left
    inside = slice(max(top, 0), max(bottom, 0)), slice(max(left, 0), max(right, 0))
    out[inside] = cover[inside]
    return out


def cells(area: Box, shape: tuple[int, int]) -> tuple[int, int]:
    """Return the rows and columns of a grid of nearly square cells on `area` of a photo of this shape (h, w)."""
    high, wide = (area[3] - area[1]) * shape[0], (area[2] - area[0]) * shape[1]
    short = min(high, wide)
    rows, columns = (min(MOST, max(1, round(CELLS * side / short))) for side in (high, wide))
    return rows, columns


def _patches(area: Box, rows: int, columns: int) -> Iterator[Box]:
    """Yield a patch of two by two cells around each corner of the grid, row by row."""
    high, wide = (area[3] - area[1]) / rows, (area[2] - area[0]) / columns
    for row in range(rows + 1):
        for column in range(columns + 1):
            x, y = area[0] + column * wide, area[1] + row * high
            yield (
                max(x - wide, area[0]),
                max(y - high, area[1]),
                min(x + wide, area[2]),
                min(y + high, area[3]),
            )

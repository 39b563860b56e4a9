"""Class activation maps: how much each position of a network's maps says for a class, laid on the photo and added up.

With the pooling "mean" this is the map of Zhou et al. ("Learning Deep Features for Discriminative Localization", CVPR 2016).
A maximum lies where it is: its whole amount belongs to that position, in equal parts if several positions have it. What the
head takes away from a feature (its mean over the training photos) is taken away from every position's value under a mean, and
from the maximum under a maximum: the map then shows what differs from an average photo.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np

from penult import engines
from penult.arrays import Array, block_factors, default_errors
from penult.backbones.backbone import Pooling
from penult.errors import InputError
from penult.explain.field_of_view import Attribution, FieldOfView, relative_logit, spread
from penult.explain.model import ExplainedModel
from penult.heads import HeadState
from penult.heads.scoring import two_sided


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


@dataclass(frozen=True, slots=True)
class LinearWeights:
    """The head's own logit of class c, before calibration, is sum_j weights[c, j] (x_j - shift[j]) + intercepts[c]."""

    weights: Array  # (k, d)
    shift: Array  # (d,)
    intercepts: Array  # (k,)

    def against_the_others(self, label: int) -> tuple[Array, float]:
        """Return weights (d,) and intercept of a class's logit less the mean logit of all classes.

        That difference is what the probability depends on: softmax does not see what all logits have in common, and a head
        may put anything there (discriminant analysis gives its first class the logit 0).
        """
        weights = self.weights[label] - self.weights.mean(axis=0)
        return weights, float(self.intercepts[label] - self.intercepts.mean())


def linear_weights(state: HeadState, row: Array) -> LinearWeights:
    """Return the sum that a linear head computes for `row` (d,), its scaling included.

    The scaling `unit` divides each block of the row by its own length: that length is taken as the constant that it is
    for this image. The means that `standard` and `block` take away become `shift`.
    """
    arrays, facts = state.arrays, state.facts
    blocks = tuple(facts["blocks"])
    shift, factor = np.zeros(len(row)), np.ones(len(row))  # (d,)
    if facts["scaling"] == "unit":
        factor = np.repeat(block_factors(row[None].astype(np.float64), blocks)[0][0], blocks)
    elif facts["scaling"] != "none":
        shift, factor = arrays["shift"].astype(np.float64), arrays["factor"].astype(np.float64)
    columns = arrays["weights"].astype(np.float64) * factor  # (c, d); c is 1 where two classes share a margin
    intercepts = two_sided(np.asarray(arrays["intercepts"], np.float64)[None])[0]  # (k,)
    return LinearWeights(two_sided(columns.T).T, shift, intercepts)


class ClassActivation:
    """Explains by class activation maps; as a `with` block, which gives the engines back.

    The features are pooled from the maps themselves in double precision, so that the map adds up to the logit whatever the
    engine's precision is.
    """

    def __init__(self, model: ExplainedModel):
        self.model = model
        self._stack = ExitStack()
        cache = model.settings.folder
        self._engines = [
            self._stack.enter_context(closing(engines.open_engine(b, *model.compute, output="maps", cache=cache)))
            for b in model.backbones
        ]
        self._edges = np.cumsum([0, *(b.width for b in model.backbones)])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @default_errors
    def __call__(self, photos: Sequence[FieldOfView], labels: Sequence[int | None]) -> list[Attribution]:
        """Return the answer for each photo, about the class asked for or the likeliest one."""
        return [self._explain(seen, maps, label) for seen, maps, label in zip(photos, self._maps(photos), labels, strict=True)]

    @default_errors
    def rows(self, photos: Sequence[FieldOfView]) -> Array:
        """Return the features of photos, (n, d)."""
        return np.stack([self._row(maps) for maps in self._maps(photos)])

    def _maps(self, photos: Sequence[FieldOfView]) -> list[list[Array]]:
        """Return the maps of each photo, one (c, h, w) for each network."""
        stacks = [np.stack([seen.pixels[i] for seen in photos]) for i in range(len(self._engines))]
        maps = [engine(stack) for engine, stack in zip(self._engines, stacks, strict=True)]  # each (n, c, h, w)
        return [[m[row].astype(np.float64) for m in maps] for row in range(len(photos))]

    def _row(self, maps: Sequence[Array]) -> Array:
        return np.concatenate([pooled(m, b.pooling) for m, b in zip(maps, self.model.backbones, strict=True)])  # (d,)

    def _explain(self, seen: FieldOfView, maps: Sequence[Array], wanted: int | None) -> Attribution:
        """Return what `maps`, one (c, h, w) for each network, say of one photo."""
        model = self.model
        if model.state is None:
            raise InputError("a scikit-learn estimator has no weights that can be explained; use the method occlusion.")
        row = self._row(maps)  # (d,)
        proba = model.proba(row[None])[0]  # (k,)
        label = int(proba.argmax()) if wanted is None else wanted
        found = linear_weights(model.state, row)
        weights, intercept = found.against_the_others(label)
        heat = np.zeros(seen.shape)
        for (start, stop), own, backbone, view in zip(pairwise(self._edges), maps, model.backbones, seen.views, strict=True):
            grid = activation(own, backbone.pooling, weights[start:stop], found.shift[start:stop])
            heat += spread(grid, view, seen.shape)
        logit = float(relative_logit(model.raw(row[None]), label)[0])
        return Attribution(proba, label, heat, logit, intercept)

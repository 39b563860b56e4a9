"""Class activation maps: how much each position of a network's maps says for a class, laid on the photo and added up.

With the pooling "mean" this is the map of Zhou et al. ("Learning Deep Features for Discriminative Localization", CVPR 2016).
A maximum lies where it is: its whole amount belongs to that position, in equal parts if several positions have it. What the
head takes away from a feature (its mean over the training photos) is taken away from every position's value under a mean, and
from the maximum under a maximum: the map then shows what differs from an average photo. Where a network sees several views,
whose features are averaged, each view has its share of every contribution, on the part of the photo that it shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Self

import numpy as np

from penult import engines
from penult.arrays import Array, block_factors, default_errors
from penult.backbones.backbone import WITH_MAXIMA, Pooling
from penult.errors import InputError
from penult.explain.field_of_view import Attribution, FieldOfView, relative_logit, spread
from penult.explain.model import ExplainedModel
from penult.heads import HeadState
from penult.heads.scoring import two_sided
from penult.i18n import _

ViewMaps = Sequence[Array]  # of one view of a photo, in one network: (c, h, w) for each size of map


def pooled(maps: Sequence[Array], pooling: Pooling) -> Array:
    """Return the features (d,) of maps (c, h, w), which may be of several sizes, in the precision of the maps."""
    means = [m.mean(axis=(1, 2)) for m in maps]
    return np.concatenate([*means, *(m.max(axis=(1, 2)) for m in maps)] if pooling in WITH_MAXIMA else means)


def activations(maps: Sequence[Array], pooling: Pooling, weights: Array, shift: Array) -> Iterator[Array]:
    """Yield for each size of map what `activation` returns; weights, shift (d,) are in the order of `pooled`."""
    ends = np.cumsum([len(m) for m in maps])  # maxima stand behind all the means
    for own, end in zip(maps, ends, strict=True):
        columns = np.arange(end - len(own), end)
        if pooling in WITH_MAXIMA:
            columns = np.concatenate([columns, columns + ends[-1]])
        yield activation(own, pooling, weights[columns], shift[columns])


def activation(maps: Array, pooling: Pooling, weights: Array, shift: Array) -> Array:
    """Return the part that each position has in sum_j weights[j] (x_j - shift[j]), x = `pooled([maps])`: (h, w).

    weights, shift: (d,).
    """
    c, height, width = maps.shape
    flat = maps.reshape(c, -1)  # (c, p)
    parts = (weights[:c] @ flat - weights[:c] @ shift[:c]) / flat.shape[1]  # (p,)
    if pooling in WITH_MAXIMA:
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

    def _maps(self, photos: Sequence[FieldOfView]) -> list[list[list[ViewMaps]]]:
        """Return the maps of each photo, for each network and each of its views."""
        found: list[list[list[ViewMaps]]] = [[] for _ in photos]
        for i, (engine, backbone) in enumerate(zip(self._engines, self.model.backbones, strict=True)):
            raw = engine(np.stack([view.pixels for seen in photos for view in seen.views[i]]))  # (n * v, ...)
            rows = zip(*(m.astype(np.float64) for m in backbone.map_groups(raw)), strict=True)
            for own, seen in zip(found, photos, strict=True):
                own.append(list(islice(rows, len(seen.views[i]))))
        return found

    def _row(self, maps: Sequence[Sequence[ViewMaps]]) -> Array:
        """Return the features (d,) of one photo: of each network the mean over its views."""
        parts = zip(maps, self.model.backbones, strict=True)
        return np.concatenate([np.mean([pooled(view, b.pooling) for view in own], axis=0) for own, b in parts])

    def _explain(self, seen: FieldOfView, maps: Sequence[Sequence[ViewMaps]], wanted: int | None) -> Attribution:
        """Return what the maps of one photo, for each network and view, say of it."""
        model = self.model
        if model.state is None:
            raise InputError(_("a scikit-learn estimator has no weights that can be explained; use the method occlusion."))
        row = self._row(maps)  # (d,)
        proba = model.proba(row[None])[0]  # (k,)
        label = int(proba.argmax()) if wanted is None else wanted
        found = linear_weights(model.state, row)
        if model.several:
            weights, intercept = found.weights[label], float(found.intercepts[label])
        else:
            weights, intercept = found.against_the_others(label)
        heat = np.zeros(seen.shape)
        for (start, stop), own, backbone, views in zip(pairwise(self._edges), maps, model.backbones, seen.views, strict=True):
            for view, of_view in zip(views, own, strict=True):
                for grid in activations(of_view, backbone.pooling, weights[start:stop] / len(views), found.shift[start:stop]):
                    heat += spread(grid[:, ::-1] if view.mirrored else grid, view.box, seen.shape)
        logit = float(relative_logit(model.raw(row[None]), label, model.several)[0])
        return Attribution(proba, label, heat, logit, intercept)

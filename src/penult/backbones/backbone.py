"""One record that says everything about a pretrained network, and how its maps become its features.

In: facts about a network and the thing that makes its graph. Out: the record, its digest, its ONNX bytes.
Pooling is how the graph's output `maps` (n, c, h, w) becomes its output `features` (n, d): "mean" is the mean of every map
over its positions; "mean+max" the means of all maps, then their maxima; with "none" there are no maps. "stages" is "mean+max"
over the maps of six stages, of which the early ones are finer: its `maps` (n, m) are all of them in a row (see `STRIDES`).
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from penult.backbones import onnx_guard
from penult.backbones.image_statistics import HISTOGRAM_DIGEST, WIDTH, color_histogram
from penult.errors import DamagedFile, InputError, unknown
from penult.i18n import N_, _
from penult.pixels.recipe import CROP_MODES, CROP_ROUNDINGS, DEPTHS, Recipe

Pooling = Literal["mean", "mean+max", "stages", "none"]
POOLINGS: tuple[str, ...] = get_args(Pooling)
WITH_MAXIMA = ("mean+max", "stages")  # the second half of the columns are maxima
STRIDES = (8, 16, 16, 32, 32, 32)  # pixels from one position to the next in the maps that "stages" pools
_LONGEST = 4000  # letters of a name, license or source
_RECORD = {
    "name", "width", "parts", "pooling", "recipe", "weights", "license", "source", "params", "gmacs", "top1", "quantized",
}  # fmt: skip
_RENAMED = {"gflops": "gmacs", "licence": "license", "quantised": "quantized"}  # the words of older records
_SHA256 = re.compile("[0-9a-f]{64}")


def blocks_of(pooling: Pooling, runs: Sequence[int]) -> tuple[int, ...]:
    """Return the widths of the runs of columns of features pooled from maps in `runs` of channels."""
    return tuple(runs) * (2 if pooling in WITH_MAXIMA else 1)


def channels_of(pooling: Pooling, blocks: Sequence[int]) -> int:
    """Return c, how many maps the features with these blocks are pooled from."""
    return sum(blocks) // 2 if pooling in WITH_MAXIMA else sum(blocks)


class GraphFactory(Protocol):
    """What makes the ONNX graph of a backbone for a recipe."""

    def __call__(self, recipe: Recipe, classifier: bool = False) -> bytes:
        """Return the ONNX model; `classifier` adds the output `logits`, where the network has one."""


class NumpyFunction(Protocol):
    """A backbone that is numpy code instead of a graph."""

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Turn (n, s, s, 3) uint8 into (n, d) float32."""


@dataclass(frozen=True)
class StoredGraph:
    """A graph that is kept as bytes, made for one recipe: what a model file holds."""

    graph: bytes = field(repr=False)
    recipe: Recipe

    @cached_property
    def refused(self) -> str:
        """Why the graph is refused, looked at once; empty where it is not."""
        try:
            onnx_guard.check(self.graph)
        except ValueError as error:
            return str(error)
        return ""

    def __call__(self, recipe: Recipe, classifier: bool = False) -> bytes:
        """Return the bytes. Raises `InputError` for a recipe that these bytes were not made for."""
        if _in_graph(recipe) != _in_graph(self.recipe) or classifier:
            raise InputError(
                _(
                    "the preprocessing of a saved graph is fixed: its size, mean, std and channels cannot change, and "
                    "it has no classifier; use the backbone by its name instead."
                )
            )
        return self.graph


def _in_graph(recipe: Recipe) -> tuple[Any, ...]:
    return recipe.size, recipe.mean, recipe.std, recipe.channels


@dataclass(frozen=True, slots=True)
class Backbone:
    """A pretrained network without its last layer, and how it wants to see images.

    `blocks` are the widths of the consecutive runs of columns of `features` (n, d) that a head scales separately:
    numbers of one layer, pooled one way; d is their sum. `pooling` says how the graph's other output, `maps`
    (n, c, h, w), becomes `features`. Where the recipe has several views, the graph sees each by itself, and the features of
    a photo are their mean.
    `weights` is the sha256 (hex) of its weights.
    `gmacs` counts 10^9 multiply-adds for one image; `top1` is the published ImageNet accuracy in percent.
    `quantized` says that the graph computes in 8 bits (see `penult.quantize`), which no other precision changes.
    """

    name: str
    blocks: tuple[int, ...]
    pooling: Pooling
    recipe: Recipe
    weights: str
    license: str
    source: str
    params: int
    gmacs: float
    top1: float | None
    network: GraphFactory | None = field(compare=False, repr=False)
    function: NumpyFunction | None = field(default=None, compare=False, repr=False)
    quantized: bool = False

    @property
    def width(self) -> int:
        """How many numbers the features of one image are, d."""
        return sum(self.blocks)

    @property
    def map_channels(self) -> int:
        """How many maps the graph gives for one image, c; with "stages" how many numbers, m; 0 where it gives none."""
        if self.pooling == "stages":
            return sum(c * side**2 for c, side in self._grids())
        return channels_of(self.pooling, self.blocks) if self.has_maps else 0

    def _grids(self) -> list[tuple[int, int]]:
        """Return channels and side of the maps of each stage that "stages" pools."""
        sides = (math.ceil(self.recipe.size / stride) for stride in STRIDES)
        return list(zip(self.blocks[: len(STRIDES)], sides, strict=True))

    def map_groups(self, maps: NDArray[Any]) -> list[NDArray[Any]]:
        """Return the graph's output `maps` (n, ...) as arrays (n, c, h, w), one for each size of map."""
        if self.pooling != "stages":
            return [maps]
        grids = self._grids()
        ends = np.cumsum([c * side**2 for c, side in grids])[:-1]
        return [m.reshape(-1, c, s, s) for m, (c, s) in zip(np.split(maps, ends, axis=1), grids, strict=True)]

    @property
    def digest(self) -> str:
        """The sha256 (hex) over what decides the features: weights, recipe, pooling."""
        facts = {"weights": self.weights, "recipe": self.recipe.to_dict(), "pooling": self.pooling}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    @property
    def has_maps(self) -> bool:
        """Whether the graph has the output `maps`."""
        return self.pooling != "none"

    def mean_over_views(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the features (n, d) of images, given those of all their views (n * v, d), image by image."""
        count = self.recipe.view_count
        if count == 1:
            return vectors
        total = vectors[::count].copy()  # added up view by view: the order is always the same
        for place in range(1, count):
            total += vectors[place::count]
        return total / np.float32(count)

    def graph(self, classifier: bool = False) -> bytes:
        """Return the ONNX model: input `pixels` uint8 (n, s, s, 3) RGB with n open, outputs by name, float32.

        Empty for a backbone that is a numpy function. With `classifier` there is one more output, `logits`:
        raises `InputError` where the network has none. Raises `MissingExtra` or `DamagedFile` when weights
        cannot be read.
        """
        if self.network is None:
            if classifier:
                raise InputError(_("{name} has no classifier; use a network that has one.", name=self.name))
            return b""
        data = self.network(self.recipe, classifier)
        if isinstance(self.network, StoredGraph) and self.network.refused:  # from anywhere, maybe
            raise DamagedFile(
                _("the graph of {name} cannot be used: {refused}.", name=self.name[:80], refused=self.network.refused)
            )
        return data

    def with_recipe(self, **changes: Any) -> Backbone:
        """Return the backbone that sees images another way, for instance `crop_mode="squash"` or `size=300`.

        Its digest differs. Raises `UnknownName` for a setting that recipes do not have, `InputError` for a
        value that cannot be.
        """
        known = [one.name for one in fields(Recipe) if one.name != "depth"]
        for name in changes:
            if name not in known:
                raise unknown(_("recipe setting"), name, known)
        if str(changes.get("crop_mode")).startswith("squash"):
            changes = {"crop": 1.0, **changes}  # who asks for that wants to see the whole picture
        values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in changes.items()}
        recipe = replace(self.recipe, **values)
        _check(recipe)
        work = (recipe.size / self.recipe.size) ** 2  # the work of a convolution grows with the area
        work *= recipe.view_count / self.recipe.view_count
        return replace(self, recipe=recipe, gmacs=round(self.gmacs * work, 3))

    def at_depth(self, depth: int) -> Backbone:
        """Return the backbone that takes photos in 16-bit files to use `depth` bits (see `Recipe`); its digest differs."""
        return replace(self, recipe=replace(self.recipe, depth=depth))

    def to_dict(self) -> dict[str, Any]:
        """Return the facts as plain JSON values, without the graph."""
        names = ("name", "width", "pooling", "weights", "license", "source", "params", "gmacs", "top1", "quantized")
        facts = {n: getattr(self, n) for n in names}
        return {**facts, "parts": list(self.blocks), "recipe": self.recipe.to_dict()}

    @classmethod
    def from_dict(cls, record: dict[str, Any], graph: bytes) -> Backbone:
        """Return the backbone that `to_dict` and `graph` described.

        An empty graph stands for a numpy function, which must be one of ours. Raises `InputError` for a
        record that no backbone can have, `KeyError` or `TypeError` for one that is not a record of a
        backbone, `DamagedFile` for a graph that no engine should see.
        """
        if graph:
            found = cls.of_network(record, StoredGraph(graph, Recipe.from_dict(record["recipe"])))
            found.graph()
            return found
        histogram = cls.of_network(record, None)
        if (histogram.weights, histogram.pooling, histogram.blocks) != (HISTOGRAM_DIGEST, "none", (WIDTH,)):
            raise InputError(
                _("{name} has no graph, and is not the numpy function of this penult; train again.", name=histogram.name)
            )
        return replace(histogram, function=color_histogram)

    @classmethod
    def of_network(cls, record: dict[str, Any], network: GraphFactory | None) -> Backbone:
        """Return the backbone that `to_dict` described, its graph made by `network`; raises as `from_dict` does."""
        record = {_RENAMED.get(name, name): value for name, value in record.items()}
        if strange := set(record) - _RECORD:
            raise TypeError(f"a record of a network has no {', '.join(sorted(strange))[:200]}")
        blocks = tuple(record["parts"])
        facts = {**record, "recipe": Recipe.from_dict(record["recipe"]), "blocks": blocks}
        del facts["parts"]  # the name of `blocks` in records
        _check(facts["recipe"])
        _check_facts(facts)
        _check_blocks(facts["pooling"], facts.pop("width"), blocks)
        return cls(**facts, network=network)


def _check(recipe: Recipe) -> None:
    """Raise `InputError` that names every setting of `recipe` that cannot be."""
    if wrong := wrong_settings(asdict(recipe)):
        raise InputError(_("invalid recipe: {wrong}; correct it.", wrong="; ".join(wrong)))


def _check_facts(facts: Mapping[str, Any]) -> None:
    """Raise `InputError` where what a record says of a network is not of the kind that it must be."""
    wrong = [name for name in ("name", "license", "source") if not isinstance(facts[name], str) or len(facts[name]) > _LONGEST]
    wrong += [name for name in ("params", "gmacs") if not _number(facts[name], most=1e18) or facts[name] < 0]
    if not isinstance(facts["weights"], str) or not _SHA256.fullmatch(facts["weights"]):
        wrong.append("weights")
    if not facts["name"] or not (facts["top1"] is None or _number(facts["top1"])):
        wrong.append("name or top1")
    if not isinstance(facts.get("quantized", False), bool):
        wrong.append("quantized")
    if wrong:
        raise InputError(_("invalid network record ({wrong}); convert the network again.", wrong=", ".join(wrong)))


def _check_blocks(pooling: object, width: object, blocks: Sequence[object]) -> None:
    """Raise `InputError` unless a backbone can have this pooling, this width and these blocks."""
    if pooling not in POOLINGS:
        raise InputError(
            _("invalid pooling {pooling!r}; give one of {poolings}.", pooling=pooling, poolings=", ".join(POOLINGS))
        )
    whole = [p for p in blocks if type(p) is int and p > 0]
    if not whole or len(whole) != len(blocks) or sum(whole) != width:
        raise InputError(
            _(
                "invalid parts {blocks}; give whole numbers above 0 that add up to the width ({width!r}).",
                blocks=list(blocks),
                width=width,
            )
        )
    half = len(whole) // 2
    if pooling in WITH_MAXIMA and whole[:half] != whole[half:]:
        raise InputError(
            _(
                "invalid parts {whole} with the pooling {pooling}; give the maxima the widths of the means.",
                whole=whole,
                pooling=pooling,
            )
        )
    if pooling == "stages" and half != len(STRIDES):
        raise InputError(
            _(
                "invalid parts {whole} with the pooling stages, which has {n}; give all of them.",
                whole=whole,
                n=2 * len(STRIDES),
            )
        )


def wrong_settings(settings: Mapping[str, Any]) -> list[str]:
    """Return a phrase for every setting of a recipe that cannot be, of whatever type; those not given are not missed."""
    return [
        _("{name}={value!r} ({wanted})", name=name, value=settings[name], wanted=_wanted(wanted))
        for name, (fine, wanted) in _SETTINGS.items()
        if name in settings and not fine(settings[name])
    ]


def _one_of(*known: str) -> tuple[Callable[[Any], bool], tuple[str, ...]]:
    return lambda value: isinstance(value, str) and value in known, known


def _wanted(wanted: str | tuple[str, ...]) -> str:
    """Return what a setting must be: one of some names, or as a phrase says."""
    if isinstance(wanted, str):
        return _(wanted)
    return _("{names} or {last}", names=", ".join(wanted[:-1]), last=wanted[-1])


def _number(value: Any, most: float = 1e9) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < most  # and no infinity, no NaN


def _three(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 3 and all(_number(v) for v in value)


_SETTINGS: dict[str, tuple[Callable[[Any], bool], str | tuple[str, ...]]] = {
    "size": (lambda v: type(v) is int and 32 <= v <= 2048, N_("a whole number from 32 to 2048")),
    "crop": (lambda v: _number(v) and 0.1 <= v <= 1, N_("a number from 0.1 to 1")),
    "fit": _one_of(*CROP_MODES),  # in files
    "crop_mode": _one_of(*CROP_MODES),
    "interpolation": _one_of("bicubic", "bilinear", "nearest"),
    "mean": (_three, N_("three numbers")),
    "std": (lambda v: _three(v) and all(s > 0 for s in v), N_("three numbers above 0")),
    "channels": _one_of("rgb", "bgr"),
    "crop_rounding": _one_of(*CROP_ROUNDINGS),
    "depth": (lambda v: type(v) is int and v in DEPTHS, N_("8, 10, 12, 14 or 16")),
}

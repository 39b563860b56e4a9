"""The backbones that are built in: three networks, and statistics of an image that need none.

In: a name. Out: its `Backbone`. All others are in `penult.zoo`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from penult.backbones import image_statistics as statistics
from penult.backbones.backbone import POOLINGS, Backbone, NumpyFunction
from penult.backbones.efficientnet_lite import LITE, EfficientNetLite
from penult.errors import InputError, unknown
from penult.i18n import _
from penult.pixels.recipe import Recipe

LITES = tuple(LITE)

# Input size, crop and sort of resize as timm's configuration of tf_efficientnet_lite0, 1, 2 has them;
# parameters counted from the weights; multiply-adds and ImageNet accuracy from the table of Google's own page
# about these checkpoints: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite
_FACTS: dict[str, tuple[int, float, int, float, float]] = {
    "efficientnet_lite0": (224, 0.875, 4_652_008, 0.407, 75.1),
    "efficientnet_lite1": (240, 0.882, 5_416_680, 0.631, 76.7),
    "efficientnet_lite2": (260, 0.890, 6_092_072, 0.899, 77.6),
}


def _lite(name: str, lite: EfficientNetLite) -> Backbone:
    size, crop, params, gmacs, top1 = _FACTS[name]
    half = (0.5, 0.5, 0.5)
    recipe = Recipe(size, "crop", crop, "bicubic", half, half)
    source = f"pip: {lite.package.replace('_', '-')}"
    return Backbone(name, lite.blocks, lite.pooling, recipe, lite.sha256, "Apache-2.0", source, params, gmacs, top1, lite)


def _statistic(name: str, width: int, size: int, interpolation: str, digest: str, function: NumpyFunction) -> Backbone:
    """Return the backbone of a numpy function, which sees the whole picture."""
    recipe = Recipe(size, "squash", 1.0, interpolation, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))  # type: ignore[arg-type]
    return Backbone(
        name, (width,), "none", recipe, digest, "Apache-2.0", "penult", 0, 0.0, None, network=None, function=function
    )  # fmt: skip


def _histogram() -> Backbone:
    digest, function = statistics.HISTOGRAM_DIGEST, statistics.color_histogram
    return _statistic("colour_histogram", statistics.WIDTH, 64, "bilinear", digest, function)


def thumbnail() -> Backbone:
    """Return the backbone that tells whether two pictures are one photo: gray, 16 x 16; it is not listed."""
    side = statistics.THUMBNAIL_SIDE
    return _statistic("thumbnail", side * side, side, "bicubic", statistics.THUMBNAIL_DIGEST, statistics.gray_thumbnail)


def large_thumbnail() -> Backbone:
    """Return the backbone that tells one picture twice from two that look alike: gray, 96 x 96; it is not listed."""
    side = statistics.LARGE_THUMBNAIL_SIDE
    digest, function = statistics.LARGE_THUMBNAIL_DIGEST, statistics.gray_thumbnail
    return _statistic("large_thumbnail", side * side, side, "bicubic", digest, function)


def quality() -> Backbone:
    """Return the backbone that tells which photos went wrong: how bright, even and sharp; it is not listed."""
    width, side = len(statistics.MEASURES), statistics.QUALITY_SIDE
    return _statistic("quality", width, side, "bilinear", statistics.QUALITY_DIGEST, statistics.quality_measures)


_BUILT_IN = {**{name: _lite(name, lite) for name, lite in LITE.items()}, "colour_histogram": _histogram()}


def builtin_names() -> tuple[str, ...]:
    """Return the names of all built-in backbones."""
    return tuple(_BUILT_IN)


def builtin_table() -> tuple[Backbone, ...]:
    """Return all built-in backbones, the facts for a table."""
    return tuple(_BUILT_IN.values())


def find_builtin(name: str, pooling: str | None = None, **changes: Any) -> Backbone:
    """Return the backbone called `name`, its recipe changed by `changes` (see `Backbone.with_recipe`).

    Another `pooling` than the backbone's own (see `Backbone`) gives other features and another digest: "mean" gives the
    classic 1,280 of the Lite networks, "stages" adds their earlier stages. Reads no weights. Raises
    `UnknownName` with the nearest names, `InputError` for a pooling that this backbone does not have.
    """
    if name not in _BUILT_IN:
        raise unknown("backbone", name, _BUILT_IN)
    backbone = _BUILT_IN[name] if pooling is None else _pooled(name, pooling)
    return backbone.with_recipe(**changes) if changes else backbone


def _pooled(name: str, pooling: str) -> Backbone:
    if pooling not in POOLINGS:
        raise unknown("pooling", pooling, POOLINGS)
    if pooling == _BUILT_IN[name].pooling:
        return _BUILT_IN[name]
    known = ("mean", "mean+max", "stages") if name in LITE else ("none",)
    if pooling not in known:
        raise InputError(
            _(
                "{name} has no pooling {pooling}; it has {known}, or name none at all.",
                name=name,
                pooling=pooling,
                known=", ".join(known),
            )
        )
    return _lite(name, replace(LITE[name], pooling=pooling))  # type: ignore[arg-type]

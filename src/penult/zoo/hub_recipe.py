"""The preprocessing that a repository of the hub states, as a recipe: in Transformers' files, or in timm's.

What a recipe cannot say (padding, sides of different length, Lanczos) is refused with the setting's name; nothing is guessed.
A processor's class says what its file may leave out, so classes that are not in the table are refused, too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from penult.backbones.backbone import wrong_settings
from penult.errors import InputError, listed
from penult.i18n import _
from penult.pixels.recipe import Recipe
from penult.zoo import recipe_file


@dataclass(frozen=True, slots=True)
class _Processor:
    """What an image processor of Transformers does where its file does not say it.

    `square`: a size that is one number are both sides, else the shorter one.
    """

    square: bool = True
    resample: int = 3
    center_crop: bool = False
    normalize: bool = True
    crop_pct: float | None = None
    flip: bool = False  # RGB to BGR
    top: bool = False  # divides by std twice, see `_affine`


# By the name of the class without its ending (ImageProcessor, ImageProcessorFast, ImageProcessorPil, FeatureExtractor).
_PROCESSORS = {
    "Beit": _Processor(),
    "Bit": _Processor(square=False, center_crop=True),
    "CLIP": _Processor(square=False, center_crop=True),
    "ChineseCLIP": _Processor(square=False, center_crop=True),
    "ConvNext": _Processor(square=False, crop_pct=224 / 256),
    "DINOv3ViT": _Processor(resample=2),
    "DeiT": _Processor(center_crop=True),
    "EfficientNet": _Processor(top=True),
    "Levit": _Processor(square=False, center_crop=True),
    "MobileNetV1": _Processor(square=False, resample=2, center_crop=True),
    "MobileNetV2": _Processor(square=False, resample=2, center_crop=True),
    "MobileViT": _Processor(square=False, center_crop=True, normalize=False, flip=True),
    "PoolFormer": _Processor(square=False, center_crop=True, crop_pct=0.9),
    "Pvt": _Processor(),
    "Segformer": _Processor(resample=2),
    "Siglip": _Processor(),
    "ViT": _Processor(resample=2),
}
_ENDINGS = ("ImageProcessorFast", "ImageProcessorPil", "ImageProcessor", "FeatureExtractor")
_INTERPOLATIONS = {0: "nearest", 2: "bilinear", 3: "bicubic"}  # Pillow's numbers
_WARPED = 384  # ConvNeXT sees the whole picture from this size on
_NEAR = 1e-9
_LARGEST = 10_000  # pixels a side, and more than any mean or std


def recipe_of(configs: Mapping[str, Mapping[str, Any]], given: Mapping[str, Any], size: int | None) -> Recipe:
    """Return the recipe that the files of a repository state, the settings in `given` in place of theirs, at another `size`.

    Raises `InputError` for files that do not say one, or say what a recipe cannot.
    """
    if not set(recipe_file.SETTINGS) <= {*given, "crop"}:
        try:
            given = {**_stated(configs), **given}
        except InputError as error:
            usual = " ".join(f"{name}={value}" for name, value in recipe_file.USUAL.items())
            raise InputError(
                _(
                    "{why} Give --recipe {usual} with the values that it was trained with, or take another network.",
                    why=error,
                    usual=usual,
                )
            ) from error
    recipe = recipe_file.to_recipe(given.items(), _("its recipe"))
    return recipe if size is None else replace(recipe, size=size)


def _stated(configs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the settings that the files state. Raises `InputError` without a cure, which is the same for all."""
    recipe = _read(configs)
    if wrong := wrong_settings(settings := recipe.to_dict()):
        raise InputError(_("its preprocessing cannot be used: {settings}.", settings="; ".join(wrong)))
    return settings


def _read(configs: Mapping[str, Mapping[str, Any]]) -> Recipe:
    config, processor = configs.get("config.json", {}), configs.get("preprocessor_config.json")
    if processor is None:
        both = configs.get("processor_config.json", {}).get("image_processor")  # of images and text, since Transformers 5
        processor = both if isinstance(both, dict) else None
    timm = next((one for one in (processor or {}, config) if isinstance(one.get("pretrained_cfg"), dict)), None)
    if timm is not None:
        return _of_timm(timm["pretrained_cfg"])
    if processor is None and "architecture" in config and "input_size" in config:  # timm's earlier files
        return _of_timm(config)
    if processor is None:
        raise InputError(
            _("the repository has no preprocessor_config.json, and how a network wants to see images cannot be guessed.")
        )
    return _of_processor(processor)


def _of_timm(config: Mapping[str, Any]) -> Recipe:
    sides, mode, kind = config.get("input_size"), config.get("crop_mode") or "center", config.get("interpolation", "bicubic")
    if not (isinstance(sides, list) and len(sides) == 3 and sides[0] == 3 and sides[1] == sides[2] and _is_side(sides[1])):
        raise InputError(
            _("its config.json has the input size {size!r:.60}, and penult gives color images of n x n.", size=sides)
        )
    if mode not in ("center", "squash") or kind not in _INTERPOLATIONS.values():
        raise InputError(
            _(
                "its config.json has the crop mode {mode!r:.30} and the interpolation {kind!r:.30}, and recipes do not.",
                mode=mode,
                kind=kind,
            )
        )
    crop = _crop_share(config.get("crop_pct", 0.875))
    return Recipe(
        sides[1], "crop" if mode == "center" else "squash", crop, cast(Any, kind),
        _three(config, "mean"), _three(config, "std"),
    )  # fmt: skip


def _of_processor(config: Mapping[str, Any]) -> Recipe:
    name = str(config.get("image_processor_type") or config.get("feature_extractor_type") or "")
    family = next((name.removesuffix(ending) for ending in _ENDINGS if name.endswith(ending)), name)
    if family not in _PROCESSORS:
        known = listed(_PROCESSORS, 30)
        raise InputError(_("its image processor is {name!r:.60}, and those known here are {known}.", name=name, known=known))
    own, config = _PROCESSORS[family], {key: value for key, value in config.items() if value is not None}
    if config.get("do_pad") or not config.get("do_resize", True):
        raise InputError(
            _(
                "its image processor pads images (do_pad) or does not resize them (do_resize); a network needs squares of one "
                "size."
            )
        )
    resample = config.get("resample", own.resample)
    if type(resample) is not int or resample not in _INTERPOLATIONS:
        raise InputError(
            _("its image processor resizes with Pillow's filter {number!r:.20}, and recipes have 0, 2 and 3.", number=resample)
        )
    size, mode, resized = _geometry(config, family, own)
    if size > resized:
        raise InputError(
            _("its image processor cuts {size} pixels out of {resized}, and penult pads nothing.", size=size, resized=resized)
        )
    mean, std = _affine(config, own)
    flip = bool(config.get("do_flip_channel_order", own.flip))
    whole = mode == "squash" and size == resized  # nothing is cut off
    return Recipe(
        size, cast(Any, mode), _share(size, resized), cast(Any, _INTERPOLATIONS[resample]), mean, std,
        "bgr" if flip else "rgb", crop_rounding="even" if whole else "down",
    )  # fmt: skip


def _geometry(config: Mapping[str, Any], family: str, own: _Processor) -> tuple[int, str, int]:
    """Return the side of what the network sees, crop or squash, and the side to which the photo is resized before."""
    side, squash = _sides(config, "size", own.square)
    resized = side
    if own.crop_pct is not None:
        resized, squash = int(side / _crop_share(config.get("crop_pct", own.crop_pct))), False
    if family == "ConvNext":
        return (side, "squash", side) if side >= _WARPED else (side, "crop", resized)
    if family == "Levit" and not squash:
        resized = int(256 / 224 * side)
    if config.get("do_center_crop", own.center_crop):
        crop = _sides(config, "crop_size", True)[0]
        return crop, "squash" if squash else "crop", resized
    if not squash:
        raise InputError(
            _("its image processor keeps photos as long as they are (no center crop), and a network sees a square.")
        )
    return side, "squash", side


def _sides(config: Mapping[str, Any], name: str, square: bool) -> tuple[int, bool]:
    """Return a size in pixels, and whether it is that of both sides; else it is that of the shorter one."""
    value = config.get(name)
    both, found = square, value if isinstance(value, list) and len(value) == 2 else [value]
    if isinstance(value, dict):
        both = value.get("height") is not None
        found = [value.get("height"), value.get("width")] if both else [value.get("shortest_edge")]
    side = found[0]
    if found[-1] != side or not isinstance(side, int) or not _is_side(side):
        raise InputError(
            _("its image processor has the {setting} {value!r:.80}, and a network sees a square.", setting=name, value=value)
        )
    return side, both


def _is_side(value: Any) -> bool:
    return type(value) is int and 0 < value <= _LARGEST


def _crop_share(value: Any) -> float:
    if not isinstance(value, int | float) or not 0.1 <= value <= 1:
        raise InputError(_("its preprocessing has crop_pct {value!r:.30}, and a crop is a share from 0.1 to 1.", value=value))
    return float(value)


def _affine(config: Mapping[str, Any], own: _Processor) -> tuple[Any, Any]:
    """Return the mean and std, in units of 0..1, with which a recipe does what the processor does to the numbers 0..255."""
    factor = config.get("rescale_factor", 1 / 255) if config.get("do_rescale", True) else 1.0
    if not isinstance(factor, int | float) or not 0 < factor <= 255:
        raise InputError(
            _("its image processor has rescale_factor {value!r:.30}, and pixels are scaled by a number above 0.", value=factor)
        )
    white = 1.0 if abs(255 * factor - 1) < _NEAR else 255 * factor
    mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    normalize = config.get("do_normalize", own.normalize)
    if normalize:
        mean, std = _three(config, "image_mean"), _three(config, "image_std")
    if config.get("rescale_offset"):  # x / 127.5 - 1
        mean = (mean[0] + 1, mean[1] + 1, mean[2] + 1)
    if own.top and config.get("include_top", True):  # EfficientNet's divides by std once more
        again = _three(config, "image_std")
        std = (std[0] * again[0], std[1] * again[1], std[2] * again[2])
    return tuple(m / white for m in mean), tuple(s / white for s in std)


def _three(config: Mapping[str, Any], name: str) -> tuple[float, float, float]:
    value = config.get(name)
    numbers = [value] * 3 if isinstance(value, int | float) else value
    fine = isinstance(numbers, list) and len(numbers) == 3 and not any(isinstance(v, bool) for v in numbers)
    if not fine or not all(isinstance(v, int | float) and abs(v) < _LARGEST for v in cast(Any, numbers)):
        raise InputError(
            _("its preprocessing has {setting} {value!r:.80}, and that is a number for each color.", setting=name, value=value)
        )
    first, second, third = map(float, cast(Any, numbers))
    return first, second, third


def _share(size: int, resized: int) -> float:
    """Return the crop with which a recipe resizes to just `resized` pixels: the quotient may be off by its last digit."""
    share = size / resized
    while math.floor(size / share) < resized:
        share = math.nextafter(share, 0)
    return share

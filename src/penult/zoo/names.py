"""How networks are named: NAME, NAME@FILE, keras:NAME, hf:OWNER/NAME, model.onnx, and presets that stand for several.

Behind each may stand, in any order, an input size, what is seen of a photo and a pooling: NAME:320, NAME:320:crop+squash,
NAME:320:squash:stages.
"""

from __future__ import annotations

import functools
import importlib.util
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from penult import backbones
from penult.backbones.backbone import POOLINGS
from penult.errors import InputError
from penult.i18n import N_, _
from penult.pixels import CROP_MODES
from penult.zoo import hub_name
from penult.zoo.sources import SOURCES, TOKEN_POOLINGS, ModelSpec

log = logging.getLogger(__name__)

# keras.applications, in Keras's spelling; timm's names have small letters only.
KERAS = frozenset({
    "ConvNeXtBase", "ConvNeXtLarge", "ConvNeXtSmall", "ConvNeXtTiny", "ConvNeXtXLarge",
    "DenseNet121", "DenseNet169", "DenseNet201",
    "EfficientNetB0", "EfficientNetB1", "EfficientNetB2", "EfficientNetB3", "EfficientNetB4", "EfficientNetB5",
    "EfficientNetB6", "EfficientNetB7", "EfficientNetV2B0", "EfficientNetV2B1", "EfficientNetV2B2", "EfficientNetV2B3",
    "EfficientNetV2L", "EfficientNetV2M", "EfficientNetV2S",
    "InceptionResNetV2", "InceptionV3", "MobileNet", "MobileNetV2", "MobileNetV3Large", "MobileNetV3Small",
    "NASNetLarge", "NASNetMobile", "ResNet101", "ResNet101V2", "ResNet152", "ResNet152V2", "ResNet50", "ResNet50V2",
    "VGG16", "VGG19", "Xception",
})  # fmt: skip
# The same three networks: as ONNX they need no torch.
MODERN_HUB = (
    "hf:onnx-community/dinov2-small",
    "hf:onnx-community/siglip2-base-patch16-224-ONNX",
    "hf:onnx-community/dinov2-with-registers-large",
)
MODERN_TIMM = (
    "vit_small_patch14_dinov2.lvd142m:224",
    "vit_base_patch16_siglip_224.v2_webli",
    "vit_large_patch14_reg4_dinov2.lvd142m:224",
)
PRESETS: dict[str, tuple[str, ...]] = {
    "default": ("efficientnet_lite1:288:crop:stages", "efficientnet_lite2:288:squash"),
    "lite+": ("efficientnet_lite1:320:crop:stages", "efficientnet_lite2:288:crop+squash"),
    "lite": backbones.LITES,
    "blog2017": ("keras:ResNet50", "keras:InceptionV3", "keras:Xception"),
    "modern": MODERN_HUB if importlib.util.find_spec("huggingface_hub") else MODERN_TIMM,
}
DEFAULT = PRESETS["default"]  # what a user gets who names no network; the features of all stand side by side
COMPARED = ("efficientnet_lite0", *DEFAULT, *PRESETS["lite+"])  # by `compare` where none is named; with the fastest
WHY = {
    "default": N_("one network sees the center crop, one the whole picture; weights from pip, no torch, no download"),
    "lite+": N_("the first network at a larger size, the second with both views: more accurate, 1.6 times the work"),
    "lite": N_("three networks, each at the size and center crop that it was trained with; the default of earlier versions"),
    "blog2017": N_("the three of the blog post of 2017: ResNet50, InceptionV3, Xception, each with its own preprocessing"),
    "modern": N_("small: DINOv2-S, self-supervised; medium: SigLIP 2-B, image-text; strong: DINOv2-L; all Apache-2.0"),
}
OLD_NAMES = {"seed": "blog2017"}  # which still work, but say something else than --seed


def expand(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names with every preset replaced by its networks, each name once; `PRESET:SIZE` is all at that size."""
    return tuple(dict.fromkeys(network for name in names for network in _members(name)))


def _members(name: str) -> tuple[str, ...]:
    preset, asked = split_settings(name)
    preset = OLD_NAMES.get(preset, preset)
    if preset not in PRESETS:
        return (name,)
    split = (split_settings(member) for member in PRESETS[preset])
    return tuple(joined(member, {**own, **asked}) for member, own in split)


def understand(text: str) -> ModelSpec:
    """Return the parts of a name.

    What follows `@` is a file where one is there; else it belongs to the name, for the revisions of a hub, which only
    `hf-hub:` and `hf:` names have (the latter no files). A name of Keras's applications in their spelling is theirs.
    Raises `InputError` for a file that is missing, and for a name that no repository of the hub can have.
    """
    name, file = (text, None) if text.startswith(hub_name.PREFIX) else _split_file(text)
    name, settings = split_settings(name)
    if file is not None and not settings and not _is_file(file):
        file, settings = split_settings(file)
    size, crop_mode, pooling = (settings.get(key) for key in ("size", "crop_mode", "pooling"))
    tail = joined(f"@{Path(file).name}" if file else "", {} if size is None else {"size": size})
    if name in KERAS:
        name = f"{SOURCES['keras'].prefix}{name}"
        _tell_taken(name)
    for key, source in SOURCES.items():
        if source.prefix and name.startswith(source.prefix):
            inner = _nonempty(name.removeprefix(source.prefix), text)
            if key == "hub":
                hub_name.parse(inner)
            return ModelSpec(key, inner, file, size, crop_mode, pooling, label=name + tail)
        if source.suffix and name.lower().endswith(source.suffix):
            if file is not None:
                raise InputError(
                    _(
                        "{text}: a file {suffix} holds its own weights; leave out what follows @.",
                        text=text,
                        suffix=source.suffix,
                    )
                )
            if not _is_file(name):
                raise InputError(_("{name}: there is no such file; give the path of one, or a network's name.", name=name))
            return ModelSpec(key, name, None, size, crop_mode, pooling, label=Path(name).name + tail)
    if name in PRESETS:
        raise InputError(
            _(
                "{name} is a preset and stands for {presets}; name one of them here.",
                name=name,
                presets=", ".join(PRESETS[name]),
            )
        )
    if name in backbones.builtin_names():
        if file is not None:
            raise InputError(
                _("{name} is built in and brings its own weights; timm has the same network as tf_{name}.", name=name)
            )
        return ModelSpec("built-in", name, None, size, crop_mode, pooling, label=name + tail)
    return ModelSpec("timm", _nonempty(name, text), file, size, crop_mode, pooling, label=name + tail)


@functools.cache
def _tell_taken(name: str) -> None:
    """Say, once for each, which network a name of Keras's spelling is."""
    bare = name.removeprefix(SOURCES["keras"].prefix)
    log.warning(_("{name} is Keras's network, {taken}; timm's names have small letters only", name=bare, taken=name))


def _split_file(text: str) -> tuple[str, str | None]:
    """Split at an `@` that has a file behind it."""
    suffixes = tuple(source.suffix for source in SOURCES.values() if source.suffix)
    if any(path.lower().endswith(suffixes) and _is_file(path) for path in (text, without_settings(text))):
        return text, None
    for at in (i for i, sign in enumerate(text) if sign == "@"):
        rest = text[at + 1 :]
        if _is_file(rest) or _is_file(without_settings(rest)):
            return text[:at], rest
    if "@" in text and not text.startswith("hf-hub:"):
        name, rest = text.split("@", 1)
        if Path(rest).is_dir():
            raise InputError(_("{rest} is a folder; name the file of weights in it: {name}@FILE.", rest=rest, name=name))
        raise InputError(
            _("{rest}: there is no such file; what follows @ in {name}@FILE are the weights, as a path.", rest=rest, name=name)
        )
    return text, None


def without_settings(name: str) -> str:
    """Return a name without the input size, crop mode and pooling behind it."""
    return split_settings(name)[0]


def split_settings(name: str) -> tuple[str, dict[str, Any]]:
    """Return a name without its settings, and those: `size`, `crop_mode` and `pooling`, as far as they are there."""
    found: dict[str, Any] = {}
    while True:
        rest, _, word = name.rpartition(":")
        known = {
            "size": word.isdecimal() and len(word) <= 4, "crop_mode": word in CROP_MODES,
            "pooling": word in POOLINGS or word in TOKEN_POOLINGS,
        }  # fmt: skip
        kind = next((kind for kind, fits in known.items() if fits and kind not in found), None)
        if kind is None or not rest:
            return name, found
        name, found[kind] = rest, int(word) if kind == "size" else word


def joined(name: str, settings: Mapping[str, Any]) -> str:
    """Return a name with settings behind it, in the usual order."""
    return ":".join([name, *(str(settings[kind]) for kind in ("size", "crop_mode", "pooling") if kind in settings)])


def with_views(names: Iterable[str], modes: Iterable[str | None]) -> tuple[str, ...]:
    """Return the networks of names and presets once for each crop mode, None being their own."""
    members = [split_settings(member) for member in expand(names)]
    made = [joined(name, {**own, **({} if mode is None else {"crop_mode": mode})}) for mode in modes for name, own in members]
    return tuple(dict.fromkeys(made))


def _nonempty(name: str, text: str) -> str:
    if not name.strip() or name != name.strip():
        raise InputError(_("{text!r} names no network; `penult backbones` lists them.", text=text))
    return name


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except OSError:  # a name that no file can have
        return False

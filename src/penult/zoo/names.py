"""How networks are named: NAME, NAME@FILE, NAME:SIZE, keras:NAME, model.onnx, and presets that stand for several."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from penult import backbones
from penult.errors import InputError
from penult.zoo.sources import SOURCES, ModelSpec

PRESETS: dict[str, tuple[str, ...]] = {
    "lite": backbones.DEFAULT,
    "blog2017": ("keras:ResNet50", "keras:InceptionV3", "keras:Xception"),
    "modern": (
        "vit_small_patch14_dinov2.lvd142m:224",
        "vit_base_patch16_siglip_224.v2_webli",
        "vit_large_patch14_reg4_dinov2.lvd142m:224",
    ),
}
WHY = {
    "lite": "real ImageNet weights from pip: no torch, no download",
    "blog2017": "the three of the blog post of 2017: ResNet50, InceptionV3, Xception, each with its own preprocessing",
    "modern": "small: DINOv2-S, self-supervised; medium: SigLIP 2-B, image-text; strong: DINOv2-L; all Apache-2.0",
}
OLD_NAMES = {"seed": "blog2017"}  # which still work, but say something else than --seed


def expand(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names with every preset replaced by its networks, each name once; `PRESET:SIZE` is all at that size."""
    return tuple(dict.fromkeys(network for name in names for network in _members(name)))


def _members(name: str) -> tuple[str, ...]:
    preset, size = _split_size(name)
    preset = OLD_NAMES.get(preset, preset)
    if preset not in PRESETS:
        return (name,)
    return PRESETS[preset] if size is None else tuple(f"{without_size(member)}:{size}" for member in PRESETS[preset])


def understand(text: str) -> ModelSpec:
    """Return the parts of a name.

    What follows `@` is a file where one is there; else it belongs to the name, for the revisions of a hub, which only
    `hf-hub:` names have. Digits behind the last colon are an input size. Raises `InputError` for a file that is missing.
    """
    name, file = _split_file(text)
    name, size = _split_size(name)
    if file is not None and size is None and not _is_file(file):
        file, size = _split_size(file)
    tail = (f"@{Path(file).name}" if file else "") + (f":{size}" if size else "")
    for key, source in SOURCES.items():
        if source.prefix and name.startswith(source.prefix):
            inner = _nonempty(name.removeprefix(source.prefix), text)
            return ModelSpec(key, inner, file, size, label=name + tail)
        if source.suffix and name.lower().endswith(source.suffix):
            if file is not None:
                raise InputError(f"{text}: a file {source.suffix} holds its own weights; leave out what follows @.")
            if not _is_file(name):
                raise InputError(f"{name}: there is no such file; give the path of one, or a network's name.")
            return ModelSpec(key, name, None, size, label=Path(name).name + tail)
    if name in PRESETS:
        raise InputError(f"{name} is a preset and stands for {', '.join(PRESETS[name])}; name one of them here.")
    if name in backbones.builtin_names():
        if file is not None:
            raise InputError(f"{name} is built in and brings its own weights; timm has the same network as tf_{name}.")
        return ModelSpec("built-in", name, None, size, label=name + tail)
    return ModelSpec("timm", _nonempty(name, text), file, size, label=name + tail)


def _split_file(text: str) -> tuple[str, str | None]:
    """Split at an `@` that has a file behind it."""
    suffixes = tuple(source.suffix for source in SOURCES.values() if source.suffix)
    if any(path.lower().endswith(suffixes) and _is_file(path) for path in (text, without_size(text))):
        return text, None
    for at in (i for i, sign in enumerate(text) if sign == "@"):
        rest = text[at + 1 :]
        if _is_file(rest) or _is_file(without_size(rest)):
            return text[:at], rest
    if "@" in text and not text.startswith("hf-hub:"):
        name, rest = text.split("@", 1)
        if Path(rest).is_dir():
            raise InputError(f"{rest} is a folder; name the file of weights in it: {name}@FILE.")
        raise InputError(f"{rest}: there is no such file; what follows @ in {name}@FILE are the weights, as a path.")
    return text, None


def without_size(name: str) -> str:
    """Return a name without the input size behind it."""
    return _split_size(name)[0]


def _split_size(name: str) -> tuple[str, int | None]:
    rest, colon, digits = name.rpartition(":")
    if colon and digits.isdecimal() and len(digits) <= 4 and rest:
        return rest, int(digits)
    return name, None


def _nonempty(name: str, text: str) -> str:
    if not name.strip() or name != name.strip():
        raise InputError(f"{text!r} names no network; `penult backbones` lists them.")
    return name


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except OSError:  # a name that no file can have
        return False

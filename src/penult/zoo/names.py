"""How networks are named: NAME, NAME@FILE, NAME:SIZE, keras:NAME, model.onnx, and presets that stand for several.

In: what a user typed. Out: its parts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from penult import backbones
from penult.errors import InputError

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


@dataclass(frozen=True, slots=True)
class Spec:
    """A name in its parts: which source, its word for the network, a local file, an input size."""

    kind: Literal["built-in", "timm", "keras", "onnx"]
    name: str
    file: str | None = None
    size: int | None = None

    @property
    def label(self) -> str:
        """The name that results carry: as it was typed, but a file without its folder."""
        prefix = "keras:" if self.kind == "keras" else ""
        name = Path(self.name).name if self.kind == "onnx" else self.name
        file = f"@{Path(self.file).name}" if self.file else ""
        return prefix + name + file + (f":{self.size}" if self.size else "")


def expand(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names with every preset replaced by its networks, each name once; `PRESET:SIZE` is all at that size."""
    return tuple(dict.fromkeys(network for name in names for network in _members(name)))


def _members(name: str) -> tuple[str, ...]:
    preset, size = _size(name)
    preset = OLD_NAMES.get(preset, preset)
    if preset not in PRESETS:
        return (name,)
    return PRESETS[preset] if size is None else tuple(f"{without_size(member)}:{size}" for member in PRESETS[preset])


def understand(text: str) -> Spec:
    """Return the parts of a name.

    What follows `@` is a file where one is there; else it belongs to the name, for the revisions of a hub, which only
    `hf-hub:` names have. Digits behind the last colon are an input size. Raises `InputError` for a file that is missing.
    """
    name, file = _file(text)
    name, size = _size(name)
    file, size = (file, size) if file is None or size is not None else _size_behind(file)
    if name.startswith("keras:"):
        return Spec("keras", _nonempty(name.removeprefix("keras:"), text), file, size)
    if name.lower().endswith(".onnx"):
        if file is not None:
            raise InputError(f"{text}: an ONNX file holds its own weights; leave out what follows @.")
        if not _is_file(name):
            raise InputError(f"{name}: there is no such file; give the path of an ONNX file, or a network's name.")
        return Spec("onnx", name, None, size)
    if name in PRESETS:
        raise InputError(f"{name} is a preset and stands for {', '.join(PRESETS[name])}; name one of them here.")
    if name in backbones.builtin_names():
        if file is not None:
            raise InputError(f"{name} is built in and brings its own weights; timm has the same network as tf_{name}.")
        return Spec("built-in", name, None, size)
    return Spec("timm", _nonempty(name, text), file, size)


def _file(text: str) -> tuple[str, str | None]:
    """Split at an `@` that has a file behind it."""
    if any(path.lower().endswith(".onnx") and _is_file(path) for path in (text, _size(text)[0])):
        return text, None
    for at in (i for i, sign in enumerate(text) if sign == "@"):
        rest = text[at + 1 :]
        if _is_file(rest) or _is_file(_size(rest)[0]):
            return text[:at], rest
    if "@" in text and not text.startswith("hf-hub:"):
        name, rest = text.split("@", 1)
        if Path(rest).is_dir():
            raise InputError(f"{rest} is a folder; name the file of weights in it: {name}@FILE.")
        raise InputError(f"{rest}: there is no such file; what follows @ in {name}@FILE are the weights, as a path.")
    return text, None


def without_size(name: str) -> str:
    """Return a name without the input size behind it."""
    return _size(name)[0]


def _size(name: str) -> tuple[str, int | None]:
    rest, colon, digits = name.rpartition(":")
    if colon and digits.isdecimal() and len(digits) <= 4 and rest:
        return rest, int(digits)
    return name, None


def _size_behind(file: str) -> tuple[str, int | None]:
    return (file, None) if _is_file(file) else _size(file)


def _nonempty(name: str, text: str) -> str:
    if not name.strip() or name != name.strip():
        raise InputError(f"{text!r} names no network; `penult backbones` lists them.")
    return name


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except OSError:  # a name that no file can have
        return False

"""Recipes that a user writes: in a file beside a network of their own, or on the command line.

Nothing is guessed: a recipe that is a little wrong gives features that are a little wrong, and nobody is told.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from penult import untrusted
from penult.backbones.backbone import wrong_settings
from penult.errors import InputError, UnknownName, unknown
from penult.i18n import _
from penult.pixels.recipe import Recipe
from penult.texts import system_words

# What most networks trained on ImageNet use: shown to who left a setting out, never used in its place.
USUAL = {
    "size": "224",
    "fit": "crop",
    "crop": "0.875",
    "interpolation": "bicubic",
    "mean": "0.485,0.456,0.406",
    "std": "0.229,0.224,0.225",
    "channels": "rgb",
}
SETTINGS = tuple(USUAL)  # all but the depth, which the photos of a run decide
_NAMES = (*SETTINGS, "crop_rounding", "output")
_TOLD = 10  # unknown settings
_LARGEST = 100_000  # bytes; a recipe has 300


def beside(model: Path | str) -> Path:
    """Return where the recipe of a model file lies: `model.recipe.json` beside `model.onnx`."""
    return Path(model).with_suffix(".recipe.json")


def read(path: Path | str) -> dict[str, Any]:
    """Return the settings in a recipe file by name, `output` among them where it is given; some may be missing.

    Raises `InputError` for a file that cannot be read and for wrong values (all of them), `UnknownName` for others.
    """
    try:
        data = untrusted.read_bytes(path, _LARGEST)
        found = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_once)
    except OSError as error:
        raise InputError(_("the recipe {path} cannot be read: {error}.", path=path, error=system_words(error))) from error
    except (ValueError, RecursionError) as error:
        raise InputError(
            _("{path} is not a recipe: {error}; `penult backbones --show-recipe NAME` writes one.", path=path, error=error)
        ) from error
    if not isinstance(found, dict):
        raise InputError(_("{path} is not a recipe: it needs {{...}} with the settings by name.", path=path))
    return _checked(found, _("the recipe {path}", path=path))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the pairs as a dict; of a name given twice one value would be dropped without a word."""
    twice = sorted(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
    if twice:
        raise ValueError(_("{names}: given twice", names=", ".join(twice)))
    return dict(pairs)


def recipe_text(recipe: Recipe) -> str:
    """Return the text of a recipe file; `read` gives the same settings back."""
    lines = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in recipe.to_dict().items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def parse(words: Sequence[str]) -> dict[str, Any]:
    """Return the settings of the command line: `size=224 mean=0.485,0.456,0.406 output=NAME`; some may be missing.

    Raises `InputError` for words and values that cannot be (all of them), `UnknownName` for other settings.
    """
    pairs = [(name.strip(), value.strip()) for name, _, value in (word.partition("=") for word in words)]
    bad = [repr(word) for word, (name, value) in zip(words, pairs, strict=True) if not name or not value]
    if bad:
        raise InputError(_("a recipe is given as NAME=VALUE, for instance size=224; not {bad}.", bad=", ".join(bad)))
    try:
        given = _once(pairs)
    except ValueError as error:
        raise InputError(_("the recipe has {error}; keep one.", error=error)) from error
    return _checked({name: _value(name, value) for name, value in given.items()}, _("the recipe"))


def _value(name: str, text: str) -> Any:
    """Return a word of the command line as what its setting wants, or as it is where it cannot be that."""
    try:
        if name == "size":
            return int(text)
        if name == "crop":
            return float(text)
        if name in {"mean", "std"}:
            return tuple(float(part) for part in text.split(","))
    except ValueError:
        pass
    return text


def to_recipe(settings: Iterable[tuple[str, Any]], what: str) -> Recipe:
    """Return the recipe with these settings; of a name that comes twice the later value counts.

    Every setting must be there, except `crop` with `fit="squash"`, which then sees the whole picture. `what` names the
    recipe in messages. Raises `InputError` that names all that is missing or wrong, `UnknownName` for other settings.
    """
    given = _checked(dict(settings), what)
    given.pop("output", None)
    if given.get("fit") == "squash":
        given.setdefault("crop", 1.0)
    missing = [_("{name} (most networks: {usual})", name=name, usual=USUAL[name]) for name in SETTINGS if name not in given]
    if missing:
        raise InputError(
            _(
                "{what} does not say {missing}; look up what this network was trained with.",
                what=what,
                missing=", ".join(missing),
            )
        )
    return Recipe.from_dict(given)


def _checked(settings: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Return the settings, three numbers as a tuple. Raises `InputError` or `UnknownName`."""
    strange = [str(unknown(_("recipe setting"), name, _NAMES)) for name in settings if name not in _NAMES]
    if len(strange) > _TOLD:
        raise UnknownName(
            _(
                "{what} has {strange} settings that recipes do not have; known: {names}.",
                what=what,
                strange=len(strange),
                names=", ".join(_NAMES),
            )
        )
    if strange:
        raise UnknownName(_("{what}: {strange}", what=what, strange=" ".join(strange)))
    wrong = wrong_settings(settings)
    output = settings.get("output", "")
    if not isinstance(output, str) or (output == "" and "output" in settings):
        wrong.append(_("output={output!r} (the name of a tensor)", output=output))
    if wrong:
        raise InputError(_("{what} cannot have {wrong}.", what=what, wrong="; ".join(wrong)))
    return {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}

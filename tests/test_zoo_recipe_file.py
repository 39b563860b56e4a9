"""Recipes that users write, in a file or on the command line: read as they are, or refused with all their faults."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penult import backbones
from penult.errors import InputError, UnknownName
from penult.pixels.recipe import Recipe
from penult.zoo import recipe_file

GOOD = Recipe(224).to_dict()


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    three = st.tuples(*[st.floats(-5, 5)] * 3)
    positive = st.tuples(*[st.floats(1e-3, 10)] * 3)
    return Recipe(
        draw(st.integers(32, 2048)),
        draw(st.sampled_from(["crop", "squash"])),
        draw(st.floats(0.1, 1)),
        draw(st.sampled_from(["bicubic", "bilinear", "nearest"])),
        draw(three),
        draw(positive),
        draw(st.sampled_from(["rgb", "bgr"])),
    )


@settings(max_examples=40)
@given(recipe=recipes())
def test_what_is_written_is_read_again(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Through a file and through the words of the command line, to the last bit."""
    file = tmp_path_factory.mktemp("recipe") / "model.recipe.json"
    file.write_text(recipe_file.recipe_text(recipe))
    found = recipe_file.read(file)
    words = [f"{k}={','.join(map(repr, v)) if isinstance(v, tuple) else v}" for k, v in recipe.to_dict().items()]
    assert found == recipe_file.parse(words) == recipe.to_dict()
    assert recipe_file.to_recipe(found.items(), "it") == recipe


def test_a_recipe_is_text_that_one_can_edit() -> None:
    assert recipe_file.recipe_text(backbones.find_builtin("efficientnet_lite0").recipe) == (
        '{\n  "size": 224,\n  "fit": "crop",\n  "crop": 0.875,\n  "interpolation": "bicubic",\n'
        '  "mean": [0.5, 0.5, 0.5],\n  "std": [0.5, 0.5, 0.5],\n  "channels": "rgb"\n}\n'
    )


@pytest.mark.parametrize(("model", "recipe"), [("a/b.onnx", "a/b.recipe.json"), ("b.v2.onnx", "b.v2.recipe.json")])
def test_the_recipe_lies_beside_the_model(model: str, recipe: str) -> None:
    assert recipe_file.beside(model) == Path(recipe)


def test_the_output_may_be_named(tmp_path: Path) -> None:
    file = tmp_path / "r.json"
    file.write_text("\ufeff" + json.dumps({**GOOD, "output": "pool"}), "utf-8")  # Notepad's byte order mark
    assert recipe_file.read(file) == recipe_file.parse(["output=pool"]) | GOOD
    assert recipe_file.to_recipe(recipe_file.read(file).items(), "it") == Recipe(224)


def test_all_that_is_missing_is_named_with_what_is_usual() -> None:
    with pytest.raises(InputError) as error:
        recipe_file.to_recipe({"size": 224, "std": (1, 1, 1)}.items(), "its recipe")
    said = str(error.value)
    assert said.startswith("its recipe does not say fit (most networks: crop), crop (most networks: 0.875), interpolation")
    assert "mean (most networks: 0.485,0.456,0.406), channels (most networks: rgb)" in said and "size" not in said


def test_the_usual_recipe_is_a_recipe() -> None:
    """What the messages show can be typed."""
    words = [f"{name}={value}" for name, value in recipe_file.USUAL.items()]
    assert recipe_file.to_recipe(recipe_file.parse(words).items(), "it") == Recipe(224)


def test_the_whole_picture_needs_no_crop() -> None:
    """Squash without a crop sees all of it; a crop that was given stands."""
    squash = {k: v for k, v in GOOD.items() if k != "crop"} | {"fit": "squash"}
    assert recipe_file.to_recipe(squash.items(), "it").crop == 1.0
    assert recipe_file.to_recipe((squash | {"crop": 0.9}).items(), "it").crop == 0.9


def test_the_later_of_two_values_counts() -> None:
    """So that a change can be put behind a recipe."""
    assert recipe_file.to_recipe([*GOOD.items(), ("size", 96)], "it") == Recipe(96)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not a recipe: Expecting property name"),
        ("[224]", r"is not a recipe: it needs \{\.\.\.\}"),
        ('{"size": 224, "size": 256}', "size: given twice"),
        ('{"size": "224", "crop": 7, "std": [1, 0, 1]}', r"size='224' .*; crop=7 .*; std=\[1, 0, 1\]"),
        ('{"mean": [0.1, 0.2, NaN]}', "mean="),
        ('{"mean": [1, 2, 1' + "0" * 400 + "]}", "mean="),
        ('{"mean": 0.5, "fit": ["crop"], "channels": 3}', r"fit=\['crop'\] .* mean=0.5 .* channels=3"),
        ('{"size": true, "output": 3}', "size=True .*; output=3"),
        ("[" * 100_000, "is not a recipe"),
        ("\xff", "is not a recipe"),
        (" " * 1_000_001, "too large"),
    ],
    ids=lambda value: value[:20],
)
def test_a_file_that_is_no_recipe_is_refused_with_all_its_faults(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "model.recipe.json"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=message) as error:
        recipe_file.read(file)
    assert str(file) in str(error.value)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        recipe_file.read(tmp_path / "none.recipe.json")


def test_unknown_settings_are_answered_with_the_nearest() -> None:
    """All of them at once."""
    with pytest.raises(UnknownName, match=r"'siez'; did you mean size.*'chanels'; did you mean channels"):
        recipe_file.parse(["siez=224", "chanels=rgb"])
    with pytest.raises(UnknownName, match="'outputs'; did you mean output"):
        recipe_file.to_recipe([*GOOD.items(), ("outputs", "x")], "it")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["size", "=3", "mean="], "not 'size', '=3', 'mean='"),
        (["size=224", "size=224"], "size: given twice"),
        (["size=big", "crop=much", "mean=1,2"], r"size='big' .*; crop='much' .*; mean=\(1.0, 2.0\)"),
        (["std=a,b,c", "size=224.0"], r"size='224.0' .*; std='a,b,c'"),
    ],
)
def test_words_that_are_no_recipe_are_refused_with_all_their_faults(words: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        recipe_file.parse(words)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from([*GOOD, "output"]), SCALARS | st.lists(SCALARS, max_size=3)))
def test_whatever_json_says_the_answer_is_settings_or_a_sentence(settings: dict[str, Any]) -> None:
    """No value of any type comes through that invalid recipe:, and none raises anything but our own errors."""
    try:
        recipe = recipe_file.to_recipe((GOOD | settings).items(), "it")
    except InputError as error:
        assert str(error).startswith("it cannot have ")
    else:
        assert Recipe.from_dict(recipe.to_dict()) == recipe

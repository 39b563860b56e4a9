"""What a name says: its source, a file, an input size; and what presets stand for."""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penult import backbones, zoo
from penult.errors import InputError
from penult.zoo import names
from penult.zoo.names import PRESETS, WHY, expand, understand
from penult.zoo.sources import ModelSpec


@pytest.fixture
def file(in_folder: Path) -> str:
    Path("my.weights.h5").write_bytes(b"x")
    return "my.weights.h5"


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("efficientnet_lite0", ModelSpec("built-in", "efficientnet_lite0")),
        ("efficientnet_lite0:300", ModelSpec("built-in", "efficientnet_lite0", None, 300)),
        ("efficientnet_lite0:300:crop+squash", ModelSpec("built-in", "efficientnet_lite0", None, 300, "crop+squash")),
        ("efficientnet_lite0:stages:squash", ModelSpec("built-in", "efficientnet_lite0", None, None, "squash", "stages")),
        ("keras:Xception@my.weights.h5:160:squash", ModelSpec("keras", "Xception", "my.weights.h5", 160, "squash")),
        ("resnet50", ModelSpec("timm", "resnet50")),
        ("resnet50.a1_in1k:288", ModelSpec("timm", "resnet50.a1_in1k", None, 288)),
        ("hf-hub:owner/model", ModelSpec("timm", "hf-hub:owner/model")),
        ("hf-hub:owner/model@v2", ModelSpec("timm", "hf-hub:owner/model@v2")),
        ("hf-hub:owner/model@v2:224", ModelSpec("timm", "hf-hub:owner/model@v2", None, 224)),
        ("keras:Xception", ModelSpec("keras", "Xception")),
        ("Xception", ModelSpec("keras", "Xception")),  # as Keras spells it; timm has an `xception`, too
        ("xception", ModelSpec("timm", "xception")),
        ("ResNet50:288:squash", ModelSpec("keras", "ResNet50", None, 288, "squash")),
        ("InceptionV3@my.weights.h5", ModelSpec("keras", "InceptionV3", "my.weights.h5")),
        ("hf:owner/model", ModelSpec("hub", "owner/model")),
        ("hf:owner/model@v1.0:224:cls", ModelSpec("hub", "owner/model@v1.0", None, 224, None, "cls")),
        ("hf:owner/model@my.weights.h5", ModelSpec("hub", "owner/model@my.weights.h5")),  # a revision, whatever is here
        ("hf:owner/model/onnx/model_fp16.onnx:mean", ModelSpec("hub", "owner/model/onnx/model_fp16.onnx", pooling="mean")),
        ("keras:Xception:224", ModelSpec("keras", "Xception", None, 224)),
        ("keras:Xception@my.weights.h5", ModelSpec("keras", "Xception", "my.weights.h5")),
        ("resnet50@my.weights.h5:160", ModelSpec("timm", "resnet50", "my.weights.h5", 160)),
        ("hf-hub:owner/model@my.weights.h5", ModelSpec("timm", "hf-hub:owner/model", "my.weights.h5")),
    ],
)
def test_a_name_in_its_parts(text: str, spec: ModelSpec, file: str) -> None:
    assert understand(text) == spec


def test_an_onnx_file_may_have_any_signs_in_its_path(in_folder: Path) -> None:
    path = in_folder / "a@b:7.onnx"
    path.write_bytes(b"")
    assert understand(str(path)) == ModelSpec("onnx", str(path))
    assert understand(f"{path}:96") == ModelSpec("onnx", str(path), None, 96)
    assert understand(str(path)).label == "a@b:7.onnx"


def test_a_name_in_kerass_spelling_says_once_what_it_was_taken_for(caplog: pytest.LogCaptureFixture) -> None:
    names._tell_taken.cache_clear()
    with caplog.at_level(logging.WARNING):
        assert {understand("NASNetMobile").label for _ in range(2)} == {"keras:NASNetMobile"}
    (note,) = caplog.messages
    assert note == "NASNetMobile is Keras's network, keras:NASNetMobile; timm's names have small letters only"


def test_results_name_a_file_without_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(b"")
    assert understand(f"keras:ResNet50@{path}:200").label == "keras:ResNet50@w.pth:200"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("resnet50@nowhere.pth", r"nowhere\.pth: there is no such file"),
        ("nowhere.onnx", "there is no such file"),
        ("keras:", "names no network"),
        ("", "names no network"),
        (" resnet50", "names no network"),
        ("efficientnet_lite0@my.weights.h5", "tf_efficientnet_lite0"),
        ("resnet50@.", "is a folder"),
        ("modern", "is a preset"),
    ],
)
def test_what_cannot_be_is_said(text: str, says: str, file: str) -> None:
    with pytest.raises(InputError, match=says):
        understand(text)


def test_presets_stand_for_their_networks_and_each_has_a_reason() -> None:
    assert expand(["lite", "efficientnet_lite0", "keras:Xception", "blog2017"]) == (
        *backbones.LITES, "keras:Xception", "keras:ResNet50", "keras:InceptionV3",
    )  # fmt: skip
    assert expand(["seed:224"]) == expand(["blog2017:224"]) and "seed" not in PRESETS  # the old name still works
    hub = importlib.util.find_spec("huggingface_hub") is not None
    small = "hf:onnx-community/dinov2-small:280" if hub else "vit_small_patch14_dinov2.lvd142m:280"
    assert expand(["lite:96", "modern:280"])[::3] == ("efficientnet_lite0:96", small)
    assert expand(["lite:squash", "lite0:96"])[1:] == ("efficientnet_lite1:squash", "efficientnet_lite2:squash", "lite0:96")
    assert expand(["default:96"]) == ("efficientnet_lite1:96:crop:stages", "efficientnet_lite2:96:squash")
    assert PRESETS.keys() == WHY.keys() and all(PRESETS.values())


@settings(max_examples=30)
@given(st.lists(st.sampled_from([*PRESETS, "a", "b", "keras:Xception"])))
def test_expanding_is_done_once_and_for_all(names: list[str]) -> None:
    once = expand(names)
    assert expand(once) == once and len(set(once)) == len(once)


def test_a_size_in_the_name_is_the_size_of_the_recipe() -> None:
    assert zoo.find_backbone("efficientnet_lite0:96").digest == zoo.find_backbone("efficientnet_lite0", size=96).digest
    assert zoo.find_backbone("efficientnet_lite0").recipe.size == 224

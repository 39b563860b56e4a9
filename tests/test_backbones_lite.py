"""The EfficientNet-Lite graphs are sound ONNX, built without torch, for any input size."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penult import backbones, engines
from penult.backbones.lite import LITE, same
from tolerance import assert_same_pixels

LITES = backbones.DEFAULT


@given(st.integers(1, 700), st.sampled_from([1, 3, 5]), st.sampled_from([1, 2]))
def test_same_padding_is_tensorflows(side: int, kernel: int, stride: int) -> None:
    """The output has ceil(side / stride) steps, as little as possible is padded, the odd pixel comes last."""
    out, (top, left, bottom, right) = same(side, kernel, stride)
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
    assert sum(learned) == backbones.find(name).params


@pytest.mark.parametrize("name", LITES)
def test_the_graph_is_sound_and_says_what_comes_out(name: str) -> None:
    """The checker of ONNX accepts it with shapes inferred; the number of images is left open."""
    import onnx

    backbone = backbones.find(name)
    graph = backbone.graph(classifier=True)
    onnx.checker.check_model(graph, full_check=True)
    model = onnx.load_from_string(graph).graph
    side = -(-backbone.recipe.size // 32)
    shapes = {
        v.name: [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in model.output
    }
    assert shapes == {"features": ["n", 1280], "maps": ["n", 1280, side, side], "logits": ["n", 1000]}
    size = backbone.recipe.size
    assert [d.dim_param or d.dim_value for d in model.input[0].type.tensor_type.shape.dim] == [
        "n",
        size,
        size,
        3,
    ]
    assert model.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8


def test_building_twice_gives_the_same_bytes() -> None:
    backbone = backbones.find("efficientnet_lite0")
    assert backbone.graph() == backbone.graph()


def test_the_classifier_is_left_out_unless_asked_for() -> None:
    backbone = backbones.find("efficientnet_lite0")
    assert len(backbone.graph(classifier=True)) - len(backbone.graph()) > 1280 * 1000 * 4


@pytest.mark.parametrize("size", [96, 161])
def test_features_are_the_means_of_maps(size: int) -> None:
    """Also at sizes the network was not trained at, even and odd."""
    backbone = backbones.find("efficientnet_lite0", size=size)
    pixels = np.random.default_rng(size).integers(0, 256, (2, size, size, 3), dtype=np.uint8)
    features = engines.open_engine(backbone, precision="f32")(pixels)  # (2, 1280)
    maps = engines.open_engine(backbone, precision="f32", output="maps")(pixels)  # (2, 1280, h, w)
    assert maps.shape == (2, 1280, -(-size // 32), -(-size // 32))
    assert_same_pixels(features, maps.mean(axis=(2, 3)))


def test_bgr_is_rgb_with_the_channels_turned() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    rgb = engines.open_engine(backbones.find("efficientnet_lite0", size=64), precision="f32")
    bgr = engines.open_engine(backbones.find("efficientnet_lite0", size=64, channels="bgr"), precision="f32")
    assert_same_pixels(bgr(pixels[..., ::-1]), rgb(pixels))
    assert np.abs(bgr(pixels) - rgb(pixels)).max() > 0.1


def test_the_road_from_weights_to_features_needs_no_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = sys.modules['timm'] = None\n"
        "import numpy as np; from penult import backbones, engines\n"
        "engine = engines.open_engine(backbones.find('efficientnet_lite0', size=64))\n"
        "print(engine(np.zeros((1, 64, 64, 3), np.uint8)).shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("(1, 1280)\n", "")

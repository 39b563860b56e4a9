"""What NNCF makes of networks: features that keep their direction, and sentences for what it cannot do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from extras import needs
from onnxnets import classifier
from penult import backbones, engines, quantize, zoo
from penult.backbones import Backbone
from penult.errors import InputError
from penult.quantize import calibration_set
from penult.quantize.nncf import QuantizeRequest
from penult.zoo.timm_source import import_timm
from tinynet import noise, tiny

pytestmark = needs("int8", "nncf", "onnxruntime")
Photos = Callable[..., Path]


def cosines(original: Backbone, quantized: Backbone, pixels: np.ndarray) -> np.ndarray:
    a, b = (engines.open_engine(n, "cpu", p)(pixels) for n, p in ((original, "f32"), (quantized, "int8")))
    return np.asarray((a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1))


def test_a_built_in_network_keeps_its_features(photos: Photos, tmp_path: Path) -> None:
    network = backbones.find_builtin("efficientnet_lite0")
    paths = sorted(photos("train", warm=8, cold=8, green=8).rglob("*.png"))
    (made,) = quantize.in_int8([network], paths, tmp_path)
    kinds = {node.op_type for node in onnx.load_model_from_string(made.graph()).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear", "Conv"} <= kinds
    assert len(made.graph()) < 1.1 * len(network.graph())
    others = sorted(photos("others", 100, warm=4, cold=4, green=4).rglob("*.png"))
    (pixels,) = calibration_set(others, [network.recipe]).pixels
    assert np.median(cosines(network, made, pixels)) > 0.97
    assert quantize.in_int8([network], paths, tmp_path) == (made,)


def test_a_residual_network_with_random_weights_is_quantised(photos: Photos, tmp_path: Path) -> None:
    """Two convolutions that meet in one Add: an algorithm that this library offers fails on it."""
    timm, torch = import_timm(), pytest.importorskip("torch")
    torch.manual_seed(0)
    path = tmp_path / "weights.pth"
    torch.save(timm.create_model("resnet18", pretrained=False).state_dict(), path)
    network = zoo.find_backbone(f"resnet18:64@{path}")
    paths = sorted(photos("train", warm=6, cold=6).rglob("*.png"))
    (made,) = quantize.in_int8([network], paths, tmp_path)
    assert made.quantized


# NNCF is never loaded in this process: it sets the logging of all libraries.


def test_nothing_is_reported_to_anyone() -> None:
    code = (
        "import os, sys; from penult.quantize import nncf; nncf.load(); "
        "print(sys.modules['openvino_telemetry'], os.environ['ORT_DISABLE_TELEMETRY'])"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-2:] == ["None", "1"]


def test_an_old_graph_is_refused_with_the_cure() -> None:
    order = QuantizeRequest("old", classifier(opset=11).SerializeToString(), np.zeros((1, 32, 32, 3), np.uint8))
    with pytest.raises(InputError, match=r"old is written in version 11 .* needs 13; export it again with opset 17"):
        quantize._ask(order)


def test_what_the_library_cannot_do_is_one_sentence() -> None:
    broken = QuantizeRequest("odd", tiny().graph(), noise(2, 16))  # pixels of another size than the graph's
    with pytest.raises(InputError, match=r"odd cannot be quantised: .* use --precision auto, or another network"):
        quantize._ask(broken)

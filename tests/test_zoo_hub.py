"""`-b hf:OWNER/NAME`: ready ONNX files of the Hugging Face hub, from a local server that speaks its protocol.

What the features must be is written out here: the preprocessing as Transformers does it, with Pillow and numpy, and
onnxruntime on the file that was uploaded. (`transformers` 5.24's own processors gave the same pixels, see docs/backbones.md.)
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import hubnets
import hubserver
from extras import ONNXRUNTIME, InProcess
from hubserver import COMMIT, Hub, Repository
from penult import engines, zoo
from penult.backbones import Backbone
from penult.pixels import prepare
from penult.zoo import catalog

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("huggingface_hub") is None, reason="huggingface_hub is not installed: pip install 'penult[hub]'"
)
SHAPES = ((341, 256), (300, 451), (224, 224), (97, 640))  # (width, height); of the margins some are odd


def packed(processor: dict[str, Any] | None, config: dict[str, Any] | None = None, **more: bytes) -> dict[str, bytes]:
    files = {"config.json": config or {}} | ({} if processor is None else {"preprocessor_config.json": processor})
    return {name: json.dumps(one).encode() for name, one in files.items()} | more


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Run a hub that this process and its children use, with a cache folder of their own."""
    from huggingface_hub import constants

    with hubserver.serve() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}")
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
        monkeypatch.setattr(catalog, "Worker", InProcess)
        yield hub


def reference(photo: Image.Image, processor: dict[str, Any]) -> np.ndarray:
    """Return what Transformers makes of a photo for these three networks: (1, 3, 224, 224)."""
    size = processor["size"]
    short = size if isinstance(size, int) else size.get("shortest_edge")
    if short is None:
        photo = photo.resize((size["width"], size["height"]), processor["resample"])
    else:
        width, height = photo.size
        long = int(short * max(width, height) / min(width, height))
        photo = photo.resize((short, long) if width <= height else (long, short), processor["resample"])
    pixels = np.asarray(photo)
    if processor.get("do_center_crop"):
        top, left = (pixels.shape[0] - 224) // 2, (pixels.shape[1] - 224) // 2
        pixels = pixels[top : top + 224, left : left + 224]
    x = (pixels / 255 - processor["image_mean"]) / processor["image_std"]  # (224, 224, 3)
    return x.transpose(2, 0, 1)[None].astype(np.float32)


def features(backbone: Backbone, photo: Image.Image) -> np.ndarray:
    engine = engines.open_engine(backbone, "cpu", "f32")
    try:
        return engine(prepare(np.asarray(photo), backbone.recipe)[None])[0]
    finally:
        engine.close()


@ONNXRUNTIME
@pytest.mark.parametrize(
    ("name", "made", "processor", "output"),
    [
        ("hf:org/dino", hubnets.dinov2, hubnets.BIT, "pooler_output"),
        ("hf:org/dino:cls", hubnets.dinov2, hubnets.BIT, "class token"),
        ("hf:org/dino:mean", hubnets.dinov2, hubnets.BIT, "patches"),
        ("hf:org/siglip", hubnets.siglip, hubnets.SIGLIP, "pooler_output"),
        ("hf:org/clip", hubnets.clip, hubnets.CLIP, "image_embeds"),
    ],
)
def test_features_are_onnxruntimes_on_the_reference_preprocessing(
    name: str, made: Any, processor: dict[str, Any], output: str, hub: Hub, tmp_path: Path
) -> None:
    import onnxruntime

    graph = made()
    files = packed(processor, {"patch_size": 14} if "dino" in name else {})
    if made is hubnets.dinov2:
        files |= {"onnx/model.onnx": graph, "onnx/model_quantized.onnx": b"not this one"}
    else:  # a tower of two, with its weights in another file
        head, weights = hubnets.outside(graph, "vision_model.onnx_data")
        files |= {"onnx/vision_model.onnx": head, "onnx/vision_model.onnx_data": weights, "onnx/model.onnx": b"nor this"}
    hub.repositories[name.split(":")[1]] = Repository(files)
    backbone = zoo.find_backbone(name, cache=tmp_path / "cache")
    session = onnxruntime.InferenceSession(graph)
    names = [one.name for one in session.get_outputs()]
    for number, shape in enumerate(SHAPES):
        noise = np.random.default_rng(number).integers(0, 256, (shape[1] // 8, shape[0] // 8, 3), dtype=np.uint8)
        photo = Image.fromarray(noise).resize(shape, Image.Resampling.BICUBIC)
        outputs = dict(zip(names, session.run(None, {"pixel_values": reference(photo, processor)}), strict=True))
        wanted = {
            "class token": lambda o=outputs: o["last_hidden_state"][0, 0],
            "patches": lambda o=outputs: o["last_hidden_state"][0, 1:].mean(0),
        }.get(output, lambda o=outputs: o[output][0])()
        np.testing.assert_allclose(features(backbone, photo), wanted, rtol=1e-3, atol=1e-3 * float(np.abs(wanted).max()))
    assert output in backbone.source and backbone.source.startswith(f"hf:{name.split(':')[1]}/onnx/")
    assert f"@{COMMIT}, sha256 " in backbone.source and backbone.license == "apache-2.0"
    assert backbone.has_maps == (output == "patches")

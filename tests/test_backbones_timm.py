"""The Lite graphs give what timm gives with the same weights; needs the extra `timm`."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from penult import backbones, engines
from penult.backbones.lite import LITE
from penult.errors import MissingExtra
from tolerance import assert_same_pixels


def timm_installed() -> bool:
    return all(importlib.util.find_spec(name) for name in ("torch", "torchvision", "timm"))


@pytest.mark.timm
@pytest.mark.filterwarnings("default")
@pytest.mark.skipif(
    not timm_installed(), reason="the extra `timm` is not installed: pip install 'penult[timm]'"
)
@pytest.mark.parametrize("name", backbones.DEFAULT)
def test_the_graph_gives_what_timm_gives(name: str) -> None:
    """Same weights, same random pixels: features, maps and ImageNet scores agree, at two sizes."""
    timm = backbones.import_timm()
    import torch

    known = backbones.find(name)
    model = timm.create_model(f"tf_{name}").eval()
    config, recipe = model.pretrained_cfg, known.recipe
    assert (config["input_size"][1], config["crop_pct"], config["interpolation"]) == (
        recipe.size,
        recipe.crop,
        recipe.interpolation,
    )
    assert tuple(config["mean"]) == recipe.mean and tuple(config["std"]) == recipe.std
    weights = [torch.from_numpy(tensor.copy()) for tensor in LITE[name].tensors().values()]
    model.load_state_dict(dict(zip(model.state_dict(), weights, strict=True)))
    for size in (known.recipe.size, 161):
        backbone = known.with_recipe(size=size)
        pixels = np.random.default_rng(size).integers(0, 256, (2, size, size, 3), dtype=np.uint8)
        with torch.no_grad():
            seen = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5
            maps = model.forward_features(seen)
            features, logits = (
                model.forward_head(maps, pre_logits=True).numpy(),
                model.forward_head(maps).numpy(),
            )
        assert_same_pixels(engines.open_engine(backbone, precision="f32")(pixels), features)
        assert_same_pixels(
            engines.open_engine(backbone, precision="f32", output="maps")(pixels), maps.numpy()
        )
        weight, bias = LITE[name].tensors()["_fc.weight"], LITE[name].tensors()["_fc.bias"]
        assert_same_pixels(features @ weight.T + bias, logits)


def test_a_missing_timm_is_answered_with_the_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        MissingExtra, match=r"torch, torchvision, timm: not installed; pip install 'penult\[timm\]'"
    ):
        backbones.import_timm()

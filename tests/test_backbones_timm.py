"""The Lite graphs give what timm gives with the same weights; needs the extra `timm`."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest

from penult import backbones, engines
from penult.backbones.efficientnet_lite import LITE
from penult.errors import MissingExtra
from penult.zoo.timm_source import import_timm
from tolerance import assert_same_pixels


def timm_installed() -> bool:
    return all(importlib.util.find_spec(name) for name in ("torch", "torchvision", "timm"))


@pytest.mark.timm
@pytest.mark.filterwarnings("default")
@pytest.mark.skipif(not timm_installed(), reason="the extra `timm` is not installed: pip install 'penult[timm]'")
@pytest.mark.parametrize("name", backbones.LITES)
def test_the_graph_gives_what_timm_gives(name: str) -> None:
    """Same weights, same random pixels: features, maps and ImageNet scores agree, at two
    sizes, pooled both ways."""
    timm = import_timm()
    import torch

    known = backbones.find_builtin(name)
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
    seen: dict[int, Any] = {}
    for stage in (5, 6):
        model.blocks[stage].register_forward_hook(lambda _, __, maps, stage=stage: seen.update({stage: maps}))
    weight, bias = LITE[name].tensors()["_fc.weight"], LITE[name].tensors()["_fc.bias"]
    for size in (known.recipe.size, 161):
        pixels = np.random.default_rng(size).integers(0, 256, (2, size, size, 3), dtype=np.uint8)
        with torch.no_grad():
            x = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5
            head = model.forward_features(x)
            features = model.forward_head(head, pre_logits=True).numpy()
            logits = model.forward_head(head).numpy()
            maps = torch.cat([seen[5], seen[6], head], 1)
            pooled = torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], 1).numpy()
        for pooling, wanted, mapped in (("mean", features, head), ("mean+max", pooled, maps)):
            backbone = backbones.find_builtin(name, pooling=pooling, size=size)
            assert_same_pixels(engines.open_engine(backbone, precision="f32")(pixels), wanted)
            whole = engines.open_engine(backbone, precision="f32", output="maps")
            assert_same_pixels(whole(pixels), mapped.numpy())
        assert_same_pixels(features @ weight.T + bias, logits)


def test_a_missing_timm_is_answered_with_the_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"torch, torchvision, timm: not installed; pip install 'penult\[timm\]'"):
        import_timm()

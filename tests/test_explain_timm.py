"""ResNet50 by timm, with random weights: the heat adds up to its logit; needs the extra `timm`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from explainable import features, fitted, model, some
from extras import TIMM
from penult import zoo
from penult.explain import explain
from penult.heads import scorer
from penult.zoo.timm_source import import_timm

pytestmark = TIMM


@pytest.mark.parametrize("scaling", ["unit", "standard"])
def test_the_heat_adds_up_to_the_logit_of_resnet50(scaling: str, tmp_path: Path) -> None:
    timm = import_timm()
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    net = timm.create_model("resnet50")
    save_file({name: tensor.contiguous() for name, tensor in net.state_dict().items()}, tmp_path / "random.safetensors")
    network, photos = zoo.find_backbone(f"resnet50@{tmp_path / 'random.safetensors'}"), some(9)
    assert network.pooling == "mean" and network.width == 2048
    X = features(photos, network)
    head = fitted("logistic", X, 3, blocks=network.blocks, scaling=scaling)
    score = scorer(head.kind, head.arrays, head.facts)
    for row, one in zip(X, explain(model((network,), head), photos[:3]), strict=False):
        raw, place = score.raw(row[None])[0], "abc".index(one.label)
        assert one.method == "cam" and one.intercept is not None
        assert one.logit == pytest.approx(raw[place] - raw.mean(), rel=1e-3)
        assert one.heat.sum(dtype=np.float64) == pytest.approx(one.logit - one.intercept, rel=1e-3)

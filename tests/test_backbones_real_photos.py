"""With their classifier kept, the networks name real photos rightly: weights, graph and recipe fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from penult import backbones, pixels
from penult.engines.openvino_engine import load

DOGS, CATS = range(151, 269), range(281, 286)  # of the 1,000 classes of ImageNet

# Measured on all 111 + 111 photos: cats 0.78 / 0.86 / 0.83, dogs 0.96 / 0.96 / 0.97 (many show a sofa, too).
LEAST_CATS, LEAST_DOGS, LEAST_OF_TWO = 0.75, 0.90, 0.94


@pytest.mark.slow
@pytest.mark.parametrize("name", backbones.DEFAULT)
def test_cats_are_named_cats_and_dogs_dogs(name: str, real_photos: Path) -> None:
    openvino, backbone = load(), backbones.find(name)
    core = openvino.Core()
    model = core.read_model(backbone.graph(classifier=True))
    model = openvino.Model([model.output("logits")], model.get_parameters())
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    right, right_of_two = {}, []
    for label, classes, others in (("cat", CATS, DOGS), ("dog", DOGS, CATS)):
        paths = sorted((real_photos / "train" / label).iterdir())[::3]
        seen = [pixels.decode(path.read_bytes()) for path in paths]
        assert not any(isinstance(photo, pixels.Failure) for photo in seen)
        scores = np.vstack(
            [compiled(pixels.prepare(photo, backbone.recipe)[None])[0] for photo in seen]
        )  # (n, 1000)
        right[label] = np.isin(scores.argmax(axis=1), classes).mean()
        right_of_two.append(scores[:, classes].max(axis=1) > scores[:, others].max(axis=1))
    assert right["cat"] >= LEAST_CATS and right["dog"] >= LEAST_DOGS, right
    assert np.concatenate(right_of_two).mean() >= LEAST_OF_TWO

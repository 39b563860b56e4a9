"""One Xception, two sources: a checkpoint of Keras, and the same numbers in timm's `legacy_xception`.

The two are the same network but for two things, which these tests hold fast. Keras adds 1e-3 to the variances of its batch
normalizations and timm 1e-5: a port puts the rest into the variances. And Keras (as TensorFlow) pads a pooling of an even
side on the right alone, timm on both sides: no weights can mend that, and at 299 pixels one of the four poolings has an even
side. At 71, 103 ... 295 pixels (32 k + 7) none has.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penult.zoo import keras_source, timm_source
from penult.zoo.keras_network import build, import_keras, leaves
from penult.zoo.sources import ModelSpec
from penult.zoo.timm_source import import_timm

pytestmark = [pytest.mark.timm, pytest.mark.filterwarnings("default")]
KERAS_EPSILON, TIMM_EPSILON = 1e-3, 1e-5
SIZE = 71


@pytest.fixture(scope="module", autouse=True)
def both_libraries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    if not all(importlib.util.find_spec(name) for name in ("torch", "torchvision", "timm", "keras")):
        pytest.skip("the extras `timm` and `keras` are not installed: pip install 'penult[timm,keras]'")
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_HOME", str(tmp_path_factory.mktemp("keras")))
        patch.setenv("KERAS_BACKEND", "torch")
        import_keras()
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def xception() -> Any:
    from kerasnets import healthy

    return healthy("Xception", SIZE)


def ported(model: Any) -> Any:
    """Return timm's `legacy_xception` with the numbers of Keras's, layer by layer in the order of both."""
    import torch

    network = import_timm().create_model("legacy_xception", num_classes=0).eval()
    filled = [leaf for leaf in leaves(model) if leaf.variables]
    shortcuts = [leaf for leaf in filled if not leaf.layer.name.startswith("block")]  # Keras only numbers these
    kinds = (torch.nn.Conv2d, torch.nn.BatchNorm2d)
    modules = {name: module for name, module in network.named_modules() if isinstance(module, kinds)}
    for ours, theirs in (
        (shortcuts, [m for n, m in modules.items() if "skip" in n]),
        ([leaf for leaf in filled if leaf not in shortcuts], [m for n, m in modules.items() if "skip" not in n]),
    ):
        places = iter(theirs)
        for leaf in ours:
            values = [torch.from_numpy(np.array(w)) for w in leaf.layer.get_weights()]
            if leaf.kind == "batch_normalization":
                place = next(places)
                place.weight.data, place.bias.data, place.running_mean, place.running_var = values
                place.running_var += KERAS_EPSILON - TIMM_EPSILON
            else:  # kernels: (h, w, in, out), and (h, w, in, 1) for one that keeps its channels apart
                for value in values:
                    axes = (2, 3, 0, 1) if value.shape[3] == 1 else (3, 2, 0, 1)
                    next(places).weight.data = value.permute(*axes).contiguous()
        assert next(places, None) is None
    return network


def test_both_sources_give_the_same_features(xception: Any, tmp_path: Path) -> None:
    """From two files to the features of the same pictures, by two recipes that agree."""
    from safetensors.torch import save_file

    from kerasnets import difference, our_outputs, pictures, save

    save(xception, tmp_path / "x.weights.h5")
    save_file(ported(xception).state_dict(), tmp_path / "x.safetensors")
    one = keras_source.load(ModelSpec("keras", "Xception", str(tmp_path / "x.weights.h5"), SIZE))
    other = timm_source.load(ModelSpec("timm", "legacy_xception", str(tmp_path / "x.safetensors"), SIZE))
    assert one.recipe == other.recipe
    assert (one.pooling, one.params) == (other.pooling, other.params)
    pixels = pictures(4, SIZE, seed=5)
    for ours, theirs in zip(our_outputs(one, pixels), our_outputs(other, pixels), strict=True):
        assert difference(ours, theirs) < 1e-4


def test_at_299_pixels_one_pooling_is_padded_otherwise(xception: Any) -> None:
    """The same numbers are two networks there, and one again as soon as that pooling is padded as Keras does."""
    import torch

    from kerasnets import difference, keras_features, pictures, seen

    model, network, pixels = build("Xception", 299), ported(xception), pictures(3, 299, seed=6)
    model.set_weights(xception.get_weights())
    wanted = keras_features("Xception", model, pixels)

    def features() -> np.ndarray:
        x = torch.from_numpy(seen("Xception", pixels).transpose(0, 3, 1, 2).copy())
        with torch.no_grad():
            return np.asarray(network(x))

    assert difference(features(), wanted) > 1e-2
    second = network.block2.rep  # 74 pixels become 37
    second[-1] = torch.nn.Sequential(torch.nn.ConstantPad2d((0, 1, 0, 1), -torch.inf), torch.nn.MaxPool2d(3, 2))
    assert difference(features(), wanted) < 1e-4

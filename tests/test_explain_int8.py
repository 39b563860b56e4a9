"""Networks in 8 bits: the maps are those of the graph in 8 bits, and nothing is explained in another precision."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from explainable import fitted, linear, model, some
from penult import engines, pixels
from penult.backbones import Backbone, StoredGraph
from penult.embed import EmbedOptions
from penult.errors import InputError
from penult.explain import explain
from quantized import by_hand
from tinynet import tiny

INT8 = EmbedOptions(device="cpu", cache=False)


def behind_the_maps(graph: bytes, step: float = 6 / 255) -> bytes:
    """Return the graph with its maps rounded on their way to the pooling only, as NNCF may do it."""
    net = onnx.load_model_from_string(graph)
    nodes = list(net.graph.node)
    place, mean = next((i, n) for i, n in enumerate(nodes) if n.op_type == "ReduceMean")
    net.graph.initializer.extend(
        [numpy_helper.from_array(np.float32(step), "m_step"), numpy_helper.from_array(np.uint8(0), "m_zero")]
    )
    pair = [
        helper.make_node("QuantizeLinear", [mean.input[0], "m_step", "m_zero"], ["m_whole"], "m_down"),
        helper.make_node("DequantizeLinear", ["m_whole", "m_step", "m_zero"], ["m_back"], "m_up"),
    ]
    mean.input[0] = "m_back"
    del net.graph.node[:]
    net.graph.node.extend([*nodes[:place], *pair, *nodes[place:]])
    return bytes(net.SerializeToString())


def quantized(graph: bytes) -> Backbone:
    plain = tiny()
    return replace(plain, weights="8" * 64, network=StoredGraph(graph, plain.recipe), quantized=True)


def rows(network: Backbone, photos: list[np.ndarray], precision: str) -> np.ndarray:
    engine = engines.open_engine(network, "cpu", precision)
    found = engine(np.stack([pixels.prepare(photo, network.recipe) for photo in photos]))
    engine.close()
    return found


@pytest.fixture(autouse=True)
def in_8_bits() -> None:
    if engines.resolve("cpu", "auto", [quantized(by_hand(tiny().graph()))]) != ("cpu", "int8"):
        pytest.skip("this processor does not compute in int8")


@pytest.mark.parametrize("place", [by_hand, behind_the_maps])
def test_the_heat_adds_up_to_the_logit_in_8_bits(place: object) -> None:
    network, photos = quantized(place(tiny().graph())), some(9)  # type: ignore[operator]
    X = rows(network, photos, "int8")
    head = fitted("logistic", X)
    found = model((network,), head, INT8, engine="openvino", precision="int8")
    answers = list(found.predict(photos))
    for answer, one in zip(answers, explain(found, photos), strict=True):
        assert one.method == "cam" and one.intercept is not None
        assert one.heat.sum(dtype=np.float64) == pytest.approx(one.logit - one.intercept, rel=1e-3)
        assert one.probability == pytest.approx(answer.probabilities[one.label], abs=0.02)


def test_it_is_the_graph_in_8_bits_that_is_explained() -> None:
    """Rounded so coarsely that it shows: the heat is not that of the network in f32."""
    coarse, photos = quantized(by_hand(tiny().graph(), step=1.5)), some(3)
    head = linear([[1, 2, 3, 0, 0]])
    plain = explain(model((tiny(),), head), photos, "b")
    rough = explain(model((coarse,), head, INT8, precision="int8"), photos, "b")
    X = rows(coarse, photos, "int8")
    for row, one, other in zip(X, rough, plain, strict=True):
        assert one.logit == pytest.approx(float(row @ [0.5, 1, 1.5, 0, 0]), rel=1e-3)
        assert np.abs(one.heat - other.heat).max() > 0.05 * np.abs(other.heat).max()


def test_occlusion_in_8_bits_and_other_precisions_refused() -> None:
    network, photos = quantized(by_hand(tiny().graph())), some(2)
    found = model((network,), linear([[1, 2, 3, 0, 0]]), INT8, precision="int8")
    assert explain(found, photos, "b", "occlusion")[0].method == "occlusion"
    with pytest.raises(InputError, match="computes in int8 only; leave --precision f32 out"):
        explain(model((network,), linear([[1, 2, 3, 0, 0]]), EmbedOptions(precision="f32"), precision="int8"), photos)

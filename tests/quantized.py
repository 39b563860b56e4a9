"""Networks in 8 bits without NNCF: the first convolution's input goes through QuantizeLinear and DequantizeLinear."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from penult import quantize
from penult.quantize.nncf import QuantizeRequest


def by_hand(graph: bytes, step: float = 4 / 255, zero: int = 128) -> bytes:
    """Return the graph with that input rounded to `step`, from -128 to 127 of them."""
    model = onnx.load_model_from_string(graph)
    nodes = list(model.graph.node)
    place, conv = next((i, n) for i, n in enumerate(nodes) if n.op_type == "Conv")
    model.graph.initializer.extend(
        [numpy_helper.from_array(np.float32(step), "q_step"), numpy_helper.from_array(np.uint8(zero), "q_zero")]
    )
    around = ["q_step", "q_zero"]
    pair = [
        helper.make_node("QuantizeLinear", [conv.input[0], *around], ["q_whole"], "q_down"),
        helper.make_node("DequantizeLinear", ["q_whole", *around], ["q_back"], "q_up"),
    ]
    conv.input[0] = "q_back"
    del model.graph.node[:]
    model.graph.node.extend([*nodes[:place], *pair, *nodes[place:]])
    return model.SerializeToString()


def instead_of_nncf(monkeypatch: pytest.MonkeyPatch, make: Callable[[bytes], bytes] = by_hand) -> list[QuantizeRequest]:
    """Have graphs quantised by `make`, as if NNCF were there; return the list that the requests go to."""
    requests: list[QuantizeRequest] = []

    def ask(request: QuantizeRequest) -> bytes:
        requests.append(request)
        return make(request.graph)

    monkeypatch.setattr(quantize, "_ask", ask)
    monkeypatch.setattr(quantize.importlib.util, "find_spec", lambda name: name)
    return requests

"""Write ONNX graphs node by node.

In: arrays and the names of what flows. Out: the bytes of an ONNX model. Every graph of penult starts with the same nodes:
uint8 (n, h, w, 3) RGB becomes what the network was trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.pixels.recipe import Recipe

OPSET = 17  # of 2022: every runtime in use reads it
IR = 8
BATCH = "n"  # the name of the dimension that is left open


class GraphBuilder:
    """An ONNX graph under construction; each method adds nodes and returns the name of what comes out.

    `prefix` stands before every name given here, for `nodes` and `constants` that join another graph.
    """

    def __init__(self, name: str, prefix: str = ""):
        self.name, self.prefix = name, prefix
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, values: NDArray[Any]) -> str:
        """Add an array to the graph."""
        from onnx import helper

        name = f"{self.prefix}c{len(self.constants)}"
        kind = helper.np_dtype_to_tensor_dtype(values.dtype)
        raw = np.ascontiguousarray(values).tobytes()
        self.constants.append(helper.make_tensor(name, kind, values.shape, raw, raw=True))
        return name

    def add(self, op: str, *inputs: str, out: str | None = None, **attributes: Any) -> str:
        """Add one node of the kind `op`."""
        from onnx import helper

        name = out or f"{self.prefix}t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def conv(self, x: str, weight: NDArray[np.float32], bias: NDArray[np.float32], **attributes: Any) -> str:
        """Add a convolution with its weight (out, in / group, k, k) and bias (out,)."""
        return self.add("Conv", x, self.constant(weight), self.constant(bias), **attributes)

    def relu6(self, x: str, out: str | None = None) -> str:
        """Cut to 0..6."""
        low, high = self.constant(np.array(0, np.float32)), self.constant(np.array(6, np.float32))
        return self.add("Clip", x, low, high, out=out)

    def preprocess(self, pixels: str, recipe: Recipe) -> str:
        """Turn uint8 (n, h, w, 3) RGB into float32 (n, 3, h, w): the recipe's channel order, mean and std."""
        x = pixels
        if recipe.channels == "bgr":
            x = self.add("Gather", x, self.constant(np.array([2, 1, 0], np.int64)), axis=3)
        x = self.add("Transpose", self.add("Cast", x, to=1), perm=[0, 3, 1, 2])
        mean = 255 * np.array(recipe.mean, np.float64).reshape(1, 3, 1, 1)
        scale = 1 / (255 * np.array(recipe.std, np.float64).reshape(1, 3, 1, 1))
        x = self.add("Sub", x, self.constant(mean.astype(np.float32)))
        return self.add("Mul", x, self.constant(scale.astype(np.float32)))

    def model(self, size: int, outputs: Sequence[tuple[str, tuple[int, ...]]]) -> bytes:
        """Return the model: input `pixels` (n, size, size, 3), outputs by name with their shapes after n."""
        from onnx import TensorProto, helper

        pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, [BATCH, size, size, 3])
        ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [BATCH, *rest]) for name, rest in outputs]
        graph = helper.make_graph(self.nodes, self.name, [pixels], ends, self.constants)
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR, producer_name="penult")
        return bytes(model.SerializeToString())

"""Small ONNX networks as other people's exporters write them, built by hand, and what they give, by numpy.

All share one trunk: a convolution of 4 x 4 patches and a ReLU, (n, 3, 32, 32) to maps (n, 6, 8, 8).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from penult import engines
from penult.backbones import Backbone, StoredGraph
from penult.pixels.recipe import Recipe
from penult.zoo.preprocessing import add_preprocessing, has_preprocessing
from penult.zoo.sources import LoadedModel

SIDE, PATCH, WIDTH, CLASSES = 32, 4, 6, 5
RECIPE = Recipe(SIDE, "squash", 1.0, "bilinear", (0.4, 0.5, 0.6), (0.2, 0.25, 0.3), "bgr")
_RANDOM = np.random.default_rng(3)
KERNEL = _RANDOM.normal(0, 0.2, (WIDTH, 3, PATCH, PATCH)).astype(np.float32)
BIAS = _RANDOM.normal(0, 0.2, WIDTH).astype(np.float32)
LAST = _RANDOM.normal(0, 0.2, (WIDTH, CLASSES)).astype(np.float32)
PIXELS = _RANDOM.integers(0, 256, (3, SIDE, SIDE, 3), dtype=np.uint8)


def maps_by_numpy(pixels: np.ndarray, recipe: Recipe = RECIPE) -> np.ndarray:
    """Return the maps of the trunk (n, 6, 8, 8), in float64."""
    order = slice(None, None, -1) if recipe.channels == "bgr" else slice(None)
    x = (pixels[..., order] / 255 - recipe.mean) / recipe.std  # (n, s, s, 3)
    steps = SIDE // PATCH
    patches = x.reshape(len(x), steps, PATCH, steps, PATCH, 3)
    made = np.einsum("nhpwqc,dcpq->ndhw", patches, KERNEL.astype(np.float64)) + BIAS[:, None, None]
    return np.maximum(made, 0)


class Net:
    """An ONNX graph under construction, in the manner of an exporter."""

    def __init__(self, opset: int = 17, dtype: Any = np.float32):
        self.opset, self.dtype = opset, dtype
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def weight(self, name: str, values: np.ndarray) -> str:
        kind = self.dtype if values.dtype == np.float32 else values.dtype
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values, kind), name))
        return name

    def add(self, op: str, *inputs: str, out: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, list(inputs), [out], name=f"node_{out}", **attributes))
        return out

    def trunk(self, x: str, nhwc: bool = False) -> str:
        """Add the trunk; with `nhwc` as tf2onnx writes a Keras network, its maps turned back at the end."""
        if nhwc:
            x = self.add("Transpose", x, out="to_nchw", perm=[0, 3, 1, 2])
        x = self.add("Conv", x, self.weight("kernel", KERNEL), self.weight("bias", BIAS), out="conv", strides=[PATCH] * 2)
        x = self.add("Relu", x, out="relu")
        return self.add("Transpose", x, out="to_nhwc", perm=[0, 2, 3, 1]) if nhwc else x

    def mean(self, x: str, axes: list[int], keepdims: int = 0) -> str:
        """Add the mean over axes, which are an attribute before opset 18 and an input from then on."""
        if self.opset < 18:
            return self.add("ReduceMean", x, out="mean", axes=axes, keepdims=keepdims)
        return self.add("ReduceMean", x, self.weight("axes", np.array(axes)), out="mean", keepdims=keepdims)

    def model(
        self, outputs: dict[str, tuple[Any, ...]], shape: tuple[Any, ...] = ("n", 3, SIDE, SIDE), x: str = "x", **extra: Any
    ) -> onnx.ModelProto:
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(self.dtype))
        ends = [helper.make_tensor_value_info(name, kind, dims) for name, dims in outputs.items()]
        first = helper.make_tensor_value_info(x, kind, shape)
        graph = helper.make_graph(self.nodes, "g", [first], ends, self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], **{"ir_version": 8, **extra})


def classifier(opset: int = 17, softmax: bool = True) -> onnx.ModelProto:
    """As torch writes a network: global average pooling, flatten, dropout, a Gemm."""
    net = Net(opset)
    x = net.add("GlobalAveragePool", net.trunk("x"), out="pool")
    x = net.add("Dropout", net.add("Flatten", x, out="flat", axis=1), out="dropped")
    x = net.add("Gemm", x, net.weight("last", LAST.T), net.weight("shift", LAST[0]), out="logits", transB=1)
    return net.model({net.add("Softmax", x, out="probabilities", axis=1) if softmax else x: ("n", CLASSES)})


def keras(opset: int = 17, last: bool = True) -> onnx.ModelProto:
    """As tf2onnx writes a Keras network: NHWC, a mean over axes 1 and 2, MatMul and Add, Softmax."""
    net = Net(opset)
    x = net.trunk("x", nhwc=True)
    shape = ("n", SIDE, SIDE, 3)
    if not last:
        return net.model({x: ("n", None, None, WIDTH)}, shape)
    x = net.add("MatMul", net.mean(x, [1, 2]), net.weight("last", LAST), out="product")
    x = net.add("Add", x, net.weight("shift", LAST[0]), out="biased")
    return net.model({net.add("Softmax", x, out="predictions", axis=-1): ("n", CLASSES)}, shape)


def ending(build: Callable[[Net, str], str], dims: tuple[Any, ...], opset: int = 17, **more: Any) -> onnx.ModelProto:
    """Return the trunk with an end of one's own; `dims` is the shape of what comes out."""
    net = Net(opset)
    return net.model({build(net, net.trunk("x")): dims}, **more)


def finished(body: LoadedModel) -> bytes:
    return body.network if has_preprocessing(body.network) else add_preprocessing(body.network, body.recipe)


def run(body: LoadedModel, output: str = "features", pixels: np.ndarray = PIXELS) -> np.ndarray:
    """Return what the engine makes of pixels by a body, in f32."""
    return run_graph(finished(body), body.recipe, output, pixels)


def run_graph(graph: bytes, recipe: Recipe, output: str = "features", pixels: np.ndarray = PIXELS) -> np.ndarray:
    model = onnx.load_model_from_string(graph)
    width = next(v for v in model.graph.output if v.name == output).type.tensor_type.shape.dim[1].dim_value
    pooling = "mean" if len(model.graph.output) == 2 else "none"
    backbone = Backbone("net", (width,), pooling, recipe, "0" * 64, "none", "test", 1, 0.0, None, StoredGraph(graph, recipe))
    engine = engines.open_engine(backbone, "cpu", "f32", output=output)
    made = engine(pixels)
    engine.close()
    return made


def shapes(values: Any) -> dict[str, list[Any]]:
    return {v.name: [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in values}


__all__ = [
    "BIAS", "CLASSES", "KERNEL", "LAST", "PATCH", "PIXELS", "RECIPE", "SIDE", "WIDTH", "Net", "TensorProto", "classifier",
    "ending", "finished", "keras", "maps_by_numpy", "run", "run_graph", "shapes",
]  # fmt: skip

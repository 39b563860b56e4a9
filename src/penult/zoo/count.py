"""Count what a network is made of and what it takes to run it.

In: an ONNX graph. Out: parameters and multiply-adds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from penult.zoo import onnx_edit, onnx_shapes
from penult.zoo.onnx_shapes import Tensor


class Counted(NamedTuple):
    """The parameters of a network, and 10^9 multiply-adds for one image."""

    params: int
    gmacs: float


def count(model_bytes: bytes) -> Counted:
    """Return the parameters and the multiply-adds of a graph, for one image of the size that it takes.

    Parameters: the numbers in tables of floating-point and 8-bit constants that the outputs need (a graph of penult has
    six more, its recipe's; a folded batch normalisation counts as the bias that it became). Multiply-adds: those of
    convolutions, products of matrices and the operator Attention in the main graph; what is not in the main graph (the
    branch of an If), and what has a shape that ONNX cannot infer, counts as nothing. Raises `DamagedFile`.
    """
    import onnx

    model = onnx_edit.inline(onnx.load_model_from_string(model_bytes))
    onnx_edit.prune(model)
    given = {tensor.name for tensor in model.graph.initializer}
    inputs = {value.name: _one(value) for value in model.graph.input if value.name not in given}
    shapes = onnx_shapes.infer(model, inputs)
    work = sum(_WORK[node.op_type](node, shapes) for node in model.graph.node if node.op_type in _WORK)
    return Counted(sum(_params(tensor) for tensor in onnx_shapes.constants(model.graph).values()), work / 1e9)


def _one(value: Any) -> list[int]:
    """Return the shape of an input for one image; sides that are open count as 1."""
    return [1, *(max(d.dim_value, 1) for d in value.type.tensor_type.shape.dim[1:])]


def _params(tensor: Any) -> int:
    """Return how many parameters a constant is: no single number, and 8-bit ones as tables, not as zero points."""
    from onnx import TensorProto

    floats = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE}
    quantized = tensor.data_type in {TensorProto.INT8, TensorProto.UINT8} and len(tensor.dims) > 1
    return math.prod(tensor.dims) if tensor.dims and (tensor.data_type in floats or quantized) else 0


def _dims(shapes: Mapping[str, Tensor], name: str) -> tuple[int, ...]:
    """Return a shape, or (0,) where it is not known: then the work is nothing."""
    return (shapes[name].known if name in shapes else None) or (0,)


def _convolution(weight: int) -> Callable[[Any, Mapping[str, Tensor]], int]:
    """Every number that comes out is a sum over a window of the input: weight is (out, in / group, k, k)."""
    return lambda node, shapes: (
        math.prod(_dims(shapes, node.output[0])) * math.prod(_dims(shapes, node.input[weight])[1:] or (0,))
    )


def _transposed(node: Any, shapes: Mapping[str, Tensor]) -> int:
    """Every number that goes in is spread over a window of the output: weight is (in, out / group, k, k)."""
    return math.prod(_dims(shapes, node.input[0])) * math.prod(_dims(shapes, node.input[1])[1:] or (0,))


def _product(node: Any, shapes: Mapping[str, Tensor]) -> int:
    """(..., i, k) times (..., k, j): every number that comes out is a sum of k."""
    return math.prod(_dims(shapes, node.output[0])) * _dims(shapes, node.input[0])[-1]


def _gemm(node: Any, shapes: Mapping[str, Tensor]) -> int:
    turned = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
    return math.prod(_dims(shapes, node.output[0])) * _dims(shapes, node.input[0])[0 if turned else -1]


def _attention(node: Any, shapes: Mapping[str, Tensor]) -> int:
    """Every query meets every key, once with its own width and once with that of the values (..., t, d)."""
    query, key, out = (_dims(shapes, name) for name in (node.input[0], node.input[1], node.output[0]))
    return (math.prod(query) + math.prod(out)) * (key[-2] if len(key) > 1 else 0)


_WORK: dict[str, Callable[[Any, Mapping[str, Tensor]], int]] = {
    "Conv": _convolution(1),
    "ConvInteger": _convolution(1),
    "QLinearConv": _convolution(3),
    "ConvTranspose": _transposed,
    "MatMul": _product,
    "MatMulInteger": _product,
    "QLinearMatMul": _product,
    "Gemm": _gemm,
    "Attention": _attention,
}

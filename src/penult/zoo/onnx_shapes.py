"""What flows through an ONNX graph: data type and shape of every tensor; and how many parameters and multiply-adds that is.

ONNX infers the shapes; the small constants on which they depend are computed here. (ONNX's own way, `data_prop`, takes all
memory when a file says that a small constant is 2^40 numbers long.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from penult.arrays import Array
from penult.errors import DamagedFile
from penult.i18n import _
from penult.zoo import onnx_graph

_ROUNDS = 500
_SMALL = 1024  # numbers: larger constants are weights, and no shape depends on their values
# What shapes are computed with. None of these makes a large array out of small ones; ConstantOfShape is watched.
_ARITHMETIC = frozenset({
    "Abs", "Add", "Cast", "Ceil", "Concat", "Constant", "ConstantOfShape", "Div", "Equal", "Flatten", "Floor", "Gather",
    "Greater", "Identity", "Less", "Max", "Min", "Mod", "Mul", "Neg", "Not", "ReduceProd", "ReduceSum", "Reshape", "Slice",
    "Squeeze", "Sub", "Transpose", "Unsqueeze", "Where",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """The data type of a tensor (`onnx.TensorProto.FLOAT`, ...) and its dimensions, None where ONNX cannot tell them."""

    dtype: int
    dims: tuple[int | None, ...] | None

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The dimensions, if all are known."""
        known = tuple(d for d in self.dims or () if d is not None)
        return known if self.dims is not None and len(known) == len(self.dims) else None


def infer(model: Any, inputs: Mapping[str, Sequence[int]]) -> dict[str, TensorInfo]:
    """Return all tensors of the main graph by name, as they are when the inputs have the shapes given.

    Raises `DamagedFile` for a graph whose parts do not fit each other.
    """
    light = _without_weights(model, inputs)
    tensors = _inferred(light)
    for _other in range(_ROUNDS):
        known = {name: tensor.shape for name, tensor in tensors.items() if tensor.shape is not None}
        if all(name in known for node in light.graph.node for name in node.output if name) or not _fold(light, known):
            break
        tensors |= _inferred(light)
    return tensors


def _inferred(light: Any) -> dict[str, TensorInfo]:
    from onnx import shape_inference

    try:
        found = shape_inference.infer_shapes(light).graph
    except Exception as error:  # the checks of operators raise what they like
        raise DamagedFile(_("its parts do not fit each other: {error}", error=first_line(error))) from error
    tensors = {v.name: _info(v.type.tensor_type) for vs in (found.value_info, found.input, found.output) for v in vs}
    return tensors | {t.name: TensorInfo(t.data_type, tuple(t.dims)) for t in found.initializer}


def _info(kind: Any) -> TensorInfo:
    dims = tuple(d.dim_value if d.dim_value > 0 else None for d in kind.shape.dim) if kind.HasField("shape") else None
    return TensorInfo(kind.elem_type, dims)


def _without_weights(model: Any, inputs: Mapping[str, Sequence[int]]) -> Any:
    """Return a copy in which large constants are inputs, which have a shape and no values."""
    import onnx
    from onnx import helper

    version = max(model.ir_version, 4)  # before 4 constants had to be inputs, too
    copy = onnx.ModelProto(ir_version=version, opset_import=model.opset_import, functions=model.functions)
    copy.graph.name = "shapes"
    copy.graph.node.extend(model.graph.node)
    for value in model.graph.input:
        if value.name in inputs:
            kind = value.type.tensor_type.elem_type
            copy.graph.input.append(helper.make_tensor_value_info(value.name, kind, list(inputs[value.name])))
    for tensor in model.graph.initializer:
        if math.prod(tensor.dims) <= _SMALL:
            copy.graph.initializer.append(tensor)
        else:
            copy.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    for value in model.graph.output:  # without its declared shape, which may be of another batch
        copy.graph.output.append(helper.make_tensor_value_info(value.name, value.type.tensor_type.elem_type, None))
    return copy


def _fold(model: Any, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Replace every node that can be computed now by its value; returns whether there was one.

    Exporters write the padding of a convolution, or the target of a Reshape, as a dozen nodes.
    """
    from onnx import numpy_helper

    graph = model.graph
    opsets = {o.domain: o.version for o in model.opset_import}
    values: dict[str, Array] = {t.name: numpy_helper.to_array(t) for t in graph.initializer if math.prod(t.dims) <= _SMALL}
    folded = []
    for index, node in enumerate(graph.node):
        made = _value(node, values, shapes, opsets)
        if made is not None and made.size <= _SMALL:
            values[node.output[0]] = made
            folded.append(index)
            graph.initializer.append(numpy_helper.from_array(made, node.output[0]))
    for index in reversed(folded):
        del graph.node[index]
    return bool(folded)


def _value(
    node: Any, values: Mapping[str, Array], shapes: Mapping[str, tuple[int, ...]], opsets: dict[str, int]
) -> Array | None:
    """Return what a node gives, None where that cannot be told, or would be large."""
    from onnx.reference import ReferenceEvaluator

    if node.op_type == "Shape" and node.input[0] in shapes:
        bounds = {a.name: a.i for a in node.attribute}
        return np.array(shapes[node.input[0]][bounds.get("start", 0) : bounds.get("end")], np.int64)
    known = all(name in values for name in node.input if name)
    if not (known and node.op_type in _ARITHMETIC and len(node.output) == 1):
        return None
    if node.op_type == "ConstantOfShape" and math.prod(values[node.input[0]].tolist()) > _SMALL:
        return None
    try:
        with np.errstate(all="ignore"):
            made = ReferenceEvaluator(node, opsets=opsets).run(None, {name: values[name] for name in node.input if name})
    except Exception:  # what cannot be computed stays unknown: a shape is not told, nothing else is lost
        return None
    return np.asarray(made[0])


def constants(graph: Any) -> dict[str, Any]:
    """Return the `TensorProto` of every constant of the main graph: initializers, and nodes `Constant` with a tensor."""
    found = {tensor.name: tensor for tensor in graph.initializer}
    nodes = (node for node in graph.node if node.op_type == "Constant")
    return found | {node.output[0]: a.t for node in nodes for a in node.attribute if a.name == "value"}


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text that says something, cut to 200 characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__


class Cost(NamedTuple):
    """The parameters of a network, and 10^9 multiply-adds for one image."""

    params: int
    gmacs: float


def count(model_bytes: bytes) -> Cost:
    """Return the parameters and the multiply-adds of a graph, for one image of the size that it takes.

    Parameters: the numbers in tables of floating-point and 8-bit constants that the outputs need (a graph of penult has
    six more, its recipe's; a folded batch normalization counts as the bias that it became). Multiply-adds: those of
    convolutions, products of matrices and the operator Attention in the main graph; what is not in the main graph (the
    branch of an If), and what has a shape that ONNX cannot infer, counts as nothing. Raises `DamagedFile`.
    """
    import onnx

    model = onnx_graph.inline(onnx.load_model_from_string(model_bytes))
    onnx_graph.prune(model)
    given = {tensor.name for tensor in model.graph.initializer}
    inputs = {  # for one image; sides that are open count as 1
        value.name: [1, *(max(d.dim_value, 1) for d in value.type.tensor_type.shape.dim[1:])]
        for value in model.graph.input
        if value.name not in given
    }
    tensors = infer(model, inputs)
    work = sum(_multiply_adds(node, tensors) for node in model.graph.node)
    return Cost(sum(_params(tensor) for tensor in constants(model.graph).values()), work / 1e9)


def _params(tensor: Any) -> int:
    """Return how many parameters a constant is: no single number, and 8-bit ones as tables, not as zero points."""
    from onnx import TensorProto

    floats = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE}
    quantized = tensor.data_type in {TensorProto.INT8, TensorProto.UINT8} and len(tensor.dims) > 1
    return math.prod(tensor.dims) if tensor.dims and (tensor.data_type in floats or quantized) else 0


def _multiply_adds(node: Any, tensors: Mapping[str, TensorInfo]) -> int:
    def dims(name: str) -> tuple[int, ...]:  # (0,) where they are not known: then the work is nothing
        return (tensors[name].shape if name in tensors else None) or (0,)

    def windowed(result: str, weight: str) -> int:  # the weight is (channels, channels / group, k, k)
        return math.prod(dims(result)) * math.prod(dims(weight)[1:] or (0,))

    match node.op_type:
        case "Conv" | "ConvInteger":  # every number that comes out is a sum over a window of the input
            return windowed(node.output[0], node.input[1])
        case "QLinearConv":
            return windowed(node.output[0], node.input[3])
        case "ConvTranspose":  # every number that goes in is spread over a window of the output
            return windowed(node.input[0], node.input[1])
        case "MatMul" | "MatMulInteger" | "QLinearMatMul":  # (..., i, k) times (..., k, j)
            return math.prod(dims(node.output[0])) * dims(node.input[0])[-1]
        case "Gemm":
            transposed = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
            return math.prod(dims(node.output[0])) * dims(node.input[0])[0 if transposed else -1]
        case "Attention":  # every query meets every key, once with its own width and once with that of the values
            query, key, out = (dims(name) for name in (node.input[0], node.input[1], node.output[0]))  # (..., t, d)
            return (math.prod(query) + math.prod(out)) * (key[-2] if len(key) > 1 else 0)
    return 0

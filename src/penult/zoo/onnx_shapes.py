"""What flows through an ONNX graph: the type and the shape of every tensor.

In: a model, and the shapes that its inputs are to have. Out: a `Tensor` by name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penult.errors import DamagedFile
from penult.zoo.onnx_fold import SMALL, fold

_ROUNDS = 500


@dataclass(frozen=True, slots=True)
class Tensor:
    """The type of a tensor's numbers (`onnx.TensorProto.FLOAT`, ...) and its shape, None where ONNX cannot tell it."""

    kind: int
    dims: tuple[int | None, ...] | None

    @property
    def known(self) -> tuple[int, ...] | None:
        """The shape, if all of it is known."""
        return None if self.dims is None else _whole(self.dims)

    @property
    def size(self) -> int | None:
        """How many numbers it has, if that is known."""
        return None if self.known is None else math.prod(self.known)


def _whole(dims: tuple[int | None, ...]) -> tuple[int, ...] | None:
    found = tuple(d for d in dims if d is not None)
    return found if len(found) == len(dims) else None


def infer(model: Any, inputs: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
    """Return all tensors of the main graph by name, as they are when the inputs have the shapes given.

    Raises `DamagedFile` for a graph whose parts do not fit each other.
    """
    light = _light(model, inputs)
    tensors = _inferred(light)
    for _ in range(_ROUNDS):
        known = {name: tensor.known for name, tensor in tensors.items() if tensor.known is not None}
        if all(name in known for node in light.graph.node for name in node.output if name) or not fold(light, known):
            break
        tensors |= _inferred(light)
    return tensors


def _inferred(light: Any) -> dict[str, Tensor]:
    from onnx import shape_inference

    try:
        found = shape_inference.infer_shapes(light).graph
    except Exception as error:  # the checks of operators raise what they like
        raise DamagedFile(f"its parts do not fit each other: {first_line(error)}") from error
    tensors = {v.name: _tensor(v.type.tensor_type) for vs in (found.value_info, found.input, found.output) for v in vs}
    return tensors | {t.name: Tensor(t.data_type, tuple(t.dims)) for t in found.initializer}


def _tensor(kind: Any) -> Tensor:
    dims = tuple(d.dim_value if d.dim_value > 0 else None for d in kind.shape.dim) if kind.HasField("shape") else None
    return Tensor(kind.elem_type, dims)


def _light(model: Any, inputs: Mapping[str, Sequence[int]]) -> Any:
    """Return a copy without its weights: large constants become inputs, which have a shape and no values."""
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
        if math.prod(tensor.dims) <= SMALL:
            copy.graph.initializer.append(tensor)
        else:
            copy.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    for value in model.graph.output:  # without its declared shape, which may be of another batch
        copy.graph.output.append(helper.make_tensor_value_info(value.name, value.type.tensor_type.elem_type, None))
    return copy


def constants(graph: Any) -> dict[str, Any]:
    """Return the `TensorProto` of every constant of the main graph: initializers, and nodes `Constant` with a tensor."""
    found = {tensor.name: tensor for tensor in graph.initializer}
    nodes = (node for node in graph.node if node.op_type == "Constant")
    return found | {node.output[0]: a.t for node in nodes for a in node.attribute if a.name == "value"}


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text that says something, cut to 200 characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__

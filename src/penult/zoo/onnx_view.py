"""Look at the main graph of an ONNX model: which node makes a tensor, its shape for one image, whether it is constant.

In: a model, and the shape of its input. Out: answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from penult.zoo import onnx_edit, onnx_shapes

Dims = tuple[int, ...]


class View:
    """The tensors of a model for one image; `makers` has the node of every tensor that a node makes, in order."""

    def __init__(self, model: Any, inputs: Mapping[str, Sequence[int]]):
        self._graph = model.graph
        self._layout_nhwc = any(shape[1] != 3 for shape in inputs.values())
        self.tensors = onnx_shapes.infer(model, inputs)
        self.outputs = [value.name for value in model.graph.output]
        self.makers = {name: node for node in model.graph.node for name in node.output if name}

    def maker(self, name: str, *kinds: str) -> Any:
        """Return the node that makes a tensor, if it is of one of the `kinds` (none given: of any), else None."""
        node = self.makers.get(name)
        return node if node is not None and (not kinds or node.op_type in kinds) else None

    @cached_property
    def _constant(self) -> set[str]:
        """The names of all tensors that do not depend on the input."""
        found = {tensor.name for tensor in self._graph.initializer}
        for node in self._graph.node:
            if not node.op_type.startswith("Random") and onnx_edit.uses(node) <= found:
                found.update(node.output)
        return found

    def is_constant(self, name: str) -> bool:
        """Whether a tensor is the same for all images: a weight, also one that is unpacked first."""
        return name in self._constant

    def is_float(self, name: str) -> bool:
        """Whether a tensor is of floating-point numbers."""
        from onnx import TensorProto

        kind = self.tensors[name].kind if name in self.tensors else None
        return kind in {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE}

    def dims(self, name: str) -> Dims | None:
        """Return the shape of a tensor for one image, None where it is not known."""
        return self.tensors[name].known if name in self.tensors else None

    def size(self, name: str) -> int | None:
        """Return how many numbers a tensor has for one image, None where that is not known."""
        return self.tensors[name].size if name in self.tensors else None

    def plausible(self, name: str) -> bool:
        """Whether a tensor might be features, by its shape alone: (n, d) or (n, d, h, w) of floats, no constant."""
        dims = self.dims(name)
        return dims is not None and len(dims) in {2, 4} and self.is_float(name) and not self.is_constant(name)

    def is_nhwc(self, dims: Dims) -> bool:
        """Whether maps of this shape have their channels last: where the shape does not tell, as the input has them."""
        first, last = dims[1] == dims[2] != dims[3], dims[2] == dims[3] != dims[1]
        return self._layout_nhwc if first == last else first

    def shape(self, name: str) -> str:
        """Return a tensor's shape for a message."""
        dims = self.tensors[name].dims if name in self.tensors else None
        return "(unknown shape)" if dims is None else f"(n, {', '.join('?' if d is None else str(d) for d in dims[1:])})"

    def describe(self, name: str) -> str:
        """Return a tensor for a message: name and shape."""
        return f"{name!r} {self.shape(name)}"

    def setting(self, node: Any, name: str, default: Any) -> Any:
        """Return an attribute of a node."""
        from onnx import helper

        return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), default)

    def averaged(self, node: Any, dims: Dims) -> Dims:
        """Return the axes, from 0 up, over which a node averages an input of this shape; () for some other average."""
        if node.op_type == "GlobalAveragePool":
            return (2, 3)
        if node.op_type == "AveragePool":
            whole = tuple(self.setting(node, "kernel_shape", ())) == dims[2:] and not any(self.setting(node, "pads", ()))
            return (2, 3) if whole and self.setting(node, "auto_pad", b"NOTSET") in {b"NOTSET", b"VALID"} else ()
        axes = self.setting(node, "axes", None)
        if axes is None and len(node.input) > 1:  # from opset 18 on they are an input
            axes = self._values(node.input[1])
        return tuple(sorted(int(axis) % len(dims) for axis in axes or ()))

    def _values(self, name: str) -> list[int]:
        """Return the numbers of a small constant; [] where it is none."""
        from onnx import numpy_helper

        tensor = onnx_shapes.constants(self._graph).get(name)
        return [] if tensor is None else numpy_helper.to_array(tensor).ravel().tolist()

"""Find the tensor of an ONNX graph that the features of an image are."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from penult.errors import InputError, PenultError, listed, unknown
from penult.i18n import N_, _
from penult.zoo import onnx_graph, onnx_shapes

# What exporters call the one vector of an image, the likeliest first.
KNOWN = (
    "features", "feature", "embedding", "embeddings", "image_embeds", "image_embeddings", "image_features",
    "pooler_output", "pooled_output", "pooled", "feature_vector", "global_features", "representation",
)  # fmt: skip
_ACTIVATIONS = {"Softmax", "LogSoftmax", "Sigmoid", "QuantizeLinear", "DequantizeLinear"}  # after a classifier
_SAME_NUMBERS = {"Identity", "Dropout", "Cast", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Concat"}  # in another shape
_FIX = N_("name one tensor of shape (n, d) or (n, d, h, w) as the recipe's output")

Dims = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FeatureTensor:
    """The tensors to take from a graph: `features`, None where they are the means of `maps`; `maps` None where unknown.

    `nhwc`: the maps are (n, h, w, d). `note` says which were taken and why.
    """

    features: str | None
    maps: str | None
    nhwc: bool
    note: str


class GraphView:
    """The main graph of a model, for one image; `makers` has the node of every tensor that a node makes, in order."""

    def __init__(self, model: Any, inputs: Mapping[str, Sequence[int]]):
        self._graph, self.inputs = model.graph, inputs
        self._nhwc = any(shape[1] != 3 for shape in inputs.values())
        self.tensors = onnx_shapes.infer(model, inputs)
        self.outputs = [value.name for value in model.graph.output]
        self.makers = {name: node for node in model.graph.node for name in node.output if name}

    def maker(self, name: str, *kinds: str) -> Any:
        """Return the node that makes a tensor, if it is of one of the `kinds` (none given: of any), else None."""
        node = self.makers.get(name)
        return node if node is not None and (not kinds or node.op_type in kinds) else None

    @cached_property
    def _constant(self) -> set[str]:
        found = {tensor.name for tensor in self._graph.initializer}
        for node in self._graph.node:
            if not node.op_type.startswith("Random") and onnx_graph.inputs_of(node) <= found:
                found.update(node.output)
        return found

    def is_constant(self, name: str) -> bool:
        """Whether a tensor is the same for all images: a weight, also one that is unpacked first."""
        return name in self._constant

    def is_float(self, name: str) -> bool:
        """Whether a tensor is of floating-point numbers."""
        from onnx import TensorProto

        dtype = self.tensors[name].dtype if name in self.tensors else None
        return dtype in {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE}

    def dims(self, name: str) -> Dims | None:
        """Return the shape of a tensor for one image, None where it is not known."""
        return self.tensors[name].shape if name in self.tensors else None

    def size(self, name: str) -> int | None:
        """Return how many numbers a tensor has for one image, None where that is not known."""
        dims = self.dims(name)
        return None if dims is None else math.prod(dims)

    def plausible(self, name: str) -> bool:
        """Whether a tensor might be features, by its shape alone: (n, d) or (n, d, h, w) of floats, no constant."""
        dims = self.dims(name)
        return dims is not None and len(dims) in {2, 4} and self.is_float(name) and not self.is_constant(name)

    def is_nhwc(self, dims: Dims) -> bool:
        """Whether maps of this shape have their channels last: where the shape does not tell, as the input has them."""
        first, last = dims[1] == dims[2] != dims[3], dims[2] == dims[3] != dims[1]
        return self._nhwc if first == last else first

    def describe(self, name: str) -> str:
        """Return a tensor for a message: name and shape."""
        dims = self.tensors[name].dims if name in self.tensors else None
        if dims is None:
            return _("{name!r} (unknown shape)", name=name)
        return f"{name!r} (n, {', '.join('?' if d is None else str(d) for d in dims[1:])})"

    def attribute(self, node: Any, name: str, default: Any) -> Any:
        """Return an attribute of a node."""
        from onnx import helper

        return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), default)

    def averaged_axes(self, node: Any, dims: Dims) -> Dims:
        """Return the axes, from 0 up, over which a node averages an input of this shape; () for some other average."""
        from onnx import numpy_helper

        if node.op_type == "GlobalAveragePool":
            return (2, 3)
        if node.op_type == "AveragePool":
            whole = tuple(self.attribute(node, "kernel_shape", ())) == dims[2:] and not any(self.attribute(node, "pads", ()))
            return (2, 3) if whole and self.attribute(node, "auto_pad", b"NOTSET") in {b"NOTSET", b"VALID"} else ()
        axes = self.attribute(node, "axes", None)
        if axes is None and len(node.input) > 1:  # from opset 18 on they are an input
            tensor = onnx_shapes.constants(self._graph).get(node.input[1])
            axes = [] if tensor is None else numpy_helper.to_array(tensor).ravel().tolist()
        return tuple(sorted(int(axis) % len(dims) for axis in axes or ()))


def choose(view: GraphView, wanted: str | None) -> FeatureTensor:
    """Return what the features of a graph are: what was `wanted`, an output with a known name, or what a classifier gets.

    Raises `UnknownName` for a tensor that is not there, `InputError` where the features cannot be told or are not one
    vector an image.
    """
    if wanted is not None:
        if wanted not in view.makers:
            raise _no_such(view, wanted)
        return _taken(view, wanted, N_("the features are the tensor {tensor}, as the recipe says"))
    # an output's name without what frameworks put around it
    called = {name.lower().split(":")[0].split("/")[-1]: name for name in reversed(view.outputs)}
    for known in KNOWN:
        if known in called:
            return _taken(view, called[known], N_("the features are the output {tensor}"))
    if len(view.outputs) != 1:
        outputs = listed((view.describe(name) for name in view.outputs), longest=90)
        raise InputError(
            _("which of its outputs are the features cannot be told: {outputs}; {cure}.", outputs=outputs, cure=_(_FIX))
        )
    output = view.outputs[0]
    before = _before_classifier(view, output)
    if before is not None:
        note = N_(
            "the features are the tensor {tensor}, which goes into the last layer before {output!r}; the recipe's output "
            "can name another"
        )
        return _taken(view, before, note, output)
    if view.maker(output, "Softmax", "LogSoftmax"):
        told = {"output": output, "cure": _(_FIX)}
        raise InputError(
            _("its output {output!r} is probabilities, and the layer that makes them was not found; {cure}.", **told)
        )
    return _taken(view, output, N_("the features are its only output, {tensor}; the recipe's output can name another"))


def _no_such(view: GraphView, wanted: str) -> PenultError:
    plausible = [name for name in view.makers if view.plausible(name)]
    near = difflib.get_close_matches(wanted, plausible, n=1, cutoff=0.5)
    return unknown(_("tensor"), wanted, plausible if near else plausible[-8:])  # the last are the likeliest


def _taken(view: GraphView, name: str, note: str, output: str = "") -> FeatureTensor:
    """Return the choice of one tensor; `note` is English, for the record, where it is told before which `output` it stands.

    Raises `InputError` unless it is one vector, or maps, for an image.
    """
    note = note.format(tensor=view.describe(name), output=output)
    dims = view.dims(name)
    if dims is None or len(dims) < 2 or dims[0] != 1 or not view.is_float(name) or view.is_constant(name):
        told = {"tensor": view.describe(name), "cure": _(_FIX)}
        raise InputError(_("{tensor} is not one vector of floats for an image; {cure}.", **told))
    if sum(d > 1 for d in dims) <= 1:
        maps, nhwc = _pooled_from(view, name) or (None, False)
        return FeatureTensor(name, maps, nhwc, note)
    if len(dims) == 4:
        return FeatureTensor(
            None, name, view.is_nhwc(dims), N_("{note}; they are averaged over its positions").format(note=note)
        )
    told = {"tensor": view.describe(name), "cure": _(_FIX)}
    if len(dims) == 3:
        raise InputError(
            _("{tensor} has {n} vectors an image (tokens), and features are one vector; {cure}.", n=dims[1], **told)
        )
    raise InputError(_("{tensor} has {n} dimensions, and features are one vector; {cure}.", n=len(dims), **told))


def _before_classifier(view: GraphView, output: str) -> str | None:
    """Return what goes into the linear layer that ends in `output`, None where there is none."""
    name = output
    while node := view.maker(name):
        if node.op_type == "Gemm" and view.is_constant(node.input[1]) and not view.attribute(node, "transA", 0):
            return str(node.input[0])
        if node.op_type == "MatMul" and view.is_constant(node.input[1]):
            return str(node.input[0])
        if node.op_type == "Conv" and view.is_constant(node.input[1]) and (view.dims(node.input[0]) or ())[2:] == (1, 1):
            return str(node.input[0])  # a linear layer as well: there is one position
        if node.op_type == "Add":
            free = [operand for operand in node.input if not view.is_constant(operand)]
            if len(free) != 1:
                return None
            name = free[0]
        elif node.op_type in _ACTIVATIONS or _reshapes(view, name):
            name = node.input[0]
        else:
            return None
    return None


def _reshapes(view: GraphView, name: str) -> bool:
    """Whether a tensor is another one's numbers in another shape."""
    node = view.maker(name, *_SAME_NUMBERS)
    if node is None or not (view.is_float(node.input[0]) and view.is_float(name)):
        return False
    return view.size(node.input[0]) == view.size(name) is not None


def _pooled_from(view: GraphView, name: str) -> tuple[str, bool] | None:
    """Return the maps whose means over the positions the features `name` are, and whether they are (n, h, w, d)."""
    width = view.size(name)
    while _reshapes(view, name):
        name = view.makers[name].input[0]
    node = view.maker(name, "GlobalAveragePool", "AveragePool", "ReduceMean")
    dims = view.dims(node.input[0]) if node is not None else None
    if node is None or dims is None or len(dims) != 4:
        return None
    axes = view.averaged_axes(node, dims)
    for over, channels, nhwc in (((2, 3), 1, False), ((1, 2), 3, True)):
        if axes == over and dims[channels] == width:
            return str(node.input[0]), nhwc
    return None

"""Find the tensor of an ONNX graph that the features of an image are.

In: a view of the graph, and the name that the user gave, if any. Out: a `Choice`, or a sentence with all there is to name.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from penult.errors import InputError, listed, unknown
from penult.zoo.onnx_view import View

# What exporters call the one vector of an image, the likeliest first.
KNOWN = (
    "features", "feature", "embedding", "embeddings", "image_embeds", "image_embeddings", "image_features",
    "pooler_output", "pooled_output", "pooled", "feature_vector", "global_features", "representation",
)  # fmt: skip
_ON_TOP = {"Softmax", "LogSoftmax", "Sigmoid", "QuantizeLinear", "DequantizeLinear"}  # of a last layer
_SAME_NUMBERS = {"Identity", "Dropout", "Cast", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Concat"}  # in another shape
_CURE = "name one tensor of shape (n, d) or (n, d, h, w) as the recipe's output"


@dataclass(frozen=True, slots=True)
class Choice:
    """The tensors to take from a graph: `features`, None where they are the means of `maps`; `maps` None where unknown.

    `nhwc`: the maps are (n, h, w, d). `note` says which were taken and why.
    """

    features: str | None
    maps: str | None
    nhwc: bool
    note: str


def choose(view: View, wanted: str | None) -> Choice:
    """Return what the features of a graph are: what was `wanted`, an output with a telling name, or what a last layer gets.

    Raises `UnknownName` for a tensor that is not there, `InputError` where the features cannot be told or are not one
    vector an image.
    """
    if wanted is not None:
        if wanted not in view.makers:
            raise _no_such(view, wanted)
        return _taken(view, wanted, f"the features are the tensor {view.describe(wanted)}, as the recipe says")
    called = {_plain(name): name for name in reversed(view.outputs)}
    for known in KNOWN:
        if known in called:
            return _taken(view, called[known], f"the features are the output {view.describe(called[known])}")
    if len(view.outputs) != 1:
        raise InputError(f"which of its outputs the features are cannot be told: {_listed(view)}; {_CURE}.")
    output = view.outputs[0]
    before = _before_the_last_layer(view, output)
    if before is not None:
        why = f"the features are the tensor {view.describe(before)}, which goes into the last layer before {output!r}"
        return _taken(view, before, f"{why}; the recipe's output can name another")
    if view.maker(output, "Softmax", "LogSoftmax"):
        raise InputError(f"its output {output!r} are probabilities, and the layer that makes them was not found; {_CURE}.")
    return _taken(
        view, output, f"the features are its only output, {view.describe(output)}; the recipe's output can name another"
    )


def _plain(name: str) -> str:
    """Return a name of an output without what frameworks put around it."""
    return name.lower().split(":")[0].split("/")[-1]


def _no_such(view: View, wanted: str) -> Exception:
    plausible = [name for name in view.makers if view.plausible(name)]
    near = difflib.get_close_matches(wanted, plausible, n=1, cutoff=0.5)
    return unknown("tensor", wanted, plausible if near else plausible[-8:])  # the last are the likeliest


def _listed(view: View) -> str:
    return listed((view.describe(name) for name in view.outputs), longest=90)


def _taken(view: View, name: str, note: str) -> Choice:
    """Return the choice of one tensor. Raises `InputError` unless it is one vector, or maps, for an image."""
    dims = view.dims(name)
    if dims is None or len(dims) < 2 or dims[0] != 1 or not view.is_float(name) or view.is_constant(name):
        raise InputError(f"{view.describe(name)} is not one vector of floats for an image; {_CURE}.")
    if sum(d > 1 for d in dims) <= 1:
        maps, nhwc = _pooled_from(view, name) or (None, False)
        return Choice(name, maps, nhwc, note)
    if len(dims) == 4:
        return Choice(None, name, view.is_nhwc(dims), f"{note}; they are averaged over its positions")
    tokens = f"{dims[1]} vectors an image (tokens)" if len(dims) == 3 else f"{len(dims)} dimensions"
    raise InputError(f"{view.describe(name)} has {tokens}, and features are one vector; {_CURE}.")


def _before_the_last_layer(view: View, output: str) -> str | None:
    """Return what goes into the linear layer that ends in `output`, None where there is none."""
    name = output
    while node := view.maker(name):
        if node.op_type == "Gemm" and view.is_constant(node.input[1]) and not view.setting(node, "transA", 0):
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
        elif node.op_type in _ON_TOP or _reshapes(view, name):
            name = node.input[0]
        else:
            return None
    return None


def _reshapes(view: View, name: str) -> bool:
    """Whether a tensor is another one's numbers in another shape."""
    node = view.maker(name, *_SAME_NUMBERS)
    if node is None or not (view.is_float(node.input[0]) and view.is_float(name)):
        return False
    return view.size(node.input[0]) == view.size(name) is not None


def _pooled_from(view: View, name: str) -> tuple[str, bool] | None:
    """Return the maps whose means over the positions the features `name` are, and whether they are (n, h, w, d)."""
    width = view.size(name)
    while _reshapes(view, name):
        name = view.makers[name].input[0]
    node = view.maker(name, "GlobalAveragePool", "AveragePool", "ReduceMean")
    dims = view.dims(node.input[0]) if node is not None else None
    if node is None or dims is None or len(dims) != 4:
        return None
    axes = view.averaged(node, dims)
    for over, channels, nhwc in (((2, 3), 1, False), ((1, 2), 3, True)):
        if axes == over and dims[channels] == width:
            return str(node.input[0]), nhwc
    return None

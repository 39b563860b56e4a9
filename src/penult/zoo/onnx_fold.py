"""Compute the small constants of an ONNX graph, so that the shapes that depend on them are known.

In: a graph and the shapes that are known already. Out: the same graph, with numbers in place of nodes. Exporters write the
padding of a convolution, or the target of a Reshape, as a dozen nodes. (ONNX's own way, `data_prop` of its shape inference,
takes all memory when a file says that a small constant is 2^40 numbers long.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

SMALL = 1024  # numbers: larger constants are weights, and no shape depends on their values
# What shapes are computed with. None of these makes a large array out of small ones; ConstantOfShape is watched.
_ARITHMETIC = frozenset({
    "Abs", "Add", "Cast", "Ceil", "Concat", "Constant", "ConstantOfShape", "Div", "Equal", "Flatten", "Floor", "Gather",
    "Greater", "Identity", "Less", "Max", "Min", "Mod", "Mul", "Neg", "Not", "ReduceProd", "ReduceSum", "Reshape", "Slice",
    "Squeeze", "Sub", "Transpose", "Unsqueeze", "Where",
})  # fmt: skip

Values = dict[str, NDArray[Any]]


def fold(model: Any, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Replace every node that can be computed now by its value; returns whether there was one."""
    from onnx import numpy_helper

    graph = model.graph
    opset = {o.domain: o.version for o in model.opset_import}
    values: Values = {t.name: numpy_helper.to_array(t) for t in graph.initializer if math.prod(t.dims) <= SMALL}
    folded = []
    for index, node in enumerate(graph.node):
        made = _value(node, values, shapes, opset)
        if made is not None and made.size <= SMALL:
            values[node.output[0]] = made
            folded.append(index)
            graph.initializer.append(numpy_helper.from_array(made, node.output[0]))
    for index in reversed(folded):
        del graph.node[index]
    return bool(folded)


def _value(node: Any, values: Values, shapes: Mapping[str, tuple[int, ...]], opset: dict[str, int]) -> NDArray[Any] | None:
    """Return what a node gives, None where that cannot be told, or would be large."""
    if node.op_type == "Shape" and node.input[0] in shapes:
        bounds = {a.name: a.i for a in node.attribute}
        return np.array(shapes[node.input[0]][bounds.get("start", 0) : bounds.get("end")], np.int64)
    known = all(name in values for name in node.input if name)
    if not (known and node.op_type in _ARITHMETIC and len(node.output) == 1):
        return None
    if node.op_type == "ConstantOfShape" and math.prod(values[node.input[0]].tolist()) > SMALL:
        return None
    return _computed(node, values, opset)


def _computed(node: Any, values: Values, opset: dict[str, int]) -> NDArray[Any] | None:
    from onnx.reference import ReferenceEvaluator

    try:
        with np.errstate(all="ignore"):
            made = ReferenceEvaluator(node, opsets=opset).run(None, {name: values[name] for name in node.input if name})
    except Exception:  # what cannot be computed stays unknown: a shape is not told, nothing else is lost
        return None
    return np.asarray(made[0])

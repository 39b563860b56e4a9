"""Turn a graph of float32 into one whose layers compute in float16: half the memory, and what GPUs compute fastest.

The graph's input and output stay as they were.
Only what lies between the first and the last node that multiplies matrices computes in float16, and of that no normalisation:
the recipe in front, sums of squares, and the pooling behind keep float32, because float16 has 11 bits and ends at 65,504.
"""

from __future__ import annotations

import sys
from typing import Any

FORM = "1"  # of the conversion; another one makes kept graphs anew

_HEAVY = frozenset({"Conv", "Gemm", "MatMul", "Einsum", "Attention"})
_NORMALISATION = frozenset({
    "BatchNormalization", "GroupNormalization", "InstanceNormalization", "LayerNormalization", "LpNormalization", "LRN",
    "MeanVarianceNormalization", "RMSNormalization", "SimplifiedLayerNormalization", "SkipLayerNormalization",
    "ReduceL2", "ReduceMean", "ReduceSumSquare", "Pow", "Sqrt", "Reciprocal",  # of norms that are written out
})  # fmt: skip


def to_float16(model: Any) -> bytes:
    """Return the graph of an `onnx.ModelProto` in float16; the model is changed on the way."""
    for number, node in enumerate(model.graph.node):  # by which the converter knows them
        node.name = f"node {number}"
    kept = [node.name for node in _outer(model.graph)]
    convert, defaults = _converter()
    del model.graph.value_info[:]  # of another batch, perhaps; the converter infers them
    made = convert(model, keep_io_types=True, op_block_list={*defaults, *_NORMALISATION}, node_block_list=kept)
    _straighten(made.graph)
    return bytes(made.SerializeToString())


def _converter() -> tuple[Any, list[str]]:
    """Return ONNX Runtime's own converter; importing its tools would leave their folder on the path for imports."""
    before = list(sys.path)
    try:
        from onnxruntime.transformers import float16
    finally:
        sys.path[:] = before
    return float16.convert_float_to_float16, float16.DEFAULT_OP_BLOCK_LIST


def _outer(graph: Any) -> list[Any]:
    """Return the nodes that stay as they are: before the first of `_HEAVY` on their way, or behind the last."""
    behind: set[str] = set()  # values with a heavy node before them
    for node in graph.node:
        if node.op_type in _HEAVY or behind.intersection(node.input):
            behind.update(node.output)
    before: set[str] = set()  # values with a heavy node after them
    for node in reversed(graph.node):
        if node.op_type in _HEAVY or before.intersection(node.output):
            before.update(node.input)
    inner = [n for n in graph.node if n.op_type in _HEAVY or (behind.intersection(n.output) and before.intersection(n.output))]
    fed = {name for node in inner for name in node.input}
    names = {node.name for node in inner}
    # A constant belongs to those who use it.
    return [n for n in graph.node if n.name not in names and not (n.op_type == "Constant" and fed.issuperset(n.output))]


def _straighten(graph: Any) -> None:
    """Take out the casts to float16 and back that the converter puts between two nodes that both keep float32.

    They would round pixels and features. What is left stands in order again: the converter puts all casts last.
    """
    rounding = {n.output[0]: n.input[0] for n in graph.node if n.name.endswith("_cast_to_fp16_node")}
    back = [n for n in graph.node if n.name.endswith("_cast_to_fp32_node")]
    exact = {n.output[0]: rounding[n.input[0]] for n in back if n.input[0] in rounding}
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = exact.get(name, name)
        if node.name.startswith("graph_output_cast") and node.input[0] in rounding:
            node.input[0] = rounding[node.input[0]]
            node.op_type = "Identity"
            del node.attribute[:]
    rest = [node for node in graph.node if node.name.startswith("node ")]
    added = [node for node in graph.node if not node.name.startswith("node ")]
    used = {value.name for value in graph.output}.union(*map(_taken, rest))
    while more := {node.input[0] for node in added if used.intersection(node.output)} - used:
        used |= more
    casts: dict[str, list[Any]] = {}  # by what they take
    for node in added:
        if used.intersection(node.output):
            casts.setdefault(node.input[0], []).append(node)
    made = {name for node in graph.node for name in node.output}
    ordered = [cast for name in casts if name not in made for cast in _following(name, casts)]  # of constants
    for node in rest:
        ordered += [node, *(cast for name in node.output for cast in _following(name, casts))]
    ordered = [type(node).FromString(node.SerializeToString()) for node in ordered]  # they go with the list they are in
    del graph.node[:]
    graph.node.extend(ordered)


def _taken(node: Any) -> set[str]:
    """Return the values that a node takes, those of its branches among them."""
    branches = (graph for attribute in node.attribute for graph in (attribute.g, *attribute.graphs))
    return set(node.input).union(*(_taken(inner) for graph in branches for inner in graph.node))


def _following(name: str, casts: dict[str, list[Any]]) -> list[Any]:
    """Return the casts of a value, and theirs."""
    return [one for cast in casts.get(name, ()) for one in (cast, *_following(cast.output[0], casts))]

"""Write out the local functions of an ONNX model where they are called.

In: a model. Out: one of plain operators. A few functions that call each other twice would be a graph larger than any memory:
they are counted before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from penult.errors import InputError, listed
from penult.zoo import onnx_edit

_MOST_NODES = 200_000  # the largest networks have a few thousand

_Key = tuple[str, str, str]


def written_out(model: Any, path: Path | str) -> Any:
    """Return the model without local functions. Raises `InputError` for those that cannot be, or would burst."""
    if not model.functions:
        return model
    cure = "export it with its functions written out (onnx.inliner.inline_local_functions)"
    if _expanded(model) > _MOST_NODES:
        raise InputError(f"{path} has functions that would be more than {_MOST_NODES:,} operators written out; {cure}.")
    inlined = onnx_edit.inline(model)
    if inlined.functions:
        left = listed(f"{f.domain}:{f.name}" for f in inlined.functions)
        raise InputError(f"{path} has functions of another version of ONNX's operators than its own ({left}); {cure}.")
    return inlined


def _expanded(model: Any) -> int:
    """Return how many operators the model has when its functions are written out, cut above `_MOST_NODES`."""
    bodies = {(f.domain, f.name, f.overload): f.node for f in model.functions}
    calls = {key: {_key(node) for node in every_node(nodes)} & set(bodies) for key, nodes in bodies.items()}
    sizes: dict[_Key, int] = {}
    try:
        for key in TopologicalSorter(calls).static_order():
            sizes[key] = _count(bodies[key], sizes)
    except CycleError:
        return _MOST_NODES + 1
    return _count(model.graph.node, sizes)


def _count(nodes: Any, sizes: Mapping[_Key, int]) -> int:
    return min(sum(sizes.get(_key(node), 1) for node in every_node(nodes)), _MOST_NODES + 1)


def _key(node: Any) -> _Key:
    return node.domain, node.op_type, node.overload


def every_node(nodes: Any) -> Iterator[Any]:
    """Yield nodes and all nodes in their subgraphs."""
    for node in nodes:
        yield node
        for inner in onnx_edit.subgraphs(node):
            yield from every_node(inner.node)

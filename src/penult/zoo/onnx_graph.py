"""Edit ONNX models: leave out what is not needed, rename tensors, forget who made them, write them down.

All functions work on a `ModelProto` or `GraphProto` of the package onnx, in place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from penult.errors import InputError
from penult.i18n import _

MAX_BYTES = 2**31 - 1  # of one protobuf message
_REMARKS = ("doc_string", "metadata_props", "device_configurations")  # of the machine that wrote the file, its paths too


def subgraphs(node: Any) -> Iterator[Any]:
    """Yield the graphs that are attributes of a node: the branches of an If, the body of a Loop."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def all_graphs(graph: Any) -> Iterator[Any]:
    """Yield a graph and all graphs inside it."""
    yield graph
    for node in graph.node:
        for inner in subgraphs(node):
            yield from all_graphs(inner)


def all_nodes(nodes: Iterable[Any]) -> Iterator[Any]:
    """Yield nodes and all nodes in their subgraphs."""
    for node in nodes:
        yield node
        for inner in subgraphs(node):
            yield from all_nodes(inner.node)


def inputs_of(node: Any) -> set[str]:
    """Return the names that a node reads; those that its subgraphs read count, and a few of their own may be among them."""
    found = set(node.input)
    for inner in subgraphs(node):
        found.update(value.name for value in inner.output)
        for one in inner.node:
            found |= inputs_of(one)
    return found - {""}


def tensor_names(graph: Any) -> set[str]:
    """Return every name of a tensor in a graph and in those inside it."""
    found: set[str] = set()
    for one in all_graphs(graph):
        found.update(value.name for values in (one.input, one.output, one.initializer) for value in values)
        for node in one.node:
            found.update(node.input, node.output)
    return found - {""}


def free_prefix(graph: Any) -> str:
    """Return a prefix that no name in the graph has."""
    prefix, taken = "penult_", tensor_names(graph)
    while any(name.startswith(prefix) for name in taken):
        prefix += "_"
    return prefix


def rename_tensors(graph: Any, new: Mapping[str, str]) -> None:
    """Rename tensors, in the graphs inside as well: ONNX lets no name mean two things there."""
    for one in all_graphs(graph):
        for values in (one.input, one.output, one.initializer, one.value_info):
            for value in values:
                value.name = new.get(value.name, value.name)
        for node in one.node:
            node.input[:] = [new.get(name, name) for name in node.input]
            node.output[:] = [new.get(name, name) for name in node.output]


def prune(model: Any) -> None:
    """Leave out what the outputs do not need, and everything that says where the model was made."""
    graph = model.graph
    needed, kept = {value.name for value in graph.output}, set()
    for index in reversed(range(len(graph.node))):
        if needed.intersection(graph.node[index].output):
            kept.add(index)
            needed |= inputs_of(graph.node[index])
    _keep(graph.node, lambda index, _: index in kept)
    _keep(graph.initializer, lambda _, tensor: tensor.name in needed)
    constants = {tensor.name for tensor in graph.initializer}
    _keep(graph.input, lambda _, value: value.name not in constants)  # before IR 4 constants were inputs as well
    for one in all_graphs(graph):
        del one.value_info[:]  # shapes of inner tensors: they follow from the rest, and may be of another batch
        one.ClearField("quantization_annotation")
    used = {domain_of(node) for one in all_graphs(graph) for node in one.node} | {""}
    _keep(model.opset_import, lambda _, opset: domain_of(opset) in used)
    for field, _other in model.ListFields():
        if field.name not in {"ir_version", "opset_import", "graph", "functions"}:
            model.ClearField(field.name)
    _clear_remarks(model)


def domain_of(thing: Any) -> str:
    """Return where an operator, or a set of them, comes from; "" is ONNX itself."""
    return "" if thing.domain == "ai.onnx" else str(thing.domain)


def _keep(values: Any, wanted: Callable[[int, Any], bool]) -> None:
    for index in reversed(range(len(values))):
        if not wanted(index, values[index]):
            del values[index]


def _clear_remarks(message: Any) -> None:
    for field, value in message.ListFields():
        if field.name in _REMARKS:
            message.ClearField(field.name)
        elif field.message_type is not None:
            for inner in [value] if hasattr(value, "ListFields") else value:
                _clear_remarks(inner)


def inline(model: Any) -> Any:
    """Return the model with its local functions written out where they are called."""
    from onnx import inliner

    return inliner.inline_local_functions(model) if model.functions else model


def set_outputs(graph: Any, outputs: Iterable[tuple[str, int, tuple[int, ...]]]) -> None:
    """Make these the only outputs: name, data type, shape after the batch, which is open."""
    from onnx import helper

    from penult.backbones.graph_builder import BATCH

    del graph.output[:]
    graph.output.extend(helper.make_tensor_value_info(name, kind, [BATCH, *rest]) for name, kind, rest in outputs)


def to_bytes(model: Any) -> bytes:
    """Return a model as a file's bytes, the same for the same model. Raises `InputError` for one of more than 2 GB."""
    try:
        data = bytes(model.SerializeToString(deterministic=True))
    except MemoryError:
        raise
    except Exception:  # how protobuf says that a message is too large depends on its version
        data = b""
    if not 0 < len(data) <= MAX_BYTES:
        size = sum(len(tensor.raw_data) for tensor in model.graph.initializer)
        raise InputError(
            _(
                "this network has {size:.2f} GB of weights, and one ONNX file holds {max_bytes:.2f} GB; take a "
                "smaller sibling.",
                size=size / 1e9,
                max_bytes=MAX_BYTES / 1e9,
            )
        )
    return data

"""Read an ONNX graph for torch: what one output needs, every shape known, everything that is constant computed.

In: the bytes of a graph `pixels` uint8 (n, s, s, 3) -> outputs by name, how many images it will take at once. Out: a `Plan`.
It must not know devices or precisions.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from penult.engines import torch_layers, torch_moves
from penult.engines.torch_operators import KINDS, OPERATORS, Tensor
from penult.errors import DamagedFile, InputError, listed

CURE = "run it on the processor instead, with --device cpu."
_COMPLETE = torch_layers.__name__, torch_moves.__name__  # importing them has filled the table
_NUMBERED = frozenset({"Split"})  # their outputs after the first are of use
_WHOLE = {torch.int8, torch.int16, torch.int32, torch.int64, torch.bool, torch.uint8}


@dataclass(slots=True, eq=False)
class Node:
    """One step of the computation."""

    op: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Plan:
    """A computation: `nodes` in their order, from `pixels` to `output`.

    `constants` are the tensors known beforehand (float32, or whole numbers), `shapes` a tensor without numbers
    for each value that is computed.
    """

    name: str
    opset: int
    nodes: list[Node]
    constants: dict[str, Tensor]
    pixels: str
    output: str
    shapes: dict[str, Tensor] = field(default_factory=dict)

    def users(self) -> dict[str, list[Node]]:
        """Return for each value the nodes that take it, once for each time."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in node.inputs:
                found.setdefault(name, []).append(node)
        return found

    def maker(self) -> dict[str, Node]:
        """Return for each value the node that gives it."""
        return {name: node for node in self.nodes for name in node.outputs}

    def prune(self) -> None:
        """Drop the nodes and constants that the output does not need."""
        needed, kept = {self.output}, []
        for node in reversed(self.nodes):
            if needed.intersection(node.outputs):
                kept.append(node)
                needed.update(node.inputs)
        self.nodes = kept[::-1]
        self.constants = {name: value for name, value in self.constants.items() if name in needed}


def read(graph: bytes, output: str, name: str) -> Plan:
    """Return the plan of one output of an ONNX graph; raises `InputError` that names every operator we do not have."""
    import onnx

    try:
        model = onnx.load_model_from_string(graph)
    except Exception as error:  # of protobuf's own making
        raise DamagedFile(f"the graph of {name} cannot be used: {error}") from error
    constants = {one.name: _tensor(one) for one in model.graph.initializer}
    opset = next((one.version for one in model.opset_import if one.domain in {"", "ai.onnx"}), 0)
    nodes = []
    for one in model.graph.node:
        node = Node(
            one.op_type if one.domain in {"", "ai.onnx"} else f"{one.domain}.{one.op_type}",
            list(one.input),
            list(one.output),
            {a.name: _attribute(onnx.helper.get_attribute_value(a)) for a in one.attribute},
        )
        nodes.append(node)
    if not any(output == one.name for one in model.graph.output):
        raise DamagedFile(f"the graph of {name} has no output {output}.")
    plan = Plan(name, opset, nodes, constants, model.graph.input[0].name, output)
    plan.prune()
    _refuse_unknown(plan)
    return plan


def _attribute(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    if hasattr(value, "raw_data"):
        return _tensor(value)
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


def _tensor(proto: Any) -> Tensor:
    """Return a tensor of the file: fractions as float32, whatever they were."""
    import numpy as np
    from onnx import TensorProto, numpy_helper

    values = numpy_helper.to_array(proto)
    if proto.data_type in {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16}:
        values = values.astype(np.float32)
    return torch.from_numpy(np.array(values))


def _refuse_unknown(plan: Plan) -> None:
    known = {*OPERATORS, "Constant"}
    unknown = {node.op for node in plan.nodes if node.op not in known}
    users = plan.users()
    for node in plan.nodes:
        if node.op not in _NUMBERED and any(name in users or name == plan.output for name in node.outputs[1:]):
            unknown.add(f"{node.op} with {len(node.outputs)} outputs")
    if unknown:
        raise InputError(
            f"{plan.name} has operators that penult's torch engine does not know: {listed(sorted(unknown))}; {CURE}"
        )


def settle(plan: Plan, pixels: tuple[int, ...]) -> None:
    """Find every shape for an input of the shape `pixels`, and compute what depends on nothing else.

    Raises `InputError` where a shape depends on the picture itself.
    """
    plan.shapes = {plan.pixels: torch.empty(pixels, dtype=torch.uint8, device="meta")}
    alive: list[Node] = []
    renamed: dict[str, str] = {}
    for node in plan.nodes:
        node.inputs = [renamed.get(name, name) for name in node.inputs]
        _plain(node, plan)
        if node.op == "Identity":
            renamed[node.outputs[0]] = node.inputs[0]
            continue
        if node.op == "Constant":
            plan.constants[node.outputs[0]] = _constant(node)
            continue
        known = node.op in {"Shape", "Size"} or all(not name or name in plan.constants for name in node.inputs)
        results = run(node, plan, functools.partial(_stand_in, plan, known))
        for name, value in zip(node.outputs, results, strict=False):
            if known:
                plan.constants[name] = value
            else:
                plan.shapes[name] = value
        if not known:
            alive.append(node)
    plan.nodes, plan.output = alive, renamed.get(plan.output, plan.output)
    plan.prune()


def _stand_in(plan: Plan, known: bool, name: str) -> Tensor:
    """Return what stands for a value while shapes are found: itself, if that will be needed, or only its shape."""
    if name in plan.constants:
        return plan.constants[name] if known else plan.constants[name].to("meta")
    return plan.shapes[name]


def _plain(node: Node, plan: Plan) -> None:
    """Make one thing of what ONNX says in several ways: fractions are one kind here, dropout does nothing."""
    if node.op == "Dropout":
        node.op, node.inputs, node.attributes = "Identity", node.inputs[:1], {}
    if node.op == "CastLike":
        like = _kind(plan, node.inputs[1])
        node.op, node.inputs = "Cast", node.inputs[:1]
        node.attributes = {"to": next(number for number, kind in KINDS.items() if kind == like)}
    if node.op == "Cast" and KINDS.get(node.attributes["to"]) not in _WHOLE:
        if _kind(plan, node.inputs[0]) not in _WHOLE:
            node.op, node.attributes = "Identity", {}
        else:
            node.attributes = {"to": 1}


def _kind(plan: Plan, name: str) -> Any:
    return (plan.constants[name] if name in plan.constants else plan.shapes[name]).dtype


def _constant(node: Node) -> Tensor:
    (value,) = node.attributes.values()
    if isinstance(value, float | int | list):
        value = torch.tensor(value)
    return value.to(torch.float32) if value.is_floating_point() else value


def arguments(node: Node, plan: Plan, value: Callable[[str], Any]) -> tuple[list[Any], Mapping[str, Any]]:
    """Return what a node's function is called with: numbers where it needs to know them, else `value` of the name."""
    operator = OPERATORS[node.op]
    args: list[Any] = []
    for place, name in enumerate(node.inputs):
        if not name:
            args.append(None)
        elif place not in operator.static:
            args.append(value(name))
        elif name in plan.constants:
            args.append(plan.constants[name].tolist())
        else:
            raise InputError(f"{plan.name}: what {node.op} does depends on the picture itself; {CURE}")
    while args and args[-1] is None:
        args.pop()
    return args, {**node.attributes, **({"opset": plan.opset} if operator.old else {})}


def run(node: Node, plan: Plan, value: Callable[[str], Any]) -> tuple[Tensor, ...]:
    """Return the outputs of a node. Raises `InputError` for a use of an operator that we do not have."""
    args, attributes = arguments(node, plan, value)
    try:
        result = OPERATORS[node.op].run(*args, **attributes)
    except (RuntimeError, TypeError, ValueError, LookupError, NotImplementedError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"{plan.name}: penult's torch engine cannot do this {node.op} ({first[:200]}); {CURE}") from error
    return tuple(result) if isinstance(result, tuple | list) else (result,)

"""Write a plan as a torch module for one device and one precision.

In: a `Plan`. Out: a `torch.fx.GraphModule`, uint8 (n, s, s, 3) -> float32. It must not know where its input comes from.

With a precision below float32 only what lies between the first and the last layer that multiplies matrices is computed in it:
the recipe in front and the pooling behind keep float32.
"""

from __future__ import annotations

import operator
from typing import Any

import torch

from penult.engines.torch_fuse import fuse
from penult.engines.torch_graph import Node, Plan, arguments, read, settle
from penult.engines.torch_operators import KINDS, OPERATORS, Tensor

_HEAVY = frozenset({"Conv", "Linear", "Gemm", "MatMul", "Attention4", "Einsum"})


def translate(graph: bytes, output: str, name: str, pixels: tuple[int, ...]) -> Plan:
    """Return the plan of one output for an input of the shape `pixels`. Raises `InputError` or `DamagedFile`."""
    plan = read(graph, output, name)
    settle(plan, pixels)
    fuse(plan)
    return plan


def build(plan: Plan, device: str, low: Any = torch.float32) -> Any:
    """Return the module on a device; `low` is the kind of number of its layers."""
    writer = _Writer(plan, device, low)
    for node in plan.nodes:
        writer.add(node)
    return writer.finish()


class _Writer:
    """Writes one module, node by node."""

    def __init__(self, plan: Plan, device: str, low: Any):
        self.plan, self.device, self.low = plan, device, low
        self.inner = _inner(plan)
        self.graph, self.root = torch.fx.Graph(), torch.nn.Module()
        self.made: dict[tuple[str, Any], Any] = {(plan.pixels, None): self.graph.placeholder("pixels")}
        self.kinds: dict[str, Any] = {plan.pixels: None}  # of values: None for whole numbers

    def add(self, node: Node) -> None:
        """Write one node."""
        kind = self.low if node in self.inner else torch.float32
        form = torch.channels_last if node.op == "Conv" else torch.contiguous_format  # weights lie as the maps do
        args, attributes = arguments(node, self.plan, lambda name: self._value(name, kind, form))
        attributes = {**attributes, **self._more(node, kind)}
        result = self.graph.call_function(OPERATORS[node.op].run, tuple(args), attributes)
        several = OPERATORS[node.op].run is OPERATORS["Split"].run
        for place, name in enumerate(node.outputs if several else node.outputs[:1]):
            fraction = self.plan.shapes[name].is_floating_point()
            self.kinds[name] = attributes.get("kind", kind) if fraction else None
            one = self.graph.call_function(operator.getitem, (result, place)) if several else result
            self.made[name, self.kinds[name]] = one

    def _more(self, node: Node, kind: Any) -> dict[str, Any]:
        """Return what a function must know besides what its node says."""
        if node.op == "See":
            users = self.plan.users().get(node.outputs[0], [])
            return {"kind": self.low if users and all(user in self.inner for user in users) else torch.float32}
        if node.op == "Cast" and KINDS[node.attributes["to"]].is_floating_point:
            return {"to": next(number for number, one in KINDS.items() if one == kind)}
        return {}

    def _value(self, name: str, kind: Any, form: Any) -> Any:
        """Return a value as the kind of number that a node computes in."""
        if name in self.plan.constants:
            value = self.plan.constants[name]
            return self._constant(name, value, kind if value.is_floating_point() else None, form)
        has = self.kinds[name]
        wanted = None if has is None else kind
        if (name, wanted) not in self.made:
            self.made[name, wanted] = self.graph.call_method("to", (self.made[name, has], wanted))
        return self.made[name, wanted]

    def _constant(self, name: str, value: Tensor, kind: Any, form: Any) -> Any:
        if (name, kind) not in self.made:
            label = f"c{len(self.made)}"
            there = value.to(self.device, kind or value.dtype)
            if form == torch.channels_last and value.ndim == 4:
                there = there.contiguous(memory_format=form)
            self.root.register_buffer(label, there)
            self.made[name, kind] = self.graph.get_attr(label)
        return self.made[name, kind]

    def finish(self) -> Any:
        """Return the module, which gives float32."""
        self.graph.output(self._value(self.plan.output, torch.float32, torch.contiguous_format))
        return torch.fx.GraphModule(self.root, self.graph).eval()


def _inner(plan: Plan) -> set[Node]:
    """Return the nodes with a layer before them, or being one, and a layer behind them, or being one."""
    maker, users = plan.maker(), plan.users()
    before: set[Node] = set()
    for node in plan.nodes:
        if node.op in _HEAVY or any(maker[name] in before for name in node.inputs if name in maker):
            before.add(node)
    after: set[Node] = set()
    for node in reversed(plan.nodes):
        if node.op in _HEAVY or any(user in after for name in node.outputs for user in users.get(name, ())):
            after.add(node)
    return before & after

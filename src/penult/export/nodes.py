"""An ONNX graph under construction with what geometry and heads need: shared constants, and whole networks put into it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.backbones.graph_builder import GraphBuilder

OPSET, IR = 18, 8  # of 2022: every runtime in use reads it
FLOAT, UINT8, INT64, DOUBLE = 1, 2, 7, 11  # of ONNX
_TYPES = {FLOAT: np.float32, DOUBLE: np.float64}


class Nodes(GraphBuilder):
    """A `GraphBuilder` whose equal constants are one, and that knows in which precision it computes."""

    def __init__(self, name: str, real: int = DOUBLE):
        super().__init__(name, "p_")
        self.kind = real
        self._known: dict[tuple[str, bytes], str] = {}

    def constant(self, values: NDArray[Any]) -> str:
        """Add an array to the graph, once."""
        key = f"{values.dtype} {values.shape}", values.tobytes()
        if key not in self._known:
            self._known[key] = super().constant(values)
        return self._known[key]

    def add_node(self, op: str, inputs: list[str], outputs: list[str], **attributes: Any) -> None:
        """Add a node with several outputs, which are named by the caller."""
        from onnx import helper

        self.nodes.append(helper.make_node(op, inputs, outputs, **attributes))

    def choose(self, condition: str, yes: Callable[[], str], no: Callable[[], str], kind: int) -> str:
        """Return what `yes` adds to the graph where the condition holds, else what `no` adds; only one is computed."""
        from onnx import helper

        def branch(name: str, make: Callable[[], str]) -> Any:
            nodes, prefix = self.nodes, self.prefix
            self.nodes, self.prefix = [], f"{prefix}{name}{len(nodes)}_"  # names of a branch are nowhere else
            made = make()
            body = helper.make_graph(self.nodes, name, [], [helper.make_tensor_value_info(made, kind, [None, None, None])])
            self.nodes, self.prefix = nodes, prefix
            return body

        return self.add("If", condition, then_branch=branch("then", yes), else_branch=branch("else", no))

    def real(self, values: Any) -> str:
        """Add numbers in the precision of this graph."""
        return self.constant(np.asarray(values, _TYPES[self.kind]))

    def index(self, value: int) -> str:
        """Add one whole number, a scalar."""
        return self.constant(np.array(value, np.int64))

    def indices(self, *values: int) -> str:
        """Add whole numbers, such as a shape."""
        return self.constant(np.array(values, np.int64))

    def cast(self, x: str, kind: int | None = None) -> str:
        """Return x as numbers of this kind, by default in the precision of this graph."""
        return self.add("Cast", x, to=self.kind if kind is None else kind)

    def vector(self, scalar: str) -> str:
        """Return a scalar as a vector of one."""
        return self.add("Reshape", scalar, self.indices(1))

    def reduce(self, op: str, x: str, axis: int | None = None, keep: bool = False) -> str:
        """Return the sum, the mean, the largest ... over an axis, or over all; as `op` is called without `Reduce`."""
        axes = () if axis is None else (self.indices(axis),)
        return self.add(f"Reduce{op}", x, *axes, keepdims=int(keep))

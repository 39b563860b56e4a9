"""Fuse what ONNX writes as several nodes and torch computes as one.

In: a `Plan` whose shapes are known. Out: the same computation in fewer steps. It must not know devices or precisions.
Each rewriting looks at one pattern that exporters write, and leaves alone whatever differs in the least.
"""

from __future__ import annotations

import math

import torch

from penult.engines.torch_graph import Node, Plan
from penult.engines.torch_operators import Tensor

_AFFINE = frozenset({"Mul", "Add", "Sub", "Div"})


class _View:
    """A plan's values from both sides, as they are before a pass; passes replace nodes and look again."""

    def __init__(self, plan: Plan):
        self.plan, self.users, self.maker = plan, plan.users(), plan.maker()
        self.taken: set[Node] = set()  # what a pass has looked at as part of something longer

    def only(self, node: Node) -> Node | None:
        """Return the one node that takes what `node` gives, if nothing else takes it."""
        users = self.users.get(node.outputs[0], [])
        return users[0] if len(users) == 1 and node.outputs[0] != self.plan.output else None

    def next(self, node: Node, op: str) -> Node | None:
        """Return the one node that takes what `node` gives, if it is of the kind `op` and nothing else takes it."""
        found = self.only(node)
        return found if found is not None and found.op == op else None

    def other(self, node: Node, name: str) -> str:
        """Return the other one of two inputs."""
        first, second = node.inputs
        return second if first == name else first

    def number(self, name: str) -> float | None:
        """Return the value of a constant that is one number."""
        value = self.plan.constants.get(name)
        return float(value) if value is not None and value.numel() == 1 else None

    def constant(self, name: str) -> Tensor | None:
        """Return a constant."""
        return self.plan.constants.get(name)


def fuse(plan: Plan) -> None:
    """Rewrite the plan in place."""
    for rewrite in (_see, _gelu, _silu, _norm, _affine, _linear, _chain, _attention):
        view = _View(plan)
        for node in list(plan.nodes):
            rewrite(node, view)
        plan.prune()


def _replace(view: _View, last: Node, op: str, inputs: list[str], **attributes: object) -> None:
    """Let the last node of a pattern compute all of it; the others fall away when nobody needs them."""
    last.op, last.inputs, last.attributes = op, inputs, dict(attributes)


def _near(value: float | None, wanted: float) -> bool:
    return value is not None and math.isclose(value, wanted, rel_tol=1e-5)


def _see(cast: Node, view: _View) -> None:
    """Take the nodes of the recipe together: Cast, Transpose, Sub, Mul."""
    if cast.op != "Cast" or view.plan.shapes[cast.inputs[0]].dtype != torch.uint8:
        return
    turn = view.next(cast, "Transpose")
    sub = view.next(turn, "Sub") if turn is not None and turn.attributes.get("perm") == [0, 3, 1, 2] else None
    mul = view.next(sub, "Mul") if sub is not None else None
    if turn is None or sub is None or mul is None:
        return
    mean, scale = sub.inputs[1], view.other(mul, sub.outputs[0])
    if view.constant(mean) is not None and view.constant(scale) is not None:
        _replace(view, mul, "See", [cast.inputs[0], mean, scale])


def _gelu(erf: Node, view: _View) -> None:
    """Take 0.5 x (1 + erf(x / sqrt 2)) together, in whatever order it is multiplied."""
    before = view.maker.get(erf.inputs[0]) if erf.op == "Erf" else None
    if before is None or before.op not in {"Div", "Mul"}:
        return
    x, divisor = before.inputs
    if before.op == "Mul" and view.constant(x) is not None:
        x, divisor = divisor, x
    if not _near(view.number(divisor), math.sqrt(2) if before.op == "Div" else math.sqrt(0.5)):
        return
    at: Node | None = view.next(erf, "Add")
    if at is None or not _near(view.number(view.other(at, erf.outputs[0])), 1):
        return
    missing = {"half", "x"}
    while missing:
        step = view.next(at, "Mul")
        if step is None:
            return
        factor = view.other(step, at.outputs[0])
        found = {"half"} if _near(view.number(factor), 0.5) else {"x"} if factor == x else _half_of(factor, x, view)
        if not found or not found <= missing:
            return
        missing -= found
        at = step
    _replace(view, at, "Gelu", [x])


def _half_of(name: str, x: str, view: _View) -> set[str]:
    node = view.maker.get(name)
    if node is not None and node.op == "Mul" and x in node.inputs and _near(view.number(view.other(node, x)), 0.5):
        return {"half", "x"}
    return set()


def _silu(sigmoid: Node, view: _View) -> None:
    """Take x sigmoid(x) together."""
    mul = view.next(sigmoid, "Mul") if sigmoid.op == "Sigmoid" else None
    if mul is not None and view.other(mul, sigmoid.outputs[0]) == sigmoid.inputs[0]:
        _replace(view, mul, "Silu", sigmoid.inputs[:1])


def _norm(conv: Node, view: _View) -> None:
    """Fold a batch normalisation into the convolution before it: both multiply and add, channel by channel."""
    norm = view.next(conv, "BatchNormalization") if conv.op == "Conv" else None
    if norm is None or len(_known(norm.inputs[1:], view)) != 4:
        return
    gain, shift, mean, variance = (value.double() for value in _known(norm.inputs[1:], view))
    scale = gain / torch.sqrt(variance + norm.attributes.get("epsilon", 1e-5))
    _fold(conv, norm, scale, shift - mean * scale, view)


def _by_constants(x: str, step: Node | None, view: _View) -> tuple[Node | None, Tensor, Tensor, int]:
    """Follow factors and terms that are constants from the value x on, as long as nothing else takes what is between.

    Returns the last node, factor and term of all of them together (float64), and how many they are.
    """
    last, factor, term, count = None, torch.ones((), dtype=torch.float64), torch.zeros((), dtype=torch.float64), 0
    shape = view.plan.shapes[x].shape
    while step is not None and step.op in _AFFINE:
        value = view.constant(view.other(step, x))
        backwards = step.op in {"Sub", "Div"} and step.inputs[0] != x
        if value is None or backwards or view.plan.shapes[step.outputs[0]].shape != shape:
            break
        value = value.double()
        if step.op in {"Mul", "Div"}:
            value = value if step.op == "Mul" else 1 / value
            factor, term = factor * value, term * value
        else:
            term = term + (value if step.op == "Add" else -value)
        last, count, x = step, count + 1, step.outputs[0]
        view.taken.add(step)
        step = view.only(step)
    return last, factor, term, count


def _affine(conv: Node, view: _View) -> None:
    """Fold factors and terms for each channel into the convolution before them."""
    if conv.op != "Conv":
        return
    last, factor, term, _ = _by_constants(conv.outputs[0], view.only(conv), view)
    maps = view.plan.shapes[conv.outputs[0]]
    by_channel = (maps.shape[1], *[1] * (maps.ndim - 2))
    if last is None or any(value.numel() > 1 and _trimmed(value) != by_channel for value in (factor, term)):
        return
    channels = maps.shape[1]
    _fold(conv, last, factor.reshape(-1).expand(channels), term.reshape(-1).expand(channels), view)


def _trimmed(value: Tensor) -> tuple[int, ...]:
    """Return the shape of a constant without the axes of size 1 before its first other one."""
    shape = list(value.shape)
    while shape and shape[0] == 1:
        shape.pop(0)
    return tuple(shape)


def _chain(first: Node, view: _View) -> None:
    """Take several factors and terms together: batch normalisations that no convolution precedes."""
    x = next((name for name in first.inputs if name in view.plan.shapes), None)
    if x is None or first.op not in _AFFINE or first in view.taken:
        return
    last, factor, term, count = _by_constants(x, first, view)
    if last is None or count < 2:
        return
    names = [f"{last.outputs[0]}.factor", f"{last.outputs[0]}.term"]
    view.plan.constants |= {names[0]: factor.float(), names[1]: term.float()}
    _replace(view, last, "Affine", [x, *names])


def _known(names: list[str], view: _View) -> list[Tensor]:
    return [value for name in names if (value := view.constant(name)) is not None]


def _fold(conv: Node, last: Node, scale: Tensor, shift: Tensor, view: _View) -> None:
    """Let `last` be the convolution, its outputs scaled and shifted, both (out,)."""
    weight = view.constant(conv.inputs[1])
    bias = view.constant(conv.inputs[2]) if len(conv.inputs) > 2 and conv.inputs[2] else torch.zeros(len(scale))
    if weight is None or bias is None:
        return
    names = [f"{last.outputs[0]}.weight", f"{last.outputs[0]}.bias"]
    view.plan.constants[names[0]] = (weight.double() * scale.reshape(-1, *[1] * (weight.ndim - 1))).float()
    view.plan.constants[names[1]] = (bias.double() * scale + shift).float()
    _replace(view, last, "Conv", [conv.inputs[0], *names], **conv.attributes)


def _linear(node: Node, view: _View) -> None:
    """Take a product with known weights and the bias behind it together."""
    if node.op == "MatMul":
        x, name = node.inputs
        weight, bias, last = view.constant(name), "", node
        add = view.next(node, "Add")
        if add is not None and weight is not None and weight.ndim == 2:
            term = view.constant(view.other(add, node.outputs[0]))
            if term is not None and term.shape == weight.shape[1:]:
                last, bias = add, view.other(add, node.outputs[0])
    elif node.op == "Gemm" and not set(node.attributes) & {"transA"}:
        x, name, bias, last = node.inputs[0], node.inputs[1], "".join(node.inputs[2:3]), node
        weight = view.constant(name)
        if any(node.attributes.get(k, 1.0) != 1.0 for k in ("alpha", "beta")):
            return
    else:
        return
    if weight is None or weight.ndim != 2 or (bias and _length(bias, view) != weight.shape[0 if _turned(node) else 1]):
        return
    turned = f"{last.outputs[0]}.weight"
    view.plan.constants[turned] = weight.contiguous() if _turned(node) else weight.t().contiguous()
    _replace(view, last, "Linear", [x, turned, *([bias] if bias else [])])


def _turned(node: Node) -> bool:
    return bool(node.attributes.get("transB", 0))


def _length(name: str, view: _View) -> int | None:
    value = view.constant(name)
    return len(value) if value is not None and value.ndim == 1 else None


def _attention(softmax: Node, view: _View) -> None:
    """Take softmax(q k^T) v together, which torch computes without writing the weights of attention down."""
    if softmax.op != "Softmax" or view.plan.opset < 13 or softmax.attributes.get("axis", -1) not in {-1, 3}:
        return
    product, after = view.maker.get(softmax.inputs[0]), view.next(softmax, "MatMul")
    if product is None or after is None or product.op != "MatMul" or view.next(product, "Softmax") is None:
        return
    names = [*product.inputs, after.inputs[1]]
    if after.inputs[0] == softmax.outputs[0] and all(n in view.plan.shapes and view.plan.shapes[n].ndim == 4 for n in names):
        _replace(view, after, "Attention4", names)

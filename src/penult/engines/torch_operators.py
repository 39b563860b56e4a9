"""ONNX operators as torch functions: the table, and all that compute with numbers wherever they lie.

In: tensors, and the attributes of a node. Out: tensors. It must not know graphs, devices or precisions.
This module imports torch; it is loaded when a torch engine is opened.

Semantics: the operator schemas of ONNX, opsets 7 to 23, https://onnx.ai/onnx/operators/.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F

Tensor = Any
KINDS = {
    1: torch.float32,
    2: torch.uint8,
    3: torch.int8,
    5: torch.int16,
    6: torch.int32,
    7: torch.int64,
    9: torch.bool,
    10: torch.float16,
    11: torch.float64,
    16: torch.bfloat16,
}  # by the numbers of onnx.TensorProto


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator: `run` takes its inputs and attributes.

    Inputs at the places `static` come as Python numbers or lists: they say how to compute, not what. With
    `old` the function wants to know the model's `opset` too, since the operator changed its meaning.
    """

    run: Callable[..., Any]
    static: tuple[int, ...] = ()
    old: bool = False


OPERATORS: dict[str, Operator] = {}


def operator(*names: str, static: Sequence[int] = (), old: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function into the table under the names of its operators."""

    def enter(run: Callable[..., Any]) -> Callable[..., Any]:
        OPERATORS.update(dict.fromkeys(names, Operator(run, tuple(static), old)))
        return run

    return enter


def _same(name: str, run: Callable[..., Any]) -> None:
    OPERATORS[name] = Operator(run)


for _name in ("Abs", "Acos", "Asin", "Atan", "Ceil", "Cos", "Cosh", "Erf", "Exp", "Floor", "Log", "Neg", "Reciprocal", "Round",
              "Sigmoid", "Sign", "Sin", "Sinh", "Sqrt", "Tan", "Tanh"):  # fmt: skip
    _same(_name, getattr(torch, _name.lower()))
for _name, _run in {
    "Add": torch.add, "And": torch.logical_and, "Equal": torch.eq, "Greater": torch.gt, "GreaterOrEqual": torch.ge,
    "Less": torch.lt, "LessOrEqual": torch.le, "MatMul": torch.matmul, "Mul": torch.mul, "Not": torch.logical_not,
    "Or": torch.logical_or, "Sub": torch.sub, "Where": torch.where, "Xor": torch.logical_xor, "HardSwish": F.hardswish,
    "Mish": F.mish, "Relu": F.relu, "Softplus": F.softplus, "Softsign": F.softsign, "Silu": F.silu,
}.items():  # fmt: skip
    _same(_name, _run)


@operator("Identity", "Dropout")
def identity(x: Tensor, *_: Any, **__: Any) -> Tensor:
    """Return x: what is left out in training changes nothing here."""
    return x


@operator("Div")
def div(a: Tensor, b: Tensor) -> Tensor:
    """Divide; whole numbers are rounded towards zero."""
    return torch.div(a, b, rounding_mode=None if a.is_floating_point() else "trunc")


@operator("Mod")
def mod(a: Tensor, b: Tensor, *, fmod: int = 0) -> Tensor:
    """Return the rest, of the sign of b, or of a with `fmod`."""
    return torch.fmod(a, b) if fmod else torch.remainder(a, b)


@operator("Pow")
def power(x: Tensor, exponent: Tensor) -> Tensor:
    """Raise x to a power; the result is of the kind of x."""
    return torch.pow(x, exponent).to(x.dtype)


@operator("Max")
def maximum(first: Tensor, *rest: Tensor) -> Tensor:
    """Return the largest of several tensors, number by number."""
    for one in rest:
        first = torch.maximum(first, one)
    return first


@operator("Min")
def minimum(first: Tensor, *rest: Tensor) -> Tensor:
    """Return the smallest of several tensors, number by number."""
    for one in rest:
        first = torch.minimum(first, one)
    return first


@operator("Sum")
def add_up(first: Tensor, *rest: Tensor) -> Tensor:
    """Return the sum of several tensors."""
    for one in rest:
        first = first + one
    return first


@operator("Mean")
def mean_of(*all_of: Tensor) -> Tensor:
    """Return the mean of several tensors, number by number."""
    return add_up(*all_of) / len(all_of)


@operator("Clip", static=(1, 2))
def clip(x: Tensor, low: float | None = None, high: float | None = None, **bounds: float) -> Tensor:
    """Cut to low..high; before opset 11 the bounds are the attributes `min` and `max`."""
    low, high = (v[0] if isinstance(v, list) else v for v in (bounds.get("min", low), bounds.get("max", high)))
    return x if low is None and high is None else torch.clamp(x, low, high)


@operator("LeakyRelu")
def leaky_relu(x: Tensor, *, alpha: float = 0.01) -> Tensor:
    """Scale what is negative by alpha."""
    return F.leaky_relu(x, alpha)


@operator("PRelu")
def prelu(x: Tensor, slope: Tensor) -> Tensor:
    """Scale what is negative by a slope of its own."""
    return torch.where(x < 0, x * slope, x)


@operator("Elu")
def elu(x: Tensor, *, alpha: float = 1.0) -> Tensor:
    """Return x, or alpha (e^x - 1) where x is negative."""
    return F.elu(x, alpha)


@operator("Celu")
def celu(x: Tensor, *, alpha: float = 1.0) -> Tensor:
    """Return x, or alpha (e^(x / alpha) - 1) where x is negative."""
    return F.celu(x, alpha)


@operator("Selu")
def selu(x: Tensor, *, alpha: float = 1.67326319217681884765625, gamma: float = 1.05070102214813232421875) -> Tensor:
    """Return gamma times elu."""
    return gamma * F.elu(x, alpha)


@operator("ThresholdedRelu")
def thresholded_relu(x: Tensor, *, alpha: float = 1.0) -> Tensor:
    """Return x above alpha, else 0."""
    return F.threshold(x, alpha, 0.0)


@operator("HardSigmoid")
def hard_sigmoid(x: Tensor, *, alpha: float = 0.2, beta: float = 0.5) -> Tensor:
    """Return alpha x + beta, cut to 0..1."""
    return F.hardsigmoid(x) if math.isclose(alpha, 1 / 6, rel_tol=1e-6) and beta == 0.5 else (x * alpha + beta).clamp(0, 1)


@operator("Gelu")
def gelu(x: Tensor, *, approximate: str = "none") -> Tensor:
    """Return x times the normal distribution function of x."""
    return F.gelu(x, approximate=approximate)


@operator("Swish")
def swish(x: Tensor, *, alpha: float = 1.0) -> Tensor:
    """Return x sigmoid(alpha x)."""
    return F.silu(x) if alpha == 1 else x * torch.sigmoid(alpha * x)


@operator("Softmax", old=True)
def softmax(x: Tensor, *, opset: int, axis: int | None = None) -> Tensor:
    """Return the softmax over an axis; before opset 13 over all axes from that one on."""
    if opset < 13:
        return torch.softmax(x.flatten(1 if axis is None else axis), -1).reshape(x.shape)
    return torch.softmax(x, -1 if axis is None else axis)


@operator("LogSoftmax", old=True)
def log_softmax(x: Tensor, *, opset: int, axis: int | None = None) -> Tensor:
    """Return the logarithm of the softmax."""
    return torch.log(softmax(x, opset=opset, axis=axis))


@operator("Cast")
def cast(x: Tensor, *, to: int, **_: Any) -> Tensor:
    """Turn into another kind of number."""
    return x.to(KINDS[to])


@operator("CastLike")
def cast_like(x: Tensor, like: Tensor, **_: Any) -> Tensor:
    """Turn into the kind of another tensor."""
    return x.to(like.dtype)


def _over(name: str, run: Callable[[Tensor, list[int], bool], Tensor]) -> None:
    """Enter a reduction: its axes are an attribute in old models, an input in new ones, or all."""

    def reduce(
        x: Tensor, axes: list[int] | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0, **more: Any
    ) -> Tensor:
        axes = more.get("axes", axes)
        if not axes and noop_with_empty_axes:
            return x
        return run(x, axes or list(range(x.ndim)), bool(keepdims))

    reduce.__name__ = reduce.__qualname__ = f"reduce_{name[6:].lower()}"
    OPERATORS[name] = Operator(reduce, (1,))


def _product(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    for axis in sorted((a % x.ndim for a in axes), reverse=True):
        x = torch.prod(x, axis, keep, dtype=x.dtype)
    return x


_over("ReduceMean", torch.mean)
_over("ReduceSum", lambda x, axes, keep: torch.sum(x, axes, keep, dtype=x.dtype))
_over("ReduceMax", torch.amax)
_over("ReduceMin", torch.amin)
_over("ReduceL1", lambda x, axes, keep: torch.sum(x.abs(), axes, keep))
_over("ReduceL2", lambda x, axes, keep: torch.linalg.vector_norm(x, 2, axes, keep))
_over("ReduceSumSquare", lambda x, axes, keep: torch.sum(x * x, axes, keep))
_over("ReduceLogSumExp", torch.logsumexp)
_over("ReduceProd", _product)


@operator("Einsum")
def einsum(*parts: Tensor, equation: str) -> Tensor:
    """Sum over the indices that the equation leaves out."""
    return torch.einsum(equation, *parts)


@operator("Gemm")
def gemm(
    a: Tensor, b: Tensor, c: Tensor | None = None, *, alpha: float = 1.0, beta: float = 1.0, transA: int = 0, transB: int = 0
) -> Tensor:
    """Return alpha a b + beta c."""
    a, b = (a.t() if transA else a), (b.t() if transB else b)
    product = a @ b if alpha == 1 else alpha * (a @ b)
    return product if c is None else product + (c if beta == 1 else beta * c)


@operator("ArgMax")
def argmax(x: Tensor, *, axis: int = 0, keepdims: int = 1, **_: Any) -> Tensor:
    """Return the place of the largest number along an axis."""
    return torch.argmax(x, axis, bool(keepdims))

"""ONNX's layers as torch functions: convolutions, poolings, normalisations, resizing, attention.

In: tensors, and the attributes of a node. Out: tensors. It must not know graphs, devices or precisions.
Importing it enters them into the table `OPERATORS`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional as F

from penult.engines.torch_operators import Tensor, operator

_CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_MAX = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_MEAN = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


def padding(
    sides: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    auto_pad: str,
    pads: Sequence[int],
) -> list[tuple[int, int]]:
    """Return for each axis how much is added before and after; `SAME` gives ceil(side / stride) places."""
    count = len(kernel)
    if auto_pad in {"NOTSET", ""}:
        pads = pads or [0] * (2 * count)
        return list(zip(pads[:count], pads[count:], strict=True))
    if auto_pad == "VALID":
        return [(0, 0)] * count
    found = []
    for side, k, s, d in zip(sides, kernel, stride, dilation, strict=True):
        total = max((math.ceil(side / s) - 1) * s + d * (k - 1) + 1 - side, 0)
        less = total // 2
        found.append((less, total - less) if auto_pad == "SAME_UPPER" else (total - less, less))
    return found


def _widen(x: Tensor, sides: Sequence[tuple[int, int]], value: float = 0.0) -> Tensor:
    """Add a border of `value` to the last axes."""
    return F.pad(x, [p for pair in reversed(sides) for p in pair], value=value) if any(map(any, sides)) else x


def _inside(x: Tensor, sides: list[tuple[int, int]]) -> tuple[Tensor, list[int]]:
    """Return x and the padding that torch adds by itself, the same on both sides; what differs is added here."""
    if all(a == b for a, b in sides):
        return x, [a for a, _ in sides]
    return _widen(x, sides), [0] * len(sides)


@operator("Conv")
def conv(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, *, auto_pad: str = "NOTSET", pads: Sequence[int] = (),
    strides: Sequence[int] = (), dilations: Sequence[int] = (), group: int = 1, **_: Any,
) -> Tensor:  # fmt: skip
    """Return the convolution of x (n, c, ...) with the weight (out, c / group, ...)."""
    kernel = weight.shape[2:]
    stride, dilation = list(strides) or [1] * len(kernel), list(dilations) or [1] * len(kernel)
    x, pad = _inside(x, padding(x.shape[2:], kernel, stride, dilation, auto_pad, pads))
    return _CONV[len(kernel)](x, weight, bias, stride, pad, dilation, group)


@operator("MaxPool")
def max_pool(
    x: Tensor, *, kernel_shape: list[int], auto_pad: str = "NOTSET", pads: Sequence[int] = (), strides: Sequence[int] = (),
    dilations: Sequence[int] = (), ceil_mode: int = 0, **_: Any,
) -> Tensor:  # fmt: skip
    """Return the largest number of every window."""
    stride, dilation = list(strides) or [1] * len(kernel_shape), list(dilations) or [1] * len(kernel_shape)
    sides = padding(x.shape[2:], kernel_shape, stride, dilation, auto_pad, pads)
    if any(a != b or a > k // 2 for (a, b), k in zip(sides, kernel_shape, strict=True)):
        x, sides = _widen(x, sides, -math.inf), [(0, 0)] * len(sides)
    return _MAX[len(kernel_shape)](x, kernel_shape, stride, [a for a, _ in sides], dilation, bool(ceil_mode))


@operator("AveragePool")
def average_pool(
    x: Tensor, *, kernel_shape: list[int], auto_pad: str = "NOTSET", pads: Sequence[int] = (), strides: Sequence[int] = (),
    ceil_mode: int = 0, count_include_pad: int = 0, **_: Any,
) -> Tensor:  # fmt: skip
    """Return the mean of every window, of its numbers inside the picture alone unless the border counts."""
    run, stride = _MEAN[len(kernel_shape)], list(strides) or [1] * len(kernel_shape)
    sides = padding(x.shape[2:], kernel_shape, stride, [1] * len(kernel_shape), auto_pad, pads)
    if all(a == b and a <= k // 2 for (a, b), k in zip(sides, kernel_shape, strict=True)):
        return run(x, kernel_shape, stride, [a for a, _ in sides], bool(ceil_mode), bool(count_include_pad))
    summed = run(_widen(x, sides), kernel_shape, stride, 0, bool(ceil_mode))
    if count_include_pad:
        return summed
    inside = _widen(torch.ones_like(x[:1, :1]), sides)
    return summed / run(inside, kernel_shape, stride, 0, bool(ceil_mode))


@operator("GlobalAveragePool")
def global_mean(x: Tensor) -> Tensor:
    """Return the mean of every map, (n, c, 1, 1)."""
    return x.mean(list(range(2, x.ndim)), keepdim=True)


@operator("GlobalMaxPool")
def global_max(x: Tensor) -> Tensor:
    """Return the maximum of every map, (n, c, 1, 1)."""
    return x.amax(list(range(2, x.ndim)), keepdim=True)


@operator("Pad", static=(1, 2, 3))
def pad(
    x: Tensor, pads: list[int] | None = None, value: float | None = None, axes: list[int] | None = None, *,
    mode: str = "constant", **old: Any,
) -> Tensor:  # fmt: skip
    """Add a border: constant, or the picture reflected, its edge repeated, or wrapped around."""
    pads, value = old.get("pads", pads) or [], old.get("value", value) or 0.0
    axes = list(range(x.ndim)) if axes is None else [a % x.ndim for a in axes]
    sides = [(0, 0)] * x.ndim
    for i, axis in enumerate(axes):
        sides[axis] = pads[i], pads[i + len(axes)]
    if mode == "constant":
        return _widen(x, sides, value)
    names = {"reflect": "reflect", "edge": "replicate", "wrap": "circular"}
    return F.pad(x, [p for pair in reversed(sides[2:]) for p in pair], mode=names[mode])


@operator("BatchNormalization")
def batch_norm(
    x: Tensor, gain: Tensor, shift: Tensor, mean: Tensor, variance: Tensor, *, epsilon: float = 1e-5, **_: Any
) -> Tensor:
    """Scale and shift every channel by what was measured in training."""
    return F.batch_norm(x, mean, variance, gain, shift, eps=epsilon)


@operator("LayerNormalization")
def layer_norm(
    x: Tensor, gain: Tensor | None = None, shift: Tensor | None = None, *, axis: int = -1, epsilon: float = 1e-5, **_: Any
) -> Tensor:
    """Scale to mean 0 and variance 1 over the axes from `axis` on."""
    over = list(x.shape[axis:])
    gain, shift = (None if w is None else w.expand(over) for w in (gain, shift))
    return F.layer_norm(x, over, gain, shift, epsilon)


@operator("RMSNormalization")
def rms_norm(x: Tensor, gain: Tensor, *, axis: int = -1, epsilon: float = 1e-5, **_: Any) -> Tensor:
    """Scale to mean square 1 over the axes from `axis` on."""
    over = list(x.shape[axis:])
    return F.rms_norm(x, over, gain.expand(over), epsilon)


@operator("InstanceNormalization")
def instance_norm(x: Tensor, gain: Tensor, shift: Tensor, *, epsilon: float = 1e-5) -> Tensor:
    """Scale every map to mean 0 and variance 1."""
    return F.instance_norm(x, weight=gain, bias=shift, eps=epsilon)


@operator("GroupNormalization")
def group_norm(x: Tensor, gain: Tensor, shift: Tensor, *, num_groups: int, epsilon: float = 1e-5, **_: Any) -> Tensor:
    """Scale groups of channels; gain and shift are for each channel, in opset 18 for each group."""
    if len(gain) != x.shape[1]:
        gain, shift = (w.repeat_interleave(x.shape[1] // num_groups) for w in (gain, shift))
    return F.group_norm(x, num_groups, gain, shift, epsilon)


@operator("LpNormalization")
def lp_norm(x: Tensor, *, axis: int = -1, p: int = 2) -> Tensor:
    """Scale to length 1 along an axis."""
    return x / torch.linalg.vector_norm(x, p, axis, True)


@operator("LRN")
def local_response(x: Tensor, *, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0) -> Tensor:
    """Divide by what neighbouring channels answer."""
    return F.local_response_norm(x, size, alpha, beta, bias)


@operator("Resize", "Upsample", static=(1, 2, 3))
def resize(  # noqa: PLR0913 - the operator's own attributes
    x: Tensor, roi: Any = None, scales: list[float] | None = None, sizes: list[int] | None = None, *, mode: str = "nearest",
    coordinate_transformation_mode: str = "half_pixel", nearest_mode: str = "round_prefer_floor", antialias: int = 0,
    cubic_coeff_a: float = -0.75, exclude_outside: int = 0, **more: Any,
) -> Tensor:  # fmt: skip
    """Resize the last two axes of (n, c, h, w), as far as torch has it."""
    if sizes:
        scales = [a / b for a, b in zip(sizes, x.shape, strict=True)]
    factors = list(more.get("scales") or scales or roi or ())  # the old `Upsample` has them in second place
    target = [round(f * s) if sizes else math.floor(f * s) for f, s in zip(factors, x.shape, strict=True)]
    name = {"nearest": "nearest", "linear": "bilinear", "cubic": "bicubic"}.get(mode)
    how = coordinate_transformation_mode
    aligned = how == "align_corners"
    whole = all(t % s == 0 for t, s in zip(target, x.shape, strict=True))
    fine = (
        (how == "asymmetric" and nearest_mode == "floor") or (whole and how in {"asymmetric", "half_pixel"})
        if name == "nearest"
        else (aligned or how in {"half_pixel", "pytorch_half_pixel"}) and cubic_coeff_a == -0.75 and not exclude_outside
    )
    if x.ndim != 4 or target[:2] != list(x.shape[:2]) or name is None or not fine or more.get("axes"):
        raise NotImplementedError(f"Resize of {x.ndim} axes, mode {mode}, {how}")
    corners = {} if name == "nearest" else {"align_corners": aligned, "antialias": bool(antialias)}
    return F.interpolate(x, target[2:], mode=name, **corners)


@operator("See")
def see(pixels: Tensor, mean: Tensor, scale: Tensor, *, kind: Any = torch.float32) -> Tensor:
    """Return (pixels - mean) scale of uint8 (n, s, s, 3) as (n, 3, s, s), computed in float32, channels last in memory."""
    x = torch.sub(pixels.permute(0, 3, 1, 2), mean)
    return torch.mul(x, scale).to(kind)


@operator("Affine")
def affine(x: Tensor, factor: Tensor, term: Tensor) -> Tensor:
    """Return x factor + term."""
    return torch.addcmul(term, x, factor)


@operator("Linear")
def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return x weight^T + bias."""
    return F.linear(x, weight, bias)


@operator("Attention4")
def attention(q: Tensor, k_turned: Tensor, v: Tensor) -> Tensor:
    """Return softmax(q k^T) v for q, v (n, heads, tokens, d) and k as (n, heads, d, tokens), scaled before."""
    return F.scaled_dot_product_attention(q, k_turned.transpose(-1, -2), v, scale=1.0)

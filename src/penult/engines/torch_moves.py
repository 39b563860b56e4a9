"""ONNX operators as torch functions: all that ask for shapes, give other shapes, and move numbers about.

In: tensors, and the attributes of a node. Out: tensors. It must not know graphs, devices or precisions.
Importing it enters them into the table `OPERATORS`.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn import functional as F

from penult.engines.torch_operators import Tensor, operator


@operator("Shape")
def shape(x: Tensor, *, start: int = 0, end: int | None = None) -> Tensor:
    """Return the shape as whole numbers."""
    return torch.tensor(list(x.shape)[start:end], dtype=torch.int64)


@operator("Size")
def size(x: Tensor) -> Tensor:
    """Return how many numbers there are."""
    return torch.tensor(x.numel())


@operator("ConstantOfShape", static=(0,))
def constant_of_shape(dims: list[int], *, value: Tensor | None = None) -> Tensor:
    """Return a tensor filled with one value."""
    return torch.zeros(dims) if value is None else value.reshape(()).expand(dims).clone()


@operator("Range", static=(0, 1, 2))
def arange(start: float, stop: float, step: float) -> Tensor:
    """Return evenly spaced numbers."""
    return torch.arange(start, stop, step)


@operator("Reshape", static=(1,))
def reshape(x: Tensor, dims: list[int] | None = None, *, allowzero: int = 0, **old: Any) -> Tensor:
    """Give another shape; a 0 keeps the size that is there, unless zeros are allowed."""
    dims = old.get("shape", dims)
    return x.reshape([x.shape[i] if d == 0 and not allowzero else d for i, d in enumerate(dims or [])])


@operator("Flatten")
def flatten(x: Tensor, *, axis: int = 1) -> Tensor:
    """Return a matrix: the axes before `axis`, and the others."""
    axis = axis % x.ndim if axis < 0 else axis
    return x.reshape(math.prod(x.shape[:axis]), -1)


@operator("Transpose")
def transpose(x: Tensor, *, perm: list[int] | None = None) -> Tensor:
    """Exchange axes; without `perm`, turn their order around."""
    return x.permute(perm or list(range(x.ndim))[::-1])


@operator("Squeeze", static=(1,))
def squeeze(x: Tensor, axes: list[int] | None = None, **old: Any) -> Tensor:
    """Drop axes of size 1."""
    axes = old.get("axes", axes)
    return x.squeeze() if axes is None else x.squeeze(tuple(axes))


@operator("Unsqueeze", static=(1,))
def unsqueeze(x: Tensor, axes: list[int] | None = None, **old: Any) -> Tensor:
    """Insert axes of size 1 at places of the result."""
    places = old.get("axes", axes) or []
    for axis in sorted(a % (x.ndim + len(places)) for a in places):
        x = x.unsqueeze(axis)
    return x


@operator("Expand", static=(1,))
def expand(x: Tensor, dims: list[int]) -> Tensor:
    """Repeat along axes of size 1, in both directions of broadcasting."""
    return x.expand(torch.broadcast_shapes(x.shape, tuple(dims)))


@operator("Tile", static=(1,))
def tile(x: Tensor, repeats: list[int]) -> Tensor:
    """Repeat along every axis."""
    return x.repeat(repeats)


@operator("Concat")
def concat(*parts: Tensor, axis: int) -> Tensor:
    """Join along an axis."""
    return torch.cat(parts, axis)


@operator("Split", static=(1,))
def split(x: Tensor, sizes: list[int] | None = None, *, axis: int = 0, num_outputs: int | None = None, **old: Any) -> Any:
    """Cut along an axis into parts of these sizes, or into `num_outputs` of equal size, the last perhaps smaller."""
    sizes = old.get("split", sizes)
    return torch.split(x, sizes or -(-x.shape[axis] // (num_outputs or 1)), axis)


@operator("Slice", static=(1, 2, 3, 4))
def cut(x: Tensor, starts: Any = None, ends: Any = None, axes: Any = None, steps: Any = None, **old: Any) -> Tensor:
    """Take from start to end in steps along axes; bounds beyond the end are the end."""
    starts, ends, axes = old.get("starts", starts), old.get("ends", ends), old.get("axes", axes)
    for i, axis in enumerate(range(len(starts)) if axes is None else axes):
        places = range(x.shape[axis])[slice(_bound(starts[i]), _bound(ends[i]), steps[i] if steps else 1)]
        if places.step == 1:
            x = x.narrow(axis, places.start if len(places) else 0, len(places))
        else:
            x = x.index_select(axis, torch.tensor(list(places), device=x.device))
    return x


def _bound(value: int) -> int | None:
    return None if value <= -(2**31) else value  # a walk backwards ends before 0 with the lowest number there is


@operator("Gather")
def gather(x: Tensor, index: Tensor, *, axis: int = 0) -> Tensor:
    """Take rows by number along an axis; numbers below 0 count from the end."""
    axis = axis % x.ndim
    places = torch.where(index < 0, index + x.shape[axis], index)
    return x.index_select(axis, places.reshape(-1)).reshape([*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]])


@operator("GatherElements")
def gather_elements(x: Tensor, index: Tensor, *, axis: int = 0) -> Tensor:
    """Take single numbers along an axis."""
    return torch.gather(x, axis, torch.where(index < 0, index + x.shape[axis], index))


@operator("Trilu", static=(1,))
def triangle(x: Tensor, k: int = 0, *, upper: int = 1) -> Tensor:
    """Return the upper or the lower triangle of the last two axes."""
    return torch.triu(x, k) if upper else torch.tril(x, k)


@operator("DepthToSpace")
def depth_to_space(x: Tensor, *, blocksize: int, mode: str = "DCR") -> Tensor:
    """Turn channels into blocks of pixels: (n, c b b, h, w) -> (n, c, h b, w b)."""
    n, c, h, w = x.shape
    b = blocksize
    if mode == "CRD":
        return F.pixel_shuffle(x, b)
    return x.reshape(n, b, b, c // (b * b), h, w).permute(0, 3, 4, 1, 5, 2).reshape(n, c // (b * b), h * b, w * b)


@operator("SpaceToDepth")
def space_to_depth(x: Tensor, *, blocksize: int) -> Tensor:
    """Turn blocks of pixels into channels: (n, c, h, w) -> (n, c b b, h / b, w / b)."""
    n, c, h, w = x.shape
    b = blocksize
    return x.reshape(n, c, h // b, b, w // b, b).permute(0, 3, 5, 1, 2, 4).reshape(n, c * b * b, h // b, w // b)

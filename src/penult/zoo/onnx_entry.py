"""Where pictures go into an ONNX graph.

In: a model. Out: its one input, or a sentence that says why no picture fits in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from penult.errors import InputError, listed

PIXELS = "pixels"  # what the input of every finished graph of penult is called


@dataclass(frozen=True, slots=True)
class Entry:
    """The input of a graph: its layout, the type of its numbers, and its side length where that is fixed.

    `dressed`: it is uint8 `pixels`, so the recipe's nodes are in the graph already.
    """

    name: str
    layout: Literal["nchw", "nhwc"]
    kind: int
    size: int | None
    dressed: bool

    def shape(self, size: int, batch: Any = 1) -> list[Any]:
        """Return its shape for images of size x size."""
        return [batch, 3, size, size] if self.layout == "nchw" else [batch, size, size, 3]


def entry_of(model: Any) -> Entry:
    """Return the input of a model. Raises `InputError` unless it is one, of pictures in colour."""
    from onnx import TensorProto

    given = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in given]
    if len(inputs) != 1:
        found = listed((describe(value) for value in inputs), longest=90) or "none"
        raise InputError(f"it has {len(inputs)} inputs ({found}), and needs one, pictures; export its image tower alone.")
    value = inputs[0]
    dims = _dims(value)
    kind = value.type.tensor_type.elem_type
    floats = (TensorProto.FLOAT, TensorProto.FLOAT16)
    if len(dims) != 4 or 3 not in (dims[1], dims[3]):
        raise InputError(
            f"its input {describe(value)} takes no pictures in colour, which are (n, 3, h, w) or (n, h, w, 3); export the "
            "network with such an input."
        )
    layout: Literal["nchw", "nhwc"] = "nchw" if dims[1] == 3 else "nhwc"
    dressed = kind == TensorProto.UINT8 and value.name == PIXELS and layout == "nhwc"
    if kind not in floats and not dressed:
        raise InputError(
            f"its input {describe(value)} takes neither float32 nor float16, nor uint8 (n, h, w, 3) under the name "
            f"{PIXELS!r}; export the network with one of these."
        )
    if dims[0] not in {None, 1}:
        raise InputError(f"its input {describe(value)} takes batches of {dims[0]} only; export it with an open batch, or 1.")
    return Entry(value.name, layout, kind, _side(value, layout), dressed)


def _dims(value: Any) -> list[int | None]:
    return [d.dim_value if d.dim_value > 0 else None for d in value.type.tensor_type.shape.dim]


def _side(value: Any, layout: str) -> int | None:
    """Return the side length of the pictures, None where it is open."""
    dims = _dims(value)
    sides = {side for side in (dims[2:] if layout == "nchw" else dims[1:3]) if side is not None}
    if len(sides) > 1:
        raise InputError(f"its input {describe(value)} takes pictures that are not square; export it with a square input.")
    return sides.pop() if sides else None


def describe(value: Any) -> str:
    """Return an input or output for a message: name, type and shape."""
    from onnx import TensorProto

    kind = value.type.tensor_type
    dims = ", ".join(d.dim_param or (str(d.dim_value) if d.dim_value > 0 else "?") for d in kind.shape.dim)
    known = kind.elem_type in TensorProto.DataType.values()
    return f"{value.name!r} {TensorProto.DataType.Name(kind.elem_type).lower() if known else 'of no type'} ({dims})"

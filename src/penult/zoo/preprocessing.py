"""Where pictures go into an ONNX graph, and the preprocessing that is put in front: mean, std, channel order, layout.

The nodes are those that `GraphBuilder.preprocess` writes for the built-in networks, so `pixels` uint8 (n, s, s, 3) go into
every finished graph. They can be replaced later: one conversion serves every recipe of the same size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from penult.backbones.graph_builder import BATCH, GraphBuilder
from penult.errors import InputError, listed
from penult.i18n import _
from penult.pixels.recipe import Recipe
from penult.zoo import onnx_graph, onnx_shapes

PIXELS = "pixels"  # the input of every finished graph
_RANKS = {"features": 2, "maps": 4}


@dataclass(frozen=True, slots=True)
class ImageInput:
    """The input of a graph: its layout, its data type, and its side length where that is fixed.

    `preprocessed`: it is uint8 `pixels`, so the recipe's nodes are in the graph already.
    """

    name: str
    layout: Literal["nchw", "nhwc"]
    dtype: int
    size: int | None
    preprocessed: bool

    def shape(self, size: int) -> list[int]:
        """Return its shape for one image of size x size."""
        return [1, 3, size, size] if self.layout == "nchw" else [1, size, size, 3]


def image_input(model: Any) -> ImageInput:
    """Return the input of a model. Raises `InputError` unless it is one, of color images."""
    from onnx import TensorProto

    given = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in given]
    if len(inputs) != 1:
        found = listed((_describe(value) for value in inputs), longest=90) or _("none")
        raise InputError(
            _(
                "it has {inputs} inputs ({found}), and needs one, images; export its image encoder alone.",
                inputs=len(inputs),
                found=found,
            )
        )
    value = inputs[0]
    dims = [d.dim_value if d.dim_value > 0 else None for d in value.type.tensor_type.shape.dim]
    dtype = value.type.tensor_type.elem_type
    if len(dims) != 4 or 3 not in (dims[1], dims[3]):
        raise InputError(
            _(
                "its input {tensor} does not take color images, which are (n, 3, h, w) or (n, h, w, 3); export the "
                "network with such an input.",
                tensor=_describe(value),
            )
        )
    layout: Literal["nchw", "nhwc"] = "nchw" if dims[1] == 3 else "nhwc"
    preprocessed = dtype == TensorProto.UINT8 and value.name == PIXELS and layout == "nhwc"
    if dtype not in (TensorProto.FLOAT, TensorProto.FLOAT16) and not preprocessed:
        raise InputError(
            _(
                "its input {tensor} takes neither float32 nor float16, nor uint8 (n, h, w, 3) under the name "
                "{pixels!r}; export the network with one of these.",
                tensor=_describe(value),
                pixels=PIXELS,
            )
        )
    if dims[0] not in {None, 1}:
        raise InputError(
            _(
                "its input {tensor} takes batches of {dims} only; export it with an open batch, or 1.",
                tensor=_describe(value),
                dims=dims[0],
            )
        )
    sides = {side for side in (dims[2:] if layout == "nchw" else dims[1:3]) if side is not None}
    if len(sides) > 1:
        raise InputError(
            _("its input {tensor} takes images that are not square; export it with a square input.", tensor=_describe(value))
        )
    return ImageInput(value.name, layout, dtype, sides.pop() if sides else None, preprocessed)


def _describe(value: Any) -> str:
    """Return an input for a message: name, data type and shape."""
    from onnx import TensorProto

    kind = value.type.tensor_type
    # what is no UTF-8 comes as bytes
    dims = ", ".join(str(d.dim_param or (d.dim_value if d.dim_value > 0 else "?")) for d in kind.shape.dim)
    known = kind.elem_type in TensorProto.DataType.values()
    return f"{value.name!r} {TensorProto.DataType.Name(kind.elem_type).lower() if known else _('of no type')} ({dims})"


def has_preprocessing(graph: bytes) -> bool:
    """Whether a graph takes uint8 `pixels`."""
    import onnx

    return image_input(onnx.load_model_from_string(graph)).preprocessed


def add_preprocessing(body: bytes, recipe: Recipe) -> bytes:
    """Return the graph from `pixels` uint8 (n, s, s, 3), n open, to `features` (n, d) and perhaps `maps` (n, d, h, w).

    What these two do not need is left out, and so is everything that tells of the machine where the body was made. The
    same body and recipe give the same bytes. Raises `InputError` for a body that has its preprocessing already, is of
    another size, without features, or of more than 2 GB.
    """
    import onnx
    from onnx import GraphProto, TensorProto

    if len(body) > onnx_graph.MAX_BYTES:
        raise InputError(_("this network has more than 2 GB, which one ONNX file cannot hold; take a smaller sibling."))
    model = onnx_graph.inline(onnx.load_model_from_string(body))
    taken = image_input(model)
    if taken.preprocessed:
        raise InputError(_("this network takes uint8 pixels: its recipe's nodes are in it already."))
    if taken.size not in {None, recipe.size}:
        raise InputError(
            _("this network takes {size} x {size} pixels, and its recipe says {wanted}.", size=taken.size, wanted=recipe.size)
        )
    graph = model.graph
    front = GraphBuilder("front", onnx_graph.free_prefix(graph))
    moved = {PIXELS: f"{front.prefix}{PIXELS}"}  # what the body calls so, its input or something inside
    onnx_graph.rename_tensors(graph, moved)
    x = front.preprocess(PIXELS, recipe)  # (n, 3, s, s)
    if taken.layout == "nhwc":
        x = front.add("Transpose", x, perm=[0, 2, 3, 1])  # (n, s, s, 3)
    if taken.dtype != TensorProto.FLOAT:
        front.add("Cast", x, to=taken.dtype)
    front.nodes[-1].output[0] = moved.get(taken.name, taken.name)
    nodes = GraphProto(node=[*front.nodes, *graph.node]).node
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend(front.constants)
    return finish(model, recipe.size)


def replace_preprocessing(graph: bytes, recipe: Recipe) -> bytes:
    """Return a finished graph with another recipe's mean, std and channel order in front, of the same size.

    Raises `InputError` for a graph that does not begin as `add_preprocessing` makes it.
    """
    import onnx

    model = onnx.load_model_from_string(graph)
    old = _preprocessing_nodes(model.graph)
    front = GraphBuilder("front", onnx_graph.free_prefix(model.graph))
    front.preprocess(PIXELS, recipe)
    front.nodes[-1].output[0] = old[-1].output[0]
    body = [node for node in model.graph.node if not any(node is one for one in old)]
    nodes = onnx.GraphProto(node=[*front.nodes, *body]).node
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(front.constants)
    onnx_graph.prune(model)
    return onnx_graph.to_bytes(model)


def _preprocessing_nodes(graph: Any) -> list[Any]:
    """Return the nodes that `GraphBuilder.preprocess` wrote, in their order."""
    found: list[Any] = []
    at = PIXELS
    for op in ("Gather", "Cast", "Transpose", "Sub", "Mul"):
        users = [node for node in graph.node if at in node.input]
        if len(users) == 1 and users[0].op_type == op:
            found.append(users[0])
            at = users[0].output[0]
        elif op != "Gather":  # it is there for BGR alone
            raise InputError(
                _("this graph does not begin with the nodes of a recipe; its mean, std and channels cannot be changed.")
            )
    return found


def finish(model: Any, size: int) -> bytes:
    """Return the bytes of a model that begins with `pixels` of size x size, pruned to its features and maps, n left open.

    Raises `InputError` for a model without features (n, d).
    """
    from onnx import TensorProto, helper

    graph = model.graph
    del graph.input[:]
    graph.input.append(helper.make_tensor_value_info(PIXELS, TensorProto.UINT8, [BATCH, size, size, 3]))
    ends = sorted((v.name, TensorProto.FLOAT, _shape(model, v, size)[1:]) for v in graph.output if v.name in _RANKS)
    wrong = [f"{name} (n, {', '.join(map(str, rest))})" for name, _, rest in ends if 1 + len(rest) != _RANKS[name]]
    if wrong or not ends or ends[0][0] != "features":
        has = ", ".join(wrong or [repr(v.name) for v in graph.output])
        raise InputError(
            _("this network needs an output features (n, d), and its maps are (n, d, h, w); it has {has}.", has=has)
        )
    onnx_graph.set_outputs(graph, ends)
    onnx_graph.prune(model)
    graph.name, model.producer_name = "network", "penult"
    model.ir_version = max(model.ir_version, 4)  # from 4 on constants need not be inputs
    return onnx_graph.to_bytes(model)


def _shape(model: Any, value: Any, size: int) -> tuple[int, ...]:
    """Return the shape of an output for one image: as it is declared, or else inferred."""
    dims = tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
    if len(dims) > 1 and all(d > 0 for d in dims[1:]):
        return (1, *dims[1:])
    inferred = onnx_shapes.infer(model, {PIXELS: (1, size, size, 3)}).get(value.name)
    if inferred is None or inferred.shape is None:
        raise InputError(_("the shape of this network's {name} is not known; export it with a fixed size.", name=value.name))
    return inferred.shape

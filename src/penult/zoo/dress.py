"""Put the recipe in front of a network: the nodes that make its input of pixels.

In: an ONNX body, float (n, 3, s, s) or (n, s, s, 3) to `features` (n, d) and perhaps `maps` (n, d, h, w), and its recipe.
Out: the finished graph, as `Backbone.graph` promises it.
"""

from __future__ import annotations

from typing import Any

from penult.backbones.graph_builder import BATCH, GraphBuilder
from penult.errors import InputError
from penult.pixels.recipe import Recipe
from penult.zoo import onnx_edit, onnx_shapes
from penult.zoo.onnx_entry import PIXELS, Entry, entry_of

_RANKS = {"features": 2, "maps": 4}


def dress(body: bytes, recipe: Recipe) -> bytes:
    """Return the graph from `pixels` uint8 (n, s, s, 3), n open, to the features and maps of the body.

    What these two do not need is left out, and so is everything that tells of the machine where the body was made. The
    same body and recipe give the same bytes. Raises `InputError` for a body that is finished already, of another size,
    without features, or of more than 2 GB.
    """
    import onnx

    if len(body) > onnx_edit.LARGEST:
        raise InputError("this network has more than 2 GB, which one ONNX file cannot hold; take a smaller sibling.")
    model = onnx_edit.inline(onnx.load_model_from_string(body))
    entry = entry_of(model)
    if entry.dressed:
        raise InputError("this network takes uint8 pixels: its recipe's nodes are in it already.")
    if entry.size not in {None, recipe.size}:
        raise InputError(f"this network takes {entry.size} x {entry.size} pixels, and its recipe says {recipe.size}.")
    _front(model, entry, recipe)
    return finish(model, recipe.size)


def _front(model: Any, entry: Entry, recipe: Recipe) -> None:
    """Make the recipe's nodes the first ones; what the input was is then what they give."""
    from onnx import GraphProto, TensorProto

    graph = model.graph
    front = GraphBuilder("front", onnx_edit.free_prefix(graph))
    moved = {PIXELS: f"{front.prefix}{PIXELS}"}  # what the body calls so, its input or something inside
    onnx_edit.rename(graph, moved)
    x = front.preprocess(PIXELS, recipe)  # (n, 3, s, s)
    if entry.layout == "nhwc":
        x = front.add("Transpose", x, perm=[0, 2, 3, 1])  # (n, s, s, 3)
    if entry.kind != TensorProto.FLOAT:
        x = front.add("Cast", x, to=entry.kind)
    front.nodes[-1].output[0] = moved.get(entry.name, entry.name)
    body = GraphProto(node=graph.node)
    del graph.node[:]
    graph.node.extend([*front.nodes, *body.node])
    graph.initializer.extend(front.constants)


def redress(graph: bytes, recipe: Recipe) -> bytes:
    """Return a finished graph with another recipe of the same size in front: its mean, std and order of colours.

    So one conversion serves every recipe. Raises `InputError` for a graph that does not begin as `dress` makes it.
    """
    import onnx

    model = onnx.load_model_from_string(graph)
    old = _front_nodes(model.graph)
    front = GraphBuilder("front", onnx_edit.free_prefix(model.graph))
    front.preprocess(PIXELS, recipe)
    front.nodes[-1].output[0] = old[-1].output[0]
    body = [node for node in model.graph.node if not any(node is one for one in old)]
    kept = onnx.GraphProto(node=[*front.nodes, *body])
    del model.graph.node[:]
    model.graph.node.extend(kept.node)
    model.graph.initializer.extend(front.constants)
    onnx_edit.prune(model)
    return onnx_edit.to_bytes(model)


def _front_nodes(graph: Any) -> list[Any]:
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
                "this graph does not begin with the nodes of a recipe; its mean, std and channels cannot be changed."
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
        raise InputError(f"this network needs an output features (n, d), and its maps are (n, d, h, w); it has {has}.")
    onnx_edit.add_outputs(graph, ends)
    onnx_edit.prune(model)
    graph.name, model.producer_name = "network", "penult"
    model.ir_version = max(model.ir_version, 4)  # from 4 on constants need not be inputs
    return onnx_edit.to_bytes(model)


def _shape(model: Any, value: Any, size: int) -> tuple[int, ...]:
    """Return the shape of an output for one image: as it is declared, or else inferred."""
    dims = tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
    if len(dims) > 1 and all(d > 0 for d in dims[1:]):
        return (1, *dims[1:])
    inferred = onnx_shapes.infer(model, {PIXELS: (1, size, size, 3)}).get(value.name)
    if inferred is None or inferred.known is None:
        raise InputError(f"the shape of this network's {value.name} is not known; export it with a fixed size.")
    return inferred.known

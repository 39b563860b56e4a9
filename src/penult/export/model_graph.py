"""A whole model as one ONNX graph: pixels, networks, head and novelty.

In: a `Bundle`. Out: a `ModelProto` of standard operators, from one photo of any size ("image"), or from pixels that are
resized already as the networks want them ("pixels").
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from penult.backbones import Backbone
from penult.bundle import Bundle
from penult.errors import InputError
from penult.export.geometry import Geometry
from penult.export.head_graph import add_head, add_novelty
from penult.export.nodes import DOUBLE, FLOAT, IR, OPSET, UINT8, Nodes
from penult.heads.novelty import NoveltyReference
from penult.i18n import _
from penult.pixels.recipe import Recipe
from penult.zoo import onnx_graph

Input = Literal["image", "pixels"]
Weights = Literal["f32", "f16", "int16"]  # how the networks' weights are stored; they compute in float32
SMALL = 1024  # numbers; smaller constants keep their precision
FITS = 65504.0  # the largest number of float16
STEPS = 32639  # of a weight in 16 bits, on either side of zero: 127 x 256 + 127, two signed bytes


def build(model: Bundle, takes: Input, weights: Weights = "f32", real: int = DOUBLE) -> Any:
    """Return the graph of a model.

    "image" takes `image` uint8 (h, w, 3) RGB, upright, and returns one photo's `probabilities` and `logits` (k,), `features`
    (d,) and `novelty` (). "pixels" takes `pixels_0` ... uint8 (n, s, s, 3), as `pixels.prepare` makes them for each view of
    each network in turn, and returns a row a photo. `weights`: how those of the networks are stored; they compute in float32.
    `real`: in which precision head and novelty compute, `DOUBLE` as `predict` does or `FLOAT`, as some runtimes only can.

    Raises `InputError` for a model without networks, with one in 8 bits, or with one that is no graph of ONNX's operators.
    """
    _check(model)
    graph = Nodes("penult", real)
    networks = [_network(backbone) for backbone in model.backbones]
    opset = max([OPSET, *(_opset(network) for network in networks)])
    inputs = _inputs(model.backbones, takes)
    rows = []
    for number, (backbone, network) in enumerate(zip(model.backbones, networks, strict=True)):
        seen = _seen(graph, backbone.recipe, takes, [name for name, owner, _ in inputs if owner in (None, number)])
        rows.append(_join(graph, _raised(network, opset), number, seen, weights))
    features = rows[0] if len(rows) == 1 else graph.add("Concat", *rows, axis=1)  # (n, d)
    logits, probabilities = add_head(graph, features, model.head)
    k, d = len(model.classes), sum(model.widths)
    ends = [("probabilities", probabilities, [k]), ("logits", logits, [k]), ("features", features, [d])]
    ends.append(("novelty", _novelty(graph, features, model.novelty), []))
    for name, tensor, _shape in ends:
        row = graph.add("Squeeze", tensor, graph.indices(0)) if takes == "image" else tensor
        graph.add("Cast", row, out=name, to=FLOAT)
    batch = [] if takes == "image" else ["n"]
    takes_shapes = [(name, shape) for name, _, shape in inputs]
    return _finished(graph, opset, takes_shapes, [(name, [*batch, *rest]) for name, _, rest in ends])


def _novelty(graph: Nodes, features: str, found: NoveltyReference | None) -> str:
    """Return the scores (n,); NaN, as `predict` gives it, where the model has no measure of it."""
    if found is not None:
        return add_novelty(graph, features, found)
    return graph.add("Mul", graph.cast(graph.reduce("Sum", features, 1)), graph.real(np.nan))


def to_bytes(model: Any) -> bytes:
    """Return the file's bytes. Raises `InputError` for more than 2 GB."""
    return onnx_graph.to_bytes(model)


def _check(model: Bundle) -> None:
    if not model.backbones:
        raise InputError(
            _("this model was trained from feature files and has no network in it; train from images to export it.")
        )
    if eight := [b.name for b in model.backbones if b.quantized]:
        raise InputError(
            _(
                "{eight} computes in 8 bits, which every runtime rounds differently, so an export would not give the "
                "same answers; train without --precision int8 to export the model.",
                eight=", ".join(eight),
            )
        )
    if without := [b.name for b in model.backbones if b.function is not None]:
        raise InputError(
            _("{without} is no network and cannot be exported; train with others (-b).", without=", ".join(without))
        )


def _network(backbone: Backbone) -> Any:
    """Return the network with its features as the only output."""
    import onnx

    model = onnx_graph.inline(onnx.load_model_from_string(backbone.graph()))
    strange = sorted({onnx_graph.domain_of(node) for node in onnx_graph.all_nodes(model.graph.node)} - {""})
    if strange:
        raise InputError(
            _(
                "{name} uses operators that are not ONNX's own ({strange}), which other runtimes lack; train with "
                "another network (-b) to export the model.",
                name=backbone.name,
                strange=", ".join(strange),
            )
        )
    onnx_graph.set_outputs(model.graph, [("features", FLOAT, (backbone.width,))])
    onnx_graph.prune(model)
    return model


def _opset(network: Any) -> int:
    return max(int(entry.version) for entry in network.opset_import if not onnx_graph.domain_of(entry))


def _inputs(backbones: tuple[Backbone, ...], takes: Input) -> list[tuple[str, int | None, list[Any]]]:
    """Return the inputs of the graph: the name, the number of the network it is for, and the shape."""
    if takes == "image":
        return [("image", None, ["h", "w", 3])]
    owners = [(i, view.size) for i, backbone in enumerate(backbones) for view in backbone.recipe.views]
    return [(f"pixels_{at}", owner, ["n", size, size, 3]) for at, (owner, size) in enumerate(owners)]


def _seen(graph: Nodes, recipe: Recipe, takes: Input, inputs: list[str]) -> list[str]:
    """Return the tensors (n, s, s, 3) that a network sees of a photo: its views, and their mirror images."""
    if takes == "image":
        geometry = Geometry(graph)
        views = [graph.add("Unsqueeze", geometry.resize("image", view), graph.indices(0)) for view in recipe.views]
    else:
        views = inputs
    if not recipe.mirrored:
        return views
    last, end = graph.indices(-1), graph.indices(-(2**62))
    return [*views, *(graph.add("Slice", view, last, end, graph.indices(2), graph.indices(-1)) for view in views)]


def _raised(model: Any, opset: int) -> Any:
    from onnx import version_converter

    return model if _opset(model) == opset else version_converter.convert_version(model, opset)


def _join(graph: Nodes, model: Any, number: int, seen: list[str], kept: Weights) -> str:
    """Put a network behind each view, with one set of weights; return the name of the mean of its features (n, d)."""
    weights = {tensor.name: f"n{number}_{tensor.name}" for tensor in model.graph.initializer}
    features = []
    for view, pixels in enumerate(seen):
        own = type(model.graph)()
        own.CopyFrom(model.graph)
        inner = {name: f"n{number}v{view}_{name}" for name in onnx_graph.tensor_names(own)}
        onnx_graph.rename_tensors(own, inner | weights | {"pixels": pixels})
        for place, node in enumerate(own.node):
            node.name = f"n{number}v{view}_{place}"
        if view == 0:
            for tensor in own.initializer:
                if kept != "f32" and tensor.data_type == FLOAT and np.prod(tensor.dims) > SMALL:
                    (_to_float16 if kept == "f16" else _to_int16)(graph, tensor)
            graph.constants.extend(own.initializer)
        graph.nodes.extend(own.node)
        features.append(inner["features"])
    if len(features) == 1:
        return features[0]
    return graph.add("Div", graph.add("Sum", *features), graph.constant(np.array(len(features), np.float32)))


def _to_float16(graph: Nodes, tensor: Any) -> None:
    """Keep a constant in float16, and cast it back where it is used."""
    from onnx import numpy_helper

    values = numpy_helper.to_array(tensor)
    if np.abs(values).max() <= FITS:
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        graph.add("Cast", tensor.name, out=name, to=FLOAT)


def _to_int16(graph: Nodes, tensor: Any) -> None:
    """Keep a constant as whole steps of 1/32639 of the largest weight of its output channel, and multiply where it is used.

    In two bytes as float16 is, but six times as exact: weights of one channel hardly need an exponent each. The two bytes are
    apart because the high ones, which are alike, compress.
    """
    from onnx import numpy_helper

    values, name = numpy_helper.to_array(tensor), tensor.name
    axes = tuple(range(1, values.ndim)) if values.ndim > 2 else (0,)  # of a matrix, the columns are channels
    largest = np.abs(values).max(axis=axes, keepdims=True)
    step = np.where(largest > 0, largest / STEPS, 1).astype(np.float32)
    steps = np.rint(values / step).astype(np.int32)
    high = (steps + 128) >> 8
    low = (steps - 256 * high).astype(np.int8)
    tensor.CopyFrom(numpy_helper.from_array(high.astype(np.int8), f"{name}_high"))
    parts = [graph.cast(part, FLOAT) for part in (tensor.name, graph.constant(low))]
    whole = graph.add("Add", graph.add("Mul", parts[0], graph.constant(np.array(256, np.float32))), parts[1])
    graph.add("Mul", whole, graph.constant(step), out=name)


def _finished(graph: Nodes, opset: int, inputs: list[tuple[str, list[Any]]], outputs: list[tuple[str, list[Any]]]) -> Any:
    from onnx import helper

    takes = [helper.make_tensor_value_info(name, UINT8, shape) for name, shape in inputs]
    gives = [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in outputs]
    whole = helper.make_graph(graph.nodes, graph.name, takes, gives, graph.constants)
    return helper.make_model(whole, opset_imports=[helper.make_opsetid("", opset)], ir_version=IR, producer_name="penult")

"""Make the graph of one network: the work of the child process that may load torch.

In: orders. Out: for each its folder; record and graph are on the shelf by then. A process of its own keeps torch and its
gigabytes out of the caller's, and survives a converter that dies.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from penult.backbones import Backbone, StoredGraph
from penult.errors import DamagedFile, InputError, PenultError
from penult.pixels.recipe import Recipe
from penult.zoo import digest, hub, shelf
from penult.zoo.count import count
from penult.zoo.wish import Order


def work(sent: Iterator[Order]) -> Iterator[Path]:
    """Fulfil the orders: the other side of `penult.zoo.find`."""
    for order in sent:
        if order.wish.kind != "onnx":  # a file of the user's needs no hub, and asks for no address
            hub.settle()
        try:
            backbone, graph = make(order)
        except hub.Unreachable as error:
            raise hub.Unreachable(f"{error} Its place here: {order.entry.folder}") from error
        except PenultError:
            raise
        except MemoryError as error:
            raise InputError(f"{order.label} does not fit into this machine's memory; take a smaller sibling.") from error
        except Exception as error:  # a library's own failure: name the network, never show a traceback
            text = " ".join(str(error).split())[:400]
            raise InputError(
                f"{order.label} cannot be converted: {type(error).__name__}: {text}; take another network."
            ) from error
        shelf.put(order.entry, graph, backbone.to_dict())
        yield order.entry.folder


def make(order: Order) -> tuple[Backbone, bytes]:
    """Return the network that was ordered and its graph, proved; writes nothing."""
    if order.wish.kind == "onnx":
        return _from_file(order)
    return _from_torch(order)


def _from_torch(order: Order) -> tuple[Backbone, bytes]:
    from penult.zoo import export

    if order.wish.kind == "timm":
        from penult.zoo.from_timm import load
    else:
        from penult.zoo.from_keras import load
    loaded = load(order.wish)
    graph = export.export(loaded, order.label)
    network = loaded.architecture or order.wish.name
    facts = {
        "weights": digest.of_parts(order.wish.kind, network, loaded.weights), "license": loaded.license,
        "source": loaded.source, "params": loaded.params, "top1": loaded.top1,
    }  # fmt: skip
    backbone = _record(order.label, graph, loaded.recipe, loaded.pooling, facts)
    export.prove(loaded, backbone)
    return backbone, graph


def _from_file(order: Order) -> tuple[Backbone, bytes]:
    from penult.zoo.dress import dress
    from penult.zoo.from_onnx import load

    body = load(order.wish)
    graph = body.onnx if body.dressed else dress(body.onnx, body.recipe)
    cut = hashlib.sha256(body.onnx).hexdigest()  # not of the file: another output of it gives other features
    facts = {
        "weights": digest.of_parts("onnx", body.weights, cut), "license": body.license,
        "source": f"{body.source}; {body.note}", "params": body.params, "top1": None,
    }  # fmt: skip
    backbone = _record(order.label, graph, body.recipe, body.pooling, facts)
    _runs(backbone)
    return backbone, graph


def _record(label: str, graph: bytes, recipe: Recipe, pooling: str, facts: dict[str, Any]) -> Backbone:
    """Return the backbone of a graph, its width and multiply-adds read off the graph itself."""
    width = _width(graph, label)
    record = {
        "name": label, "width": width, "parts": [width], "pooling": pooling, "recipe": recipe.to_dict(),
        "gmacs": round(count(graph).gmacs, 3), **facts,
    }  # fmt: skip
    return Backbone.of_network(record, StoredGraph(graph, recipe))


def _width(graph: bytes, label: str) -> int:
    """Return d of the output `features` (n, d)."""
    import onnx

    outputs = {o.name: o.type.tensor_type.shape.dim for o in onnx.load_model_from_string(graph).graph.output}
    dims = [d.dim_value for d in outputs["features"]]
    if len(dims) != 2 or dims[1] < 1:
        raise InputError(f"{label} gives features of the shape {dims}, and not one vector for an image; take another network.")
    return int(dims[1])


def _runs(backbone: Backbone) -> None:
    """Raise `InputError` unless the engine gives finite features that depend on the image."""
    import numpy as np

    from penult import engines

    size = backbone.recipe.size
    pixels = np.random.default_rng(0).integers(0, 256, (2, size, size, 3), dtype=np.uint8)  # (2, s, s, 3)
    engine = engines.open_engine(backbone, "cpu", "f32")
    try:
        features = engine(pixels)  # (2, d)
    except DamagedFile as error:
        first = str(error).splitlines()[0][:300]
        raise InputError(
            f"{first} The engine lacks an operator of it; export it again, with opset 17 and plain operators."
        ) from error
    finally:
        engine.close()
    if not np.isfinite(features).all():
        raise InputError(f"{backbone.name} gives numbers that are not finite; its recipe or its weights are wrong.")
    if (features[0] == features[1]).all():
        raise InputError(f"{backbone.name} gives the same features for two different images; name another output.")

"""A network from an ONNX file that somebody else wrote, and the recipe that they say it wants.

In: a wish. Out: a `Body`: the network cut off at its features.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penult.backbones.backbone import Pooling
from penult.backbones.graph_builder import GraphBuilder
from penult.errors import InputError, PenultError
from penult.pixels.recipe import Recipe
from penult.zoo import feature_tensor, onnx_edit, onnx_file, recipe_file
from penult.zoo.count import count
from penult.zoo.dress import finish
from penult.zoo.feature_tensor import Choice
from penult.zoo.onnx_entry import Entry, entry_of
from penult.zoo.onnx_view import View
from penult.zoo.wish import Wish

_IN_GRAPH = ("mean", "std", "channels")


@dataclass(frozen=True, slots=True)
class Body:
    """A network that ends in `features` (n, d) and, unless the pooling is "none", `maps`.

    `onnx` takes what the file took; where that is finished already, uint8 `pixels`, it is `dressed` and n is open. `weights`
    is the sha256 (hex) of the file, `params` counts what the features need, `note` says which tensor they are.
    """

    onnx: bytes
    dressed: bool
    recipe: Recipe
    pooling: Pooling
    weights: str
    license: str
    source: str
    params: int
    note: str


def load(wish: Wish) -> Body:
    """Return the network of an ONNX file, from its pictures to its features.

    The batch may be open in the file, or 1. A graph that hard-codes 1 inside works all the same, since the engine runs one
    image at a time; it would not in a runtime that is given several. Raises `InputError` for a file, a recipe or an output
    that does not fit, `UnknownName` for a tensor or setting that is not there, `DamagedFile`.
    """
    path = Path(wish.name)
    model, weights = onnx_file.read(path)
    try:
        entry = entry_of(model)
        recipe = _recipe(wish, entry)
        view = View(model, {entry.name: entry.shape(recipe.size)})
        choice = feature_tensor.choose(view, wish.output)
        _cut(model, view, choice)
        onnx_edit.prune(model)
        body = finish(model, recipe.size) if entry.dressed else onnx_edit.to_bytes(model)
    except PenultError as error:
        raise type(error)(f"{path}: {error}") from error
    pooling: Pooling = "none" if choice.maps is None else "mean"
    license, source = "not stated", f"ONNX file {path.name}"
    return Body(body, entry.dressed, recipe, pooling, weights, license, source, count(body).params, choice.note)


def _recipe(wish: Wish, entry: Entry) -> Recipe:
    """Return the recipe that the user wrote. Raises `InputError` where there is none, or one of another network."""
    file = recipe_file.beside(wish.name).name
    if wish.recipe is None:
        usual = " ".join(f"{name}={value}" for name, value in recipe_file.USUAL.items())
        raise InputError(
            "it has no recipe, and how a network wants to see pictures cannot be guessed; write one beside it "
            f"(`penult backbones --show-recipe NAME > {file}` gives one to start from), or give --recipe {usual} "
            "with the values that it was trained with."
        )
    recipe = recipe_file.to_recipe([*wish.recipe, *wish.changes], "its recipe")
    if entry.size not in {None, recipe.size}:
        raise InputError(
            f"it takes {entry.size} x {entry.size} pixels, and its recipe says size {recipe.size}; mend the recipe."
        )
    fixed = [name for name, _ in wish.changes if name in _IN_GRAPH]
    if entry.dressed and fixed:
        raise InputError(f"its {' and '.join(fixed)} are nodes of its graph and cannot change; ask for {file} as it is.")
    return recipe


def _cut(model: Any, view: View, choice: Choice) -> None:
    """Give the model the outputs `features` and `maps`, float32, in place of its own."""
    from onnx import TensorProto

    graph = model.graph
    tail = GraphBuilder("tail", onnx_edit.free_prefix(graph))
    moved = {name: f"{tail.prefix}{name}" for name in ("features", "maps")}  # what the file calls so
    onnx_edit.rename(graph, moved)
    outputs = []
    features = "" if choice.features is None else moved.get(choice.features, choice.features)
    width = view.size(choice.features or "") or 0
    if choice.maps is not None:
        x, shape = moved.get(choice.maps, choice.maps), view.dims(choice.maps) or ()
        if choice.nhwc:
            x, shape = tail.add("Transpose", x, perm=[0, 3, 1, 2]), (1, shape[3], *shape[1:3])  # (n, d, h, w)
        tail.add("Cast", x, to=TensorProto.FLOAT, out="maps")
        outputs.append(("maps", TensorProto.FLOAT, shape[1:]))
        features, width = features or tail.add("GlobalAveragePool", "maps"), shape[1]  # (n, d, 1, 1)
    tail.add("Cast", tail.add("Flatten", features, axis=1), to=TensorProto.FLOAT, out="features")  # (n, d)
    graph.node.extend(tail.nodes)
    onnx_edit.add_outputs(graph, [("features", TensorProto.FLOAT, (width,)), *outputs])

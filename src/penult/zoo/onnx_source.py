"""A network from an ONNX file that somebody else wrote, and the recipe that they say it wants.

Nothing else is read than this file and the files of weights beside it that it names; nothing in it is run here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from penult import untrusted
from penult.backbones import onnx_guard
from penult.backbones.graph_builder import GraphBuilder
from penult.errors import DamagedFile, InputError, PenultError, listed
from penult.i18n import N_, _
from penult.pixels.recipe import Recipe
from penult.texts import system_words
from penult.zoo import feature_tensor, onnx_external, onnx_graph, onnx_shapes, preprocessing, recipe_file
from penult.zoo.feature_tensor import FeatureTensor, GraphView
from penult.zoo.preprocessing import ImageInput
from penult.zoo.sources import LoadedModel, ModelSpec

OLDEST = 7  # of the operator sets: from 7 on, arithmetic broadcasts as numpy's does
_MOST_NODES = 200_000  # of functions written out; the largest networks have a few thousand


def load(spec: ModelSpec) -> LoadedModel:
    """Return the network of an ONNX file: a graph from its images to `features` (n, d) and perhaps `maps`.

    It takes what the file took; where that has its preprocessing already, uint8 `pixels`, it is finished. The batch may be
    open in the file, or 1. A graph that hard-codes 1 inside works all the same, since the engine runs one image at a time;
    it would not in a runtime that is given several. Raises `InputError` for a file, a recipe or an output that does not
    fit, `UnknownName` for a tensor or setting that is not there, `DamagedFile`.
    """
    path = Path(spec.name)
    model, weights = read(path)
    try:
        taken = preprocessing.image_input(model)
        recipe = _recipe(spec, taken)
        view = GraphView(model, {taken.name: taken.shape(recipe.size)})
        choice = feature_tensor.choose(view, spec.output)
        body = finish(model, view, choice, taken, recipe.size)
    except PenultError as error:
        raise type(error)(f"{path}: {error}") from error
    return LoadedModel(
        body,
        recipe,
        "none" if choice.maps is None else "mean",
        weights,
        "not stated",  # records of the cache are English: who shows them translates them (`stored_texts`)
        N_("ONNX file {file}; {note}").format(file=path.name, note=choice.note),
        onnx_shapes.count(body).params,
    )


def _recipe(spec: ModelSpec, taken: ImageInput) -> Recipe:
    """Return the recipe that the user wrote. Raises `InputError` where there is none, or one of another network."""
    if spec.recipe is None:
        usual = " ".join(f"{name}={value}" for name, value in recipe_file.USUAL.items())
        raise InputError(
            _(
                "it has no recipe, and how a network wants to see images cannot be guessed; write one beside it "
                "(`penult backbones --show-recipe NAME > {name}` gives one to start from), or give --recipe {usual} "
                "with the values that it was trained with.",
                name=recipe_file.beside(spec.name).name,
                usual=usual,
            )
        )
    size = [] if spec.size is None else [("size", spec.size)]
    recipe = recipe_file.to_recipe([*spec.recipe, *size], _("its recipe"))
    if taken.size not in {None, recipe.size}:
        raise InputError(
            _(
                "it takes {size} x {size} pixels, and its recipe says size {wanted}; fix the recipe.",
                size=taken.size,
                wanted=recipe.size,
            )
        )
    return recipe


def finish(model: Any, view: GraphView, choice: FeatureTensor, taken: ImageInput, size: int) -> bytes:
    """Return the model as a file that gives the features, with the preprocessing that it has, and nothing else."""
    _cut(model, view, choice)
    onnx_graph.prune(model)
    return preprocessing.finish(model, size) if taken.preprocessed else onnx_graph.to_bytes(model)


def _cut(model: Any, view: GraphView, choice: FeatureTensor) -> None:
    """Give the model the outputs `features` and `maps`, float32, in place of its own."""
    from onnx import TensorProto

    graph = model.graph
    tail = GraphBuilder("tail", onnx_graph.free_prefix(graph))
    moved = {name: f"{tail.prefix}{name}" for name in ("features", "maps")}  # what the file calls so
    onnx_graph.rename_tensors(graph, moved)
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
    onnx_graph.set_outputs(graph, [("features", TensorProto.FLOAT, (width,)), *outputs])


def read(path: Path | str, within: Path | None = None) -> tuple[Any, str]:
    """Return the model in an ONNX file, checked, its local functions written out, and the sha256 (hex) of the file.

    Weights that stand in files beside it are read into it, and the digest is of all these files; links may lead to where
    they lie `within` a folder (default: the file's own). Raises `InputError` for a
    file that is not there, too large, or asks for what is not in it (operators of others, a newer ONNX, files that must not be
    read), `DamagedFile` for one that is not a whole ONNX file.
    """
    data = _bytes(Path(path))
    model = _parsed(data, path)
    _refuse_versions(model, path)
    weights = hashlib.sha256(data).hexdigest()
    weights = onnx_external.digest_with(path, weights, onnx_external.load(model, _tensors(model), path, within), within)
    _checked(model, path)
    model = write_out_functions(model, path)
    _refuse_operators(model, path)
    return model, weights


def _bytes(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > onnx_graph.MAX_BYTES:
            raise InputError(
                _(
                    "{path} has {size:.1f} GB, and one ONNX file can hold {max_bytes:.1f}; take a smaller sibling.",
                    path=path,
                    size=size / 1e9,
                    max_bytes=onnx_graph.MAX_BYTES / 1e9,
                )
            )
        return untrusted.read_bytes(path)
    except OSError as error:
        raise InputError(_("{path} cannot be read: {error}.", path=path, error=system_words(error))) from error


def _parsed(data: bytes, path: Path | str) -> Any:
    import onnx

    if data.startswith(b"version https://git-lfs"):
        raise DamagedFile(_("{path} is a pointer of Git LFS and not the file itself; fetch it: git lfs pull", path=path))
    try:
        onnx_guard.check(data, outside=True)  # `onnx_external` looks at those
    except ValueError as error:
        raise DamagedFile(
            _(
                "{path} is not an ONNX file, or not a whole one, or not to be trusted: {error}; or fetch it again.",
                path=path,
                error=error,
            )
        ) from error
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # what protobuf raises depends on its version
        raise DamagedFile(
            _("{path} is not an ONNX file, or not a whole one ({error}); export or fetch it again.", path=path, error=error)
        ) from error
    if not model.graph.node:
        raise DamagedFile(_("{path} has no network in it; export or fetch it again.", path=path))
    return model


def _refuse_versions(model: Any, path: Path | str) -> None:
    import onnx

    newest, fix = onnx.defs.onnx_opset_version(), _("export it with opset 17 (or pip install -U onnx openvino)")
    opset = next((o.version for o in model.opset_import if onnx_graph.domain_of(o) == ""), 1)
    if model.ir_version > onnx.IR_VERSION:
        raise InputError(
            _(
                "{path} has the ONNX format {ir_version}, newer than {newest}, known here; {fix}.",
                path=path,
                ir_version=model.ir_version,
                newest=onnx.IR_VERSION,
                fix=fix,
            )
        )
    if not OLDEST <= opset <= newest:
        raise InputError(
            _(
                "{path} has ONNX's operators of version {opset}, and {oldest} to {newest} are known here; {fix}.",
                path=path,
                opset=opset,
                oldest=OLDEST,
                newest=newest,
                fix=fix,
            )
        )


def _tensors(message: Any) -> Iterator[Any]:
    """Yield every `TensorProto` in a protobuf message: in attributes, subgraphs and functions, too."""
    from onnx import TensorProto

    if isinstance(message, TensorProto):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in [value] if hasattr(value, "ListFields") else value:
                yield from _tensors(inner)


def _checked(model: Any, path: Path | str) -> None:
    from onnx import checker, numpy_helper

    try:
        checker.check_model(model)
        for tensor in _tensors(model):  # the checker does not count the numbers
            numpy_helper.to_array(tensor)
    except Exception as error:  # beside its own errors the checker raises what protobuf and C++ do
        raise DamagedFile(
            _(
                "{path} is not a sound ONNX file: {error}; export or fetch it again.",
                path=path,
                error=onnx_shapes.first_line(error),
            )
        ) from error


def _refuse_operators(model: Any, path: Path | str) -> None:
    """Raise `InputError` for operators that are not ONNX's own, and for a network that is still in training."""
    nodes = list(onnx_graph.all_nodes(model.graph.node))
    foreign = sorted({f"{node.domain}:{node.op_type}" for node in nodes if onnx_graph.domain_of(node)})
    if foreign:
        raise InputError(
            _(
                "{path} needs operators that are not ONNX's own: {foreign}; export it with standard ones.",
                path=path,
                foreign=listed(foreign, 5),
            )
        )
    batch_norms = (node for node in nodes if node.op_type == "BatchNormalization")
    if any(a.name == "training_mode" and a.i for node in batch_norms for a in node.attribute):
        raise InputError(
            _("{path} was exported as it trains, not as it is used; call model.eval() before the export.", path=path)
        )


_Key = tuple[str, str, str]


def write_out_functions(model: Any, path: Path | str) -> Any:
    """Return the model with its local functions written out where they are called.

    A few functions that call each other twice would be a graph larger than any memory, so they are counted before. Raises
    `InputError` for functions that cannot be written out.
    """
    if not model.functions:
        return model
    fix = _("export it with its functions written out (onnx.inliner.inline_local_functions)")
    if _expanded_size(model) > _MOST_NODES:
        raise InputError(
            _(
                "{path} has functions that would be more than {most_nodes:,} operators written out; {fix}.",
                path=path,
                most_nodes=_MOST_NODES,
                fix=fix,
            )
        )
    inlined = onnx_graph.inline(model)
    if inlined.functions:
        left = listed(f"{f.domain}:{f.name}" for f in inlined.functions)
        raise InputError(
            _(
                "{path} has functions of another version of ONNX's operators than its own ({left}); {fix}.",
                path=path,
                left=left,
                fix=fix,
            )
        )
    return inlined


def _expanded_size(model: Any) -> int:
    """Return how many operators the model has when its functions are written out, cut above `_MOST_NODES`."""
    bodies = {(f.domain, f.name, f.overload): f.node for f in model.functions}
    calls = {key: {_key(node) for node in onnx_graph.all_nodes(nodes)} & set(bodies) for key, nodes in bodies.items()}
    sizes: dict[_Key, int] = {}
    try:
        for key in TopologicalSorter(calls).static_order():
            sizes[key] = _count(bodies[key], sizes)
    except CycleError:
        return _MOST_NODES + 1
    return _count(model.graph.node, sizes)


def _count(nodes: Any, sizes: Mapping[_Key, int]) -> int:
    return min(sum(sizes.get(_key(node), 1) for node in onnx_graph.all_nodes(nodes)), _MOST_NODES + 1)


def _key(node: Any) -> _Key:
    return node.domain, node.op_type, node.overload

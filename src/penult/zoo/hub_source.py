"""Networks of the Hugging Face hub that are ready as ONNX: no torch is needed.

Repositories of Transformers.js, Optimum and timm have them. Files and digests are `hub_files`', the preprocessing is
`hub_recipe`'s; here is which tensor of the graph the features are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from penult.backbones.graph_builder import GraphBuilder
from penult.errors import DamagedFile, InputError, PenultError
from penult.i18n import N_, _
from penult.zoo import feature_tensor, hub_files, hub_recipe, onnx_graph, onnx_shapes, onnx_source, preprocessing
from penult.zoo.catalog import Listed, fits
from penult.zoo.feature_tensor import FeatureTensor, GraphView
from penult.zoo.hub_name import PREFIX, parse
from penult.zoo.sources import LoadedModel, ModelSpec

_POOLED = ("image_embeds", "pooler_output")  # outputs of Transformers' networks, the one for comparing images first
_TOKENS = "last_hidden_state"  # (n, tokens, d), or the maps (n, d, h, w) of a network of convolutions
_MOST_PREFIX = 16  # class tokens and registers
_IMAGES = "pixel_values"  # what Transformers' networks call their input
# Name, side of the input, millions of parameters, license of the original network: what `penult backbones 'hf:*'` shows.
# Read in the publishers' papers, cards and other programs' lists, not in the files themselves: those are looked at when they
# are fetched.
KNOWN = (
    ("onnx-community/dinov2-small", 224, 22, "Apache-2.0"),
    ("onnx-community/dinov2-base", 224, 87, "Apache-2.0"),
    ("onnx-community/dinov2-large", 224, 304, "Apache-2.0"),
    ("onnx-community/dinov2-with-registers-small", 224, 22, "Apache-2.0"),
    ("onnx-community/dinov2-with-registers-base", 224, 87, "Apache-2.0"),
    ("onnx-community/dinov2-with-registers-large", 224, 304, "Apache-2.0"),
    ("onnx-community/dinov3-vits16-pretrain-lvd1689m-ONNX", 224, 22, "DINOv3 License (Meta's own)"),
    ("onnx-community/siglip2-base-patch16-224-ONNX", 224, 93, "Apache-2.0"),
    ("onnx-community/siglip2-base-patch16-256-ONNX", 256, 93, "Apache-2.0"),
    ("onnx-community/siglip2-large-patch16-256-ONNX", 256, 316, "Apache-2.0"),
    ("onnx-community/siglip2-so400m-patch14-384-ONNX", 384, 428, "Apache-2.0"),
    ("onnx-community/mobilenetv4_conv_small.e2400_r224_in1k", 224, 4, "Apache-2.0"),
    ("Xenova/clip-vit-base-patch32", 224, 88, "MIT (OpenAI's code; the card of the weights states none)"),
    ("Xenova/clip-vit-base-patch16", 224, 86, "MIT (OpenAI's code; the card of the weights states none)"),
    ("Xenova/clip-vit-large-patch14", 224, 304, "MIT (OpenAI's code; the card of the weights states none)"),
    ("Xenova/mobileclip_s0", 256, 11, "Apple's own"),
    ("Xenova/convnext-tiny-224", 224, 28, "Apache-2.0"),
    ("Xenova/resnet-50", 224, 24, "Apache-2.0"),
    ("Xenova/vit-base-patch16-224", 224, 86, "Apache-2.0"),
)


def load(spec: ModelSpec) -> LoadedModel:
    """Return the network of a repository: a graph from its images to `features` (n, d) and perhaps `maps` (n, d, h, w).

    Raises `InputError`, `UnknownName`, `Unreachable` and `DamagedFile`.
    """
    files = hub_files.get(parse(spec.name), spec.typed)
    model, weights = onnx_source.read(files.model, files.folder)
    try:
        recipe = hub_recipe.recipe_of(files.configs, dict(spec.recipe or ()), spec.size)
        _leave_texts_out(model)
        _fix_shape(model, recipe.size)
        taken = preprocessing.image_input(model)
        if taken.size not in {None, recipe.size}:
            raise InputError(
                _("it takes {side} x {side} pixels and no others; leave :{size} out.", side=taken.size, size=recipe.size)
            )
        try:
            view = GraphView(model, {taken.name: taken.shape(recipe.size)})
        except DamagedFile as error:
            if spec.size is None:
                raise
            raise InputError(
                _("it does not take {size} x {size} pixels ({why}); leave :{size} out.", size=spec.size, why=error)
            ) from error
        view, choice = choose(model, view, spec, files.configs.get("config.json", {}))
        body = onnx_source.finish(model, view, choice, taken, recipe.size)
    except PenultError as error:
        raise type(error)(f"{spec.typed}: {error}") from error
    return LoadedModel(
        body,
        recipe,
        "none" if choice.maps is None else "mean",
        weights,
        files.license,
        f"{files.origin}; {choice.note}",
        onnx_shapes.count(body).params,
    )


def _leave_texts_out(model: Any) -> None:
    """Leave out the encoder of texts where a file has both: what needs another input than the images."""
    graph = model.graph
    given = {tensor.name for tensor in graph.initializer}
    inputs = {value.name for value in graph.input} - given
    dependent = inputs - {_IMAGES}
    if not dependent or dependent == inputs:
        return
    for node in graph.node:
        if onnx_graph.inputs_of(node) & dependent:
            dependent.update(node.output)
    kept = [value for value in graph.output if value.name not in dependent]
    if kept:
        del graph.output[:]
        graph.output.extend(kept)
        images = [value for value in graph.input if value.name not in inputs - {_IMAGES}]
        del graph.input[:]
        graph.input.extend(images)
        onnx_graph.prune(model)


def _fix_shape(model: Any, size: int) -> None:
    """Set the sides that exporters leave open, the number of channels among them, where a network has one input for images."""
    given = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in given]
    for value in inputs:
        dims = value.type.tensor_type.shape.dim
        if len(inputs) == 1 and len(dims) == 4 and dims[3].dim_value != 3 and dims[1].dim_value in {0, 3}:
            for dim, wanted in zip(dims[1:], (3, size, size), strict=True):
                if dim.dim_value <= 0:
                    dim.dim_value = wanted


def choose(model: Any, view: GraphView, spec: ModelSpec, config: Mapping[str, Any]) -> tuple[GraphView, FeatureTensor]:
    """Return what the features are, and the view of the model with the nodes that this may need.

    What was asked for: a tensor by name (the recipe's output), or a pooling: "pooler" (the network's own), "cls" (the class
    token), "mean" (the mean of the patches' tokens). Otherwise the network's own pooling, then the class token, then the mean
    of the patches, then what goes into a classifier. A pooler that ends in tanh is passed over: it is BERT's, and in
    most vision transformers was never trained. Raises `InputError` where the network has not what was asked for.
    """
    pooled = next((name for name in _POOLED if name in view.outputs), None)
    if spec.output is not None:
        return view, feature_tensor.choose(view, spec.output)
    if spec.pooling == "pooler" and pooled is None:
        raise InputError(_("it has no output that is pooled; leave out :pooler, or give :cls or :mean."))
    if spec.pooling in {"cls", "mean"} and _TOKENS not in view.outputs:
        raise InputError(
            _(
                "it has no output {output}, so no tokens to take or average; leave out :{pooling}.",
                output=_TOKENS,
                pooling=spec.pooling,
            )
        )
    untrained = pooled is not None and _TOKENS in view.outputs and view.maker(pooled, "Tanh") is not None
    if spec.pooling == "pooler" or (spec.pooling is None and pooled is not None and not untrained):
        taken = feature_tensor.choose(view, pooled)
        return view, replace(taken, note=N_("the features are the output {tensor}").format(tensor=view.describe(str(pooled))))
    if _TOKENS in view.outputs:
        dims = view.dims(_TOKENS)
        if dims is not None and len(dims) == 3:
            return _of_tokens(model, view, spec.pooling, config)
        if spec.pooling == "cls":
            raise InputError(
                _("its output {output} is maps, so it has no class token; leave out :cls.", output=view.describe(_TOKENS))
            )
        return view, feature_tensor.choose(view, _TOKENS)
    if "logits" in view.outputs:
        view.outputs = ["logits"]
    return view, feature_tensor.choose(view, None)


def _of_tokens(model: Any, view: GraphView, pooling: str | None, config: Mapping[str, Any]) -> tuple[GraphView, FeatureTensor]:
    """Return the class token, or the patches' tokens as maps, of (n, prefix + h w, d).

    The prefix are the class token and registers; some networks have neither.
    """
    count, width = (view.dims(_TOKENS) or ())[1:]
    (image,) = view.inputs.values()
    patch, side = config.get("patch_size"), math.isqrt(count)
    if type(patch) is int and patch > 0 and 0 <= count - (image[2] // patch) ** 2 <= _MOST_PREFIX:
        side = image[2] // patch  # the largest square would take the registers for patches where these are few
    prefix = count - side * side
    if pooling == "cls" and prefix == 0:
        raise InputError(
            _("its output {output} has no class token, only patches; leave out :cls.", output=view.describe(_TOKENS))
        )
    tail = GraphBuilder("tokens", onnx_graph.free_prefix(model.graph))

    def whole(*numbers: int) -> str:
        return tail.constant(np.array(numbers, np.int64))

    if pooling == "mean" or prefix == 0:
        patches = tail.add("Slice", _TOKENS, whole(prefix), whole(count), whole(1)) if prefix else _TOKENS  # (n, h w, d)
        made = tail.add("Reshape", tail.add("Transpose", patches, perm=[0, 2, 1]), whole(0, width, side, side))  # (n, d, h, w)
        note = N_("the features are the mean of the {n} patches' tokens").format(n=side * side)
        choice = FeatureTensor(None, made, False, note)
    else:
        made = tail.add("Flatten", tail.add("Slice", _TOKENS, whole(0), whole(1), whole(1)), axis=1)  # (n, d)
        note = N_("the features are the class token of {tensor}").format(tensor=view.describe(_TOKENS))
        choice = FeatureTensor(made, None, False, note)
    model.graph.node.extend(tail.nodes)
    model.graph.initializer.extend(tail.constants)
    return GraphView(model, view.inputs), choice


def list_networks(pattern: str) -> Iterator[Listed]:
    """Yield the networks of the small table here whose name fits; the hub has many more."""
    for name, size, millions, license in KNOWN:
        if fits(f"{PREFIX}{name}", pattern):
            yield Listed(f"{PREFIX}{name}", "hub", "", None, size, millions * 1_000_000, None, license)

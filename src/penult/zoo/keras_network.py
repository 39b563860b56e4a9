"""Networks of `keras.applications`: built without their last layer, their layers and state, as a torch module.

Everything here imports torch and Keras.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from penult.arrays import Array
from penult.backbones.backbone import Pooling
from penult.errors import InputError, MissingExtra, PenultError, unknown
from penult.i18n import _
from penult.pixels.recipe import Recipe

DataFormat = Literal["channels_first", "channels_last"]
_SAME = 1e-4  # relative L2 error between the two data formats
_CONSTANTS = {"rescaling": ("scale", "offset"), "normalization": ("mean", "variance")}


def import_keras() -> Any:
    """Import Keras on its torch backend, which is chosen by the environment before the first import.

    Raises `MissingExtra`, and `InputError` where this process has already imported Keras on another backend.
    """
    missing = [name for name in ("torch", "keras") if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtra(_("{missing}: not installed; pip install 'penult[keras]'", missing=", ".join(missing)))
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "torch"
    keras = importlib.import_module("keras")
    backend = keras.config.backend()
    if backend != "torch":
        raise InputError(
            _(
                "Keras was imported in this process with the backend {backend!r}, and penult needs 'torch'; set the "
                "environment variable KERAS_BACKEND=torch before Keras is imported, or start a fresh process.",
                backend=backend,
            )
        )
    return keras


def applications() -> dict[str, Callable[..., Any]]:
    """Return the functions of the installed `keras.applications` that build a network, by name, sorted."""
    found = dict(inspect.getmembers(import_keras().applications, inspect.isfunction))
    return {name: found[name] for name in sorted(found) if hasattr(sys.modules[found[name].__module__], "preprocess_input")}


def application(name: str) -> Callable[..., Any]:
    """Return the function that builds the network called `name`. Raises `UnknownName` with the nearest names."""
    known = applications()
    if name not in known:
        raise unknown("keras backbone", name, known)
    return known[name]


def family(name: str) -> ModuleType:
    """Return the module that a network is written in; its `preprocess_input` is the family's own."""
    return sys.modules[application(name).__module__]


def build_with_top(name: str, weights: str | None = None) -> Any:
    """Return the network with its last layer, for inputs of its default size."""
    return _built(name, "channels_last", include_top=True, weights=weights)


def build(name: str, size: int, data_format: DataFormat = "channels_last", weights: str | None = None) -> Any:
    """Return the network without its last layer, pooled as `pooling="avg"` has it, for inputs of size x size.

    `weights="imagenet"` is Keras's own loading. Raises `InputError` with Keras's sentence for what it cannot build.
    """
    shape = (size, size, 3) if data_format == "channels_last" else (3, size, size)
    return _built(name, data_format, include_top=False, weights=weights, input_shape=shape, pooling="avg")


def _built(name: str, data_format: DataFormat, **options: Any) -> Any:
    network = application(name)
    with _default_settings(data_format), import_keras().device("cpu"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a size has no weights of its own: Keras takes those of its default size
        try:
            return network(**options)
        except PenultError:  # from the loading of weights
            raise
        except (ValueError, TypeError) as error:
            if "input_shape" not in options:
                raise InputError(_("Keras cannot build {name}: {error}", name=name, error=error)) from error
            told = {"name": name, "shape": options["input_shape"], "error": error}
            raise InputError(_("Keras cannot build {name} for inputs of {shape}: {error}", **told)) from error


@contextlib.contextmanager
def _default_settings(data_format: DataFormat) -> Iterator[None]:
    """Build networks in float32 and in this data format; the user's own settings come back."""
    config = import_keras().config
    before = config.image_data_format(), config.floatx(), config.dtype_policy()
    config.set_image_data_format(data_format)
    config.set_floatx("float32")
    config.set_dtype_policy("float32")
    try:
        yield
    finally:
        config.set_image_data_format(before[0])
        config.set_floatx(before[1])
        config.set_dtype_policy(before[2])


@dataclass(frozen=True, slots=True)
class Leaf:
    """One layer of a network: its class in snake case, its path in Keras 3's tree of layers, its number among all.

    Keras's own names of layers depend on what was built before.
    """

    layer: Any
    kind: str
    path: str
    number: int

    @property
    def variables(self) -> list[Any]:
        """Its weights, in Keras's order."""
        return list(self.layer.weights)

    def assign(self, values: Sequence[Array]) -> None:
        """Set all its weights."""
        for variable, value in zip(self.variables, values, strict=True):
            variable.assign(value)
        if hasattr(self.layer, "finalize_state"):  # a normalization computes with a second copy
            self.layer.finalize_state()


def leaves(model: Any) -> list[Leaf]:
    """Return the layers of the network in its order, those of a network inside it in the place of that."""
    return [Leaf(layer, kind, path, number) for number, (layer, kind, path) in enumerate(_walk(model, ""))]


def _walk(model: Any, inside: str) -> Iterator[tuple[Any, str, str]]:
    counts: dict[str, int] = {}
    for layer in model.layers:
        kind = re.sub("([a-z])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z]+)", r"\1_\2", type(layer).__name__)).lower()
        count = counts.get(kind, 0)
        counts[kind] = count + 1
        path = f"{inside}layers/{kind}_{count}" if count else f"{inside}layers/{kind}"
        if hasattr(layer, "layers"):
            yield from _walk(layer, f"{path}/")
        else:
            yield layer, kind, path


def state(model: Any) -> dict[str, Array]:
    """Return every number that decides what the network computes: its weights, and the constants of layers without any.

    Two networks can differ in such a constant alone: EfficientNet rescales once more where the weights are ImageNet's.
    """
    convert = import_keras().ops.convert_to_numpy
    found: dict[str, Array] = {}
    for leaf in leaves(model):
        values = {str(i): convert(v) for i, v in enumerate(leaf.variables)}  # their names may be numbered, too
        if not values:
            names = _CONSTANTS.get(leaf.kind, ())
            values = {n: np.ravel(np.asarray(convert(getattr(leaf.layer, n)), np.float32)) for n in names}
        found |= {f"{leaf.number:04d} {leaf.kind} {name}": array for name, array in values.items()}
    return found


def rescalings(model: Any) -> int:
    """Return how many layers of the network only rescale."""
    return sum(leaf.kind == "rescaling" for leaf in leaves(model))


def trainable_count(model: Any) -> int:
    """Return how many numbers of the network are learnt."""
    return sum(int(np.prod(v.shape)) for v in model.trainable_weights)


def fastest_module(model: Any, build: Callable[[DataFormat], Any], recipe: Recipe) -> tuple[Any, Pooling]:
    """Return the torch module of `model` (channels last, with its weights) and how its features come from its maps.

    `build` makes the same network for another data format, its weights not yet in place. Built with the channels first, a
    network runs about twice as fast in OpenVINO as one that is permuted at every step (ResNet50: 20 ms against 37). Not
    every family can be built so, and none is trusted: the two are compared.
    """
    module, pooling = _module(model, "channels_last")
    try:
        other = build("channels_first")
    except InputError:  # the family says itself that it cannot
        return module, pooling
    convert = import_keras().ops.convert_to_numpy
    for one, twin in zip(leaves(model), leaves(other), strict=True):  # weights do not depend on the data format
        twin.assign([convert(v) for v in one.variables])
    faster, _ = _module(other, "channels_first")
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, recipe.size, recipe.size))
    mean, std = (np.array(v).reshape(1, 3, 1, 1) for v in (recipe.mean, recipe.std))
    images = np.asarray((pixels / 255 - mean) / std, np.float32)  # (2, 3, s, s), noise as the network sees it
    try:
        pairs = list(zip(_outputs(faster, images), _outputs(module, images), strict=True))
    except (RuntimeError, ValueError, TypeError):  # it was built, but does not run
        return module, pooling
    same = all(a.shape == b.shape and bool(np.linalg.norm(a - b) <= _SAME * np.linalg.norm(b)) for a, b in pairs)
    return (faster if same else module), pooling


def _module(model: Any, data_format: DataFormat) -> tuple[Any, Pooling]:
    """Return the module, which gives maps too where the model ends in the mean over them."""
    from torch import nn

    keras = import_keras()
    last = model.layers[-1]
    mean = isinstance(last, keras.layers.GlobalAveragePooling2D) and model.outputs[0] is last.output
    inner = keras.Model(model.inputs, [last.output, last.input]) if mean else keras.Model(model.inputs, model.outputs)

    class Network(nn.Module):  # type: ignore[misc]
        """The model seen from torch: images (n, 3, s, s), maps (n, d, h, w), whatever its own data format."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Any) -> tuple[Any, ...]:
            outputs = self.inner(x if data_format == "channels_first" else x.permute(0, 2, 3, 1), training=False)
            if not mean:
                return (outputs[0] if isinstance(outputs, (list, tuple)) else outputs,)
            features, maps = outputs
            return features, maps if data_format == "channels_first" else maps.permute(0, 3, 1, 2)

    module = Network().eval()
    module.requires_grad_(False)
    return module, "mean" if mean else "none"


def _outputs(module: Any, images: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    import torch

    with torch.no_grad(), import_keras().device("cpu"):
        return [np.asarray(output, np.float32) for output in module(torch.from_numpy(images))]

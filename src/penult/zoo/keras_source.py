"""Every network of `keras.applications`, with Keras's own weights or those of a file, and the recipe of its family.

It runs in the process that converts: torch and Keras are imported.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from penult.errors import DamagedFile, InputError
from penult.i18n import _
from penult.pixels.recipe import Recipe
from penult.texts import printable
from penult.zoo import checkpoint, keras_network, keras_weights
from penult.zoo.catalog import Listed, fits
from penult.zoo.keras_network import DataFormat, application, build, build_with_top, family, import_keras, rescalings
from penult.zoo.keras_weights import WeightsFile
from penult.zoo.sources import LoadedModel, ModelSpec, Unreachable, offline_text

# Keras's code is under this license; the files of weights carry none, and come from many hands.
_LICENSE = "Apache-2.0 (Keras); weights: see https://keras.io/api/applications and the paper it names"
_CROP, _USUAL_CROP = {"Xception": 0.8975}, 0.875
_ANY_SIZE = 224  # of networks that take any size even with their last layer: MobileNetV3, whose files are called ..._224_...
_DIGITS = 14  # of the 16 that a double has: what probing rounds off
_MOST_BUILT = 8  # networks that are built for their row of the table: a second each
_Floats = NDArray[np.float64]


def load(spec: ModelSpec) -> LoadedModel:
    """Return the network `spec.name` with its weights, and the recipe of its family.

    Raises `MissingExtra`, `UnknownName`, `InputError` (weights that do not fit or cannot be fetched, a size that the
    network cannot have) and `DamagedFile`.
    """
    keras, name = import_keras(), spec.name
    application(name)
    with _one_thread():
        recipe = recipe_of(name, spec.size)
        if spec.weights is None:
            model, imagenet = _imagenet(name, recipe.size), True
        else:
            model, imagenet = _from_file(name, recipe, Path(spec.weights))
        twin = functools.partial(like_imagenet if imagenet else build, name, recipe.size)
        module, pooling = keras_network.fastest_module(model, twin, recipe)
        return LoadedModel(
            module, recipe, pooling, checkpoint.of_tensors(keras_network.state(model)), _LICENSE,
            f"keras.applications {keras.__version__}", keras_network.trainable_count(model),
        )  # fmt: skip


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch work on one thread: a thousand small arrays take four times as long on two that others use as well."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def list_networks(pattern: str) -> Iterator[Listed]:
    """Yield the networks whose name fits, with size, width and parameters where they are few."""
    found = [name for name in keras_network.applications() if fits(f"keras:{name}", pattern)]
    for name in found:
        size = width = params = None
        if len(found) <= _MOST_BUILT:
            size = recipe_of(name).size
            with contextlib.suppress(InputError):  # some cannot be built on torch; their row has gaps
                model = build(name, size)
                width, params = int(model.output_shape[-1]), keras_network.trainable_count(model)
        yield Listed(f"keras:{name}", "keras", "", width, size, params, None, _LICENSE)


# What a network wants to see


def recipe_of(name: str, size: int | None = None) -> Recipe:
    """Return the recipe of the network `name`, found out by asking its family's own `preprocess_input`.

    Keras publishes no geometry with its networks, only input sizes. So the recipe has ImageNet's usual centre crop: 0.875 of
    the shorter side, and 0.8975 for Xception, where timm's `legacy_xception.tf_in1k` (the same weights) has it.
    `crop_mode="squash"` is the way of most Keras code. Raises `InputError` where the family's preprocessing is not one that
    a recipe can say.
    """
    scale, offset, channels = _probed(name)
    std = 1 / (255 * scale)  # (3,)
    return Recipe(
        size=size or build_with_top(name).input_shape[1] or _ANY_SIZE,
        crop=_CROP.get(name, _USUAL_CROP),
        mean=_triple(-offset * std),
        std=_triple(std),
        channels="bgr" if channels == "bgr" else "rgb",
    )


def _probed(name: str) -> tuple[_Floats, _Floats, str]:
    """Return scale (3,), offset (3,) and channel order of y = scale * x + offset; x are the pixels 0..255 in that order.

    So `scale` and `offset` stand in the order of what the network sees, as `Recipe.mean` and `Recipe.std` do.
    """
    black = _preprocessed(name, np.zeros((1, 3)))[0]  # (3,)
    pure = _preprocessed(name, 255 * np.eye(3))  # row i is what pure red, green or blue becomes
    mixing = ((pure - black) / 255).T  # (3 seen, 3 of RGB)
    pixels = np.random.default_rng(0).integers(0, 256, (64, 3)).astype(np.float64)
    affine = np.allclose(_preprocessed(name, pixels), pixels @ mixing.T + black, rtol=1e-9, atol=1e-9)
    for channels, own in (("rgb", mixing), ("bgr", mixing[:, ::-1])):
        scale = np.diag(own)
        if affine and np.allclose(own, np.diag(scale), atol=1e-12) and (scale > 0).all():
            return scale, black, channels
    raise InputError(
        _(
            "{type}.preprocess_input does more than scale and shift each channel, so no recipe can say it; "
            "keras:{name} cannot be used with this version of Keras.",
            type=family(name).__name__,
            name=name,
        )
    )


def _preprocessed(name: str, colors: _Floats) -> _Floats:
    """Return what the family makes of `colors` (n, 3), RGB 0..255: (n, 3)."""
    image = colors.reshape(1, 1, -1, 3).copy()  # it works in place
    seen = family(name).preprocess_input(image, data_format="channels_last")
    return np.asarray(seen, np.float64).reshape(-1, 3)


def _triple(values: _Floats) -> tuple[float, float, float]:
    first, second, third = (float(f"{v:.{_DIGITS}g}") + 0.0 for v in values)  # + 0.0 makes -0.0 a plain zero
    return first, second, third


# Weights of a file


def _from_file(name: str, recipe: Recipe, path: Path) -> tuple[Any, bool]:
    """Return the network with the weights of a file, and whether it is built as for ImageNet weights."""
    with keras_weights.opened(path) as file:
        model = build(name, recipe.size)
        other = like_imagenet(name, recipe.size) if rescalings(model) else model
        imagenet = rescalings(other) != rescalings(model) and _is_like_imagenet(other, file, name, recipe.size)
        model = other if imagenet else model
        keras_weights.fill(model, file, name)
    return model, imagenet


def _is_like_imagenet(other: Any, file: WeightsFile, name: str, size: int) -> bool:
    """Say which of a family's two networks a file belongs to, where ImageNet's has one more layer that only rescales.

    Keras's own files are told by their digest: some were written before that layer was added to the code.
    """
    if (file.rescalings or 0) >= rescalings(other) or is_official(name, size, file.path):
        return True
    if file.rescalings is None:
        raise InputError(
            _(
                "{path} does not say whether its {name} rescales its input once or twice, and its features depend on "
                "it; save the network itself, not a model around it, as .weights.h5 or .keras.",
                path=printable(file.path),
                name=name,
            )
        )
    return False


def like_imagenet(name: str, size: int, data_format: DataFormat = "channels_last") -> Any:
    """Return the network as it is built for its ImageNet weights, with random ones instead; nothing is fetched.

    It is another network than the one that is built for no weights where the family makes a difference: EfficientNet.
    """
    with _nothing_loaded(name):
        return build(name, size, data_format, weights="imagenet")


def is_official(name: str, size: int, path: Path) -> bool:
    """Say whether a file is the very one that Keras has for this network, with or without the last layer."""
    with _nothing_loaded(name) as digests:
        build(name, size, weights="imagenet")
        build_with_top(name, weights="imagenet")
    return any(family(name).file_utils.validate_file(str(path), digest) for digest in digests)


@contextlib.contextmanager
def _nothing_loaded(name: str) -> Iterator[list[str]]:
    """Let networks with weights be built without them; yields the digests of the files that were asked for."""
    digests: list[str] = []

    def get_file(file: str, _origin: str, file_hash: str, **_: Any) -> str:
        digests.append(file_hash)
        return file

    model = import_keras().Model
    with _replaced(family(name).file_utils, "get_file", get_file), _replaced(model, "load_weights", lambda *_: None):
        yield digests


# Keras's own weights


def _imagenet(name: str, size: int) -> Any:
    """Return the network with the weights that Keras has for it, from its cache folder or the internet.

    Raises `InputError` where they cannot be fetched, `DamagedFile` where what came has another digest.
    """
    original = family(name).file_utils.get_file

    def get_file(file: str, origin: str, **options: Any) -> str:
        try:
            return str(original(file, origin, **options))
        except Exception as error:  # Keras raises plain `Exception` for a failed download
            raise _download_error(name, file, origin, error) from error

    with _replaced(family(name).file_utils, "get_file", get_file):
        return build(name, size, weights="imagenet")


def _download_error(name: str, file: str, origin: str, error: Exception) -> InputError | DamagedFile:
    target = printable(Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models" / file)
    text = re.sub(r"\s+", " ", str(error))[:300]
    if "corrupted" in text:
        return DamagedFile(
            _(
                "the weights of keras:{name} came with another digest: {text} Delete {target} and try again.",
                name=name,
                text=text,
                target=target,
            )
        )
    return Unreachable(
        _(
            "{error} Or put {file} of {host} at {target} (KERAS_HOME moves that folder from ~/.keras). Keras said: {said}.",
            error=offline_text(f"keras:{name}"),
            file=file,
            host=urlsplit(origin).hostname,
            target=target,
            said=text,
        )
    )


@contextlib.contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)

"""Every network of `keras.applications`, with Keras's own weights or those of a file.

In: a `Wish`. Out: a `Loaded`. It runs in the process that converts: torch and Keras are imported.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from penult.errors import InputError
from penult.pixels.recipe import Recipe
from penult.store.refusals import shown
from penult.zoo import digest, keras_file
from penult.zoo.keras_door import Order, build, find, import_keras, names
from penult.zoo.keras_fetch import imagenet, is_official, like_imagenet
from penult.zoo.keras_file import Checkpoint
from penult.zoo.keras_fit import fill
from penult.zoo.keras_layers import learnt, rescalings, state
from penult.zoo.keras_module import quickest
from penult.zoo.keras_recipe import recipe_of
from penult.zoo.wish import Loaded, Wish

__all__ = ["LICENSE", "import_keras", "load", "measure", "names"]

# Keras's code is under this licence; the files of weights carry none, and come from many hands.
LICENSE = "Apache-2.0 (Keras); weights: see https://keras.io/api/applications and the paper it names"


def load(wish: Wish) -> Loaded:
    """Return the network `wish.name` with its weights, and the recipe of its family.

    Raises `MissingExtra`, `UnknownName`, `InputError` (weights that do not fit or cannot be fetched, a size that the
    network cannot have) and `DamagedFile`.
    """
    with _one_thread():
        return _load(wish)


def _load(wish: Wish) -> Loaded:
    keras = import_keras()
    find(wish.name)
    recipe = recipe_of(wish.name, dict(wish.changes))
    if wish.weights is None:
        model, like = imagenet(wish.name, recipe.size), True
    else:
        model, like = _from_file(wish.name, recipe, Path(wish.weights))
    twin = functools.partial(_twin, wish.name, recipe.size, like)
    module, pooling = quickest(model, twin, recipe)
    return Loaded(
        module, recipe, pooling, digest.of_state(state(model)), LICENSE,
        f"keras.applications {keras.__version__}", learnt(model),
    )  # fmt: skip


def measure(name: str) -> tuple[int, int | None, int | None]:
    """Return input size, width and parameters without the last layer; the last two None where Keras cannot build it."""
    size = recipe_of(name, {}).size
    try:
        model = build(name, size)
    except InputError:
        return size, None, None
    return size, int(model.output_shape[-1]), learnt(model)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch work on one thread: a thousand small arrays take four times as long on two that others use as well."""
    import_keras()
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _twin(name: str, size: int, like: bool, order: Order) -> Any:
    return like_imagenet(name, size, order) if like else build(name, size, order)


def _from_file(name: str, recipe: Recipe, path: Path) -> tuple[Any, bool]:
    """Return the network with the weights of a file, and whether it is built as for ImageNet weights."""
    with keras_file.opened(path) as file:
        model = build(name, recipe.size)
        other = like_imagenet(name, recipe.size) if rescalings(model) else model
        like = rescalings(other) != rescalings(model) and _is_like(other, file, name, recipe.size)
        fill(other if like else model, file, name)
    return (other if like else model), like


def _is_like(other: Any, file: Checkpoint, name: str, size: int) -> bool:
    """Say which of a family's two networks a file belongs to, where ImageNet's has one more layer that only rescales.

    Keras's own files are told by their digest: some were written before that layer was added to the code.
    """
    if (file.rescalings or 0) >= rescalings(other) or is_official(name, size, file.path):
        return True
    if file.rescalings is None:
        raise InputError(
            f"{shown(file.path)} does not say whether its {name} rescales its input once or twice, and its features depend on "
            "it; save the network itself, not a model around it, as .weights.h5 or .keras."
        )
    return False

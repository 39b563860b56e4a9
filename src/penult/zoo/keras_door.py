"""The one door to Keras, and to the networks behind it.

In: the name of a network, an input size, an order of the axes. Out: the Keras model without its last layer, pooled.
Everything here imports torch and Keras.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, Literal

from penult.errors import InputError, MissingExtra, PenultError, unknown

Order = Literal["channels_first", "channels_last"]
Network = Callable[..., Any]


def import_keras() -> Any:
    """Import Keras on its torch backend, which is chosen by the environment before the first import.

    Raises `MissingExtra`, and `InputError` where this process has already imported Keras on another backend.
    """
    missing = [name for name in ("torch", "keras") if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtra(f"{', '.join(missing)}: not installed; pip install 'penult[keras]'")
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "torch"
    keras = importlib.import_module("keras")
    backend = keras.config.backend()
    if backend != "torch":
        raise InputError(
            f"Keras was imported in this process with the backend {backend!r}, and penult needs 'torch'; set the "
            "environment variable KERAS_BACKEND=torch before Keras is imported, or start a fresh process."
        )
    return keras


def networks() -> dict[str, Network]:
    """Return the functions of `keras.applications` that build a network, by name."""
    found = dict(inspect.getmembers(import_keras().applications, inspect.isfunction))
    return {name: function for name, function in found.items() if hasattr(family(function), "preprocess_input")}


def names() -> list[str]:
    """Return the names of all networks of the installed `keras.applications`."""
    return sorted(networks())


def find(name: str) -> Network:
    """Return the function that builds the network called `name`. Raises `UnknownName` with the nearest names."""
    known = networks()
    if name not in known:
        raise unknown("keras backbone", name, sorted(known))
    return known[name]


def family(network: Network) -> ModuleType:
    """Return the module that a network is written in; its `preprocess_input` is the family's own."""
    return sys.modules[network.__module__]


def build_whole(name: str, weights: str | None = None) -> Any:
    """Return the network with its last layer, for inputs of its default size."""
    return _built(name, "channels_last", include_top=True, weights=weights)


def build(name: str, size: int, order: Order = "channels_last", weights: str | None = None) -> Any:
    """Return the network without its last layer, pooled as `pooling="avg"` has it, for inputs of size x size.

    `weights="imagenet"` is Keras's own loading. Raises `InputError` with Keras's sentence for what it cannot build.
    """
    shape = (size, size, 3) if order == "channels_last" else (3, size, size)
    return _built(name, order, include_top=False, weights=weights, input_shape=shape, pooling="avg")


def _built(name: str, order: Order, **options: Any) -> Any:
    network = find(name)
    with plain_settings(order), import_keras().device("cpu"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a size has no weights of its own: Keras takes those of its default size
        try:
            return network(**options)
        except PenultError:  # from the loading of weights
            raise
        except (ValueError, TypeError) as error:
            at = f" for inputs of {options['input_shape']}" if "input_shape" in options else ""
            raise InputError(f"Keras cannot build {name}{at}: {error}") from error


@contextlib.contextmanager
def plain_settings(order: Order) -> Iterator[None]:
    """Build networks in float32 and in this order of the axes; the user's own settings come back."""
    config = import_keras().config
    before = config.image_data_format(), config.floatx(), config.dtype_policy()
    config.set_image_data_format(order)
    config.set_floatx("float32")
    config.set_dtype_policy("float32")
    try:
        yield
    finally:
        config.set_image_data_format(before[0])
        config.set_floatx(before[1])
        config.set_dtype_policy(before[2])

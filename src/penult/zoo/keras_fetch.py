"""Keras's own weights, loaded by Keras's own code.

In: the name of a network and a size. Out: the network with its ImageNet weights, or the same network without them.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from penult.errors import DamagedFile, InputError
from penult.store.refusals import shown
from penult.zoo.hub import Unreachable, offline
from penult.zoo.keras_door import Order, build, build_whole, family, find, import_keras

GetFile = Callable[..., str]


def imagenet(name: str, size: int) -> Any:
    """Return the network with the weights that Keras has for it, from its cache folder or the network.

    Raises `InputError` where they cannot be fetched, `DamagedFile` where what came has another digest.
    """
    ask: GetFile = _file_utils(name).get_file

    def told(file: str, origin: str, **options: Any) -> str:
        try:
            return ask(file, origin, **options)
        except Exception as error:  # Keras raises plain `Exception` for a failed download
            raise _failure(name, file, origin, error) from error

    with _replaced(_file_utils(name), "get_file", told):
        return build(name, size, weights="imagenet")


def like_imagenet(name: str, size: int, order: Order = "channels_last") -> Any:
    """Return the network as it is built for its ImageNet weights, with random ones instead; nothing is fetched.

    It is another network than the one that is built for no weights where the family makes a difference: EfficientNet.
    """
    with _nothing_loaded(name):
        return build(name, size, order, weights="imagenet")


def is_official(name: str, size: int, path: Path) -> bool:
    """Say whether a file is the very one that Keras has for this network, with or without the last layer."""
    with _nothing_loaded(name) as digests:
        build(name, size, weights="imagenet")
        build_whole(name, weights="imagenet")
    return any(_file_utils(name).validate_file(str(path), digest) for digest in digests)


def _failure(name: str, file: str, origin: str, error: Exception) -> InputError | DamagedFile:
    target = shown(Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models" / file)
    said = re.sub(r"\s+", " ", str(error))[:300]
    if "corrupted" in said:
        return DamagedFile(f"the weights of keras:{name} came with another digest: {said} Delete {target} and try again.")
    return Unreachable(
        f"{offline(f'keras:{name}')} Or put {file} of {urlsplit(origin).hostname} at {target} (KERAS_HOME moves that folder "
        f"from ~/.keras). Keras said: {said}."
    )


def _file_utils(name: str) -> Any:
    return family(find(name)).file_utils


@contextlib.contextmanager
def _nothing_loaded(name: str) -> Iterator[list[str]]:
    """Let networks with weights be built without them; yields the digests of the files that were asked for."""
    digests: list[str] = []

    def note(file: str, _origin: str, file_hash: str, **_: Any) -> str:
        digests.append(file_hash)
        return file

    model = import_keras().Model
    with _replaced(_file_utils(name), "get_file", note), _replaced(model, "load_weights", lambda *_: None):
        yield digests


@contextlib.contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)

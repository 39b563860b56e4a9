"""A backbone by any name: built in, from the shelf, or converted now, once.

In: a name. Out: its `Backbone`.
"""

from __future__ import annotations

import atexit
import functools
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from penult import backbones, store
from penult.backbones import Backbone
from penult.errors import InputError, MissingExtra, PenultError, ProgressCallback, quiet, unknown
from penult.worker import Crashed, Worker
from penult.zoo import names, shelf
from penult.zoo.names import Spec
from penult.zoo.wish import Order, Wish

WORK = "penult.zoo.convert:work"  # what the child process does


def find(
    name: str,
    pooling: str | None = None,
    *,
    cache: str | Path | bool | None = None,
    recipe: Mapping[str, Any] | None = None,
    progress: ProgressCallback = quiet,
    **changes: Any,
) -> Backbone:
    """Return the backbone called `name`, its recipe changed by `changes`.

    Names: a built-in network; any of timm's (`resnet50`, `hf-hub:owner/model`); `keras:ResNet50` and all of
    `keras.applications`; `NAME@FILE` with weights of one's own; a path that ends in `.onnx`; each with `:SIZE` behind it for
    another input size. Networks that are not built in are converted once, in a process of its own, and kept in `cache`
    (None: the user's cache folder; False, or where that cannot be written: a folder that goes with this process). `recipe`
    describes an ONNX file that has no recipe file beside it.

    Raises `UnknownName`, `MissingExtra`, `InputError` (weights that cannot be had or do not fit, a network without one
    vector an image), `DamagedFile`, `OutputError`.
    """
    spec = names.understand(name)
    if spec.size is not None:
        changes = {"size": spec.size, **changes}
    if spec.kind == "built-in":
        return backbones.find_builtin(spec.name, pooling, **changes)
    size = changes.pop("size", None)  # all else is done to pixels, or by the nodes in front, after the conversion
    order = _order(spec, size, recipe, cache)
    found = shelf.get(order.entry)
    if found is None and not _named(cache) and not store.fallback.can_be_written(order.entry.folder):
        store.fallback.tell(f"no cache folder can be written at {store.shown(root_of(cache))}")
        order = _order(spec, size, recipe, False)
        found = shelf.get(order.entry)
    found = found or _convert(order, progress)
    if pooling not in {None, found.pooling}:
        raise InputError(f"{found.name} has no pooling {pooling}; it has {found.pooling}, or name none at all.")
    found = replace(found, name=spec.label)  # its file may have had another name when it was converted
    return found.with_recipe(**changes) if changes else found


def fetch(
    name: str, cache: str | Path | bool | None = None, progress: ProgressCallback = quiet
) -> tuple[Backbone, Path | None]:
    """Return a network and the folder that holds it, None for a built-in one, which needs none.

    For a machine without network, copy that folder to the same place in its cache. Raises what `find` raises, and
    `OutputError` where there is no place to keep it.
    """
    cache = root_of(cache) if cache is False else store.default_cache() if cache in {None, True} else cache
    return find(name, cache=cache, progress=progress), place_of(name, cache)


def place_of(name: str, cache: str | Path | bool | None = None) -> Path | None:
    """Return the folder in which `find` keeps the network of a name; None for a built-in one."""
    spec = names.understand(name)
    if spec.kind == "built-in":
        return None
    return _order(spec, spec.size, None, cache).entry.folder


def _order(spec: Spec, size: int | None, recipe: Mapping[str, Any] | None, cache: str | Path | bool | None) -> Order:
    """Return what is to be on the shelf for a network that is not built in, and where."""
    asked = () if size is None else (("size", size),)
    if spec.kind == "onnx":
        settings = dict(recipe) if recipe is not None else _beside(spec.name)
        output = None if settings is None else settings.pop("output", None)
        wish = Wish("onnx", spec.name, None, asked, None if settings is None else _hashable(settings), output)
    else:
        wish = Wish("keras" if spec.kind == "keras" else "timm", spec.name, spec.file, asked)
    return Order(wish, spec.label, shelf.place(wish, spec.label, root_of(cache)))


def _hashable(settings: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted((k, tuple(v) if isinstance(v, list) else v) for k, v in settings.items()))


def _beside(path: str) -> dict[str, Any] | None:
    from penult.zoo import recipe_file

    file = recipe_file.beside(Path(path))
    return recipe_file.read(file) if file.is_file() else None


def root_of(cache: str | Path | bool | None) -> Path:
    """Return the cache folder that `cache` means."""
    if isinstance(cache, str | Path):
        return Path(cache)
    return (None if cache is False else store.fallback.user_cache()) or _passing()


def _named(cache: str | Path | bool | None) -> bool:
    """Return whether somebody named the cache folder, and shall hear of it where it cannot be written."""
    return isinstance(cache, str | Path) or store.fallback.was_chosen()


@functools.cache
def _passing() -> Path:
    """Return a folder that goes with this process."""
    folder = tempfile.mkdtemp(prefix="penult-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _convert(order: Order, progress: ProgressCallback) -> Backbone:
    """Have a child process convert the network, and take it from the shelf."""
    _installed(order)
    step = f"converting {order.label}"
    progress(step, 0, 1)
    with Worker(WORK, threads=os.cpu_count() or 1, shown=progress is not quiet) as child:
        child.send(order)
        try:
            list(child.answers())
        except Crashed as error:
            raise PenultError(
                f"converting {order.label} ended without an answer ({error}): most often this machine's memory was too small; "
                "close other programs, take a smaller sibling, or convert on another machine (`penult backbones --fetch`)."
            ) from error
    progress(step, 1, 1)
    found = shelf.get(order.entry)
    if found is None:
        raise PenultError(f"{order.entry.folder} vanished while it was written; run the same command again.")
    return found


def _installed(order: Order) -> None:
    """Raise before a process is started for nothing: a name that is nothing here, or an extra that is missing."""
    wanted = {"timm": ("torch", "torchvision", "timm", "onnxscript"), "keras": ("torch", "keras", "onnxscript"), "onnx": ()}
    kind, name = order.wish.kind, order.wish.name
    missing = [module for module in wanted[kind] if importlib.util.find_spec(module) is None]
    if not missing:
        return
    ours = [*backbones.builtin_names(), *names.PRESETS]
    close = unknown("backbone", name, ours)
    if kind == "timm" and "did you mean" in str(close):
        raise type(close)(f"{close} Names of timm need: pip install 'penult[timm]'")
    raise MissingExtra(
        f"{order.label} is not built in ({', '.join(ours)}) and not in the cache; to fetch and convert it, "
        f"{', '.join(missing)} must be installed: pip install 'penult[{kind}]'"
    )

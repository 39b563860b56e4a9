"""Networks by name: find one (built in, converted before, or converted now, once), fetch one, or list them.

Child processes do the work that may load torch: they convert, and ask the sources what networks they have.
"""

from __future__ import annotations

import difflib
import fnmatch
import importlib
import importlib.util
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from penult import backbones, store
from penult.backbones import Backbone
from penult.errors import InputError, MissingExtra, PenultError, ProgressCallback, UnknownName, quiet, unknown
from penult.i18n import _
from penult.texts import printable
from penult.worker import Crashed, Worker
from penult.zoo import model_cache, names, recipe_file
from penult.zoo.sources import SOURCES, ModelSpec

CHILD = "penult.zoo.convert:convert_child"


def find_backbone(
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
    `keras.applications`; `hf:owner/name`, an ONNX file of the Hugging Face hub; `NAME@FILE` with weights of one's own; a path
    that ends in `.onnx`; each with `:SIZE`, `:crop+squash` (or another crop mode) and `:POOLING` behind it; what is given as
    an argument counts more. Networks that are not built in are converted once, in a process of its own, and kept in `cache`
    (None: the user's cache folder; False, or where that cannot be written: a folder that goes with this process). `recipe`
    describes an ONNX file that has no recipe file beside it, or counts more than what the repository of an `hf:` name says.

    Raises `UnknownName`, `MissingExtra`, `InputError` (weights that cannot be had or do not fit, a network without one
    vector an image), `DamagedFile`, `OutputError`.
    """
    spec = names.understand(name)
    named = {key: value for key in ("size", "crop_mode") if (value := getattr(spec, key)) is not None}
    changes, pooling = {**named, **changes}, pooling or spec.pooling
    label = spec.label if spec.crop_mode is None else f"{spec.label}:{changes['crop_mode']}"
    label = label if spec.pooling is None and not (pooling and spec.source == "hub") else f"{label}:{pooling}"
    if spec.source == "built-in":
        return replace(backbones.find_builtin(spec.name, pooling, **changes), name=label)
    poolings = SOURCES[spec.source].poolings
    if poolings and pooling not in {None, *poolings}:
        raise unknown("pooling", str(pooling), poolings)
    # all else than the size, and the pooling of some, is done to pixels, or by the nodes in front, after the conversion
    spec = with_recipe_file(replace(spec, size=changes.pop("size", None), pooling=pooling), recipe)
    entry = model_cache.entry_of(spec, store.cache_root(cache))
    found = model_cache.get(entry)
    chosen = isinstance(cache, str | Path) or store.cache_was_chosen()  # who named a folder hears where it cannot be written
    if found is None and not chosen and not store.can_be_written(entry.folder):
        folder = printable(store.cache_root(cache))
        store.warn_not_cached(_("no cache folder can be written at {folder}", folder=folder))
        entry = model_cache.entry_of(spec, store.cache_root(False))
        found = model_cache.get(entry)
    found = found or _convert(spec, entry, progress)
    if not poolings and pooling not in {None, found.pooling}:
        raise InputError(
            _(
                "{name} has no pooling {pooling}; it has {has}, or name none at all.",
                name=found.name,
                pooling=pooling,
                has=found.pooling,
            )
        )
    found = replace(found, name=label)  # its file may have had another name when it was converted
    return found.with_recipe(**changes) if changes else found


def fetch(
    name: str, cache: str | Path | bool | None = None, progress: ProgressCallback = quiet
) -> tuple[Backbone, Path | None]:
    """Return a network and the folder that holds it, None for a built-in one, which needs none.

    For a machine without internet access, copy that folder to the same place in its cache. Raises what `find` raises, and
    `OutputError` where there is no place to keep it.
    """
    cache = store.cache_root(cache) if cache is False else store.default_cache() if cache in {None, True} else cache
    return find_backbone(name, cache=cache, progress=progress), catalog_folder(name, cache)


def catalog_folder(name: str, cache: str | Path | bool | None = None) -> Path | None:
    """Return the folder in which `find` keeps the network of a name; None for a built-in one."""
    spec = names.understand(name)
    return None if spec.source == "built-in" else model_cache.entry_of(with_recipe_file(spec), store.cache_root(cache)).folder


def with_recipe_file(spec: ModelSpec, recipe: Mapping[str, Any] | None = None) -> ModelSpec:
    """Return the spec with the recipe that was given or, for a file of a network, that lies beside it."""
    if not (SOURCES[spec.source].suffix or spec.source == "hub"):
        return spec
    if recipe is None and SOURCES[spec.source].suffix:
        file = recipe_file.beside(spec.name)
        recipe = recipe_file.read(file) if file.is_file() else None
    if recipe is None:
        return spec
    settings: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in sorted(recipe.items())}
    output = settings.pop("output", None)
    return replace(spec, recipe=tuple(settings.items()), output=output)


def _convert(spec: ModelSpec, entry: store.CacheEntry, progress: ProgressCallback) -> Backbone:
    """Have a child process convert the network, and read what it wrote."""
    _check_installed(spec)
    step = _("converting {network}", network=spec.label)
    progress(step, 0, 1)
    with Worker(CHILD, threads=os.cpu_count() or 1, shown=progress is not quiet) as child:
        child.send((spec, entry))
        try:
            list(child.answers())
        except Crashed as error:
            raise PenultError(
                _(
                    "converting {label} ended without an answer ({error}): most often this machine's memory was too "
                    "small; close other programs, take a smaller sibling, or convert on another machine (`penult "
                    "backbones --fetch`).",
                    label=spec.label,
                    error=error,
                )
            ) from error
    progress(step, 1, 1)
    found = model_cache.get(entry)
    if found is None:
        raise PenultError(_("{folder} vanished while it was written; run the same command again.", folder=entry.folder))
    return found


def _check_installed(spec: ModelSpec) -> None:
    """Raise before a process is started for nothing: a name that is nothing here, or an extra that is missing."""
    if _installed(spec.source):
        return
    install = f"pip install 'penult[{spec.source}]'"
    if not SOURCES[spec.source].prefix:
        known = [*backbones.builtin_names(), *names.PRESETS]
        if difflib.get_close_matches(spec.name, known, n=1, cutoff=0.5):
            close = unknown(_("backbone"), spec.name, known)
            told = {"error": close, "source": spec.source, "install": install}
            raise UnknownName(_("{error} Names of {source} need: {install}", **told))
    raise MissingExtra(_("{name!r} is not available yet. Install: {install}", name=spec.label, install=install))


@dataclass(frozen=True, slots=True)
class Listed:
    """One network of the table; what is not known without its weights is None; `backbone` only where it is ready."""

    name: str
    source: str
    state: Literal["built in", "cached", ""]
    width: int | None = None
    size: int | None = None
    params: int | None = None
    gmacs: float | None = None
    license: str | None = None
    top1: float | None = None
    backbone: Backbone | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, without the backbone."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "backbone"}


def listing(pattern: str | None = None, cache: str | Path | bool | None = None) -> list[Listed]:
    """Return the networks whose name fits `pattern` (`resnet*`; without a wildcard: any part of the name).

    The name of a preset means its networks. Without a pattern: what is built in and what is converted already. Raises
    `UnknownName` with the nearest names where a pattern fits none.
    """
    ready = [_ready(b, "built in") for b in backbones.builtin_table()]
    ready += [_ready(b, "cached") for _, b in model_cache.cached_networks(store.cache_root(cache))]
    preset = names.OLD_NAMES.get(pattern or "", pattern)
    if preset in names.PRESETS:
        return _of_preset(names.PRESETS[preset], ready)
    return ready if pattern is None else _matching(pattern, ready)


def list_backbones(pattern: str | None = None, *, cache_dir: str | Path | bool | None = None) -> list[str]:
    """Return the names of the backbones that can be used.

    Parameters
    ----------
    pattern : str, optional
        Part of a name, or a pattern such as "resnet*"; timm and Keras are searched then, where they are installed.
    cache_dir : str, Path or False, optional
        The cache folder, whose converted networks are listed.

    Returns
    -------
    list of str

    Raises
    ------
    UnknownName
        When nothing fits the pattern.

    Examples
    --------
    >>> import penult
    >>> "efficientnet_lite0" in penult.list_backbones()
    True
    """
    return [row.name for row in listing(pattern, cache_dir)]


def _ready(backbone: Backbone, state: Literal["built in", "cached"]) -> Listed:
    b = backbone
    return Listed(b.name, b.source, state, b.width, b.recipe.size, b.params, b.gmacs, b.license, b.top1, b)


def _of_preset(members: Sequence[str], ready: Sequence[Listed]) -> list[Listed]:
    """Return the rows of a preset's networks, at whatever size; a bare one where nothing is known of it here."""
    bare = [names.without_settings(member) for member in members]
    if set(bare) <= set(backbones.builtin_names()):
        return [_ready(find_backbone(member), "built in") for member in members]
    here = [row for row in ready if names.without_settings(row.name) in bare]
    missing = [name for name in bare if name not in {names.without_settings(row.name) for row in here}]
    known = {row.name: row for row in _elsewhere(missing)} if missing else {}
    others = [known.get(name, Listed(name, names.understand(name).source, "")) for name in missing]
    return sorted([*here, *others], key=lambda row: bare.index(names.without_settings(row.name)))


def _matching(pattern: str, ready: Sequence[Listed]) -> list[Listed]:
    known = [row.name for row in ready]
    rows = [row for row in ready if fits(row.name, pattern)]
    rows += [row for row in _elsewhere([pattern]) if row.name not in known]
    if not rows:
        every = (row.name for row in _elsewhere(["*"]))
        error = unknown(_("backbone"), pattern, [*known, *names.PRESETS, *every])
        absent = [key for key in _listable() if not _installed(key)]
        if not absent:
            raise error
        raise UnknownName(
            _(
                "{error} Not asked, because not installed: {names} (pip install 'penult[{extras}]').",
                error=error,
                names=", ".join(absent),
                extras=",".join(absent),
            )
        )
    return rows


def fits(name: str, pattern: str) -> bool:
    """Return whether a name fits a pattern, whatever the case of its letters."""
    wild = any(sign in pattern for sign in "*?[")
    return fnmatch.fnmatchcase(name.lower(), pattern.lower() if wild else f"*{pattern.lower()}*")


def _listable() -> list[str]:
    return [key for key, source in SOURCES.items() if not source.suffix]


def _installed(key: str) -> bool:
    return all(importlib.util.find_spec(module) for module in SOURCES[key].requires)


def _elsewhere(patterns: Sequence[str]) -> Iterator[Listed]:
    """Yield what the sources have whose libraries are installed."""
    for key in filter(_installed, _listable()):
        with Worker(f"{__name__}:list_child", threads=2) as child:
            for pattern in patterns:
                child.send((key, pattern))
            try:
                rows = list(child.answers())
            except Crashed as error:
                raise PenultError(
                    _("asking {key} for its networks failed ({error}); reinstall it.", key=key, error=error)
                ) from error
        yield from rows


def list_child(sent: Iterable[tuple[str, str]]) -> Iterator[Listed]:
    """Yield the networks of a source that fit a pattern: the work of a child process."""
    for key, pattern in sent:
        yield from importlib.import_module(SOURCES[key].module).list_networks(pattern)

"""Which networks there are: built in, converted on this machine, and by the names of timm, Keras and other sources.

The sources are asked in a child process, and only where a pattern is given.
"""

from __future__ import annotations

import fnmatch
import importlib
import importlib.util
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from penult import backbones
from penult.backbones import Backbone
from penult.errors import PenultError, UnknownName, unknown
from penult.worker import Crashed, Worker
from penult.zoo import model_cache, names
from penult.zoo.finding import root_of
from penult.zoo.sources import SOURCES


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
    ready += [_ready(b, "cached") for _, b in model_cache.cached_networks(root_of(cache))]
    preset = names.OLD_NAMES.get(pattern or "", pattern)
    if preset in names.PRESETS:
        return _of_preset(names.PRESETS[preset], ready)
    return ready if pattern is None else _matching(pattern, ready)


def _ready(backbone: Backbone, state: Literal["built in", "cached"]) -> Listed:
    b = backbone
    return Listed(b.name, b.source, state, b.width, b.recipe.size, b.params, b.gmacs, b.license, b.top1, b)


def _of_preset(members: Sequence[str], ready: Sequence[Listed]) -> list[Listed]:
    """Return the rows of a preset's networks, at whatever size; a bare one where nothing is known of it here."""
    bare = [names.without_size(member) for member in members]
    here = [row for row in ready if names.without_size(row.name) in bare]
    missing = [name for name in bare if name not in {names.without_size(row.name) for row in here}]
    known = {row.name: row for row in _elsewhere(missing)} if missing else {}
    others = [known.get(name, Listed(name, names.understand(name).source, "")) for name in missing]
    return sorted([*here, *others], key=lambda row: bare.index(names.without_size(row.name)))


def _matching(pattern: str, ready: Sequence[Listed]) -> list[Listed]:
    known = [row.name for row in ready]
    rows = [row for row in ready if fits(row.name, pattern)]
    rows += [row for row in _elsewhere([pattern]) if row.name not in known]
    if not rows:
        every = (row.name for row in _elsewhere(["*"]))
        error = unknown("backbone", pattern, [*known, *names.PRESETS, *every])
        absent = [key for key in _listable() if not _installed(key)]
        more = (
            f" Not asked, because not installed: {', '.join(absent)} (pip install 'penult[{','.join(absent)}]')."
            if absent
            else ""
        )
        raise UnknownName(f"{error}{more}")
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
                raise PenultError(f"asking {key} for its networks failed ({error}); reinstall it.") from error
        yield from rows


def list_child(sent: Iterable[tuple[str, str]]) -> Iterator[Listed]:
    """Yield the networks of a source that fit a pattern: the work of a child process."""
    for key, pattern in sent:
        yield from importlib.import_module(SOURCES[key].module).list_networks(pattern)

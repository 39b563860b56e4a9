"""What networks there are: built in, converted on this machine, and by the names of timm and Keras.

In: a pattern. Out: facts for a table. timm and Keras are asked in a child process, and only where a pattern is given.
"""

from __future__ import annotations

import fnmatch
import importlib.util
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from penult import backbones
from penult.backbones import Backbone
from penult.errors import PenultError, UnknownName, unknown
from penult.worker import Crashed, Worker
from penult.zoo import names, shelf
from penult.zoo.finding import root_of
from penult.zoo.timm_door import import_timm

_ELSEWHERE = {"timm": ("timm_rows", ("timm", "torchvision", "torch")), "keras": ("keras_rows", ("keras", "torch"))}
BUILT = 8  # networks of Keras that are built for their row: a second each
MEASURED = 60  # networks of timm whose width and work are found by building them without weights; more would take minutes


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
    preset = names.OLD_NAMES.get(pattern or "", pattern)
    if preset in names.PRESETS:
        return _of_preset(names.PRESETS[preset], cache)
    return _listing(pattern, cache)


def _of_preset(members: Sequence[str], cache: str | Path | bool | None) -> list[Listed]:
    """Return the rows of a preset's networks, at whatever size; a bare one where nothing is known of it here."""
    bare = [names.without_size(member) for member in members]
    ready = [row for row in _here(cache) if names.without_size(row.name) in bare]
    missing = [name for name in bare if name not in {names.without_size(row.name) for row in ready}]
    asked = {row.name: row for row in _elsewhere(missing)} if missing else {}
    others = [asked.get(name, Listed(name, "keras" if name.startswith("keras:") else "timm", "")) for name in missing]
    return sorted([*ready, *others], key=lambda row: bare.index(names.without_size(row.name)))


def _here(cache: str | Path | bool | None) -> list[Listed]:
    ours = [_ready(b, "built in") for b in backbones.builtin_table()]
    return ours + [_ready(b, "cached") for _, b in shelf.every(root_of(cache))]


def _listing(pattern: str | None, cache: str | Path | bool | None) -> list[Listed]:
    ready = _here(cache)
    if pattern is None:
        return ready
    others = list(_elsewhere([pattern]))
    known = {row.name for row in ready}
    rows = [row for row in ready if fits(row.name, pattern)] + [row for row in others if row.name not in known]
    if not rows:
        error = unknown("backbone", pattern, [*(row.name for row in ready), *names.PRESETS, *_every_name()])
        absent = [extra for extra, (_, needed) in _ELSEWHERE.items() if not _there(needed)]
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


def _ready(backbone: Backbone, state: Literal["built in", "cached"]) -> Listed:
    b = backbone
    return Listed(b.name, b.source, state, b.width, b.recipe.size, b.params, b.gmacs, b.license, b.top1, b)


def _elsewhere(patterns: Sequence[str]) -> Iterator[Listed]:
    """Yield what timm and Keras have, where they are installed."""
    for work, needed in _ELSEWHERE.values():
        if _there(needed):
            yield from _ask(work, patterns)


def _there(modules: Iterable[str]) -> bool:
    return all(importlib.util.find_spec(module) for module in modules)


def _every_name() -> list[str]:
    return [row.name for row in _elsewhere(["*"])]


def _ask(work: str, patterns: Sequence[str]) -> list[Listed]:
    with Worker(f"{__name__}:{work}", threads=2) as child:
        for pattern in patterns:
            child.send(pattern)
        try:
            return list(child.answers())
        except Crashed as error:
            raise PenultError(
                f"asking {work.split('_', maxsplit=1)[0]} for its networks failed ({error}); is it whole?"
            ) from error


def timm_rows(sent: Iterable[str]) -> Iterator[Listed]:
    """Yield the networks of timm that fit each pattern: the work of a child process."""
    timm = import_timm()
    for pattern in sent:
        found = [name for name in timm.list_pretrained() if fits(name, pattern)]
        for name in found:
            cfg = timm.get_pretrained_cfg(name)
            width, params, gmacs = _built(timm, name) if len(found) <= MEASURED else (None, None, None)
            yield Listed(name, "timm", "", width, cfg.input_size[-1], params, gmacs, cfg.license)


def _built(timm: Any, name: str) -> tuple[int | None, int | None, float | None]:
    """Return width, parameters and 10^9 multiply-adds of a network built without memory for its weights."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    try:
        with torch.device("meta"), torch.no_grad():
            model = timm.create_model(name, pretrained=False, num_classes=0).eval().requires_grad_(False)
            size = timm.get_pretrained_cfg(name).input_size
            with FlopCounterMode(display=False) as counter:
                width = model(torch.empty(1, *size)).shape[-1]
        return width, sum(p.numel() for p in model.parameters()), round(counter.get_total_flops() / 2e9, 2)
    except Exception:  # some networks cannot be built so; their row has gaps
        return None, None, None


def keras_rows(sent: Iterable[str]) -> Iterator[Listed]:
    """Yield the networks of keras.applications that fit each pattern: the work of a child process."""
    from penult.zoo import from_keras

    for pattern in sent:
        found = [name for name in from_keras.names() if fits(f"keras:{name}", pattern)]
        for name in found:
            size, width, params = from_keras.measure(name) if len(found) <= BUILT else (None, None, None)
            yield Listed(f"keras:{name}", "keras", "", width, size, params, None, from_keras.LICENSE)

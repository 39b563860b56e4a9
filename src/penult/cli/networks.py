"""`penult backbones`: which networks there are, what they cost, and how to have one before it is needed."""

from __future__ import annotations

import argparse
from typing import Any

from penult import zoo
from penult.cli import show
from penult.embed import EmbedOptions, speed
from penult.zoo import Listed

_HEADER = ["", "source", "width", "input", "params", "GMACs", "top-1", "images/s", "", "license"]


def backbones(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> None:
    """`penult backbones`."""
    if asked.show_recipe:
        _show_recipe(asked)
    elif asked.fetch and asked.cache is False:
        parser.error("--fetch keeps networks in the cache folder; leave --no-cache out")
    elif asked.fetch:
        _fetch(asked)
    else:
        _list(asked)


def _list(asked: argparse.Namespace) -> None:
    rows = zoo.listing(asked.pattern, asked.cache)
    settings = EmbedOptions("auto", asked.precision, asked.cache)
    rates = [speed(r.backbone, settings) if r.backbone else None for r in rows]
    if asked.json:
        show.as_json([{**row.to_dict(), "images_per_second": rate} for row, rate in zip(rows, rates, strict=True)])
        return
    show.out(show.table(_HEADER, [_cells(row, rate) for row, rate in zip(rows, rates, strict=True)]))
    if asked.pattern is None:
        show.out("\npresets, for -b:")
        for name, members in zoo.PRESETS.items():
            show.out(f"  {name}: {', '.join(members)}\n    {zoo.WHY[name]}")
        place = None if asked.cache is False else settings.folder
        if place is not None:
            show.out(f"\nconverted networks are kept in {show.printable(str(place / 'backbones'))}")
        show.out(
            "more: `penult backbones 'resnet*'` asks timm and Keras, where they are installed (penult[timm], penult[keras])"
        )


def _cells(row: Listed, rate: float | None) -> list[str]:
    return [
        show.printable(row.name),
        _short(row.source.partition(";")[0]),
        _number(row.width),
        _number(row.size),
        "-" if row.params is None else f"{row.params / 1e6:.1f} M",
        "-" if row.gmacs is None else f"{row.gmacs:.2f}",
        "-" if row.top1 is None else f"{row.top1:.1f}%",
        "-" if rate is None else f"{rate:.0f}",
        row.state,
        _short(row.license or "-"),
    ]


def _short(text: str) -> str:
    text = show.printable(text)
    return text if len(text) <= 50 else text[:49] + "…"


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)


def _fetch(asked: argparse.Namespace) -> None:
    done: list[dict[str, Any]] = []
    with show.progress(not asked.quiet) as progress:
        for name in zoo.expand(asked.fetch):
            backbone, folder = zoo.fetch(name, asked.cache, progress)
            done.append({"name": backbone.name, "folder": None if folder is None else str(folder), "width": backbone.width})
    if asked.json:
        show.as_json(done)
        return
    for one in done:
        where = f"in {one['folder']}" if one["folder"] else "built in, nothing to fetch"
        show.out(f"{show.printable(one['name'])}: {one['width']} numbers an image, {where}")
    if any(one["folder"] for one in done):
        show.out("for a machine without network: copy such a folder to <its cache>/backbones/ (the cache: `penult backbones`)")


def _show_recipe(asked: argparse.Namespace) -> None:
    with show.progress(not asked.quiet) as progress:
        found = zoo.find(asked.show_recipe, cache=asked.cache, progress=progress)
    show.out(zoo.recipe_text(found.recipe).rstrip("\n"))

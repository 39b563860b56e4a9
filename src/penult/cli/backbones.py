"""`penult backbones`: list the networks and what they cost, or download one ahead of time."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from penult.cli import options
from penult.cli.parser import Commands, command
from penult.i18n import N_, _
from penult.texts import printable

if TYPE_CHECKING:
    from penult.zoo import Listed

_HEADER = (
    "", N_("source"), N_("width"), N_("input"), N_("params"), "GMACs", "top-1", N_("images/s"), "", N_("license"),
)  # fmt: skip


def add(commands: Commands) -> None:
    """Add the command and its options."""
    p = command(
        commands,
        "backbones",
        run,
        _("list the backbones, or download one ahead of time"),
        _(
            "Without PATTERN: what is built in, and what was converted on this machine. With one, timm and Keras are "
            "searched\n"
            "too. images/s is what was measured on this machine; GMACs are 10^9 multiply-adds for one image."
        ),
        _("""
        penult backbones
        penult backbones 'resnet*'                       timm's and Keras's too, where they are installed
        penult backbones --fetch modern                  download now, work offline later
        """),
    )
    p.add_argument("pattern", nargs="?", metavar="PATTERN", help=_("part of a name, or a pattern such as 'resnet*'"))
    actions = p.group("Actions")
    actions.add_argument("--fetch", action="append", metavar="NAME", help=_("download and convert now; repeat for several"))
    actions.add_argument(
        "--show-recipe",
        metavar="NAME",
        help=_("print the preprocessing of a network, as the .recipe.json of an ONNX file (it is downloaded first)"),
    )
    options.add_cache(p, without=_("use no cache folder: converted networks are not listed"))
    p.group("Output").add_argument(
        "--precision",
        default="auto",
        choices=("auto", "f32", "f16", "bf16"),
        help=_("precision for which images/s are shown (default: auto)"),
    )
    options.add_output(p)


def run(args: argparse.Namespace) -> None:
    """List, download, or show the preprocessing."""
    if args.show_recipe:
        _show_recipe(args)
    elif args.fetch and args.cache is False:
        args.usage_error(_("--fetch keeps networks in the cache folder; leave --no-cache out"))
    elif args.fetch:
        _fetch(args)
    else:
        _list(args)


def _list(args: argparse.Namespace) -> None:
    from penult import zoo
    from penult.cli import output
    from penult.embed import EmbedOptions, speed

    rows = zoo.listing(args.pattern, args.cache)
    settings = EmbedOptions("auto", args.precision, args.cache)
    rates = [speed(r.backbone, settings) if r.backbone else None for r in rows]
    if args.json:
        output.as_json([{**row.to_dict(), "images_per_second": rate} for row, rate in zip(rows, rates, strict=True)])
        return
    output.out(
        output.table(
            [_(name) if name else "" for name in _HEADER], [_cells(row, rate) for row, rate in zip(rows, rates, strict=True)]
        )
    )
    if args.pattern is None:
        output.out(_("\npresets, for -b:"))
        for name, members in zoo.PRESETS.items():
            output.out(f"  {name}: {', '.join(members)}\n    {_(zoo.WHY[name])}")
        place = None if args.cache is False else settings.folder
        if place is not None:
            output.out(_("\nconverted networks are kept in {place}", place=printable(str(place / "backbones"))))
        output.out(
            _(
                "more: `penult backbones 'resnet*'` asks timm and Keras, `penult backbones 'hf:*'` names ONNX networks of "
                "the Hugging Face hub; where they are installed (penult[timm], penult[keras], penult[hub])"
            )
        )


def _cells(row: Listed, rate: float | None) -> list[str]:
    return [
        printable(row.name),
        _short(row.source.partition(";")[0]),
        _number(row.width),
        _number(row.size) + (f" {row.backbone.recipe.crop_mode}" if row.backbone else ""),
        "-" if row.params is None else f"{row.params / 1e6:.1f} M",
        "-" if row.gmacs is None else f"{row.gmacs:.2f}",
        "-" if row.top1 is None else f"{row.top1:.1f}%",
        "-" if rate is None else f"{rate:.0f}",
        {"built in": _("built in"), "cached": _("cached")}.get(row.state, ""),
        _short(row.license or "-"),
    ]


def _short(text: str) -> str:
    text = printable(text)
    return text if len(text) <= 50 else text[:49] + "…"


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)


def _fetch(args: argparse.Namespace) -> None:
    from penult import zoo
    from penult.cli import output

    done: list[dict[str, Any]] = []
    with output.progress(not args.quiet) as progress:
        for name in zoo.expand(args.fetch):
            backbone, folder = zoo.fetch(name, args.cache, progress)
            done.append({"name": backbone.name, "folder": None if folder is None else str(folder), "width": backbone.width})
    if args.json:
        output.as_json(done)
        return
    for one in done:
        said = {"name": printable(one["name"]), "width": one["width"], "folder": one["folder"]}
        if one["folder"]:
            output.out(_("{name}: {width} features, in {folder}", **said))
        else:
            output.out(_("{name}: {width} features, built in, nothing to download", **said))
    if any(one["folder"] for one in done):
        output.out(
            _("for a machine without internet: copy such a folder to <its cache>/backbones/ (the cache: `penult backbones`)")
        )


def _show_recipe(args: argparse.Namespace) -> None:
    from penult import zoo
    from penult.cli import output

    with output.progress(not args.quiet) as progress:
        found = zoo.find_backbone(args.show_recipe, cache=args.cache, progress=progress)
    output.out(zoo.recipe_text(found.recipe).rstrip("\n"))

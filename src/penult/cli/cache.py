"""`penult cache`: inspect, verify or prune the feature cache."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penult.cli import options
from penult.cli.parser import Commands, command
from penult.cli.stored import size
from penult.errors import InputError
from penult.i18n import N_, _, pgettext
from penult.texts import count

if TYPE_CHECKING:
    from penult.store.inventory import CacheItem, Damage, Inventory, Removal

SHOWN = 40  # lines of one kind in the terminal
DAMAGED = 1  # the exit code where --verify found damage, whether it was removed or not
_WHAT = {
    "backbones": N_("{n} converted networks: {size}"),
    "int8": N_("{n} networks in 8 bits: {size}"),
    "compiled": N_("{n} compiled graphs: {size}"),
    "similar": N_("{n} indexes of `penult similar`: {size}"),
    "speeds": N_("{n} measured speeds: {size}"),
    "demo": N_("{n} package of photos for `penult demo`: {size}"),
}
_HEADER = (
    N_("features of"), N_("engine"), "precision", N_("rows"), N_("shards"), N_("size"), N_("last used"),
)  # fmt: skip


def add(commands: Commands) -> None:
    """Add the command and its options."""
    p = command(
        commands,
        "cache",
        run,
        _("inspect, verify or prune the feature cache"),
        _(
            "Nothing in it is unique: what is removed, also while another command runs, is computed (or converted) again.\n"
            "--older and --max keep converted and 8-bit networks, which may need a download to be made again.\n"
            "Exit code 1 with --verify where anything was damaged."
        ),
        _("""
        penult cache
        penult cache --prune --max 5GB                   remove what was not used for longest
        """),
    )
    options.add_cache(p)
    actions = p.group("Actions")
    actions.add_argument(
        "--verify",
        action="store_true",
        help=_("read every file with every check, and remove what is damaged: it is computed again when it is wanted"),
    )
    actions.add_argument(
        "--prune",
        action="store_true",
        help=_("remove what killed processes left and what is visibly damaged, and what follows"),
    )
    actions.add_argument("--older", type=float, metavar="DAYS", help=_("with --prune: what was not used for so long"))
    actions.add_argument(
        "--max", metavar="SIZE", help=_("with --prune: until it is no larger (5GB), the least recently used first")
    )
    actions.add_argument(
        "--backbone",
        action="append",
        metavar="NAME",
        help=_("with --prune: all of a network (or 'resnet*'); repeat for several"),
    )
    actions.add_argument("--all", action="store_true", help=_("with --prune: everything that is penult's"))
    actions.add_argument("--dry-run", action="store_true", help=_("remove nothing, say what would go"))
    options.add_output(p)


def run(args: argparse.Namespace) -> int:
    """Show the cache, check it, or remove parts of it."""
    from penult import store
    from penult.cli import output
    from penult.store import inventory

    wishes = {
        "older": args.older,
        "most": None if args.max is None else size(args.max, "--max"),
        "backbones": tuple(args.backbone or ()),
        "everything": args.all,
    }
    if not args.prune and any(wish not in (None, (), False) for wish in wishes.values()):
        args.usage_error(_("--older, --max, --backbone and --all say what --prune removes; give it, too"))
    if args.older is not None and not args.older >= 0:
        raise InputError(_("--older {older:g} are no days; give 0 or more.", older=args.older))
    folder = store.default_cache() if args.cache is None else Path(args.cache)
    found = inventory.scan(folder)
    damages: list[Damage] = []
    removals: list[Removal] = []
    if args.verify:
        with output.progress(not args.quiet) as progress:
            damages = list(inventory.verify(found, lambda done, total: progress("reading", done, total)))
        removals = inventory.of_damage(damages)
    if args.prune:
        known = {path for one in removals for path in one.files}
        planned = inventory.plan(found, **wishes)
        removals += [one for one in planned if not known.issuperset(one.files)]
    free, kept = (0, []) if args.dry_run else inventory.carry_out(removals, folder)
    about = _about(found, damages, removals, free, kept, args)
    if args.json:
        output.as_json(about)
    elif args.verify or args.prune:
        _say_removed(found, damages, removals, about, args)
    else:
        _say(found)
    return DAMAGED if damages else 0


def human(count: float) -> str:
    """Return `1.2 GB`, in units of 1,000."""
    units = ["bytes", "kB", "MB", "GB", "TB"]
    while count >= 1000 and len(units) > 1:
        count, units = count / 1000, units[1:]
    return f"{count:.0f} {units[0]}" if units[0] == "bytes" or count >= 100 else f"{count:.1f} {units[0]}"


def _about(
    found: Inventory, damages: list[Damage], removals: list[Removal], free: int, kept: list[Path], args: argparse.Namespace
) -> dict[str, Any]:
    """Return everything as plain JSON values."""
    parts, small = {part: found.of(part) for part in _WHAT}, found.of("thumbnails")
    return {
        "folder": str(found.folder),
        "there": found.folder.is_dir(),
        "bytes": found.bytes,
        "features": [_row(entry) for entry in found.of("features")],
        "parts": {part: {"entries": len(some), "bytes": sum(e.bytes for e in some)} for part, some in parts.items()},
        "thumbnails": {"photos": sum(e.rows for e in small), "bytes": sum(e.bytes for e in small)},
        "networks": [{"name": e.name, "bytes": e.bytes, "used": _when(e.used)} for e in found.of("backbones")],
        "leftovers": len(found.leftovers),
        "being_written": len(found.writing),
        "not_penults": [str(path) for path in found.strange],
        "damaged": [{"file": str(one.path), "reason": one.reason} for one in damages],
        "removed": [{"path": str(one.path), "why": one.why, "bytes": one.bytes} for one in removals],
        "dry_run": args.dry_run,
        "freed": free,
        "not_removed": [str(path) for path in kept],
    }


def _row(entry: CacheItem) -> dict[str, Any]:
    facts = entry.facts
    told = {name: facts.get(name) for name in ("backbone", "engine", "precision", "width", "road")}
    counts = {"rows": entry.rows, "shards": entry.shards, "odd_shards": len(entry.odd), "bytes": entry.bytes}
    return {**told, **counts, "used": _when(entry.used), "key": entry.path.name}


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _say(found: Inventory) -> None:
    """Print the cache: a line for each network's rows, a line for each other part, the sum."""
    from penult.cli import output

    if not found.folder.is_dir():
        output.out(_("there is no cache yet; the first run makes it: {folder}", folder=output.printable(str(found.folder))))
        return
    output.out(_("cache: {folder}", folder=output.printable(str(found.folder))))
    rows = [
        [
            e.name or f"? ({e.path.name[:8]})", *(str(e.facts.get(name, "?")) for name in ("engine", "precision")),
            f"{e.rows:,}", f"{e.shards:,}", human(e.bytes), _when(e.used),
        ]
        for e in sorted(found.of("features"), key=lambda e: (e.name, -e.used))
    ]  # fmt: skip
    if rows:
        output.out(
            output.table([pgettext("of numbers", "precision") if name == "precision" else _(name) for name in _HEADER], rows)
        )
    if small := found.of("thumbnails"):
        photos = count(sum(entry.rows for entry in small), "photo")
        output.out(_("  thumbnails of {photos}: {size}", photos=photos, size=human(sum(entry.bytes for entry in small))))
    for part, what in _WHAT.items():
        if some := found.of(part):
            output.out("  " + _(what, n=len(some), size=human(sum(entry.bytes for entry in some))))
    output.out(_("total: {size}", size=human(found.bytes)) if found.items else _("it is empty"))
    if left := [*found.leftovers, *(path for e in found.of("features") for path in e.odd)]:
        output.out(
            _(
                "leftovers of killed processes, or damaged: {number} files; `penult cache --prune` removes them",
                number=len(left),
            )
        )
    if found.strange:
        names = ", ".join(output.printable(path.name) for path in found.strange[:3])
        if (more := len(found.strange) - 3) > 0:
            output.out(_("not penult's, left alone: {names} and {n} more", names=names, n=more))
        else:
            output.out(_("not penult's, left alone: {names}", names=names))


def _say_removed(
    found: Inventory, damages: list[Damage], removals: list[Removal], about: dict[str, Any], args: argparse.Namespace
) -> None:
    from penult.cli import output

    def below(path: Path) -> str:
        return output.printable(str(path.relative_to(found.folder)))

    if args.verify:
        files = sum(len(entry.files) for entry in found.items)
        said = {"files": files, "size": human(found.bytes), "n": len(damages)}
        if damages:
            output.out(_("{files:,} files with {size} were read: {n} damaged", **said))
        else:
            output.out(_("{files:,} files with {size} were read: none damaged", **said))
        _say_some([f"  {below(one.path)}: {output.printable(one.reason)}" for one in damages])
    names = {entry.path: _(" ({parts})", parts=output.printable(entry.name)) for entry in found.items if entry.name}
    if args.prune:
        line = _("  would go: {file}, {size}: {why}") if args.dry_run else _("  gone: {file}, {size}: {why}")
        each = ((f"{below(one.path)}{names.get(one.path, '')}", human(one.bytes), one) for one in removals)
        _say_some([line.format(file=file, size=size, why=output.printable(one.why)) for file, size, one in each])
    total = sum(one.bytes for one in removals)
    if args.dry_run:
        output.out(_("nothing was removed (--dry-run); without it {total} would be free", total=human(total)))
    elif removals:
        freed = human(about["freed"])
        if damages:
            output.out(_("{freed} are free; what was damaged is computed again when it is wanted", freed=freed))
        else:
            output.out(_("{freed} are free", freed=freed))
    elif args.prune:
        output.out(_("nothing had to be removed"))
    for path in about["not_removed"]:
        output.out(
            _("could not be removed (another's file, or a folder without permission): {path}", path=output.printable(path))
        )
    rest = found.bytes - total
    if args.max is not None and rest > size(args.max, "--max"):
        output.out(
            _(
                "{rest} stay, more than --max: converted networks and those in 8 bits go with --backbone NAME or --all",
                rest=human(rest),
            )
        )


def _say_some(lines: list[str]) -> None:
    from penult.cli import output

    for line in lines[:SHOWN]:
        output.out(line)
    if len(lines) > SHOWN:
        output.out(_("  and {number:,} more (--json lists all)", number=len(lines) - SHOWN))

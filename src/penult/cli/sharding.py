"""What commands on shards share: their options and those of Ray, who hands the shards out, and what was done."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

from penult.cli import options
from penult.cli.parser import Parser
from penult.errors import InputError, listed
from penult.i18n import N_, _
from penult.texts import count

if TYPE_CHECKING:
    from penult.cluster import ActorResources
    from penult.shards import Extractor, Runner, ShardsResult

_PART = re.compile(r"(\d+)/(\d+)")
_NAMED = 10  # unreadable images that are named
OPTIONS = ("part", "rows", "on", "actor")  # that only shards have


def add(p: Parser) -> argparse._ArgumentGroup:
    """Add the options of shards, and return their group."""
    group = p.group("Large data")
    group.add_argument("--part", metavar="I/N", help=_("do the I-th of N parts of the shards; parts may run at the same time"))
    group.add_argument("--rows", type=int, metavar="N", help=_("images of a shard (default: 1000)"))
    add_ray(p)
    return group


def add_ray(
    p: Parser,
    where: str = "",
    actor: str = "",
) -> None:
    """Add where shards are worked on, or rows are kept, with other helps than those for shards."""
    group = p.group("Large data")
    group.add_argument(
        "--on",
        metavar="WHERE",
        help=where
        or _(
            "run shards by Ray: ray (this machine, or the cluster that RAY_ADDRESS names, as inside a Ray job) or "
            "ray://HOST:PORT (default: in this process)"
        ),
    )
    group.add_argument(
        "--actor",
        nargs="+",
        metavar="K=V",
        help=actor
        or _(
            "what each of Ray's actors gets: cpus=4 gpus=0.5 memory=8GB, and max=N of them at once (default: up to 8 cores, "
            "as many actors as the cluster has room for)"
        ),
    )


def ray_asked(args: argparse.Namespace, *names: str) -> ActorResources | None:
    """Return what the actors of --on get, of these names or any; None where nothing runs on Ray. Raises `InputError`."""
    if args.on is None:
        if args.actor:
            raise InputError(_("--actor says what Ray's actors get, and nothing runs on Ray; give --on ray, too."))
        return None
    from penult.cluster import ActorResources

    return ActorResources.parse(args.actor or (), *names)


def part_of(text: str | None) -> tuple[int, int] | None:
    """Return which part of how many. Raises `InputError`."""
    if text is None:
        return None
    found = _PART.fullmatch(text)
    part = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= part[0] <= part[1]:
        raise InputError(_("--part {text!r} is no part of a whole; give one such as 3/20, the third of twenty.", text=text))
    return part


def runner(args: argparse.Namespace, make: type[Extractor]) -> Runner | None:
    """Return what hands out the shards; None: this process does them."""
    if (resources := ray_asked(args)) is None:
        return None
    from penult import cluster

    return cluster.ray_runner(args.on, make, resources)


def tell_failures(args: argparse.Namespace, done: ShardsResult) -> None:
    """Note which images could not be read, once all shards are there. Raises `TooManyBad` where more than was allowed."""
    from penult import shards
    from penult.cli import output

    made = done.manifest
    if made is None or not made.failed:
        return
    named = [(name, why) for name, why, _code in shards.open_features(args.out).failures(_NAMED)]
    cure = N_("remove it")
    each = [
        _("{n:,} {reason}: {cure}", n=n, reason=_(reason), cure=_(shards.CURES.get(reason, cure)))
        for reason, n in made.reasons.items()
    ]
    why = _("; ").join(each)
    which = output.note_failed(named, made.failed, made.images, why, _("Give others, and another --out."))
    options.embed_options(args).tolerance.check_count(made.failed, made.images, which)


def tell(args: argparse.Namespace, done: ShardsResult, part: tuple[int, int] | None, answers: bool = False) -> None:
    """Print what was done, and what is left of features, or of answers."""
    from penult.cli import output

    made = done.manifest
    if done.foreign:
        output.note(
            _(
                "note: {out} has files of no shard of the plan; they are left alone: {foreign}",
                out=args.out,
                foreign=listed(done.foreign),
            )
        )
    if args.json:
        all_counts = {"images": made.images, "embedded": made.embedded, "failed": made.failed} if made else {}
        output.as_json(
            {"written": args.out, "shards": done.planned, "done": done.done, "left": done.left, "complete": bool(made)}
            | all_counts
        )
        return
    if done.done:
        finished = {"shards": count(done.done, "shard"), "images": count(done.images, "image")}
        if done.images:
            speed = done.images / done.seconds
            output.out(_("{shards} of {images} done, {speed:.0f} images/s", **finished, speed=speed))
        else:
            output.out(_("{shards} of {images} done", **finished))
    if made is None:
        left = {"shards": count(done.left, "shard"), "planned": done.planned}
        here = _("{shards} of {planned:,} are not done yet. The same command again does what is missing", **left)
        elsewhere = _(
            "{shards} of {planned:,} are still with the other parts; who ends last writes manifest.json. The same command "
            "again does what is missing",
            **left,
        )
        output.out(here if part is None else elsewhere)
        return
    had = {"images": count(made.images, "image"), "embedded": made.embedded, "failed": made.failed}
    had |= {"how": f"{made.facts.engine}, {made.facts.precision}, {made.facts.dtype}"}
    output.out(
        _("{images}: {embedded:,} have answers, {failed:,} failed ({how})", **had)
        if answers
        else _("{images}: {embedded:,} have features, {failed:,} failed ({how})", **had)
    )
    output.out(
        _(
            "written: {out} ({shards}, {size:,.1f} MB)",
            out=output.printable(args.out),
            shards=count(made.shards, "shard"),
            size=made.size / 1e6,
        )
    )

"""`penult similar`: find similar photos."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from penult.cli import options
from penult.cli.parser import Commands, command
from penult.i18n import _

if TYPE_CHECKING:
    from penult.similar import Neighbor, Neighbors


def add(commands: Commands) -> None:
    """Add the command and its options."""
    p = command(
        commands,
        "similar",
        run,
        _("find similar photos"),
        _(
            "Cosine similarity of the features that the model uses: 1.000 is the same, and the very picture is marked `same\n"
            "photo`. Exact; for very many photos an index is made in the cache, once."
        ),
        _("""
        penult similar run photo.jpg -n 5
        """),
    )
    p.add_argument("run", metavar="RUN", help=_("run folder of `penult train`"))
    p.add_argument("photos", nargs="+", metavar="PHOTO", help=_("photos, or folders of them"))
    p.group("Output").add_argument("-n", type=int, default=10, metavar="N", help=_("how many for each photo (default: 10)"))
    p.group("Output").add_argument("--csv", metavar="FILE", help=_("write photo,rank,file,part,label,similarity,same_photo"))
    options.add_compute(p)


def run(args: argparse.Namespace) -> None:
    """Find the photos of a run that are most similar to each given one."""
    from penult import images, similar, store
    from penult.cli import output

    if args.csv:
        store.check_output_file(args.csv, store.CSV, "--csv")
    found = images.scan_unlabelled(args.photos)
    with output.progress(not args.quiet) as progress:
        answers = similar.similar(args.run, found.sources, args.n, options.embed_options(args), progress, found.ids)
    output.tell_unreadable(found.ids, {i: one.failure for i, one in enumerate(answers) if one.failure is not None})
    if args.csv:
        similar.write_csv(args.csv, answers)
    if args.json:
        output.as_json([one.to_dict() for one in answers])
    elif args.csv:
        bad = sum(one.failure is not None for one in answers)
        output.out(
            _(
                "the photos most like {number} photos written to {csv}; {bad} unreadable",
                number=len(answers),
                csv=output.printable(args.csv),
                bad=bad,
            )
        )
    else:
        for one in answers:
            _show(one)


def _show(one: Neighbors) -> None:
    from penult.cli import output

    photo = output.printable(one.photo)
    output.out(_("{photo}  (unreadable: {reason})", photo=photo, reason=_(one.failure.reason)) if one.failure else photo)
    for other in one.found:
        output.out(_line(other))


def _line(other: Neighbor) -> str:
    from penult.cli import output

    label = output.printable(other.label) if other.label is not None else "-"
    same = _("  same photo") if other.same else ""
    return f"  {other.similarity:.3f}  {label}  {other.part}  {output.printable(other.file)}{same}"

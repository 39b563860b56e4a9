"""`penult diff`: what changed from one run to another."""

from __future__ import annotations

import argparse

from penult.cli import options
from penult.cli.parser import Commands, command
from penult.i18n import _


def add(commands: Commands) -> None:
    """Add the command and its options."""
    p = command(
        commands,
        "diff",
        run,
        _("show what changed from one run to another"),
        _(
            "The score with a paired interval on the photos that both runs measured, the photos that became right or "
            "wrong, the\n"
            "labels, photos, classes and settings that differ. Photos are known again by their bytes, whatever their "
            "names. Runs\n"
            "that `penult train` kept beside a new one are RUN.1, RUN.2, ... The answer calls RUN1 the former run\n"
            "and RUN2 the present one."
        ),
        _("""
        penult diff penult-run.1 penult-run
        """),
    )
    p.add_argument("former", metavar="RUN1", help=_("run folder of `penult train`"))
    p.add_argument("present", metavar="RUN2", help=_("run folder that is compared with it"))
    options.add_output(p)


def run(args: argparse.Namespace) -> None:
    """Compare two runs."""
    from penult import training
    from penult.cli import output

    found = training.compare_runs(args.former, args.present)
    if args.json:
        output.as_json(found.to_dict())
        return
    for line in found.lines():
        output.out(line)

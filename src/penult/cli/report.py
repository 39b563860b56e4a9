"""`penult report`: rebuild a run's HTML report."""

from __future__ import annotations

import argparse
from pathlib import Path

from penult.cli import options
from penult.cli.parser import Commands, command
from penult.i18n import _, ngettext


def add(commands: Commands) -> None:
    """Add the command and its options."""
    p = command(
        commands,
        "report",
        run,
        _("rebuild a run's HTML report"),
        _(
            "`train` wrote RUN/report.html already; after an update of penult, or when photos moved, this writes it again.\n"
            "It is one file that needs no internet access: send it, print it, open it on a phone."
        ),
        _("""
        penult report run
        penult report run --photos D:/photos             the training photos were moved there
        """),
    )
    p.add_argument("run", metavar="RUN", help=_("run folder of `penult train`"))
    p.group("Data").add_argument(
        "--photos", metavar="DIR", help=_("where the training photos are now (default: where they were)")
    )
    options.add_output(p)


def run(args: argparse.Namespace) -> None:
    """Write the report again."""
    from penult import report
    from penult.cli import output
    from penult.report.thumbnails import TEST, TRAIN

    with output.progress(not args.quiet) as progress:
        path, missing = report.rebuild(Path(args.run), args.photos, progress)
    if args.json:
        output.as_json({"report": str(path), "photos_gone": missing.total()})
        return
    output.out(_("written: {path}", path=output.printable(str(path))))
    if missing[TRAIN]:
        output.out(
            ngettext(
                "{n:,} training photo not found; it is shown without a picture (--photos DIR: where the training photos are "
                "now)",
                "{n:,} training photos not found; they are shown without a picture (--photos DIR: where the training photos "
                "are now)",
                missing[TRAIN],
            )
        )
    if missing[TEST]:
        output.out(
            ngettext(
                "{n:,} test photo not found; it is shown without a picture",
                "{n:,} test photos not found; they are shown without a picture",
                missing[TEST],
            )
        )

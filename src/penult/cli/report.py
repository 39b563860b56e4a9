"""`penult report`: rebuild a run's HTML report."""

from __future__ import annotations

import argparse
from pathlib import Path

from penult.cli import options
from penult.cli.parser import Commands, command
from penult.texts import count


def add(commands: Commands) -> None:
    """Add the command and its options."""
    p = command(
        commands,
        "report",
        run,
        "rebuild a run's HTML report",
        "`train` wrote RUN/report.html already; after an update of penult, or when photos moved, this writes it again.\n"
        "It is one file that needs no internet access: send it, print it, open it on a phone.",
        """
        penult report run
        penult report run --photos D:/photos             the training photos were moved there
        """,
    )
    p.add_argument("run", metavar="RUN", help="run folder of `penult train`")
    p.group("Data").add_argument(
        "--photos", metavar="DIR", help="where the training photos are now (default: where they were)"
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
    output.out(f"written: {output.printable(str(path))}")
    if missing[TRAIN]:
        output.out(f"{_where(missing[TRAIN], 'training photo')} (--photos DIR: where the training photos are now)")
    if missing[TEST]:
        output.out(_where(missing[TEST], "test photo"))


def _where(number: int, photo: str) -> str:
    """Return `3 training photos not found; they are shown without a picture`."""
    return f"{count(number, photo)} not found; {'it is' if number == 1 else 'they are'} shown without a picture"

"""`penult audit`: turn the words into one call, and print what was found; or move what a list says.

Its words are read by `penult --help`: nothing heavy is imported before the command runs.
"""

from __future__ import annotations

import argparse
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penult.audit import Finding

SHOWN = 10  # lines of one kind in the terminal


def audit(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> None:
    """`penult audit`."""
    from penult import store
    from penult.cli import show
    from penult.cli.commands import _options
    from penult.texts import count
    from penult.training import audit_alone, relabel

    if asked.apply is not None:
        if asked.test or asked.csv:
            parser.error("--apply moves photos of TRAIN and does nothing else; leave --test and --csv out")
        moved = relabel.apply(asked.train, asked.apply)
        show.as_json({"moved": moved}) if asked.json else show.out(f"{count(moved, 'photo')} moved")
        return
    if asked.csv is not None:
        store.check_output_file(asked.csv, store.CSV, "--csv")
    with show.progress(not asked.quiet) as progress:
        done = audit_alone.audit_photos(asked.train, asked.test, _options(asked, "penult-run"), progress)
    if asked.csv is not None:
        audit_alone.write(asked.csv, done.findings)
    if asked.json:
        show.as_json({**done.summary, "findings": [one.to_dict() for one in done.findings], "notes": list(done.notes)})
        return
    for text in done.notes:
        show.out(f"note: {show.printable(text)}")
    if not done.findings:
        show.out("nothing was found")
    for kind, several in groupby(done.findings, key=lambda one: one.kind):
        found = list(several)
        show.out(f"{kind}: {len(found):,}")
        for one in found[:SHOWN]:
            beside = f" ({show.printable(one.related)})" if one.related else ""
            words = f"{one.reason}; {one.suggestion}"
            show.out(f"  {one.score:.2f}  {show.printable(_named(one))}{beside}: {show.printable(words)}")
        if len(found) > SHOWN:
            show.out(f"  {len(found) - SHOWN} more" + ("" if asked.csv else "; --csv FILE lists all"))
    if asked.csv is not None:
        show.out(f"written to {show.printable(asked.csv)}")


def _named(one: Finding) -> str:
    return f"class {one.file}" if one.about == "class" else one.file


def add_arguments(p: argparse.ArgumentParser) -> None:
    """Add the words of `penult audit` that no other command has."""
    p.add_argument("train", metavar="TRAIN", help="labelled images")
    p.add_argument("--test", metavar="DIR", help="test images, which must not be in TRAIN")
    p.add_argument("--csv", metavar="FILE", help="write kind,file,related,score,reason,suggestion")
    p.add_argument("--apply", metavar="MOVES.csv", help="move the photos of a list (file,to; below TRAIN) and do nothing else")

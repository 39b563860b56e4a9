"""`penult similar`: turn the words into one call, and print the photos found, the most similar first."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from penult.cli import show, unreadable

if TYPE_CHECKING:
    from penult.similar import Neighbour, Neighbours


def similar(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> None:
    """`penult similar`."""
    from penult import images, store
    from penult import similar as room
    from penult.cli.commands import settings

    if asked.csv:
        store.check_output_file(asked.csv, store.CSV, "--csv")
    found = images.scan_unlabelled(asked.photos)
    with show.progress(not asked.quiet) as progress:
        answers = room.similar(asked.run, [i.path for i in found.images], asked.n, settings(asked), progress, found.ids)
    unreadable.tell(found.ids, {i: one.failure for i, one in enumerate(answers) if one.failure is not None})
    if asked.csv:
        room.write_csv(asked.csv, answers)
    if asked.json:
        show.as_json([one.to_dict() for one in answers])
    elif asked.csv:
        bad = sum(one.failure is not None for one in answers)
        show.out(f"the photos most like {len(answers)} photos written to {show.printable(asked.csv)}; {bad} unreadable")
    else:
        for one in answers:
            _show(one)


def _show(one: Neighbours) -> None:
    why = f"  (unreadable: {one.failure.reason})" if one.failure else ""
    show.out(f"{show.printable(one.photo)}{why}")
    for other in one.found:
        show.out(_line(other))


def _line(other: Neighbour) -> str:
    label = show.printable(other.label) if other.label is not None else "-"
    same = "  same photo" if other.same else ""
    return f"  {other.similarity:.3f}  {label}  {other.part}  {show.printable(other.file)}{same}"

"""`penult report`: turn the words into one call, and say where the page is."""

from __future__ import annotations

import argparse
from pathlib import Path

from penult.cli import show
from penult.texts import count


def report(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> None:
    """`penult report`."""
    from penult import report as room
    from penult.report.thumbnails import TEST, TRAIN

    with show.progress(not asked.quiet) as progress:
        path, gone = room.rebuild(Path(asked.run), asked.photos, progress)
    if asked.json:
        show.as_json({"report": str(path), "photos_gone": gone.total()})
        return
    show.out(f"written: {show.printable(str(path))}")
    if gone[TRAIN]:
        show.out(f"{_where(gone[TRAIN], 'training photo')} (--photos DIR: where the training photos are now)")
    if gone[TEST]:
        show.out(_where(gone[TEST], "test photo"))


def _where(number: int, photo: str) -> str:
    is_, they, their = ("is", "it was", "its place says") if number == 1 else ("are", "they were", "their places say")
    return f"{count(number, photo)} {is_} not where {they}; {their} so"

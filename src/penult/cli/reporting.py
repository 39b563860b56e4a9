"""`penult report`: turn the words into one call, and say where the page is."""

from __future__ import annotations

import argparse
from pathlib import Path

from penult.cli import show


def report(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> None:
    """`penult report`."""
    from penult import report as room

    with show.progress(not asked.quiet) as say:
        path, gone = room.again(Path(asked.run), asked.photos, say)
    if asked.json:
        show.as_json({"report": str(path), "photos_gone": gone})
        return
    show.out(f"written: {show.printable(str(path))}")
    if gone:
        show.out(
            f"{gone} photos are not where they were; their places say so (--photos DIR: where the training photos are now)"
        )

"""`penult doctor`: turn the words into one call, and print each check as it is done.

Its words are read by `penult --help`: nothing heavy is imported before the command runs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

FAILED = 1  # the exit code where anything fails


def doctor(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> int:
    """`penult doctor`."""
    from penult import __version__
    from penult import doctor as room
    from penult.cli import show

    runs = [Path(run) for run in asked.runs]
    cache = None if asked.cache is None else Path(asked.cache)
    done = []
    for check in room.examine_runs(runs) if runs else room.examine(cache, asked.offline):
        done.append(check)
        if not asked.json:
            cure = f"; {check.cure}" if check.cure else ""
            show.out(f"{check.state:<4}  {check.name:<{room.WIDEST}}  {show.printable(check.said + cure)}".rstrip())
            sys.stdout.flush()
    failed = sum(check.state == room.FAIL for check in done)
    warned = sum(check.state == room.WARN for check in done)
    if asked.json:
        show.as_json({"penult": __version__, "failed": failed, "warned": warned, "checks": [one.to_dict() for one in done]})
    elif failed:
        show.out(f"{failed} of {len(done)} checks failed")
    else:
        show.out("nothing failed" + (f", {warned} to look at (warn)" if warned else ""))
    return FAILED if failed else 0


def add_arguments(p: argparse.ArgumentParser) -> None:
    """Add the words of `penult doctor`."""
    p.add_argument("runs", nargs="*", metavar="RUN", help="run folders to check, instead of the installation")
    p.add_argument("--cache", metavar="DIR", help="cache folder (default: the user's)")
    p.add_argument("--offline", action="store_true", help="do not ask whether the hub of weights can be reached (3 seconds)")
    p.add_argument("--json", action="store_true", help="one JSON object on standard output instead of text")

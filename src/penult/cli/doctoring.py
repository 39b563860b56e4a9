"""`penult doctor`: turn the words into one call, and print each check as it is done.

Its words are read by `penult --help`: nothing heavy is imported before the command runs.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

FAILED = 1  # the exit code where anything fails


def doctor(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> int:
    """`penult doctor`; not by way of `show`, which loads what may be broken."""
    from penult import __version__
    from penult import doctor as room

    runs = [Path(run) for run in asked.runs]
    cache = None if asked.cache is None else Path(asked.cache)
    done = []
    for check in room.examine_runs(runs) if runs else room.examine(cache, asked.offline):
        done.append(check)
        if not asked.json:
            words = f"{check.said}; {check.cure}" if check.cure else check.said
            print(f"{check.state:<4}  {check.name:<{room.WIDEST}}  {_printable(words)}", flush=True)
    failed = sum(check.state == room.FAIL for check in done)
    warned = sum(check.state == room.WARN for check in done)
    if asked.json:
        checks = [check.to_dict() for check in done]
        print(json.dumps({"penult": __version__, "failed": failed, "warned": warned, "checks": checks}))
    elif failed:
        print(f"{failed} of {len(done)} checks failed")
    else:
        print("nothing failed" + (f", {warned} to look at (warn)" if warned else ""))
    return FAILED if failed else 0


def _printable(text: str) -> str:
    """Return a text on one line that any terminal shows: what is not printable as an escape."""
    plain = "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
    return plain.encode(sys.stdout.encoding or "utf-8", "backslashreplace").decode(sys.stdout.encoding or "utf-8")


def add_arguments(p: argparse.ArgumentParser) -> None:
    """Add the words of `penult doctor`."""
    p.add_argument("runs", nargs="*", metavar="RUN", help="run folders to check, instead of the installation")
    p.add_argument("--cache", metavar="DIR", help="cache folder (default: the user's)")
    p.add_argument("--offline", action="store_true", help="do not ask whether the hub of weights can be reached (3 seconds)")
    p.add_argument("--json", action="store_true", help="one JSON object on standard output instead of text")

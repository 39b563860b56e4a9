"""`penult doctor`: check the installation or a run and suggest fixes.

It loads nothing that a broken library could break.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from penult.cli import options, process
from penult.cli.parser import Commands, command
from penult.i18n import _
from penult.texts import padded, printable

if TYPE_CHECKING:
    from penult.doctor import Check

FAILED = 1  # the exit code where anything fails


def add(commands: Commands) -> None:
    """Add the command and its options."""
    p = command(
        commands,
        "doctor",
        run,
        _("check the installation or a run and suggest fixes"),
        _(
            "One line for each check: ok, note (good to know), warn, or FAIL, and what to do. Exit code 1 where anything "
            "fails.\n"
            "With RUN: every file of a run folder against the sha256 in its metrics.json, and its model's samples; of "
            "features\n"
            "in shards (`penult embed --out`) every file against the sha256 in manifest.json."
        ),
        _("""
        penult doctor
        penult doctor run                                is a run folder complete and unchanged?
        """),
    )
    p.add_argument(
        "runs", nargs="*", metavar="RUN", help=_("run folders, or features in shards, to check instead of the installation")
    )
    options.add_cache(p)
    p.group("Machine").add_argument(
        "--offline", action="store_true", help=_("do not ask whether the hub of weights can be reached (3 seconds)")
    )
    options.add_output(p)


def run(args: argparse.Namespace) -> int:
    """Print each check as soon as it is done."""
    import json

    from penult import __version__, doctor

    runs = [run if "://" in run else Path(run) for run in args.runs]
    cache = None if args.cache is None else Path(args.cache)
    done = []
    for check in doctor.examine_runs(runs) if runs else doctor.examine(cache, args.offline):
        done.append(check)
        if args.quiet and check.state == doctor.FAIL:
            process.error_line(f"penult: {doctor.shown(check.name)}: {_on_one_line(_said(check))}")
        if not args.json and not args.quiet:
            state, name = padded(doctor.shown(check.state), 4), padded(doctor.shown(check.name), doctor.WIDEST)
            print(f"{state}  {name}  {_on_one_line(_said(check))}", flush=True)
    failed = sum(check.state == doctor.FAIL for check in done)
    warned = sum(check.state == doctor.WARN for check in done)
    if args.json:
        checks = [check.to_dict() for check in done]
        print(json.dumps({"penult": __version__, "failed": failed, "warned": warned, "checks": checks}))
    elif args.quiet:
        pass
    elif failed:
        print(_("{failed} of {checks} checks failed", failed=failed, checks=len(done)))
    elif warned:
        print(_("nothing failed, {n} to look at (warn)", n=warned))
    else:
        print(_("nothing failed"))
    return FAILED if failed else 0


def _said(check: Check) -> str:
    return _("{what}; {cure}", what=check.said, cure=check.cure) if check.cure else check.said


def _on_one_line(text: str) -> str:
    """Return a text on one line, in what the encoding of standard output has."""
    encoding = sys.stdout.encoding or "utf-8"
    return printable(text).encode(encoding, "backslashreplace").decode(encoding)

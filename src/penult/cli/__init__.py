"""The command line: parse, one call, print. The only room that prints; a `PenultError` becomes one line and exit code 1."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from penult.cli.parser import build
from penult.errors import PenultError

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = build()
    if "_ARGCOMPLETE" in os.environ:  # a shell asks what could come next
        from penult.cli.completion import complete

        complete(parser)
    asked = parser.parse_args(argv)
    try:
        code: int | None = _command(asked.command)(parser, asked)
        sys.stdout.flush()
    except PenultError as error:
        text = str(error).encode("utf-8", "backslashreplace").decode()
        print(f"penult: {' '.join(text.split())}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "penult: interrupted; features computed so far are in the cache, run the same command again to go on.",
            file=sys.stderr,
        )
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output went away: `penult predict ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code or 0


def _command(name: str) -> Any:
    """Return the function of a command; that of `doctor` loads nothing that a broken library could break."""
    if name == "doctor":
        from penult.cli import doctoring

        return doctoring.doctor
    from penult.cli import commands

    return getattr(commands, name)

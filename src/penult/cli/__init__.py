"""The command line: parse, one call, print. The only room that prints; a `PenultError` becomes one line and exit code 1."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

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
    from penult.cli import commands, show

    show.any_name()
    try:
        getattr(commands, asked.command)(parser, asked)
        sys.stdout.flush()
    except PenultError as error:
        show.note(f"penult: {' '.join(str(error).split())}")
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
    return 0

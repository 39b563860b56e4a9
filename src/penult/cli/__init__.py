"""The command line: parse, one call, print. The only room that prints; every error becomes one line and an exit code."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from penult.cli import mishaps, streams
from penult.cli.parser import build
from penult.errors import OutputError, PenultError
from penult.texts import printable

INTERRUPTED, TERMINATED = 130, 143  # 128 and the number of the signal, as a shell has it


class _Terminated(KeyboardInterrupt):
    """The system, or a scheduler, wants this process to end: as with Ctrl-C, what is computed is kept first."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    if argv is None:  # started as a command, not called by a program
        streams.in_utf8()
    streams.complete()
    try:
        return _run(argv)
    finally:
        streams.settle()


def _run(argv: Sequence[str] | None) -> int:
    parser = build()
    if "_ARGCOMPLETE" in os.environ:  # a shell asks what could come next
        from penult.cli.completion import complete

        complete(parser)
    asked = None
    try:
        asked = _parsed(parser, argv)
        if told := mishaps.too_little():
            return _say(told, 1)
        with _terminable():
            code: int | None = _command(asked.command)(parser, asked)
            sys.stdout.flush()
    except PenultError as error:
        return _say(" ".join(str(error).split()), error.exit_code)
    except KeyboardInterrupt as error:
        how = "ended from outside" if isinstance(error, _Terminated) else "interrupted"
        kept = "features computed so far are in the cache, run the same command again to go on"
        if getattr(asked, "cache", None) is False:
            kept = "no features are kept (--no-cache), the same command begins anew"
        return _say(f"{how}; {kept}.", TERMINATED if isinstance(error, _Terminated) else INTERRUPTED)
    except BrokenPipeError:  # the reader of our output went away: `penult predict ... | head`
        streams.silence(sys.stdout, 1)
        return 1
    except Exception as error:
        if mishaps.is_debugging():
            raise
        return _mishap(error)
    return code or 0


def _parsed(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> argparse.Namespace:
    """Return what was asked for; `--help` and `--version` are written before they end the command, as any other output is."""
    try:
        return parser.parse_args(argv)
    except SystemExit:
        sys.stdout.flush()
        raise


def _mishap(error: Exception) -> int:
    """Say in one line what no room expects, and return the exit code."""
    if mishaps.is_memory(error):
        return _say(mishaps.NO_MEMORY, 1)
    if isinstance(error, OSError):  # the system refuses something, such as to print on a full disk
        return _refused(error)
    if isinstance(error, ImportError):
        return _say(mishaps.broken_library(error), 1)
    return _say(mishaps.bug(error), 1)


def _say(text: str, code: int) -> int:
    """Write a line to standard error, as any terminal shows it, and return the code; imports nothing that may be broken."""
    streams.error_line(f"penult: {printable(text)}")
    return code


def _command(name: str) -> Any:
    """Return the function of a command; that of `doctor` loads nothing that a broken library could break."""
    if name == "doctor":
        from penult.cli import doctoring

        return doctoring.doctor
    from penult.cli import commands, show

    show.any_name()
    return getattr(commands, name)


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end the command as Ctrl-C does; in the main thread only, since no other may ask for signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(*_: object) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _refused(error: OSError) -> int:
    place = "standard output"
    if error.filename is None:
        streams.silence(sys.stdout, 1)
    else:
        place = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else str(error.filename)
    what = error.strerror or str(error)
    return _say(f"{place}: {what}; make room, or choose another place, and run it again.", OutputError.exit_code)

"""The command line: parse, one call, print. The only room that prints; a `PenultError` becomes one line and exit code 1."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from penult.cli.parser import build
from penult.errors import OutputError, PenultError

INTERRUPTED, TERMINATED = 130, 143  # 128 and the number of the signal, as a shell has it


class _Terminated(KeyboardInterrupt):
    """The system, or a scheduler, wants this process to end: as with Ctrl-C, what is computed is kept first."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = build()
    if "_ARGCOMPLETE" in os.environ:  # a shell asks what could come next
        from penult.cli.completion import complete

        complete(parser)
    asked = parser.parse_args(argv)
    try:
        with _terminable():
            code: int | None = _command(asked.command)(parser, asked)
            sys.stdout.flush()
    except PenultError as error:
        from penult.cli import show

        show.note(f"penult: {' '.join(str(error).split())}")
        return error.exit_code
    except MemoryError:
        print(
            "penult: there is not enough memory for this; features computed so far are in the cache. Close other programs, or "
            "give fewer images or networks at once.",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt as error:
        how = "ended from outside" if isinstance(error, _Terminated) else "interrupted"
        print(
            f"penult: {how}; features computed so far are in the cache, run the same command again to go on.", file=sys.stderr
        )
        return TERMINATED if isinstance(error, _Terminated) else INTERRUPTED
    except BrokenPipeError:  # the reader of our output went away: `penult predict ... | head`
        _silence()
        return 1
    except OSError as error:  # the system refuses something that no room expects, such as to print on a full disk
        _refused(error)
        return OutputError.exit_code
    return code or 0


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


def _refused(error: OSError) -> None:
    from penult.cli.show import printable

    place = "standard output"
    if error.filename is None:
        _silence()
    else:
        place = printable(os.fsdecode(error.filename))
    what = error.strerror or str(error)
    print(f"penult: {place}: {what}; make room, or choose another place, and run it again.", file=sys.stderr)


def _silence() -> None:
    """Let nothing more be written to standard output: Python tries once again when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

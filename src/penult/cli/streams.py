"""Standard input, output and error as a command finds them: closed, missing, full, or with a reader that went away.

In: `sys`. Out: streams that can be used. Imports nothing heavy, and nothing that a broken library could break.
"""

from __future__ import annotations

import codecs
import os
import sys
from contextlib import suppress
from typing import TextIO


def complete() -> None:
    """Let there be all three: what is closed or missing (pythonw, services, `>&-`) reads nothing and drops what is written.

    The descriptors 0, 1 and 2 are taken as well, so that no file that is opened later gets such a number: what a library
    writes to standard error would go into it.
    """
    with suppress(OSError):
        while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
            os.set_inheritable(number, True)
        os.close(number)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if unusable(getattr(sys, name, None)):
            with suppress(OSError):
                setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - for as long as we live


def in_utf8() -> None:
    """Begin again in Python's UTF-8 mode where names of files would be read as ASCII (the POSIX locale: cron, containers).

    Names are bytes, in UTF-8 nearly everywhere; read as ASCII, "Bäume" is another class than in a model that was trained in
    another locale, and a list in UTF-8 names files that are not there. The process stays the same one. Where there is no
    Python to go on with, it goes on as it is.
    """
    if sys.flags.utf8_mode or codecs.lookup(sys.getfilesystemencoding()).name != "ascii":
        return
    from penult.errors import PenultError
    from penult.worker import interpreter

    with suppress(OSError, PenultError):
        python = interpreter()
        os.execve(python, [python, "-X", "utf8", *sys.orig_argv[1:]], {**os.environ, "PYTHONUTF8": "1"})


def unusable(stream: TextIO | None) -> bool:
    """Return whether a standard stream is not there, or closed."""
    return stream is None or bool(getattr(stream, "closed", False))


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether somebody looks at a stream in a terminal."""
    if stream is None:
        return False
    try:
        return bool(stream.isatty())
    except (AttributeError, OSError, ValueError):  # a stand-in without it, or closed
        return False


def error_line(text: str) -> None:
    """Write a line to standard error; one that cannot be written there is no reason to stop."""
    write_error(f"{text}\n")


def write_error(text: str) -> None:
    """Write to standard error, with the line end that is in the text, or none."""
    try:
        print(text, end="", file=sys.stderr, flush=True)
    except (OSError, ValueError):  # a full disk, a reader that went away, closed
        silence(sys.stderr, 2)


def settle() -> None:
    """Try for the last time to write what waits for standard error, and let go what cannot be written."""
    try:
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        silence(sys.stderr, 2)


def silence(stream: TextIO | None, descriptor: int) -> None:
    """Let nothing more be written to a stream: Python tries once again when it ends."""
    with suppress(OSError, ValueError, AttributeError):
        number = stream.fileno() if stream is not None else descriptor
        hole = os.open(os.devnull, os.O_WRONLY)
        os.dup2(hole, number)
        os.close(hole)

"""What is around a command: standard streams that may be closed, missing or full, and exceptions that nobody expected.

Imports nothing heavy, and nothing that a broken library could break.
"""

from __future__ import annotations

import codecs
import errno
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from penult.i18n import N_, _


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


NO_MEMORY = N_(
    "there is not enough memory for this. Close other programs, allow more (ulimit -v, the container's limit), or give fewer "
    "images or networks at once; features computed so far are kept."
)
# How libraries say that memory, or room for a thread, could not be had: C++, the loader, OpenBLAS, OpenVINO, Python.
_SAID = (
    "bad_alloc", "bad alloc", "cannot allocate memory", "failed to map segment", "can't start new thread", "out of memory",
    "resource temporarily unavailable", "not enough memory", "memory allocation", "unable to allocate", "failed to allocate",
    "thread constructor failed", "cannot apply additional memory protection",
)  # fmt: skip

_LEAST = 400 << 20  # bytes of address space: below, OpenBLAS may wait for ever for memory that it does not get


def too_little() -> str:
    """Return what to say where a limit (ulimit -v) leaves too little memory to load numpy; nothing otherwise."""
    from penult import system

    limits = system.limits("RLIMIT_AS")
    return _(NO_MEMORY) if limits is not None and 0 <= limits[0] < _LEAST else ""


def is_memory(error: BaseException) -> bool:
    """Return whether an exception, or one that led to it, says that memory is used up."""
    return any(
        isinstance(one, MemoryError)
        or (isinstance(one, OSError) and one.errno in (errno.ENOMEM, errno.EAGAIN))
        or (isinstance(one, Exception) and any(words in str(one).lower() for words in _SAID))
        for one in _chain(error)
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or found.__context__


def broken_library(error: ImportError) -> str:
    """Return what to say of a library that cannot be imported."""
    from penult.errors import distribution

    what = error.name or _("a library")
    if isinstance(error, ModuleNotFoundError) and distribution() == "penult-runtime":
        return _(
            "{what} is not installed: this is penult-runtime, which predicts and serves. For all else install penult in an "
            "environment of its own: pip install penult",
            what=what,
        )
    return _(
        "{what} cannot be imported ({why}); `penult doctor` says which library is broken, and what to install.",
        what=what,
        why=_short(error),
    )


def bug(error: Exception) -> str:
    """Return what to say of an exception that is nobody's fault but penult's."""
    return _(
        "internal error: {kind}: {error} (at {where}). This is a bug in penult: please report it with this line and the "
        "command; with the environment variable PENULT_DEBUG=1 the traceback is shown.",
        kind=type(error).__name__,
        error=_short(error),
        where=_where(error),
    )


def is_debugging() -> bool:
    """Return whether the user wants to see tracebacks."""
    return os.environ.get("PENULT_DEBUG", "") not in ("", "0")


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else f"{text[:300]}..."


def _where(error: BaseException) -> str:
    """Return file and line, in penult where the way to the error leads through it."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if f"{os.sep}penult{os.sep}" in f.filename]
    if not frames:
        return "?"
    last = (ours or list(frames))[-1]
    parts = Path(last.filename).parts
    at = len(parts) - parts[::-1].index("penult") - 1 if "penult" in parts else len(parts) - 1
    return f"{'/'.join(parts[at:])}:{last.lineno}"

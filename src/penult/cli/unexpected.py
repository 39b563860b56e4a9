"""What went wrong that nobody expected, in one line: too little memory, a library that cannot be loaded, a bug of ours.

In: an exception. Out: a text. Imports nothing heavy, and nothing that a broken library could break.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

NO_MEMORY = (
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
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    except (ImportError, OSError):  # Windows has no such limit
        return ""
    return NO_MEMORY if 0 <= limit < _LEAST else ""


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
    what = error.name or "a library"
    return f"{what} cannot be imported ({_short(error)}); `penult doctor` says which library is broken, and what to install."


def bug(error: Exception) -> str:
    """Return what to say of an exception that is nobody's fault but penult's."""
    return (
        f"internal error: {type(error).__name__}: {_short(error)} (at {_where(error)}). This is a bug in penult: please "
        "report it with this line and the command; with the environment variable PENULT_DEBUG=1 the traceback is shown."
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

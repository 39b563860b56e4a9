"""Work done in a process of its own: because it may crash, or because there is a second core.

In: what Python is to run, and things to work on. Out: answers.
"""

from __future__ import annotations

import functools
import importlib
import logging
import os
import pickle
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from penult import system
from penult.errors import OutputError, PenultError, what_and_cure
from penult.i18n import _

log = logging.getLogger(__name__)

Work = Callable[[Iterator[Any]], Iterator[Any]]

_PYTHON = re.compile(r"(python|pypy|graalpy)w?[0-9.]*t?(\.exe)?", re.IGNORECASE)  # what an interpreter's file is called
_PATIENCE = 20.0  # seconds that a Python may take to say its version


class Crashed(Exception):
    """The process died before it had answered; the text is its exit code."""


class NoInterpreter(OutputError):
    """There is no Python to start: this one is part of another program, or its file is not known."""


def interpreter() -> str:
    """Return the path of a Python that can work beside this process. Raises `NoInterpreter`.

    It is `sys.executable` wherever that is a Python. Inside another program (a game engine, a web server, Windows services)
    it is None, empty, or that program, which must not be started again: then the Python that this one belongs to is taken,
    if it is there and of the same version.
    """
    asked = sys.executable or ""
    found = "" if getattr(sys, "frozen", False) else _found(asked, sys.prefix, sys.base_prefix)
    if not found:
        raise NoInterpreter(
            _(
                "no Python can be started beside this process (sys.executable is {asked!r}, and {prefix} has none of this "
                "version); install penult in a Python of its own, or set sys.executable to one.",
                asked=asked,
                prefix=sys.prefix,
            )
        )
    return found


@functools.cache
def _found(asked: str, prefix: str, base: str) -> str:
    if _PYTHON.fullmatch(Path(asked).name) and os.access(asked, os.X_OK) and Path(asked).is_file():
        return asked
    home, names = system.python_names()
    places = [getattr(sys, "_base_executable", None) or ""]
    places += [str(Path(root, *inside, name)) for root in (prefix, base) for inside in ((home,), ()) for name in names]
    return next((p for p in places if _PYTHON.fullmatch(Path(p).name) and _same_version(p)), "")


def _same_version(path: str) -> bool:
    """Tell whether a file is a Python of this version: only such a one finds this one's libraries."""
    if not os.access(path, os.X_OK):  # `is_file` raises where a folder above it is closed
        return False
    try:
        said = subprocess.run(
            [path, "-I", "-S", "-c", "import sys; print(sys.implementation.cache_tag)"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE,
            check=False,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return False
    return said.decode("ascii", "replace").strip() == sys.implementation.cache_tag


def start(*arguments: str, threads: int = 1, shown: bool = False) -> subprocess.Popen[bytes]:
    """Start this interpreter with this search path and pipes to it, deaf to the terminal's Ctrl-C.

    `threads` is how many its libraries may use; with `shown` what they write to standard error is seen. Raises
    `OutputError` where no process can be started, as `NoInterpreter` where there is no Python for it.
    """
    python = interpreter()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    environment |= {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    try:
        return subprocess.Popen(
            [python, "-P", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if shown else subprocess.DEVNULL,
            env=environment,
            **system.apart(),
        )
    except OSError as error:
        raise OutputError(_("could not start another process: {error}; free some memory.", error=error)) from error


class _Thread:
    """A thread of this process with two pipes to it, in the place of a child process where there is no Python to start."""

    def __init__(self, work: str) -> None:
        theirs, ours = os.pipe()
        self.stdin: IO[bytes] = os.fdopen(ours, "wb")
        answers, out = os.pipe()
        self.stdout: IO[bytes] = os.fdopen(answers, "rb")
        streams = (os.fdopen(theirs, "rb"), os.fdopen(out, "wb"))
        self._thread = threading.Thread(target=self._run, args=(work, *streams), name="penult-worker", daemon=True)
        self._thread.start()

    def _run(self, work: str, source: IO[bytes], out: IO[bytes]) -> None:
        try:
            _serve(work, source, out)
        except Exception as error:  # as in a child process: whoever waits for the answer finds the pipe closed
            log.info("work in this process ended with %s: %s", type(error).__name__, error)
        finally:
            for stream in (out, source):
                with suppress(OSError):
                    stream.close()

    def poll(self) -> int | None:
        """Return None while it works."""
        return None if self._thread.is_alive() else 1

    def wait(self) -> int:
        """Wait for the end, for a moment: a thread cannot be ended from outside, and may be busy for long."""
        self._thread.join(1.0)
        return 1

    def kill(self) -> None:
        """Hang up: it reads or writes nothing more."""
        for stream in (self.stdin, self.stdout):
            with suppress(OSError, ValueError):
                stream.close()


def tell_alone(error: NoInterpreter) -> None:
    """Say, once, that all work is done in this process."""
    _tell(what_and_cure(error)[0])


@functools.cache
def _tell(why: str) -> None:
    log.warning(_("{why}: all work is done in this process, which a crash of a library would end", why=why))


class Worker:
    """A function of ours at work in another process: it takes an iterator of what is sent and yields answers.

    `work` is named "package.module:function"; its module is imported before anything is sent. A `with` block left early
    ends the process. Where there is no Python to start it works in a thread of this process.
    """

    def __init__(self, work: str, threads: int = 1, shown: bool = False) -> None:
        self._child: Any  # a process or what stands for one
        boot = ("-W", "ignore", "-c", "from penult.worker import main; main()", work)
        try:
            self._child = start(*boot, threads=threads, shown=shown)
        except NoInterpreter as error:
            tell_alone(error)
            self._child = _Thread(work)

    def send(self, thing: Any) -> None:
        """Hand over one thing; returns at once, unless the pipe is full."""
        with suppress(OSError, ValueError):  # a child that died is found out by `answer`
            pickle.dump(thing, self._child.stdin, protocol=pickle.HIGHEST_PROTOCOL)
            self._child.stdin.flush()

    def answers(self) -> Iterator[Any]:
        """Say that nothing more is coming, and yield the answers as they arrive.

        Raises the `PenultError` that stopped the work, or `Crashed` when the process died.
        """
        with suppress(OSError):
            self._child.stdin.close()
        while (answer := self.answer()) is not StopIteration:
            yield answer

    def answer(self) -> Any:
        """Wait for the next answer while more may be sent; `StopIteration` after the last. Raises as `answers` does."""
        try:
            answer = pickle.load(self._child.stdout)  # noqa: S301 - our own child, our own pipe
        except (EOFError, OSError, ValueError, pickle.PickleError) as error:
            raise Crashed(_("exit code {code}", code=self._child.wait())) from error
        if isinstance(answer, PenultError):
            raise answer
        return answer

    def is_alive(self) -> bool:
        """Tell whether the process is still there."""
        return self._child.poll() is None

    def kill(self) -> None:
        """End the process at once; whoever waits for an answer gets `Crashed`."""
        self._child.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._child.kill()
        for stream in (self._child.stdin, self._child.stdout):
            with suppress(OSError):
                stream.close()
        self._child.wait()


def main() -> None:
    """Be the other process: do the work named on the command line."""
    out = sys.stdout.buffer
    sys.stdout = sys.stderr  # nothing that a library prints may get between the answers
    try:
        _serve(sys.argv[-1], sys.stdin.buffer, out)
    finally:
        if "h5py" in sys.modules:  # HDF5 crashes while it tidies after a full disk or a damaged file
            os._exit(int(sys.exc_info()[0] is not None))


def _serve(name: str, source: IO[bytes], out: IO[bytes]) -> None:
    """Do the work of this name: read what is sent from one stream, write the answers to the other."""
    module, function = name.split(":")
    work: Work = getattr(importlib.import_module(module), function)
    try:
        for answer in work(_sent(source)):
            pickle.dump(answer, out, protocol=pickle.HIGHEST_PROTOCOL)
            out.flush()
        pickle.dump(StopIteration, out)
        out.flush()
    except PenultError as error:
        pickle.dump(error, out)
        out.flush()  # before the error goes, and with it what a library may crash over


def _sent(source: IO[bytes]) -> Iterator[Any]:
    while True:
        try:
            yield pickle.load(source)  # noqa: S301 - from our own parent, over our own pipe
        except EOFError:
            return

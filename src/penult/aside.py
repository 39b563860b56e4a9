"""Work done in a process of its own: because it may crash, or because there is a second core.

In: what Python is to run, and things to work on. Out: answers. It must not know what the work is.
"""

from __future__ import annotations

import importlib
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import IO, Any, Self

from penult.errors import OutputError, PenultError

Work = Callable[[Iterator[Any]], Iterator[Any]]


class Crashed(Exception):
    """The process died before it had answered."""


def start(*arguments: str, threads: int = 1, shown: bool = False) -> subprocess.Popen[bytes]:
    """Start this interpreter with this search path and pipes to it, deaf to the terminal's Ctrl-C.

    `threads` is how many its libraries may use; with `shown` what they write to standard error is seen. Raises
    `OutputError` where no process can be started.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    environment |= {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    group: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    try:
        return subprocess.Popen(
            [sys.executable, "-P", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if shown else subprocess.DEVNULL,
            env=environment,
            **group,
        )
    except OSError as error:
        raise OutputError(f"could not start another process: {error}; free some memory.") from error


class Aside:
    """A function of ours at work in another process: it takes an iterator of what is sent and yields answers.

    `work` is named "package.module:function"; its module is imported before anything is sent. A `with` block left early
    ends the process.
    """

    def __init__(self, work: str, threads: int = 1, shown: bool = False) -> None:
        self._child = start("-W", "ignore", "-c", "from penult.aside import main; main()", work, threads=threads, shown=shown)

    def send(self, thing: Any) -> None:
        """Hand over one thing; returns at once, unless the pipe is full."""
        with suppress(OSError):  # a child that died is found out by `answers`
            pickle.dump(thing, self._stream(self._child.stdin), protocol=pickle.HIGHEST_PROTOCOL)
            self._stream(self._child.stdin).flush()

    def answers(self) -> Iterator[Any]:
        """Say that nothing more is coming, and yield the answers as they arrive.

        Raises the `PenultError` that stopped the work, or `Crashed` when the process died.
        """
        with suppress(OSError):
            self._stream(self._child.stdin).close()
        while (answer := self.answer()) is not StopIteration:
            yield answer

    def answer(self) -> Any:
        """Wait for the next answer while more may be sent; `StopIteration` after the last. Raises as `answers` does."""
        try:
            answer = pickle.load(self._stream(self._child.stdout))  # noqa: S301 - our own child, our own pipe
        except (EOFError, OSError, pickle.PickleError) as error:
            raise Crashed(f"exit code {self._child.wait()}") from error
        if isinstance(answer, PenultError):
            raise answer
        return answer

    def _stream(self, stream: IO[bytes] | None) -> IO[bytes]:
        if stream is None:
            raise Crashed("it has no pipe")
        return stream

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._child.kill()
        with suppress(OSError):
            self._stream(self._child.stdin).close()
        self._stream(self._child.stdout).close()
        self._child.wait()


def main() -> None:
    """Be the other process: do the work named on the command line."""
    module, name = sys.argv[-1].split(":")
    out = sys.stdout.buffer
    sys.stdout = sys.stderr  # nothing that a library prints may get between the answers
    work: Work = getattr(importlib.import_module(module), name)
    try:
        for answer in work(_sent()):
            pickle.dump(answer, out, protocol=pickle.HIGHEST_PROTOCOL)
            out.flush()
        pickle.dump(StopIteration, out)
    except PenultError as error:
        pickle.dump(error, out)
    out.flush()


def _sent() -> Iterator[Any]:
    while True:
        try:
            yield pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own parent, over our own pipe
        except EOFError:
            return

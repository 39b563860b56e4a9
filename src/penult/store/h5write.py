"""Write feature files that the seed's second script reads as they are: `train`, `test`, `label` and names.

In: arrays or blocks of rows, names, facts. Out: HDF5 files, whole or absent, with their sha256.
It must not load h5py: the writing is done by `h5child`, and rows are streamed to it, so memory stays bounded.
"""

from __future__ import annotations

import atexit
import io
import json
import queue
import shutil
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from errno import ENOSPC
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from penult.errors import OutputError
from penult.store import h5child
from penult.store.files import AtomicFile
from penult.store.h5plan import Array, Plan, RowBlocks
from penult.store.refusals import ELSEWHERE, refused, shown
from penult.worker import start_or_here


@dataclass(frozen=True, slots=True)
class Written:
    """A file that stands under its final name."""

    path: Path
    sha256: str
    size: int


class H5Writer:
    """Feature files written in a process of their own while the caller goes on; see `write` and `finish`.

    As a `with` block: finished at its end, cancelled by an exception. One process writes all files.
    """

    def __init__(self, *, cure: str = ELSEWHERE) -> None:
        self._cure = cure
        self._child = start_or_here(_write_here, str(Path(h5child.__file__)))
        self._asked: queue.SimpleQueue[tuple[Plan, AtomicFile] | None] = queue.SimpleQueue()
        self._drafts: list[AtomicFile] = []
        self._written: list[Written] = []
        self._error: BaseException | None = None
        # A daemon: a caller that dies in between leaves no file half-written and is not kept alive for it.
        self._thread = threading.Thread(target=self._run, name="penult-h5", daemon=True)
        self._thread.start()
        atexit.register(self.cancel)

    def write(
        self,
        path: Path | str,
        *,
        train: Array | RowBlocks,  # (n, d)
        test: Array | RowBlocks | None = None,  # (m, d)
        label: Array | None = None,  # (n,)
        train_files: Sequence[str] | None = None,
        test_files: Sequence[str] | None = None,
        classes: Sequence[str] | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        """Take one file to write and return at once; the arrays must stay unchanged until `finish`.

        What is None or has no names is left out. `facts` are plain JSON values, the recipe among them.
        Raises `OutputError` where the folder can not be written.
        """
        arrays = {"train": train, "test": test, "label": label}
        names = {"train_files": train_files, "test_files": test_files, "classes": classes}
        plan = Plan(Path(path), arrays, names, facts or {})
        draft = AtomicFile(path, self._cure)
        self._drafts.append(draft)
        self._asked.put((plan, draft))

    def finish(self) -> list[Written]:
        """Wait until every file stands, and return them in order.

        Raises what stopped the first that does not: `OutputError` (disk full, no permission; an old file
        stays), `InputError` (features that are not finite). It and those after it leave nothing behind.
        """
        self._asked.put(None)
        self._end()
        if self._error is not None:
            raise self._error
        return self._written

    def cancel(self) -> None:
        """Stop; files that are not finished leave nothing behind."""
        self._child.kill()
        self._asked.put(None)
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self.finish()
        else:
            self.cancel()

    def _end(self) -> None:
        self._thread.join()
        atexit.unregister(self.cancel)
        for draft in self._drafts:
            draft.discard()
        self._drafts.clear()

    def _run(self) -> None:
        """Send what is asked for, file after file, until there is no more or one fails."""
        try:
            while (asked := self._asked.get()) is not None:
                plan, draft = asked
                answer = self._one(plan, draft)
                draft.commit()
                self._drafts.remove(draft)
                self._written.append(Written(plan.path, answer["sha256"], answer["size"]))
            self._send(bytes(8))
        except BaseException as error:  # the caller gets it from `finish`
            self._error = error
            self._child.kill()
        finally:
            for pipe in (self._child.stdin, self._child.stdout):
                with suppress(OSError):
                    pipe.close()  # type: ignore[union-attr]  # both are pipes, see `start`
            self._child.wait()

    def _send(self, data: bytes) -> None:
        pipe = self._child.stdin
        with suppress(OSError):  # the child gave up; its answer says why
            pipe.write(data)  # type: ignore[union-attr]
            pipe.flush()  # type: ignore[union-attr]

    def _one(self, plan: Plan, draft: AtomicFile) -> dict[str, Any]:
        """Send one file and return the child's answer."""
        header = plan.header(draft.temporary)
        self._send(len(header).to_bytes(8, "little") + header)
        for data in plan.rows():
            if self._child.poll() is not None:
                break
            self._send(data)
        line = self._child.stdout.readline()  # type: ignore[union-attr]
        answer: dict[str, Any] = json.loads(line) if line else {"error": "", "errno": 0}
        if "error" in answer:
            raise self._failure(plan, draft, answer)
        return answer

    def _failure(self, plan: Plan, draft: AtomicFile, answer: dict[str, Any]) -> OutputError:
        if answer["errno"]:
            return refused(OSError(answer["errno"], answer["error"]), draft.path, self._cure)
        code = self._child.wait()
        with suppress(OSError):
            if shutil.disk_usage(draft.path.parent).free < plan.size:
                return refused(OSError(ENOSPC, "no space"), draft.path, self._cure)
        why = answer["error"] or f"the process that writes it ended with code {code}"
        return OutputError(f"could not write {shown(draft.path)}: {why}; {self._cure}. Nothing half-written was left.")


def _write_here(source: IO[bytes], out: IO[bytes]) -> None:
    answers = io.TextIOWrapper(out, encoding="utf-8", write_through=True)
    h5child.main(source, answers)
    answers.detach()


def write_h5(path: Path | str, *, cure: str = ELSEWHERE, **content: Any) -> Written:
    """Write one file, whole or not at all; `content` is what `H5Writer.write` takes."""
    with H5Writer(cure=cure) as writer:
        writer.write(path, **content)
        return writer.finish()[0]

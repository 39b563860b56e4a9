"""Worker processes that see pictures for this one: hand out files, take pixels back, replace the dead.

In: a `WorkerConfig`, numbered files: paths, contents, members. Out: `Prepared`s in the order of their numbers.

A decoder that crashes, hangs or eats the memory takes only its own process along. The kernel tells of it: a
worker's death closes its connection, SIGALRM among the exit codes means that time was up. Workers are started
by `-c`, not by multiprocessing: the user's `__main__` is never imported again, and scripts need no guard.
Nothing has a name on disk, so nothing is left behind by `kill -9` of anyone; a worker whose parent is gone
reads the end of its connection.

A picture under way when its worker crashes is tried once more; one whose worker was killed from outside, which says
little about the picture, up to four times more: the kernel also kills what a picture made too large.
"""

from __future__ import annotations

import mmap
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from penult import system
from penult.i18n import _
from penult.pixels.content_area import ContentArea
from penult.pixels.pipeline import DECODER, Connection, Place, Prepared, Reply, WorkerConfig
from penult.pixels.recipe import Failure, Recipe
from penult.pixels.sources import too_large
from penult.sources import MAX_BYTES, FileContent, Member
from penult.worker import interpreter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from penult.pixels.sources import File

_QUEUED = 32  # tasks a worker has at most: enough to stay busy while the consumer computes on a batch
_IN_FLIGHT = 96  # pictures in workers at most, and as many again that wait for their turn; for many workers four each
_SHARED_BYTES = 128 << 20
_OUTSIDE = system.killing_signals()  # no decoder ends itself by these
_TRIES = {False: 2, True: 5}  # of a picture whose worker died under way, of itself or killed from outside
_FALSE_STARTS = {False: 2, True: 25}  # for each worker, in a row, until it is given up
_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PILLOW_BLOCK_SIZE": "512m",  # each picture in one piece, which can be resized where it is; it takes no more than it has
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",  # large ones in large pages: a fourth less time for 12 million pixels
}
_BOOT = (
    "import sys; sys.path[:] = sys.argv[2:]; "
    "from penult.pixels.pipeline import Connection, serve_parent; serve_parent(Connection(int(sys.argv[1])))"
)


class NoWorkers(Exception):
    """Workers cannot be started here."""


@dataclass(eq=False)
class _Worker:
    process: subprocess.Popen[bytes]
    connection: Connection
    tasks: deque[tuple[int, int]] = field(default_factory=deque)  # (number, slot), oldest first
    unsent: memoryview = field(default_factory=lambda: memoryview(b""))
    since: float = 0.0  # when it got its last task
    overdue: bool = False  # killed because it did not even die of its alarm

    def write(self) -> None:
        """Send what the connection takes now; where it has died its closed connection will tell."""
        try:
            while self.unsent and (written := self.connection.write_some(self.unsent)):
                self.unsent = self.unsent[written:]
        except OSError:
            self.unsent = memoryview(b"")

    def end(self, patience: float = 0.0) -> int:
        """Reap it, after `patience` seconds by force; returns the exit code (negative: the signal)."""
        self.connection.close()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(patience)
        self.process.kill()
        return self.process.wait()


class WorkerPool:
    """A bounded number of workers over one shared file; a context manager that leaves no process behind.

    With `contents` it takes contents of files, which `run` hands out in the shared file: a connection holds five photos, and
    workers that wait for the next while this process is busy would stand still.
    """

    def __init__(
        self, config: WorkerConfig, known: Sequence[memoryview], count: int, queued: int = _QUEUED, contents: bool = False
    ) -> None:
        self.python = interpreter()
        slot_bytes = sum(recipe.nbytes for recipe in config.recipes) + 1
        count = max(1, min(count, _SHARED_BYTES // (2 * slot_bytes)))
        slots = max(min(2, queued) * count, min(max(_IN_FLIGHT, 4 * count), _SHARED_BYTES // slot_bytes, queued * count))
        self.queued = slots // count
        self.free = list(range(slots))
        ends = list(accumulate((len(rows) for rows in known), initial=slots * slot_bytes))
        extent = MAX_BYTES if contents else 0
        self.file, self.shared = _shared_memory(ends[-1] + extent)
        self.contents = ContentArea(self.shared, ends[-1], extent)
        for start, rows in zip(ends, known, strict=False):
            self.shared[start : start + len(rows)] = rows
        memory = config.memory + extent  # which is not the decoder's doing
        self.config = replace(config, memory=memory, known=tuple(pairwise(ends)), shared=self.file, slot_bytes=slot_bytes)
        self.count = count
        self.workers: list[_Worker] = []
        self.poller = select.poll()  # kept: to make a new one for each question takes longer than the answer
        self.false_starts: Counter[bool] = Counter()  # by whether they were killed from outside
        self.sources: dict[int, tuple[int, bytes | FileContent | Member | Place]] = {}  # as they are sent
        self.todo: deque[int] = deque()  # numbers of sources, in ascending order but for second tries
        self.pending: Iterator[tuple[int, File | Failure]] = iter(())  # that have no number yet
        self.numbered = self.expected = 0  # how many have one, and how many there will be
        self.done: dict[int, Prepared] = {}
        self.tries: Counter[tuple[int, bool]] = Counter()
        self.deaths = 0  # workers that died and were replaced

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers and give the memory back."""
        for worker in self.workers:
            worker.end()
        self.shared.close()
        os.close(self.file)

    def run(self, sources: Iterable[tuple[int, File | Failure]], total: int) -> Iterator[Prepared]:
        """Yield one `Prepared` for each of `total` (index, file), in this order; raises NoWorkers if none can start.

        They are taken as workers need them. A failure stays one. It may be called again once it came to its end.
        """
        self.pending, self.expected, self.numbered = iter(sources), total, 0
        self.tries.clear()
        self.start(min(self.count, total))
        for number in range(total):
            if number in self.done:  # workers must not run dry while the consumer is busy with what is here
                self._assign(number)
                self._collect(wait=False)
            while number not in self.done:
                self._assign(number)
                if number not in self.done:
                    self._collect(wait=True)
            del self.sources[number]
            yield self.done.pop(number)

    def start(self, count: int) -> None:
        """Have this many workers, at least."""
        while len(self.workers) < count:
            self.workers.append(self._start_worker())

    def _assign(self, next_out: int) -> None:
        """Give tasks to the least busy, not far ahead of the one waited for, evenly towards the end."""
        window = next_out + self.count * self.queued
        while self.free and (self.todo or self._number_next(window)):
            worker = min(self.workers, key=lambda one: len(one.tasks))
            left = len(self.todo) + self.expected - self.numbered
            if len(worker.tasks) >= min(self.queued, max(2, left // (2 * self.count))) or not self._put(self.todo[0]):
                return
            self.assign_to(worker)

    def _number_next(self, window: int) -> bool:
        """Take the next source, give it a number and have it done; failures are done already. False where there is none."""
        while self.numbered < min(self.expected, window):
            index, source = next(self.pending)
            number, self.numbered = self.numbered, self.numbered + 1
            if isinstance(source, FileContent) and len(source.data) > MAX_BYTES:
                source = too_large(len(source.data))
            if isinstance(source, Failure):
                self.sources[number] = (index, b"")
                self.done[number] = Prepared(index, None, (None,) * len(self.config.recipes), source)
                continue
            self.sources[number] = (index, source if isinstance(source, FileContent | Member) else os.fsencode(source))
            self.todo.append(number)
            return True
        return False

    def _put(self, number: int) -> bool:
        """Put the content of a source, if that is what it is, into the shared file; False where there is no place yet."""
        index, source = self.sources[number]
        if isinstance(source, FileContent):
            if (place := self.contents.put(source.data)) is None:
                return False
            self.sources[number] = (index, place)
        return True

    def assign_to(self, worker: _Worker) -> None:
        """Give the next task to a worker; nothing waits for one that does not read."""
        number, slot = self.todo.popleft(), self.free.pop()
        worker.tasks.append((number, slot))
        worker.since = time.monotonic()
        self.shared[self._started_byte(slot)] = 0
        task = worker.connection.packed((number, self.sources[number][1], slot))
        worker.unsent = memoryview(bytes(worker.unsent) + task) if worker.unsent else task
        self._write(worker)

    def _write(self, worker: _Worker) -> None:
        worker.write()
        self.poller.modify(worker.connection, select.POLLIN | (select.POLLOUT if worker.unsent else 0))

    def _collect(self, wait: bool) -> None:
        self.collect(None if wait else 0)

    def collect(self, seconds: float | None) -> None:
        """Wait up to so long (None: for ever) for workers; take one reply from each that has one or has hung up."""
        for descriptor, event in self.poller.poll(None if seconds is None else 1000 * seconds):
            worker = next((one for one in self.workers if one.connection.fileno() == descriptor), None)
            if worker is None:  # another descriptor, which somebody waits for beside the workers
                continue
            if event & select.POLLOUT:
                self._write(worker)
            if not event & ~select.POLLOUT:
                continue
            try:
                self._store(worker, worker.connection.recv())
            except (EOFError, OSError):
                self._replace(worker)

    def _started_byte(self, slot: int) -> int:
        """Return the place of the byte that tells whether the picture of a slot was begun."""
        return (slot + 1) * self.config.slot_bytes - 1

    def _store(self, worker: _Worker, reply: Reply) -> None:
        self.false_starts.clear()
        number, digest, filled, failure, remark, thumbnail, size = reply
        _, slot = worker.tasks.popleft()
        index, pixels = self._finished(number), self._pixels(slot, filled)
        self.done[number] = Prepared(index, digest, pixels, failure, remark, thumbnail, size)
        self.free.append(slot)

    def _finished(self, number: int) -> int:
        """Give back what the content of a source takes, and return its index."""
        index, source = self.sources[number]
        if isinstance(source, tuple):
            self.contents.give_back(source)
            self.sources[number] = (index, b"")
        return index

    def _pixels(self, slot: int, filled: Sequence[bool]) -> tuple[NDArray[np.uint8] | None, ...]:
        place = slot * self.config.slot_bytes
        pixels: list[NDArray[np.uint8] | None] = []
        for recipe, full in zip(self.config.recipes, filled, strict=True):
            shape = recipe.size, recipe.size, 3
            pixels.append(np.ndarray(shape, np.uint8, self.shared, place).copy() if full else None)
            place += recipe.nbytes
        return tuple(pixels)

    def _replace(self, dead: _Worker) -> None:
        """Replace a dead worker; its oldest task may have been under way, all others are handed out again."""
        self.poller.unregister(dead.connection)
        code = dead.end(patience=1.0)  # its connection is closed: it is on its way out already
        code = -system.alarm_number() if dead.overdue else code
        self.deaths += 1
        outside = -code in _OUTSIDE
        self.workers.remove(dead)
        begun = bool(dead.tasks) and self.shared[self._started_byte(dead.tasks[0][1])] == 1
        self.free += [slot for _, slot in dead.tasks]
        numbers = [number for number, _ in dead.tasks]
        if not begun:
            self.false_starts[outside] += 1
            if (died := self.false_starts[outside]) > _FALSE_STARTS[outside] * self.count:
                raise NoWorkers(_("{n} died before they began a picture, the last with code {code}", n=died, code=code))
        elif failure := self._failure_of(numbers[0], code):
            number = numbers.pop(0)
            nothing = (None,) * len(self.config.recipes)
            self.done[number] = Prepared(self._finished(number), None, nothing, failure)
        self.todo.extendleft(reversed(numbers))
        self.workers.append(self._start_worker())

    def _failure_of(self, number: int, code: int) -> Failure | None:
        """Return what a death means for the picture under way; None: try it once more."""
        if code == -system.alarm_number():
            return Failure("decoder hung", _("no answer in {seconds:g} s", seconds=self.config.seconds))
        outside = -code in _OUTSIDE
        self.tries[number, outside] += 1
        if (tries := self.tries[number, outside]) < _TRIES[outside]:
            return None
        how = _("signal {name}", name=signal.Signals(-code).name) if code < 0 else _("exit code {code}", code=code)
        return Failure(
            "decoder crashed", _("{how}, twice", how=how) if tries == 2 else _("{how}, {n} times", how=how, n=tries)
        )

    def _start_worker(self) -> _Worker:
        """Start a worker; it shares nothing with this process but the file and one connection."""
        ours, theirs = socket.socketpair()
        line = [self.python, "-S", "-W", "ignore", "-c", _BOOT, str(theirs.fileno()), *_search_path()]
        try:
            process = subprocess.Popen(
                line,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # decoders write their warnings there
                pass_fds=(theirs.fileno(), self.file),
                env={**os.environ, **_ENVIRONMENT},
                process_group=0,  # Ctrl-C and Ctrl-Z are for the parent; a stopped worker would seem to hang
            )
        except OSError as error:
            ours.close()
            raise NoWorkers(str(error)) from error
        finally:
            theirs.close()
        worker = _Worker(process, Connection(ours.detach()))
        self.poller.register(worker.connection, select.POLLIN)
        with suppress(OSError):  # dead already: noticed at the next `_collect`
            worker.connection.send(self.config)
        return worker


def _search_path() -> list[str]:
    """Return where this process finds its modules, also those that an import hook of `site` finds."""
    import PIL

    here = [_absolute(entry) for entry in sys.path if isinstance(entry, str)]
    roots = [str(Path(__file__).absolute().parents[2]), str(Path(PIL.__file__).absolute().parents[1])]
    return here + [root for root in roots if root not in here]


def _absolute(entry: str) -> str:
    """Return an entry of `sys.path` as a whole path; as it is where the folder we are in has been removed."""
    try:
        return str(Path(entry).absolute())
    except FileNotFoundError:
        return entry


def _shared_memory(size: int) -> tuple[int, mmap.mmap]:
    """Return a nameless file of this size and the memory that it is mapped to. Raises NoWorkers where there can be none."""
    descriptor = -1
    try:
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("penult-pixels")
        else:  # on disk where the system has no files in memory
            with tempfile.TemporaryFile() as file:
                descriptor = os.dup(file.fileno())
        os.ftruncate(descriptor, size)
        return descriptor, mmap.mmap(descriptor, size)
    except OSError as error:  # a limit on the size of files (`ulimit -f`), no memory
        if descriptor >= 0:
            os.close(descriptor)
        raise NoWorkers(_("no memory can be shared: {error}", error=error)) from error


def check_worker(decoder: str = DECODER) -> None:
    """Have a worker process read one small picture. Raises `RuntimeError` where none starts, or it cannot."""
    from PIL import Image

    recipe = Recipe(8, "squash", 1.0)
    with tempfile.TemporaryDirectory(prefix="penult-") as folder:
        path = Path(folder, "picture.png")
        Image.new("RGB", (16, 16), (200, 90, 30)).save(path)
        config = WorkerConfig((recipe,), decoder=decoder)
        try:
            with WorkerPool(config, [memoryview(b"")], 1) as pool:
                done = next(iter(pool.run([(0, str(path))], 1)))
        except NoWorkers as error:
            raise RuntimeError(str(error)) from error
    if done.failure is not None:
        raise RuntimeError(f"{done.failure.reason}: {done.failure.detail}")

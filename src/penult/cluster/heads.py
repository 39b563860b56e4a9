"""Sums over rows that lie in Ray actors: a head of features that no machine holds.

Each actor reads its partitions once and keeps them in memory. Coefficients go to all of them; sums come back and are added in
the order of the partitions. An actor keeps nothing else, so one that died is started again, gets its partitions again, and
answers to the bit what the lost one would have.
"""

from __future__ import annotations

import hashlib
import logging
import pickle
import secrets
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from penult.arrays import Array, row_chunks
from penult.cluster.resources import ActorResources
from penult.cluster.start import connect_ray
from penult.errors import InputError, OutputError, PenultError
from penult.i18n import _, language, set_language
from penult.solver import Partition, PartitionedRows, Sums, placement

log = logging.getLogger(__name__)

RESTARTS = 20  # of an actor; more are no bad luck
READ = 4096  # rows


class RowActor:
    """Some partitions in one process, by their number; it computes in one thread, so that no sum depends on the cores."""

    def __init__(self, spoken: str = "en") -> None:
        set_language(spoken)
        threadpool_limits(1)
        self._source: tuple[bytes, Any] = b"", None  # pickled, and open
        self._rows: dict[int, tuple[str, Array]] = {}  # by partition: of which source, and its rows
        self._given: dict[int, tuple[str, Partition]] = {}  # by partition: for which task, and what it is

    def take(self, number: int, task: str, source: bytes, rest: Partition) -> PenultError | None:
        """Take a partition, `source` pickled, or return why it cannot be read; rows that are here are not read again."""
        key = hashlib.sha256(b"%d %d " % (rest.offset, len(rest.codes)) + source).hexdigest()
        if self._rows.get(number, ("",))[0] != key:
            self._rows.pop(number, None)
            try:
                if self._source[0] != source:
                    self._source = source, pickle.loads(source)  # noqa: S301 - ours, through Ray
                self._rows[number] = key, rows_of(replace(rest, source=self._source[1]))
            except PenultError as error:
                return error
            except OSError as error:
                where = socket.gethostname()
                return InputError(
                    _(
                        "{where} cannot read rows to learn from ({error}); put them where all machines reach them.",
                        where=where,
                        error=error,
                    )
                )
        self._given[number] = task, replace(rest, source=self._rows[number][1], offset=0)
        return None

    def answer(self, number: int, task: str, method: str, args: tuple[Any, ...]) -> Sums | PenultError | None:
        """Return what a method of a partition returns, or its error; None where the partition has to be given again."""
        given, partition = self._given.get(number, ("", None))
        if given != task or partition is None:
            return None
        try:
            found: Sums = getattr(partition, method)(*args)
        except PenultError as error:
            return error
        return found


def rows_of(partition: Partition) -> Array:
    """Return the rows of a partition in memory: as float16 where that loses nothing, as shards have them."""
    source, start, stop = partition.source, partition.offset, partition.offset + len(partition.codes)
    half = np.empty((stop - start, source.shape[1]), np.float16)
    for at in row_chunks(len(half), READ):
        x = source[start + at.start : start + at.stop]
        with np.errstate(over="ignore"):
            half[at] = x
        if not np.array_equal(half[at].astype(x.dtype), x, equal_nan=True):
            return np.asarray(partition.load().source)
    return half


class ActorRows(PartitionedRows):
    """The same rows, each partition in one of some actors."""

    def __init__(self, partitions: Sequence[Partition], actors: Sequence[Any]) -> None:
        super().__init__([_alone(one) for one in partitions])
        self._task = secrets.token_hex(8)
        self._homes = [actors[i * len(actors) // len(partitions)] for i in range(len(partitions))]
        for i in range(len(partitions)):  # all read at the same time; what cannot be read is told when it is asked for
            self._give(i)

    def answers(self, method: str, args: tuple[Any, ...]) -> Iterator[Sums]:
        """Yield what a method of each partition returns, in the order of the partitions. Raises OutputError."""
        import ray

        sent = ray.put(args)
        asked = [self._ask(i, method, sent) for i in range(len(self.partitions))]
        for i, first in enumerate(asked):
            found = _got(first)
            while found is None:  # its process is a new one, or could not read them
                log.info("partition %d is given again", i)
                _got(self._give(i))
                found = _got(self._ask(i, method, sent))
            yield found

    def _give(self, number: int) -> Any:
        one = self.partitions[number]
        return self._homes[number].take.remote(number, self._task, pickle.dumps(one.source), replace(one, source=None))

    def _ask(self, number: int, method: str, args: Any) -> Any:
        return self._homes[number].answer.remote(number, self._task, method, args)


class RowActors:
    """Actors that hold rows; `used` tells whether they were given any."""

    def __init__(self, actors: Sequence[Any]) -> None:
        self._actors, self.used = actors, False

    def place(self, partitions: Sequence[Partition]) -> PartitionedRows:
        """Return the rows of partitions in these actors."""
        self.used = True
        return ActorRows(partitions, self._actors)


def _alone(partition: Partition) -> Partition:
    """Return a partition whose source names or holds no more rows than its own, where it can."""
    start, source = partition.offset, partition.source
    stop = start + len(partition.codes)
    if isinstance(source, np.ndarray):  # a memory map, too, is sent with all that it maps
        return replace(partition, source=source[start:stop], offset=0)
    return replace(partition, source=source.part(start, stop), offset=0) if hasattr(source, "part") else partition


def _got(ref: Any) -> Any:
    """Return what an actor answers. Raises its error, and OutputError where it dies again and again."""
    import ray

    try:
        found = ray.get(ref)
    except ray.exceptions.RayActorError as error:
        said = str(error).splitlines()[0][:200]
        raise OutputError(
            _(
                "a process that held rows to learn from ended {restarts} times ({said}); give each more memory with "
                "--actor memory=8GB, or take more machines.",
                restarts=RESTARTS,
                said=said,
            )
        ) from error
    if isinstance(found, PenultError):
        raise found
    return found


@contextmanager
def heads_on(address: str, resources: ActorResources | None = None) -> Iterator[RowActors]:
    """Have Ray sum over rows that do not fit in memory while the block lasts; each of its processors gets an actor.

    Parameters
    ----------
    address : str
        As for `connect_ray`.
    resources : ActorResources, optional
        `memory` is what Ray sets aside for each actor, `most` how many there may be.

    Raises
    ------
    MissingExtra, InputError, OutputError
        As `connect_ray`; OutputError also where actors die again and again.
    """
    asked = resources or ActorResources()
    with connect_ray(address):
        import ray  # not before: what it reads from the environment is set now

        cores = int(sum(node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]))
        # no processor is set aside: one that was lost must start again where others are at work
        kind = ray.remote(
            num_cpus=0, memory=asked.memory, max_restarts=RESTARTS, max_task_retries=-1, scheduling_strategy="SPREAD"
        )
        actors: list[Any] = [kind(RowActor).remote(language()) for _ in range(max(1, min(cores, asked.most or cores)))]
        found = RowActors(actors)
        with placement(found.place):
            yield found

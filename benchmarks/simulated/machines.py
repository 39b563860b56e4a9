"""Machines that die and come back, and drivers that hand shards to them until the manifest is written."""

from __future__ import annotations

import bisect
import itertools
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from simulated.clock import HOUR, Clock, Killed
from simulated.store import SimulatedStore

DISPATCH = 0.01  # seconds of the driver for a block
AGAIN = 60.0  # seconds until a driver that died, or did not get to the end, is started again


@dataclass(frozen=True)
class Fleet:
    """What the machines are like; times in seconds."""

    machines: int = 40
    actors: int = 8  # processes of each, with 8 cores
    shard_seconds: float = 41.25  # of an actor at full speed: 10,000 images of 33 CPU ms on 8 cores
    spread: float = 0.5  # sigma of the lognormal time of a shard
    slow: float = 0.05  # of the machines, at half speed
    deaths: float = 0.0  # of a machine, an hour
    away: float = 300.0  # until it is back
    warm_up: float = 20.0  # of a process that loads its networks
    driver_lives: float = math.inf

    def speeds(self) -> np.ndarray:
        """Return the speed of each machine, 1 or a half."""
        speeds = np.ones(self.machines)
        speeds[: round(self.slow * self.machines)] = 0.5
        return speeds


class Machine:
    """One machine: when it dies, and when it is back."""

    def __init__(self, fleet: Fleet, speed: float, rng: np.random.Generator) -> None:
        self.fleet, self.speed, self.rng = fleet, speed, rng
        self.deaths = [self._next(0.0)]

    def _next(self, since: float) -> float:
        rate = self.fleet.deaths / HOUR
        return since + self.rng.exponential(1 / rate) if rate else math.inf

    def dies(self, time: float) -> float:
        """Return when it dies next, from a time on."""
        while self.deaths[-1] <= time:
            self.deaths.append(self._next(self.deaths[-1] + self.fleet.away))
        return self.deaths[bisect.bisect_right(self.deaths, time)]

    def up(self, time: float) -> float:
        """Return a time, or when it is back where it is away then."""
        self.dies(time)
        last = bisect.bisect_right(self.deaths, time) - 1
        return max(time, self.deaths[last] + self.fleet.away) if last >= 0 else time


@dataclass
class World:
    """All that there is: time, store, machines, how long each shard takes, and which of them end their process."""

    clock: Clock
    store: SimulatedStore
    fleet: Fleet
    rng: np.random.Generator
    seconds: np.ndarray  # (shards,) of an actor at full speed
    poison: frozenset[int] = frozenset()
    killed: int = 0  # processes, with their machine
    crashes: int = 0
    lost: float = 0.0  # seconds of actors that were thrown away
    todo_cpu: list[float] = field(default_factory=list)  # CPU seconds of each call of the real `todo`


class Driver:
    """One command that runs to the end, with a set of machines; it is started again whenever it dies.

    `todo()` returns the tasks that are left, `work(machine)` makes what answers them (`answer(task)`), one for each process,
    `finish()` says whether the manifest could be written, and `block_sizes(tasks, actors)` how many shards are handed out
    together. All four are the real code's. A machine stands in `machines` once for each process.
    """

    def __init__(
        self,
        world: World,
        machines: Sequence[Machine],
        todo: Callable[[], Sequence[Any]],
        work: Callable[[Machine], Any],
        finish: Callable[[], bool],
        block_sizes: Callable[[int, int], Sequence[int]],
    ) -> None:
        self.world, self.machines, self.block_sizes = world, machines, block_sizes
        self.todo, self.work, self.finish = todo, work, finish
        self.starts, self.ended = 0, math.inf
        self.stop = math.inf  # when it is switched off for good

    def start(self) -> None:
        """Ask what is left to do, and give the machines work."""
        clock = self.world.clock
        if clock.now >= self.stop:
            return
        self.starts += 1
        self.dies = min(self.stop, clock.now + self.world.fleet.driver_lives)
        clock.deadline = self.dies
        try:
            before = time.process_time()
            self.tasks = self.todo()
            self.world.todo_cpu.append(time.process_time() - before)
        except (OSError, Killed):
            self._again()
            return
        sizes = self.block_sizes(len(self.tasks), len(self.machines))
        edges = np.cumsum([0, *sizes]).tolist()
        self.blocks = deque(itertools.pairwise(edges))
        self.open, self.busy = len(self.blocks), clock.now
        self.idle: deque[tuple[Machine, Any]] = deque()
        self._end() if not self.open else None
        for machine in self.machines if self.open else ():
            self._join(machine, clock.now)
        if self.dies < self.stop:
            epoch = self.starts
            clock.at(self.dies, lambda: self._died(epoch))

    def _died(self, epoch: int) -> None:
        if epoch == self.starts and self.dies <= self.world.clock.now and math.isinf(self.ended):
            self._again()

    def _again(self) -> None:
        self.dies = self.world.clock.now
        self.blocks, self.open = deque(), 0
        self.world.clock.at(self.world.clock.now + AGAIN, self.start)

    def _join(self, machine: Machine, when: float) -> None:
        """Start a process on a machine, once it is there."""
        ready = machine.up(when) + self.world.fleet.warm_up
        if machine.dies(when) <= ready < math.inf and machine.up(when) == when:  # it dies while the networks are loaded
            ready = machine.up(machine.dies(when)) + self.world.fleet.warm_up
        epoch = self.starts
        self.world.clock.at(ready, lambda: self._next(machine, self.work(machine), epoch))

    def _next(self, machine: Machine, at_work: Any, epoch: int) -> None:
        """Give a process a block of shards, where this driver still lives and has one."""
        clock = self.world.clock
        if epoch != self.starts or clock.now >= self.dies:
            return
        if not self.blocks:
            self.idle.append((machine, at_work))
            return
        self.busy = clock.now = max(self.busy, clock.now) + DISPATCH
        block = self.blocks.popleft()
        self._shard(machine, at_work, epoch, block)

    def _shard(self, machine: Machine, at_work: Any, epoch: int, block: tuple[int, int]) -> None:
        """Let a process do the first shard of a block, then the others."""
        clock, (number, stop) = self.world.clock, block
        if epoch != self.starts:
            return
        death, began = machine.dies(clock.now), clock.now
        clock.deadline = min(death, self.dies)
        try:
            status = at_work.answer(self.tasks[number])
        except Killed:
            self.world.lost += clock.now - began
            self._lost(machine, block, died=clock.now >= death)
            return
        except OSError as error:
            status = error
        if isinstance(status, Exception):  # the command ends with this error, and is started again
            self._again()
            return
        if number + 1 < stop:
            clock.at(clock.now, lambda: self._shard(machine, at_work, epoch, (number + 1, stop)))
            return
        clock.at(clock.now, lambda: self._done(machine, at_work, epoch))

    def _done(self, machine: Machine, at_work: Any, epoch: int) -> None:
        """Take note that a block is done, and give its process another; after the last one the command ends."""
        if epoch != self.starts or self.world.clock.now >= self.dies:
            return
        self.open -= 1
        if self.open:
            self._next(machine, at_work, epoch)
        else:
            self._end()

    def _lost(self, machine: Machine, block: tuple[int, int], died: bool) -> None:
        """Give what is left of the block of a process that died to the next one that asks."""
        clock = self.world.clock
        if clock.now >= self.dies:
            return
        self.blocks.appendleft(block)
        self.world.killed += died
        self.world.crashes += not died
        self._join(machine, clock.now)
        if self.idle:
            other, at_work = self.idle.popleft()
            self._wake(other, at_work)

    def _wake(self, machine: Machine, at_work: Any) -> None:
        epoch = self.starts
        self.world.clock.at(self.world.clock.now, lambda: self._next(machine, at_work, epoch))

    def _end(self) -> None:
        clock = self.world.clock
        try:
            done = self.finish()
        except (OSError, Killed):
            done = False
        if done:
            self.ended = clock.now
        else:
            self._again()

"""Five billion images in half a million shards, on simulated machines that die, over a simulated store that fails.

    python benchmarks/billions.py                  all scenarios, some 2 minutes on a core; exit code 1 where a bound is missed
    python benchmarks/billions.py --shards 50000   the same, smaller
    python benchmarks/billions.py --only deaths    scenarios whose name begins so

Time, machines and store are simulated (`benchmarks/simulated/`); no image is read and nothing is computed. What decides is the
real code: which shards are left and in which order they are done (`shards.todo`, `shards.in_random_order`), how many are
handed out together (`cluster.work.block_sizes`), whether one is there already and
what is written of it (`ShardWriter`), what becomes of
one that ends its process or meets a store that does not answer (`cluster.work.ShardWork`, `shards.in_halves`), and when the
manifest may be written (`shards.write_manifest`). Ideal is all work divided by the speed of all machines: no deaths, no
requests, no start. Held: the manifest has each shard once and every image in one count; time over ideal; memory of a plan.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import logging
import math
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from simulated.clock import HOUR, Clock, Killed
from simulated.machines import Driver, Fleet, Machine, World
from simulated.store import SimulatedStore, Weather

from penult import shards
from penult.cluster.work import ActorAttempts, ShardWork, block_sizes
from penult.errors import PenultError
from penult.shards.attempts import forget_attempts
from penult.shards.facts import NetworkFacts

ROWS = 10_000  # images of a shard
SHARDS = 500_000
HEADER = (
    f"{'scenario':34} {'shards':>8} {'time':>7} {'bound':>6} {'deaths':>7} {'crashes':>7} {'starts':>7} {'again':>7} "
    f"{'% lost':>8} {'todo s':>8}"
)
BAD_ROWS = 3  # images of a poisonous shard that end their process
PLAN_MB = 1000  # of a process that has the plan of 500,000 shards open, and all its tasks
OPENING = """
import sys, time
import pyarrow.parquet
from penult import shards
def resident(): return 1024 * int(next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1])
before, began = resident(), time.process_time()
plan = shards.Plan.open(sys.argv[1])
tasks = list(plan.tasks())
plan.members(len(tasks) // 2)
print(resident() - before, time.process_time() - began)
"""
FACTS = shards.PlanFacts("images", (NetworkFacts("any", "0" * 64, (2048,)),), "cpu", "openvino", "bf16", "1", rows=ROWS)


@dataclass(frozen=True)
class Scenario:
    """What happens, and how much longer than ideal it may take."""

    name: str
    bound: float
    fleet: Fleet = field(default_factory=Fleet)
    weather: Weather = field(default_factory=Weather)
    poison: int = 0
    drivers: int = 1
    parts: int = 0  # 0: no --part
    dead_parts: int = 0  # of them, which nobody starts again until the others are done
    share: float = 1.0  # of the shards


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    scenario: Scenario
    over: float  # time over ideal
    planned: list[str]
    manifest: dict[str, Any]
    listed: list[str]  # names of the shards in the manifest's table
    world: World
    drivers: list[Driver]

    def faults(self) -> list[str]:
        """Return what is not as it should be."""
        told, poisonous = self.manifest, self.scenario.poison * BAD_ROWS
        held = {
            "each planned shard once": self.listed == self.planned,
            "every image in one count": told["images"] == told["embedded"] + told["failed"] == len(self.planned) * ROWS,
            "only images that end their process failed": told["failed"] == poisonous,
            "the same bytes under the same name": self.world.store.lies == 0,
            "nothing left of attempts": not self.world.store.files.get("attempts"),
            f"<= {self.scenario.bound} of ideal": self.over <= self.scenario.bound,
        }
        return [what for what, holds in held.items() if not holds]

    def line(self) -> str:
        """Return the row of the table."""
        world, hours = self.world, self.world.seconds.sum() / HOUR
        again = world.store.writes["shards"] - len(self.planned)
        starts = sum(driver.starts for driver in self.drivers)
        return (
            f"{self.scenario.name:34} {len(self.planned):8,} {self.over:7.4f} {self.scenario.bound:6.2f} {world.killed:7,} "
            f"{world.crashes:7} {starts:7} {again:7,} {100 * world.lost / HOUR / hours:8.3f} {max(world.todo_cpu):8.2f}"
        )


class SimulatedPlan:
    """A plan of shards of which nobody ever reads the rows; the tasks are real ones."""

    def __init__(self, count: int) -> None:
        self._tasks = [
            shards.ShardTask("plan.parquet", i, f"{i * 0x9E3779B97F4A7C15 % 2**64:020x}", ROWS) for i in range(count)
        ]

    def tasks(self) -> Sequence[shards.ShardTask]:
        """Return all tasks."""
        return self._tasks


class SimulatedExtractor:
    """What stands in the place of `shards.Extractor`: the same steps, in which computing is time that passes."""

    def __init__(self, world: World, machine: Machine) -> None:
        self.world, self.machine, self.writer = world, machine, shards.ShardWriter(world.store)

    def run(self, task: shards.ShardTask) -> shards.ShardStatus:
        """Do one shard, unless it is there already."""
        return self.writer.status(task) or self._do(task)

    def give_up(self, task: shards.ShardTask, attempts: Any) -> shards.ShardStatus:
        """Do a shard in parts that are halved, until the images that end their process stand alone."""
        if status := self.writer.status(task):
            return status
        bad = range(7, 7 + BAD_ROWS) if task.number in self.world.poison else range(0)

        def run(start: int, stop: int) -> int | None:
            self.world.clock.spend(5 + self._seconds(task) * (stop - start) / ROWS)
            return None if any(start <= one < stop for one in bad) else stop - start

        parts = shards.in_halves(task.name, ROWS, attempts, run)
        return self._written(task, sum(stop - start for start, stop, part in parts if part is None))

    def _seconds(self, task: shards.ShardTask) -> float:
        return float(self.world.seconds[task.number]) / self.machine.speed

    def _do(self, task: shards.ShardTask) -> shards.ShardStatus:
        self.world.clock.spend(self._seconds(task))
        if task.number in self.world.poison:
            raise Killed
        return self._written(task, 0)

    def _written(self, task: shards.ShardTask, failed: int) -> shards.ShardStatus:
        return self.writer.write(task, task.name.encode(), {"extraction crashed": failed} if failed else {})


def simulate(scenario: Scenario, count: int, seed: int = 0) -> Outcome:
    """Let a scenario happen, of so many shards, to its end."""
    rng, clock, fleet = np.random.default_rng(seed), Clock(), scenario.fleet
    store = SimulatedStore(clock, scenario.weather, rng)
    seconds = fleet.shard_seconds * rng.lognormal(-(fleet.spread**2) / 2, fleet.spread, count)
    poison = frozenset(rng.choice(count, scenario.poison, replace=False).tolist())
    world, plan = World(clock, store, fleet, rng, seconds, poison), SimulatedPlan(count)
    machines = [Machine(fleet, speed, rng) for speed in rng.permutation(fleet.speeds())]
    drivers = [_driver(world, plan, own, part) for own, part in _shared(scenario, machines)]
    for driver in drivers:
        clock.at(0.0, driver.start)
    ideal = seconds.sum() / (fleet.speeds().sum() * fleet.actors)
    if scenario.dead_parts:  # they die half-way, and are started once the others are done
        for driver in drivers[: scenario.dead_parts]:
            driver.stop = ideal / 2
        clock.run()
        assert "manifest.json" not in store.files.get("", {}), "there is a manifest, and parts are missing"
        for driver in drivers[: scenario.dead_parts]:
            driver.stop = math.inf
            clock.at(clock.now, driver.start)
    clock.run()
    assert all(driver.ended < math.inf for driver in drivers), "the job did not end"
    table = csv.DictReader(io.StringIO(store.files[""]["shards.csv"][1].decode()))
    written, manifest = store.files[""]["manifest.json"]
    names = [task.name for task in plan.tasks()]
    return Outcome(scenario, written / ideal, names, json.loads(manifest), [row["name"] for row in table], world, drivers)


def _shared(scenario: Scenario, machines: list[Machine]) -> list[tuple[list[Machine], tuple[int, int] | None]]:
    """Return the processes of each driver, by their machines, and its part."""
    if not scenario.parts:
        return [(machines[i :: scenario.drivers] * scenario.fleet.actors, None) for i in range(scenario.drivers)]
    return [(machines[i :: scenario.parts] * scenario.fleet.actors, (i + 1, scenario.parts)) for i in range(scenario.parts)]


def _driver(world: World, plan: SimulatedPlan, machines: list[Machine], part: tuple[int, int] | None) -> Driver:
    """Return what runs one command, with the real code in the places where something is decided."""
    store, order = world.store, random.Random(int(world.rng.integers(1 << 32)))
    attempts: Any = ActorAttempts()  # as in the driver of Ray; parts keep them in the place of the shards

    def work(machine: Machine) -> ShardWork:
        counter = shards.AttemptFiles(store) if part else attempts
        return ShardWork(lambda: SimulatedExtractor(world, machine), counter, world.clock.spend)

    def finish() -> bool:
        if shards.todo(plan, store):
            return part is not None  # the others will
        try:
            shards.write_manifest(plan, store, FACTS, "0" * 64)
            forget_attempts(store)
        except PenultError:  # the listing did not show all of them yet
            return False
        return True

    def todo() -> Sequence[shards.ShardTask]:
        return shards.in_random_order(shards.todo(plan, store, part), order)

    return Driver(world, machines, todo, work, finish, block_sizes)


def plan_cost(count: int) -> bool:
    """Measure what a plan of so many shards, made and opened by the real code, costs each process; say if it is too much."""
    with tempfile.TemporaryDirectory() as folder:
        source, plan = Path(folder, "images"), Path(folder, "plan.parquet")
        source.mkdir()
        for i in range(count):
            (source / f"{i:07}.jpg").touch()
        shards.make_plan(str(source), str(plan), replace(FACTS, rows=1))
        told = subprocess.run([sys.executable, "-c", OPENING, str(plan)], capture_output=True, text=True, check=True).stdout
    memory, cpu = (float(number) / count for number in told.split())  # bytes and seconds a shard
    print(
        f"\nplan, a process: {memory:,.0f} bytes and {cpu * 1e6:.1f} us a shard (of {count:,}); {SHARDS:,} shards: "
        f"{memory * SHARDS / 1e6:,.0f} MB (bound {PLAN_MB:,}), {cpu * SHARDS:.1f} s"
    )
    return memory * SHARDS / 1e6 > PLAN_MB


def scenarios() -> list[Scenario]:
    """Return what is to happen; `bound` is the time over ideal that it may take."""
    usual = Fleet(deaths=0.05)
    rough = Weather(lost=0.01, refused=1e-4, stalls=2 * HOUR)
    return [
        Scenario("deaths 0.5 %/h", 1.02, Fleet(deaths=0.005), share=0.4),
        Scenario("deaths 5 %/h", 1.02, usual),
        Scenario("deaths 20 %/h", 1.04, Fleet(deaths=0.2), share=0.4),
        Scenario("deaths 100 %/h", 1.12, Fleet(deaths=1.0), share=0.4),
        Scenario("driver killed every hour", 1.06, replace(usual, driver_lives=HOUR), share=0.2),
        Scenario("store: 1 % lost, stalls", 1.06, usual, rough, share=0.2),
        Scenario("listing 1 min late, driver killed", 1.08, replace(usual, driver_lives=HOUR), Weather(late=60), share=0.2),
        Scenario("poison 5 shards", 1.05, usual, poison=5, share=0.2),
        Scenario("two drivers", 1.05, usual, drivers=2, share=0.2),
        Scenario("8 parts, 2 of them dead", 1.7, usual, parts=8, dead_parts=2, share=0.2),
        Scenario(
            "all of it", 1.15, replace(usual, deaths=0.2, driver_lives=HOUR), replace(rough, late=60), 5, drivers=2, share=0.2
        ),
    ]


def main() -> None:
    """Run the scenarios and print a line for each."""
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--shards", type=int, default=SHARDS)
    asked.add_argument("--only", default="", metavar="NAME")
    asked.add_argument("--seed", type=int, default=0)
    args = asked.parse_args()
    logging.disable()  # what is tried again
    print(HEADER)
    missed = 0
    for scenario in scenarios():
        if not scenario.name.startswith(args.only):
            continue
        began = time.process_time()
        found = simulate(scenario, max(1, round(args.shards * scenario.share)), args.seed)
        print(found.line(), f"{time.process_time() - began:6.1f} s", flush=True)
        for fault in found.faults():
            missed += 1
            print(f"    MISSED: {fault}")
    if not args.only or args.only == "plan":
        missed += plan_cost(min(20_000, args.shards))
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()

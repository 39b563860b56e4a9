"""Run shards by Ray Data: descriptors are the rows, actors do the work, and what they say of each shard comes back.

No image ever travels through Ray. A shard that was under way on a process or machine that died is computed again elsewhere: it
has the same name, and the first file of that name counts.
"""

from __future__ import annotations

import functools
import logging
import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from penult.cluster.cores import take_cores
from penult.cluster.resources import ActorResources, pool_for
from penult.cluster.start import connect_ray, versions
from penult.cluster.work import ActorAttempts, ShardWork, ShardWorker, block_sizes
from penult.errors import InputError, OutputError, PenultError
from penult.i18n import VARIABLE, _, language, set_language
from penult.shards import Plan, Runner, ShardStatus, ShardTask

log = logging.getLogger(__name__)

_DEATHS_AT_START = 20  # of actors, one after the other: machines may go, but one without penult is a mistake

Rows = dict[str, Any]
MakeWorker = Callable[[str], ShardWorker]


def ray_runner(address: str, make: MakeWorker, resources: ActorResources | None = None) -> Runner:
    """Return a `shards.Runner` that works by Ray.

    Parameters
    ----------
    address : str
        `"ray"` or `"ray://HOST:PORT"`, see `connect_ray`.
    make : callable
        Opens the worker of an actor for an output folder or URL; must be importable on the nodes, since Ray sends its name.
    resources : ActorResources, optional
        What each actor gets; by default chosen from the cluster.

    Returns
    -------
    callable
        For a folder or URL and descriptors of shards it yields a status each, in the order in which they end. It raises
        the `PenultError` that a node ended with; what is done until then stays, and the same call goes on from there.
    """

    def run(out: str, tasks: Sequence[ShardTask]) -> Iterator[ShardStatus]:
        if not tasks:
            return
        asked = _with_gpu(resources or ActorResources(), tasks[0].plan)
        with connect_ray(address) as outside:
            drive = _drive_remotely if outside else _drive
            with _errors_told():
                for row in drive(out, tasks, make, asked, language()):
                    answer = pickle.loads(row["answer"])  # noqa: S301 - from our own actor
                    if isinstance(answer, Exception):
                        raise answer
                    yield answer

    return run


def _with_gpu(asked: ActorResources, plan: str) -> ActorResources:
    """Return the resources with a GPU where the plan wants one and nobody has said how much of it."""
    wanted = asked.gpus is None and plan and Plan.open(plan).facts.device != "cpu"
    return replace(asked, gpus=1.0) if wanted else asked


@contextmanager
def _errors_told() -> Iterator[None]:
    """Tell what Ray raises in one sentence: a driver or a cluster that is gone, no room for an actor."""
    import ray

    try:
        yield
    except (ray.exceptions.RayError, ray.data.exceptions.SystemException, ConnectionError) as error:
        if isinstance(cause := getattr(error, "cause", None), PenultError):  # of the driver on the head node
            raise cause from None
        said = next((line.strip() for line in reversed(str(error).splitlines()) if line.strip(" ^")), type(error).__name__)
        if said.startswith("ModuleNotFoundError"):
            raise InputError(
                _("a node of the cluster has no penult ({said}); install it, in the same version, on all.", said=said)
            ) from error
        raise OutputError(
            _("Ray ended the work ({said}); what is done stays: run the same command again.", said=said[:300])
        ) from error


def _drive(out: str, tasks: Sequence[ShardTask], make: MakeWorker, resources: ActorResources, spoken: str) -> Iterator[Rows]:
    """Yield what became of each shard, in a process that is part of the cluster; errors are told in the language `spoken`."""
    import ray

    set_language(spoken)
    pool = pool_for(resources, ray.nodes(), len(tasks))
    log.info("%d shards on Ray: %s", len(tasks), pool)
    here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    attempts = ray.remote(num_cpus=0, scheduling_strategy=here)(ActorAttempts).remote()
    context = ray.data.DataContext.get_current().copy()
    context.enable_progress_bars = context.print_on_execution_start = False
    context.max_errored_blocks = 0
    context.wait_for_min_actors_s = 0
    context.max_consecutive_actor_init_deaths = _DEATHS_AT_START
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # errors are raised
    with ray.data.DataContext.current(context):
        # Actors restart, and what they were asked is asked again, without end: Ray Data's default; `ShardWork` ends it.
        done = ray.data.from_arrow(_blocks(tasks, pool.size)).map_batches(
            ShardActor,
            batch_size=None,
            batch_format="numpy",
            fn_constructor_args=(out, make, pool.cpus, attempts, versions(), spoken),
            compute=ray.data.ActorPoolStrategy(
                min_size=1, max_size=pool.most, initial_size=pool.size, max_tasks_in_flight_per_actor=2
            ),
            num_cpus=pool.cpus,
            num_gpus=pool.gpus or None,
            memory=pool.memory,
        )
        yield from done.iter_rows()


def _blocks(tasks: Sequence[ShardTask], actors: int) -> list[Any]:
    """Return the descriptors as tables, a block each."""
    import pyarrow as pa

    rest = iter(tasks)
    return [
        pa.table({"task": pa.array([pickle.dumps(task) for task in islice(rest, size)], pa.binary())})
        for size in block_sizes(len(tasks), actors)
    ]


def _drive_remotely(*asked: Any) -> Iterator[Rows]:
    """Do the same by a driver in the cluster, on its head node: Ray Data does not work through Ray Client."""
    import ray

    driver = ray.remote(num_cpus=0, resources={"node:__internal_head__": 0.001})(RemoteDriver).remote(*asked)
    while rows := ray.get(driver.rows.remote()):
        yield from rows


class RemoteDriver:
    """The driver, for a command outside the cluster, which asks it for rows."""

    def __init__(self, *asked: Any) -> None:
        self._rows = _drive(*asked)

    def rows(self) -> list[Rows]:
        """Return the next rows, after waiting for one; none when there are no more."""
        return list(islice(self._rows, 1))


class ShardActor:
    """What Ray starts, on cores of its own; see `ShardWork` for what it does."""

    def __init__(self, out: str, make: MakeWorker, cpus: float, attempts: Any, wanted: dict[str, str], spoken: str) -> None:
        set_language(spoken)
        os.environ[VARIABLE] = spoken  # for the processes that it starts
        take_cores(cpus)
        self._work = ShardWork(functools.partial(_make_here, make, out, wanted), RemoteAttempts(attempts))

    def __call__(self, batch: Rows) -> Rows:
        """Do the shards of a block, one after the other."""
        answers = [self._work.answer(pickle.loads(task)) for task in batch["task"]]  # noqa: S301 - ours, through Ray
        return {"answer": np.array([pickle.dumps(answer) for answer in answers], object)}


class RemoteAttempts:
    """The one `ActorAttempts` of all actors."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def begin(self, key: str) -> int:
        """Ask how often it was begun before."""
        import ray

        return int(ray.get(self._actor.begin.remote(key)))

    def end(self, key: str) -> None:
        """Say that it has ended."""
        self._actor.end.remote(key)


def _make_here(make: MakeWorker, out: str, wanted: dict[str, str]) -> ShardWorker:
    if (here := versions()) != wanted:
        raise InputError(
            _("this node has {here}, the command {wanted}; install the same versions on all nodes.", here=here, wanted=wanted)
        )
    return make(out)

"""What an actor asks of its machine, and how many of them a cluster has room for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penult.errors import InputError
from penult.i18n import _, pgettext
from penult.texts import parse_size

_CORES = 8  # an actor hears its decoders in one thread; more cores are better used by a second actor
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_EXAMPLES = {"cpus": "cpus=4", "gpus": "gpus=0.5", "memory": "memory=8GB", "max": "max=10"}


@dataclass(frozen=True, slots=True)
class ActorResources:
    """What each actor gets, where the user says so; None is chosen by the cluster.

    `cpus` are processors, `gpus` may be a fraction, so that several actors share one; `memory` is bytes that Ray sets aside
    for it; `most` is how many actors there may be at once.
    """

    cpus: float | None = None
    gpus: float | None = None
    memory: int | None = None
    most: int | None = None

    @classmethod
    def parse(cls, values: Sequence[str], *names: str) -> ActorResources:
        """Return the resources of texts such as `cpus=4 gpus=0.5 memory=8GB max=10`; `names` are allowed, by default all.

        Raises `InputError`.
        """
        names = names or tuple(_EXAMPLES)
        given: dict[str, Any] = {}
        for value in values:
            name, _other, text = value.partition("=")
            number = parse_size(text) if name == "memory" else float(text) if _NUMBER.fullmatch(text) else None
            if name not in names or number is None:
                examples = pgettext("between two choices", " or ").join(_EXAMPLES[one] for one in names)
                raise InputError(
                    _("--actor {value!r} is not understood here; give {examples}.", value=value, examples=examples)
                )
            if number <= 0 or (name == "max" and number % 1):
                raise InputError(
                    _(
                        "--actor {value!r}: {name} must be above zero, and max a whole number; give one such as {name}=2.",
                        value=value,
                        name=name,
                    )
                )
            given[name] = int(number) if name == "max" else number
        return cls(given.get("cpus"), given.get("gpus"), given.get("memory"), given.get("max"))


@dataclass(frozen=True, slots=True)
class Pool:
    """Actors of a size, `size` of them at the beginning and at most `most`."""

    cpus: float
    gpus: float
    memory: int | None
    size: int
    most: int


def pool_for(asked: ActorResources, nodes: Sequence[Mapping[str, Any]], tasks: int) -> Pool:
    """Return the pool for so many tasks on the nodes that `ray.nodes()` tells of.

    Raises
    ------
    InputError
        No node has what an actor is to get.
    """
    alive = [node["Resources"] for node in nodes if node["Alive"]]
    cores = [int(found.get("CPU", 0)) for found in alive if found.get("CPU", 0) >= 1]
    gpus = asked.gpus or 0.0
    cpus = asked.cpus or _even(cores, [found.get("GPU", 0.0) for found in alive], gpus)
    wanted = {"CPU": cpus, "GPU": gpus, "memory": asked.memory or 0}
    room = sum(min(int(found.get(name, 0) / need + 1e-9) for name, need in wanted.items() if need) for found in alive)
    if room < 1:
        raise InputError(
            _(
                "no node of the cluster has what an actor is to get ({wanted}); the nodes have {alive}. Give smaller "
                "numbers by --actor.",
                wanted=wanted,
                alive=[{name: found.get(name, 0) for name in wanted} for found in alive][:5],
            )
        )
    most = min(tasks, asked.most or tasks)
    return Pool(cpus, gpus, asked.memory, min(most, room), most)


def _even(cores: Sequence[int], cards: Sequence[float], gpus: float) -> float:
    """Return the cores of an actor: at most 8, by which most of all cores are used; with GPUs a card's share of them."""
    if not cores:
        return 1
    if gpus and any(cards):
        actors = max(1, int(max(cards) / gpus))
        return max(1, max(cores) // actors)
    return max(range(1, min(_CORES, max(cores)) + 1), key=lambda size: (sum(n // size * size for n in cores), size))

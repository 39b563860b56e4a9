"""Which networks are compared: names and presets in, the records of those that can be had out, the cheapest first.

It must not know images, features or heads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penult import zoo
from penult.backbones import Backbone
from penult.compare.options import Budget
from penult.embed import Progress
from penult.errors import InputError, PenultError, UnknownName


@dataclass(frozen=True, slots=True)
class Candidate:
    """A network to compare: what the user typed, what the results call it, and its record."""

    typed: str
    name: str
    backbone: Backbone


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What was not compared, and why; `seconds` is the time that it would have taken, where that is the reason."""

    name: str
    reason: str
    seconds: float | None = None


def gather(
    typed: Sequence[str], cache: str | bool | None, budget: Budget, say: Progress
) -> tuple[list[Candidate], list[LeftOut]]:
    """Return the networks that can be had, those with the fewest multiply-adds first, and those that cannot, with the reason.

    Raises `UnknownName` for a name that is nobody's, `InputError` where no network is left.
    """
    found: dict[str, tuple[str, Backbone]] = {}
    left_out = []
    for name in zoo.expand(typed):
        if budget.left <= 0 and found:
            left_out.append(LeftOut(name, "the time was used up before it was looked for"))
            continue
        try:
            backbone = zoo.find(name, cache=cache, say=say)
        except UnknownName:
            raise
        except PenultError as error:
            left_out.append(LeftOut(name, str(error)))
            continue
        found.setdefault(backbone.digest, (name, backbone))
    if not found:
        raise InputError("none of the networks can be had: " + "; ".join(f"{one.name}: {one.reason}" for one in left_out))
    every = list(found.values())
    labels = [backbone.name for _, backbone in every]
    candidates = [Candidate(name, b.name if labels.count(b.name) == 1 else name, b) for name, b in every]
    return sorted(candidates, key=lambda c: c.backbone.gflops), left_out


def short(names: Sequence[str]) -> dict[str, str]:
    """Return for each name a shorter one: without timm's word behind the dot, and without what all begin with.

    What is cut ends at a sign between words, and nothing is cut that two names need to be told apart.
    """
    bare = [name.split(".", 1)[0] if "/" not in name else name for name in names]
    if len(set(bare)) < len(names):
        bare = list(names)
    if len(names) > 1:
        shared = 0
        for signs in zip(*bare, strict=False):
            if len(set(signs)) > 1:
                break
            shared += 1
        cut = max(bare[0][:shared].rfind(sign) for sign in "_-:/.") + 1
        bare = [name[cut:] or name for name in bare]
    return dict(zip(names, bare, strict=True))

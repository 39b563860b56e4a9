"""Which networks are compared: names and presets in, the records of those that can be had out, the cheapest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penult import zoo
from penult.backbones import Backbone
from penult.compare.options import Budget, CompareOptions
from penult.errors import InputError, PenultError, ProgressCallback, UnknownName


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


def gather(options: CompareOptions, budget: Budget, progress: ProgressCallback) -> tuple[list[Candidate], list[LeftOut]]:
    """Return the networks that can be had, those with the fewest multiply-adds first, and those that cannot, with the reason.

    Raises `UnknownName` for a name that is nobody's, `InputError` where no network is left.
    """
    found: dict[str, tuple[str, Backbone]] = {}
    left_out = []
    for name in zoo.expand(options.backbones):
        if budget.left <= 0 and found:
            left_out.append(LeftOut(name, "the time was used up before it was looked for"))
            continue
        try:
            backbone = options.find(name, progress)
        except UnknownName:
            raise
        except PenultError as error:
            left_out.append(LeftOut(name, str(error)))
            continue
        found.setdefault(backbone.digest, (name, backbone))
    if not found:
        raise InputError(
            "none of the networks can be had: "
            + "; ".join(f"{one.name}: {one.reason}" for one in left_out)
            + "; name others with -b."
        )
    every = list(found.values())
    labels = [backbone.name for _, backbone in every]
    candidates = [Candidate(name, b.name if labels.count(b.name) == 1 else name, b) for name, b in every]
    return sorted(candidates, key=lambda c: c.backbone.gmacs), left_out


def short(names: Sequence[str]) -> dict[str, str]:
    """Return for each name a shorter one: without timm's word behind the dot, and without what all begin with.

    What is cut ends at a sign between words, and nothing is cut that two names need to be told apart.
    """
    plain = [name.split(".", 1)[0] if "/" not in name else name for name in names]
    bare = plain if _apart(plain) else list(names)
    first, last = min(bare), max(bare)  # what these two begin with, all do
    shared = next((i for i, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    cut = max(first[:shared].rfind(sign) for sign in "_-:/.") + 1
    cropped = [name[cut:] for name in bare]
    return dict(zip(names, cropped if len(names) > 1 and _apart(cropped) else bare, strict=True))


def _apart(names: Sequence[str]) -> bool:
    """Tell whether these are names, each another."""
    return all(names) and len(set(names)) == len(names)

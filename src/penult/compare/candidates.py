"""The networks that are compared: those that can be had, the cheapest first, and their features of the same images.

In: names and presets, images, a budget. Out: `ComparisonData`, and what was left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from penult import audit, evaluate, zoo
from penult.backbones import Backbone
from penult.compare.options import Budget, CompareOptions
from penult.embed import Embedding, EmbedOptions, depth_notes, embed, find_depth, is_cached, measure_speed, speed
from penult.errors import InputError, OutputError, PenultError, ProgressCallback, TooManyBad, UnknownName
from penult.i18n import _
from penult.images import ImageSet
from penult.pixels import FULL_DEPTH, summarize_failures
from penult.training.data import check_label_counts
from penult.training.shift import LARGE


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
            left_out.append(LeftOut(name, _("no time was left for it")))
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
        raise InputError(_("none of the networks is available: {reasons}; name others with -b.", reasons=_reasons(left_out)))
    every = list(found.values())
    labels = [backbone.name for _name, backbone in every]
    candidates = [Candidate(name, b.name if labels.count(b.name) == 1 else name, b) for name, b in every]
    return sorted(candidates, key=lambda c: c.backbone.gmacs), left_out


def with_larger(
    named: list[Candidate], sides: Sequence[float], options: CompareOptions, progress: ProgressCallback
) -> list[Candidate]:
    """Return the candidates, and the cheapest at twice its size where photos of these sides are far larger than seen."""
    seen = max(one.backbone.recipe.size for one in named)
    plain = [one for one in named if one.backbone.has_maps and not {":", "@"} & set(one.typed)]
    if not plain or not sides or float(np.median(sides)) < LARGE * seen:
        return named
    name = f"{plain[0].typed}:{2 * plain[0].backbone.recipe.size}"
    try:
        larger = options.find(name, progress)
    except PenultError:  # a network of one size only
        return named
    return sorted([*named, Candidate(name, name, larger)], key=lambda c: c.backbone.gmacs)


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


OPENING = 2.0  # seconds that a candidate takes beside its images: read, compile, start the decoders
DRAWING = 3.0  # seconds for the figure and the files


@dataclass(frozen=True, slots=True)
class EmbeddedCandidate:
    """A candidate whose features are there; `images_per_second` is its network alone on this machine."""

    candidate: Candidate
    X: NDArray[np.float32]  # (n, d)
    images_per_second: float


@dataclass(frozen=True, slots=True)
class ComparisonData:
    """What is measured: the same n images for every player.

    Of photos with any number of labels `Y` (n, L) says which they have, and `y` is of no account.
    `groups` (n,): rows of one group never stand on both sides of a split; None when every row is its own group.
    """

    embedded: tuple[EmbeddedCandidate, ...]
    y: NDArray[np.intp]  # (n,)
    classes: tuple[str, ...]
    groups: NDArray[np.intp] | None  # (n,)
    engine: tuple[str, str, str]
    counts: dict[str, int]
    notes: tuple[str, ...]
    Y: NDArray[np.float32] | None = None  # (n, L)


class _Late(Exception):
    """The time is up."""


class CandidateEmbedder:
    """Embeds the candidates one by one, the cheapest first, and leaves out those for which there is no time."""

    def __init__(
        self, images: ImageSet, settings: EmbedOptions, budget: Budget, progress: ProgressCallback, near: bool = True
    ) -> None:
        """`near`: whether near copies are kept together."""
        self.images, self.settings, self.budget, self.progress = images, settings, budget, progress
        self._near = near
        self.left_out: list[LeftOut] = []
        self._players: list[EmbeddedCandidate] = []
        self._done: list[Embedding] = []
        self._trial: float | None = None  # seconds that measuring one player takes
        self._decoding = 0.0  # seconds that an image takes beside its network

    def run(self, candidates: Sequence[Candidate], first: Callable[[ComparisonData], float]) -> ComparisonData:
        """Return the field of all who were in time. Raises `InputError` where no candidate could be embedded.

        Where the time is limited, `first` gets the field of the first player alone, and returns the seconds that measuring
        it took: so much is held back for each player.
        """
        depth = find_depth(self.images.sources, self.settings, self.progress)
        if depth != FULL_DEPTH:
            candidates = [replace(one, backbone=one.backbone.at_depth(depth)) for one in candidates]
        for candidate in candidates:
            try:
                self._add(candidate)
            except (OutputError, TooManyBad):
                raise
            except PenultError as error:
                self.left_out.append(LeftOut(candidate.name, str(error)))
                continue
            if len(self._players) == 1 and self._trial is None:
                alone = self._field(self._mine, ())
                if alone.Y is not None:  # each raises for classes, or labels, that cannot be measured
                    check_label_counts(alone.Y, alone.classes)
                else:
                    evaluate.outer_folds(alone.y, alone.classes, alone.groups)
                self._trial = first(alone) if self.budget.limited else 0.0
        if not self._players:
            raise InputError(
                _("no network could be compared: {reasons}; name others with -b.", reasons=_reasons(self.left_out))
            )
        return self._grouped()

    @property
    def _mine(self) -> NDArray[np.intp] | None:
        """The groups that the user gave, of the readable images (n,)."""
        return None if self.images.groups is None else self.images.groups[self._done[0].ok]

    def _grouped(self) -> ComparisonData:
        """Return the field, with copies, near copies and the user's groups tied together: seen by all players at once."""
        done = self._done[0]
        X = np.hstack([member.X for member in self._players])  # (n, sum of d)
        widths = [member.X.shape[1] for member in self._players]
        looks, pictures = done.thumbnails(), done.large_thumbnails
        grouping = audit.group(done.digests[done.ok], X, widths, self._mine, looks, near=self._near, pictures=pictures)
        why = summarize_failures(done.failures.values())
        unread = _("{n} images cannot be read and are left out: {why}.", n=len(done.failures), why=why)
        depth = depth_notes(done.backbones)
        notes = (*self.images.notes, *grouping.notes, *depth, *([unread] if done.failures else []))
        return self._field(grouping.groups if len(np.unique(grouping.groups)) < len(X) else None, notes)

    def _field(self, groups: NDArray[np.intp] | None, notes: tuple[str, ...]) -> ComparisonData:
        ours, ok = self._done[0], self._done[0].ok
        counts = {
            "images": len(ok),
            "failed": len(ours.failures),
            "embedded": sum(d.embedded for d in self._done),
            "reused": sum(d.reused for d in self._done),
        }
        engine = (ours.engine, *ours.compute)
        several = self.images.task == "labels"
        y, Y = (np.zeros(int(ok.sum()), np.intp), self.images.Y[ok]) if several else (self.images.y[ok], None)
        return ComparisonData(tuple(self._players), y, self.images.classes, groups, engine, counts, notes, Y)

    def _add(self, candidate: Candidate) -> None:
        needed = self._needed(candidate)
        if self._players and needed > self._free:
            reason = _(
                "it would take about {needed}, and {left} were left", needed=_span(needed), left=_span(max(self._free, 0))
            )
            self.left_out.append(LeftOut(candidate.name, reason, round(needed, 1)))
            return
        began = time.monotonic()
        try:
            done = embed(
                self.images.sources,
                [candidate.backbone],
                self.settings,
                self._watching(candidate),
                thumbnails=not self._players,
            )
        except _Late:
            reason = _("the time was up before it had finished; what was computed is in the cache")
            self.left_out.append(LeftOut(candidate.name, reason, round(needed, 1)))
            return
        wall = time.monotonic() - began
        self.settings.tolerance.check_failures(self.images.ids, done.failures)
        if not self._fits(done, candidate):
            return
        X = done.rows(0)  # (n, d)
        used = done.backbones[0]
        rate = speed(used, self.settings) or measure_speed(used, self.settings)
        if done.embedded:
            self._decoding = max(self._decoding, (wall - OPENING) / done.embedded - 1 / rate)
        self._players.append(EmbeddedCandidate(candidate, X, rate))
        self._done.append(done)

    @property
    def _free(self) -> float:
        """Seconds left for another candidate, when measuring those who are there and it, and drawing, are held back."""
        return self.budget.left - DRAWING - (self._trial or 0.0) * (len(self._players) + 1)

    def _needed(self, candidate: Candidate) -> float:
        """Return about how many seconds this candidate takes; 0 for the first."""
        if not self._players:
            return 0.0
        missing = int((~is_cached(candidate.backbone, self._done[0].digests[self._done[0].ok], self.settings)).sum())
        rate = speed(candidate.backbone, self.settings)
        if rate is None:
            last = self._players[-1]
            share = candidate.backbone.gmacs / (last.candidate.backbone.gmacs or candidate.backbone.gmacs or 1.0)
            rate = last.images_per_second / max(share, 1.0)
        return missing * (1 / rate + self._decoding) + OPENING * (missing > 0)

    def _watching(self, candidate: Candidate) -> ProgressCallback:
        """Return what tells the user how far it is, and ends all but the first candidate when the time is up."""
        bound = bool(self._players)

        def progress(step: str, done: int, total: int) -> None:
            if bound and self._free <= 0:
                raise _Late
            self.progress(candidate.name, done, total)

        return progress

    def _fits(self, done: Embedding, candidate: Candidate) -> bool:
        """Tell whether this candidate saw what the first one saw."""
        if not done.ok.any():
            why = summarize_failures(done.failures.values())
            raise InputError(_("none of the {n} images can be read: {why}; give images that can.", n=len(done.ok), why=why))
        if self._done and not np.array_equal(done.digests[done.ok], self._done[0].digests[self._done[0].ok]):
            reason = _("it did not see the same images as the others: some changed meanwhile, or could not be read this time")
            self.left_out.append(LeftOut(candidate.name, reason))
            return False
        return True


def _span(seconds: float) -> str:
    """Return a time as people say it: 40 s, 12 min."""
    return _("{n} s", n=f"{seconds:.0f}") if seconds < 120 else _("{n} min", n=f"{seconds / 60:.0f}")


def _reasons(left_out: Sequence[LeftOut]) -> str:
    return "; ".join(f"{one.name}: {one.reason}" for one in left_out)

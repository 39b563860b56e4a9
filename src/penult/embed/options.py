"""Where and how features are computed, and how many images may be bad."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from penult import engines, pixels, store
from penult.backbones import Backbone
from penult.errors import InputError, TooManyBad
from penult.i18n import _
from penult.images import ImageSet, ImageStream, quoted, skipped_notes
from penult.pixels import Failure, FailureLog
from penult.texts import printable

MOST_PIXELS = pixels.MAX_SIDE**2
Cache = TypeVar("Cache", store.FeatureCache, store.BlobCache)
_LIMIT = re.compile(r"(\d+(?:\.\d+)?)\s*%|(\d+)")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The limit: at most `share` of the images (0 to 1) and at most `count` of them may be unreadable.

    With `strict` none may be, and a scan may not pass over anything that could be an image: links to folders above them or
    read already, links that lead nowhere, what could not be opened, images outside the class folders. Without any of these
    everything is tolerated and reported.
    """

    share: float = 1.0
    count: int | None = None
    strict: bool = False

    @classmethod
    def parse(cls, limit: str | None, strict: bool = False) -> Tolerance:
        """Return the limit of a text: `5%`, or a number of images. Raises `InputError` for anything else."""
        if limit is None:
            return cls(strict=strict)
        found = _LIMIT.fullmatch(limit.strip())
        if found is None or (found[1] and float(found[1]) > 100):
            raise InputError(
                _("--max-bad {limit!r} is not a share or number of images; use one such as 5% or 20.", limit=limit)
            )
        if found[1]:
            return cls(share=float(found[1]) / 100, strict=strict)
        return cls(count=int(found[2]), strict=strict)

    def check_scan(self, *sets: ImageSet | ImageStream | None) -> None:
        """Raise `TooManyBad` where `strict`, if the scan of these sets passed over something that could be an image."""
        passed = [note for found in sets if found is not None for note in skipped_notes(found)]
        if self.strict and passed:
            raise TooManyBad(_("{passed}. Fix these, or leave --strict out; nothing was computed.", passed="; ".join(passed)))

    def check_failures(self, names: Sequence[str], failures: Mapping[int, Failure], listing: str | Path = "") -> None:
        """Raise `TooManyBad` if too many of the images of these names (n,) failed; `listing` is the file that lists them."""
        log = FailureLog()
        log.add(names, failures)
        self.check_log(log, listing)

    def check_log(self, log: FailureLog, listing: str | Path = "") -> None:
        """Do what `check_failures` does for images that were counted one part after the other."""
        if log.failed > self._most(log.images):
            told = {"names": quoted([name for name, _other in log.named], log.failed), "reasons": log.summary()}
            which = _("{names}. {reasons}", **told)
            if listing:
                which = _("{names} (all of them: {listing}). {reasons}", listing=printable(listing), **told)
            self.check_count(log.failed, log.images, which)

    def check_count(self, bad: int, n: int, which: str) -> None:
        """Raise `TooManyBad` if `bad` of n images are too many; `which` they are, and why, ends the sentence."""
        if bad <= self._most(n):
            return
        told = {"bad": bad, "n": n, "share": f"{100 * bad / n:.3g}", "which": which}
        if self.strict:
            raise TooManyBad(
                _(
                    "{bad} of {n} images ({share}%) cannot be read (--strict allows none): {which}. Repair or remove them, or "
                    "allow more; features computed so far are kept.",
                    **told,
                )
            )
        asked = f"{100 * self.share:g}%" if self.count is None else str(self.count)
        raise TooManyBad(
            _(
                "{bad} of {n} images ({share}%) cannot be read (--max-bad {asked} allows {most}): {which}. Repair or remove "
                "them, or allow more; features computed so far are kept.",
                asked=asked,
                most=int(self._most(n)),
                **told,
            )
        )

    def _most(self, n: int) -> float:
        if self.strict:
            return 0
        return min(self.share * n + 1e-9, n if self.count is None else self.count)  # 5% of 20 is 1, whatever the rounding


@dataclass(frozen=True, slots=True)
class EmbedOptions:
    """Where and how features are computed.

    `cache`: the folder of the feature cache; None = the user's cache folder; False = memory only.
    `workers`: decoding processes; None = chosen from the machine, 0 = none.
    `max_pixels`: larger pictures are refused, JPEGs above four times as many; a higher limit needs more memory.
    `tolerance`: how many images may be unreadable before a command refuses to go on.
    `cache_optional`: go on in memory, with one line, also where the folder that was asked for cannot be written; the user's
    own folder (None, unless PENULT_CACHE names it) never stops anything by being read-only or not there.
    `photo_thumbnails`: keep a small color picture of each photo that is decoded, too (see `PhotoThumbnails`).
    """

    device: str = "auto"
    precision: str = "auto"
    cache: str | Path | bool | None = None
    workers: int | None = None
    tolerance: Tolerance = field(default_factory=Tolerance)
    max_pixels: int = pixels.MAX_PIXELS
    cache_optional: bool = False
    photo_thumbnails: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.max_pixels <= MOST_PIXELS:
            raise InputError(
                _(
                    "a limit of {max_pixels} pixels is out of range; give --max-pixels (max_pixels in Python) a whole "
                    "number from 1 to {most_pixels:,}.",
                    max_pixels=self.max_pixels,
                    most_pixels=MOST_PIXELS,
                )
            )

    @property
    def folder(self) -> Path | None:
        """Return the cache folder, or None where everything stays in memory.

        Raises `OutputError` where PENULT_CACHE names a folder in a home that is not there.
        """
        if self.cache is False:
            return None
        if isinstance(self.cache, str | Path):
            return Path(self.cache)
        return store.user_cache(self.cache_optional)

    @property
    def chosen(self) -> bool:
        """Whether somebody named the folder: then it is an error if it cannot be written."""
        return isinstance(self.cache, str | Path) or store.cache_was_chosen()

    def with_thumbnails(self) -> EmbedOptions:
        """Return the same with `photo_thumbnails`."""
        return replace(self, photo_thumbnails=True)

    def compute(self, backbones: Sequence[Backbone]) -> engines.Compute:
        """Return the device and precision that these networks will be computed in. Raises what `engines.resolve` raises."""
        return engines.resolve(self.device, self.precision, backbones)

    def rows(self, facts: Mapping[str, str]) -> store.FeatureCache:
        """Return where rows of these facts (see `store.FeatureCache`) are kept. Raises `OutputError`."""
        return self._open(store.FeatureCache, facts)

    def thumbnails(self, facts: Mapping[str, str]) -> store.BlobCache:
        """Return where thumbnails of these facts are kept. Raises `OutputError`."""
        return self._open(store.BlobCache, facts)

    def _open(self, kind: Callable[..., Cache], facts: Mapping[str, str]) -> Cache:
        folder = self.folder
        if folder is None and self.cache is not False:
            store.warn_not_cached(_("no cache folder is known, because this user has no home folder"))
        if self.cache_optional:
            return kind(folder, facts, lambda error: True)
        return kind(folder, facts) if self.chosen else kind(folder, facts, store.is_permanent)

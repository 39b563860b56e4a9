"""Where and how features are computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from penult import pixels, store
from penult.embed.tolerance import Tolerance
from penult.errors import InputError

MOST_PIXELS = pixels.MAX_SIDE**2


@dataclass(frozen=True, slots=True)
class EmbedOptions:
    """Where and how features are computed.

    `cache`: the folder of the feature cache; None = the user's cache folder; False = memory only.
    `workers`: decoding processes; None = chosen from the machine, 0 = none.
    `max_pixels`: larger pictures are refused, JPEGs above four times as many; a higher limit needs more memory.
    `tolerance`: how many images may be unreadable before a command refuses to go on.
    `cache_optional`: go on in memory, with one line, also where the folder that was asked for cannot be written; the user's
    own folder (None, unless PENULT_CACHE names it) never stops anything by being read-only or not there.
    """

    device: str = "auto"
    precision: str = "auto"
    cache: str | Path | bool | None = None
    workers: int | None = None
    tolerance: Tolerance = field(default_factory=Tolerance)
    max_pixels: int = pixels.MAX_PIXELS
    cache_optional: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.max_pixels <= MOST_PIXELS:
            raise InputError(
                f"a limit of {self.max_pixels} pixels cannot be; give --max-pixels (max_pixels in Python) a whole number from "
                f"1 to {MOST_PIXELS:,}."
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
        return store.fallback.user_cache(self.cache_optional)

    @property
    def chosen(self) -> bool:
        """Whether somebody named the folder: then it is an error if it cannot be written."""
        return isinstance(self.cache, str | Path) or store.fallback.was_chosen()

    def rows(self, facts: Mapping[str, str]) -> store.Rows:
        """Return where rows of these facts (see `store.Cache`) are kept. Raises `OutputError`."""
        folder = self.folder
        if folder is None and self.cache is not False:
            store.fallback.tell("no cache folder is known, because this user has no home folder")
        if folder is None:
            return store.MemoryCache(int(facts["width"]))
        if self.chosen and not self.cache_optional:
            return store.Cache(folder, facts)
        return store.FallbackCache(folder, facts, always=self.cache_optional)

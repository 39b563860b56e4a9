"""Where and how features are computed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from penult import pixels, store
from penult.embed.tolerance import Tolerance
from penult.errors import InputError

MOST_PIXELS = pixels.MAX_SIDE**2


@dataclass(frozen=True, slots=True)
class Settings:
    """Where and how features are computed.

    `cache`: the folder of the feature cache; None = the user's cache folder; False = memory only.
    `workers`: decoding processes; None = chosen from the machine, 0 = none.
    `max_pixels`: larger pictures are refused, JPEGs above four times as many; a higher limit needs more memory.
    `tolerance`: how many images may be unreadable before a command refuses to go on.
    """

    device: str = "auto"
    precision: str = "auto"
    cache: str | bool | None = None
    workers: int | None = None
    tolerance: Tolerance = field(default_factory=Tolerance)
    max_pixels: int = pixels.MAX_PIXELS

    def __post_init__(self) -> None:
        if not 1 <= self.max_pixels <= MOST_PIXELS:
            raise InputError(
                f"a limit of {self.max_pixels} pixels cannot be; give --max-pixels (max_pixels in Python) a whole number from "
                f"1 to {MOST_PIXELS:,}."
            )

    @property
    def folder(self) -> Path | None:
        """Return the cache folder, or None where everything stays in memory."""
        if self.cache is False:
            return None
        return Path(self.cache) if isinstance(self.cache, str) else store.default_cache()

"""Where and how features are computed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from penult import store
from penult.embed.tolerance import Tolerance


@dataclass(frozen=True, slots=True)
class Settings:
    """Where and how features are computed.

    `cache`: the folder of the feature cache; None = the user's cache folder; False = memory only.
    `workers`: decoding processes; None = chosen from the machine, 0 = none.
    `tolerance`: how many images may be unreadable before a command refuses to go on.
    """

    device: str = "auto"
    precision: str = "auto"
    cache: str | bool | None = None
    workers: int | None = None
    tolerance: Tolerance = field(default_factory=Tolerance)

    @property
    def folder(self) -> Path | None:
        """Return the cache folder, or None where everything stays in memory."""
        if self.cache is False:
            return None
        return Path(self.cache) if isinstance(self.cache, str) else store.default_cache()

"""What a comparison was asked for, and how much time it has."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from penult import zoo
from penult.backbones import Backbone
from penult.embed import EmbedOptions
from penult.errors import InputError, ProgressCallback
from penult.i18n import _
from penult.images import TableOptions

SAMPLE = 1000  # images: enough to tell log losses a tenth apart, few enough for a coffee
_SPAN = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?")


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """Everything that decides a comparison, apart from the images.

    `backbones` are names or presets; `budget` is seconds for everything, None: as long as it takes; `sample` is how many
    images are looked at; `groups` names a CSV column whose equal values are never split; `class_weight`, `near_duplicates`,
    `crop_mode`, `pooling`, `recipe` and, of a CSV, `image_column`, `label_column`, `image_dir` and `encoding` are those of
    `penult.training.TrainOptions`.
    """

    out: str = "penult-compare"
    backbones: tuple[str, ...] = zoo.COMPARED
    head: str = "blend"
    class_weight: Literal["balanced"] | None = None
    budget: float | None = None
    sample: int = SAMPLE
    groups: str | None = None
    near_duplicates: str = "group"
    image_column: str | None = None
    label_column: str | None = None
    image_dir: str | None = None
    encoding: str | None = None
    crop_mode: str | None = None
    pooling: str | None = None
    recipe: Mapping[str, Any] | None = None
    seed: int = 0
    settings: EmbedOptions = field(default_factory=EmbedOptions)

    @property
    def table(self) -> TableOptions:
        """Return how a CSV of images is to be read."""
        return TableOptions(self.image_column, self.label_column, self.image_dir, self.encoding)

    def find(self, name: str, progress: ProgressCallback) -> Backbone:
        """Return the network of a name, as these options want it."""
        changes = {} if self.crop_mode is None else {"crop_mode": self.crop_mode}
        return zoo.find_backbone(
            name, self.pooling, cache=self.settings.cache, recipe=self.recipe, progress=progress, **changes
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, for `compare.json`."""
        names = (
            "head", "class_weight", "budget", "sample", "groups", "near_duplicates", "image_column", "label_column",
            "image_dir", "encoding", "crop_mode", "pooling", "recipe", "seed",
        )  # fmt: skip
        own = {"fit" if name == "crop_mode" else name: getattr(self, name) for name in names}
        return {"backbones": list(self.backbones), **own, "device": self.settings.device, "precision": self.settings.precision}


def seconds(text: str) -> float:
    """Return the seconds that `90s`, `5m`, `1h30m` or `300` mean. Raises `InputError` for anything else, and for none."""
    found = _SPAN.fullmatch(text.strip().lower())
    parts = [float(part or 0) for part in found.groups()] if found else [0.0, 0.0, 0.0]
    total = 3600 * parts[0] + 60 * parts[1] + parts[2]
    if total <= 0:
        raise InputError(
            _("a budget of {text!r} is not a time; give a time such as 90s, 5m or 1h30m (a number is seconds).", text=text)
        )
    return total


class Budget:
    """The time that is left; without a limit that is for ever."""

    def __init__(self, limit: float | None) -> None:
        self._began, self._limit = time.monotonic(), limit

    @property
    def limited(self) -> bool:
        """Whether there is a limit."""
        return self._limit is not None

    @property
    def left(self) -> float:
        """Seconds until everything must be done."""
        return float("inf") if self._limit is None else self._limit - self.spent

    @property
    def spent(self) -> float:
        """Seconds since the comparison began."""
        return time.monotonic() - self._began

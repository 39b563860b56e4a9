"""What a training run was asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from penult.backbones import DEFAULT
from penult.embed import Settings


@dataclass(frozen=True, slots=True)
class Options:
    """Everything that decides a run's result, apart from the images.

    `fit` overrides how the backbones' recipes make a picture square, `pooling` how their maps become features;
    `clip` is "auto" (chosen by the folds) or the smallest
    probability that is ever given; `groups` names a CSV column whose equal values are never split; `files` lists the names of
    the rows when training starts from feature files.
    """

    out: str = "penult-run"
    backbones: tuple[str, ...] = DEFAULT
    fit: Literal["crop", "squash"] | None = None
    pooling: Literal["mean", "mean+max"] | None = None
    head: str = "logistic"
    clip: float | Literal["auto"] = "auto"
    groups: str | None = None
    submission: str | None = None
    files: str | None = None
    seed: int = 0
    settings: Settings = field(default_factory=Settings)

    def changes(self) -> dict[str, str]:
        """Return what is asked of every backbone in other words than its own."""
        asked = {"fit": self.fit, "pooling": self.pooling}
        return {name: value for name, value in asked.items() if value is not None}

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, for `metrics.json`."""
        return {
            "backbones": list(self.backbones),
            "fit": self.fit,
            "pooling": self.pooling,
            "head": self.head,
            "clip": self.clip,
            "groups": self.groups,
            "submission": self.submission,
            "seed": self.seed,
            "device": self.settings.device,
            "precision": self.settings.precision,
        }

"""What a training run was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from penult.backbones import DEFAULT
from penult.embed import Settings
from penult.zoo import PRESETS


@dataclass(frozen=True, slots=True)
class Options:
    """Everything that decides a run's result, apart from the images.

    `fit` overrides how the backbones' recipes make a picture square, `pooling` how their maps become features;
    `clip` is "auto" (chosen by the folds) or the smallest
    probability that is ever given; `groups` names a CSV column whose equal values are never split; `files` lists the names of
    the rows when training starts from feature files; `recipe` describes ONNX files that have no recipe file beside them.
    `review` is the confidence below which a photo of the test part is for a person to look at: `review.csv`.
    With the `protocol` "seed" pictures are seen as in the seed, and probabilities are not calibrated: see `of_seed`.
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
    recipe: Mapping[str, Any] | None = None
    protocol: Literal["seed"] | None = None
    seed: int = 0
    review: float | None = None
    settings: Settings = field(default_factory=Settings)

    @classmethod
    def of_seed(cls, **others: Any) -> Options:
        """Return what the seed did: three Keras networks, its dense head, probabilities cut to 0.005..0.995."""
        known = {"backbones": PRESETS["seed"], "head": "dense", "clip": 0.005, "protocol": "seed"}
        return cls(**{**known, **others})

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
            "files": self.files,
            "recipe": None if self.recipe is None else dict(self.recipe),
            "protocol": self.protocol,
            "seed": self.seed,
            "review": self.review,
            "device": self.settings.device,
            "precision": self.settings.precision,
            "max_pixels": self.settings.max_pixels,
        }

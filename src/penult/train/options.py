"""What a training run was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from penult.backbones import DEFAULT
from penult.embed import Settings
from penult.heads import calibration
from penult.heads.task import plain_weights
from penult.zoo import PRESETS


@dataclass(frozen=True, slots=True)
class Options:
    """Everything that decides a run's result, apart from the images.

    `fit` overrides how the backbones' recipes make a picture square, `pooling` how their maps become features;
    `clip` is "auto" (chosen by the folds) or the smallest probability that is ever given.
    `class_weight` "balanced" lets every class count the same, however many photos it has (a dict gives the weight of each
    class); probabilities are then those that hold where all classes are equally frequent.
    `groups` names a CSV column whose equal values are never split; `files` lists the names of
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
    class_weight: Literal["balanced"] | Mapping[str, float] | None = None
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

    def clip_for(self, k: int) -> float | Literal["auto"]:
        """Return the clip for k classes; that of the seed's protocol, which had two, is lowered where there are many.

        Raises InputError for a clip that was given and leaves no room for k classes.
        """
        if self.protocol == "seed" and self.clip != "auto":
            return min(self.clip, calibration.highest_clip(k))
        calibration.check_clip(self.clip, k)
        return self.clip

    def clip_notes(self, k: int) -> list[str]:
        """Return what to tell of a clip that was lowered."""
        clip = self.clip_for(k)
        if clip == self.clip:
            return []
        told = f"the smallest probability is {clip:.3g} instead of the {self.clip:.3g} of --protocol {self.protocol}"
        return [f"{told}, which leaves too little to tell {k} classes apart."]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, for `metrics.json`."""
        return {
            "backbones": list(self.backbones),
            "fit": self.fit,
            "pooling": self.pooling,
            "head": self.head,
            "clip": self.clip,
            "class_weight": None if self.class_weight is None else plain_weights(self.class_weight),
            "groups": self.groups,
            "submission": self.submission,
            "files": self.files,
            "recipe": None if self.recipe is None else dict(self.recipe),
            "protocol": self.protocol,
            "seed": self.seed,
            "review": self.review,
            "device": self.settings.device,
            "precision": self.settings.precision,
        }

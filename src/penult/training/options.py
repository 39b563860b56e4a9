"""What a training run was asked for, and the networks that it uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from penult import store, zoo
from penult.backbones import Backbone
from penult.embed import EmbedOptions
from penult.errors import InputError, ProgressCallback
from penult.evaluate import DecisionRequest
from penult.heads import calibration
from penult.heads.weights import plain_weights
from penult.i18n import _
from penult.images import TableOptions
from penult.pixels import CropMode
from penult.zoo import DEFAULT, PRESETS

# The blog post gave Keras 1.2's generator a target size and nothing else: both sides resized by Pillow's resize, whose default
# was the nearest pixel until its version 7, and the network saw 0..255 unless a function was given to it. Two of the three
# got theirs; ResNet50 did not.
SQUASHED: dict[str, Any] = {"crop_mode": "squash", "crop": 1.0, "interpolation": "nearest"}
UNPREPARED: dict[str, Any] = {"mean": (0.0, 0.0, 0.0), "std": (1 / 255, 1 / 255, 1 / 255), "channels": "rgb"}


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """Everything that decides a run's result, apart from the images.

    `crop_mode` overrides what the backbones' recipes show of a photo (see `Recipe`), `pooling` how their maps become features;
    `clip` is "auto" (chosen by the folds) or the smallest probability that is ever given.
    `class_weight` "balanced" lets every class count the same, however many photos it has (a dict gives the weight of each
    class); probabilities are then those that hold where all classes are equally frequent.
    `prior`: the class shares of the place of use, as "A=0.1,B=0.9" or a mapping; the model answers for there.
    `groups` names a CSV column whose equal values are never split; `files` lists the names of
    the rows when training starts from feature files; `recipe` describes ONNX files that have no recipe file beside them.
    `review` is the confidence below which a photo of the test part is for a person to look at: `review.csv`.
    `near_duplicates`: "group" keeps copies, edits and frames of one scene in one fold; "separate" takes each as a photo of its
    own, for photos of different things that only look alike.
    `labels` is a table (CSV, Parquet, Excel) with the labels of the images, or of stored features, that are given.
    `image_column`, `label_column`, `image_dir` and `encoding` say of a table what is not found by itself (see `TableOptions`).
    `folds` names its column of the folds in which photos are held out, used as they are; `weights` that of how much each photo
    counts; `task` says whether a photo has one of the "classes" or any number of "labels" ("auto": as the table has them).
    `submit`: whether `submission.csv` holds "labels" or "probabilities", None: what the sample asks for.
    `memory`: bytes that training on stored features may take (None: what this machine has); where they are more, they are read
    in slices.
    `decision` says how a class is chosen where it is not the most probable one, and the coverage of prediction sets.
    `overwrite`: keep nothing of a run that ended in the folder `out`; else it is kept beside it, as `out`.1, `out`.2 ...
    `configured`: which options of the command line came from a file or a variable, and from which; it is kept with the run.
    With the `protocol` "blog2017" pictures are seen as the blog post of 2017 had it, and probabilities are not calibrated:
    see `of_blog2017`.
    """

    out: str = "penult-run"
    backbones: tuple[str, ...] = DEFAULT
    crop_mode: CropMode | None = None
    pooling: str | None = None
    head: str = "blend"
    clip: float | Literal["auto"] = "auto"
    class_weight: Literal["balanced"] | Mapping[str, float] | None = None
    prior: str | Mapping[str, float] | None = None
    groups: str | None = None
    near_duplicates: Literal["group", "separate"] = "group"
    image_column: str | None = None
    label_column: str | None = None
    image_dir: str | None = None
    encoding: str | None = None
    submission: str | None = None
    submit: Literal["labels", "probabilities"] | None = None
    files: str | None = None
    recipe: Mapping[str, Any] | None = None
    protocol: Literal["blog2017"] | None = None
    seed: int = 0
    review: float | None = None
    overwrite: bool = False
    memory: int | None = None
    labels: str | None = None
    folds: str | None = None
    weights: str | None = None
    task: Literal["auto", "classes", "labels"] = "auto"
    decision: DecisionRequest = field(default_factory=DecisionRequest)
    configured: Mapping[str, str] = field(default_factory=dict)
    settings: EmbedOptions = field(default_factory=EmbedOptions)

    @classmethod
    def of_blog2017(cls, **others: Any) -> TrainOptions:
        """Return what the blog post of 2017 did: three Keras networks, its dense head, probabilities cut to 0.005..0.995."""
        known = {"backbones": PRESETS["blog2017"], "head": "dense", "clip": 0.005, "protocol": "blog2017"}
        return cls(**{**known, **others})

    @property
    def table(self) -> TableOptions:
        """Return how a table of images is to be read."""
        return TableOptions(
            self.image_column, self.label_column, self.image_dir, self.encoding, self.folds, self.weights, self.task
        )

    def clip_for(self, k: int) -> float | Literal["auto"]:
        """Return the clip for k classes; that of the blog post, which had two, is lowered where there are many.

        Raises InputError for a clip that was given and leaves no room for k classes.
        """
        if self.protocol == "blog2017" and self.clip != "auto":
            return min(self.clip, calibration.highest_floor(k))
        calibration.check_clip(self.clip, k)
        return self.clip

    def clip_notes(self, k: int) -> list[str]:
        """Return what to tell of a clip that was lowered."""
        clip = self.clip_for(k)
        if clip == self.clip:
            return []
        return [
            _(
                "the smallest probability is {clip:.3g} instead of the {usual:.3g} of --protocol {protocol}, which leaves too "
                "little to tell {k} classes apart.",
                clip=clip,
                usual=self.clip,
                protocol=self.protocol,
                k=k,
            )
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, for `metrics.json`."""
        return {
            "backbones": list(self.backbones),
            "fit": self.crop_mode,
            "pooling": self.pooling,
            "head": self.head,
            "clip": self.clip,
            "class_weight": None if self.class_weight is None else plain_weights(self.class_weight),
            "prior": dict(self.prior) if isinstance(self.prior, Mapping) else self.prior,
            "groups": self.groups,
            "near_duplicates": self.near_duplicates,
            "image_column": self.image_column,
            "label_column": self.label_column,
            "image_dir": self.image_dir,
            "encoding": self.encoding,
            "submission": self.submission,
            "submit": self.submit,
            "files": self.files,
            "recipe": None if self.recipe is None else dict(self.recipe),
            "protocol": self.protocol,
            "seed": self.seed,
            "review": self.review,
            "device": self.settings.device,
            "precision": self.settings.precision,
            "max_pixels": self.settings.max_pixels,
            "memory": self.memory,
            "labels": self.labels,
            "folds": self.folds,
            "weights": self.weights,
            "task": self.task,
            "decision": self.decision.to_dict(),
            "configured": dict(self.configured),
        }


def find_backbones(options: TrainOptions, progress: ProgressCallback) -> list[Backbone]:
    """Return the backbones of a run; those that must be converted first are."""
    found: list[Backbone] = []
    out_of_reach: dict[str, zoo.Unreachable] = {}
    for name in zoo.expand(options.backbones):
        changes = _changes(name, options)
        try:
            found.append(
                zoo.find_backbone(
                    name, options.pooling, cache=options.settings.cache, recipe=options.recipe, progress=progress, **changes
                )
            )
        except zoo.Unreachable as error:
            out_of_reach[name] = error
    if len(out_of_reach) > 1:
        fetch = " ".join(f"--fetch {name}" for name in out_of_reach)
        raise InputError(
            _(
                "the weights of {out_of_reach} are not on this machine and their hubs cannot be reached. On a machine "
                "with internet access, run `penult backbones {fetch}` and copy the folders that it names to {cache}, "
                "or give weights that you have: -b NAME@FILE for each.",
                out_of_reach=", ".join(out_of_reach),
                fetch=fetch,
                cache=store.cache_root(options.settings.cache) / "backbones",
            )
        )
    for one in out_of_reach.values():
        raise one
    return found


def _changes(name: str, options: TrainOptions) -> dict[str, Any]:
    if options.protocol == "blog2017":
        return {**SQUASHED, **(UNPREPARED if zoo.understand(name).name == "ResNet50" else {})}
    return {} if options.crop_mode is None else {"crop_mode": options.crop_mode}

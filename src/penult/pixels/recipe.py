"""What a network wants to see, and why an image could not be seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from penult.errors import InputError
from penult.i18n import N_, _

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CropMode = Literal["crop", "squash", "crop+squash", "crop+mirror", "squash+mirror", "crop+squash+mirror"]
CROP_MODES: tuple[str, ...] = get_args(CropMode)
CropRounding = Literal["even", "down"]
CROP_ROUNDINGS: tuple[str, ...] = get_args(CropRounding)
VIEWS: dict[int, CropMode | None] = {1: None, 2: "crop+squash", 4: "crop+squash+mirror"}  # by their number; None: one's own
DEPTHS = (8, 10, 12, 14, 16)  # bits a sample that photos in 16-bit files may use
FULL_DEPTH = 16


def views_to_crop_mode(views: int, crop_mode: str | None = None) -> Any:
    """Return the crop mode of so many views, or `crop_mode` where one view is asked for. Raises `InputError`."""
    if views not in VIEWS or (views != 1 and crop_mode is not None):
        raise InputError(
            _(
                "views={views!r} with crop_mode={crop_mode!r} cannot be; give views of 1, 2 or 4, or a crop_mode.",
                views=views,
                crop_mode=crop_mode,
            )
        )
    return VIEWS[views] or crop_mode


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an RGB image becomes a network's input.

    `crop_mode="crop"`: the shorter side is resized to floor(size / crop), the centre size x size is kept.
    `crop_mode="squash"`: both sides are resized to floor(size / crop), whatever their ratio, and the centre is kept; with
    `crop=1.0` the whole picture is seen.
    Joined by a plus are several views, whose features are averaged: "crop+squash" is the centre crop and the whole picture;
    "mirror" adds the mirror image of each.
    Geometry is done by `pixels`; `mean`, `std` (in units of 0..1) and `channels` are nodes of the graph.
    `crop_rounding`: where the crop begins when an odd number of pixels is cut off: half to "even", as torchvision does, or
    "down", as Transformers does.
    `depth`: how many bits the photos use where a file stores 16 a sample, one of `DEPTHS`; white is 2 ** depth - 1. It
    changes nothing in photos of 8 bits.
    """

    size: int
    crop_mode: CropMode = "crop"
    crop: float = 0.875
    interpolation: Literal["bicubic", "bilinear", "nearest"] = "bicubic"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    channels: Literal["rgb", "bgr"] = "rgb"
    depth: int = 16
    crop_rounding: CropRounding = "even"

    def __post_init__(self) -> None:
        if self.size < 1 or not 0 < self.crop <= 1:
            raise InputError(
                _(
                    "a recipe needs size >= 1 and 0 < crop <= 1; got {size} and {crop}: give others.",
                    size=self.size,
                    crop=self.crop,
                )
            )
        if self.depth not in DEPTHS:
            raise InputError(
                _("a recipe needs a depth of 8, 10, 12, 14 or 16 bits; got {depth!r}: give another.", depth=self.depth)
            )

    @property
    def views(self) -> tuple[Recipe, ...]:
        """Return the recipes of the views that are prepared, one crop mode each; mirror images are made of these."""
        words = self.crop_mode.split("+")
        if len(words) == 1:
            return (self,)
        own: dict[str, dict[str, Any]] = {"squash": {"crop": 1.0}} if "crop" in words else {}  # beside a crop: all of it
        return tuple(replace(self, **{"crop_mode": word, **own.get(word, {})}) for word in words if word != "mirror")

    @property
    def mirrored(self) -> bool:
        """Whether the mirror image of each view is seen as well."""
        return self.crop_mode.endswith("+mirror")

    @property
    def view_count(self) -> int:
        """Return how many pictures of a photo the network sees."""
        return len(self.views) * (2 if self.mirrored else 1)

    def check_one_view(self) -> None:
        """Raise `InputError` where this is not the recipe of one picture."""
        if "+" in self.crop_mode:
            raise InputError(
                _(
                    "the recipe {crop_mode!r} has several views; prepare each of its `views` by itself.",
                    crop_mode=self.crop_mode,
                )
            )

    def with_mirror_images(self, prepared: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
        """Return all that the network sees of a photo, given its prepared `views`, each (size, size, 3)."""
        return [*prepared, *(view[:, ::-1] for view in prepared)] if self.mirrored else list(prepared)

    def describe(self) -> str:
        """Return view by view what is seen, in plain words."""
        told = N_("{views}, at {size} x {size} pixels; features averaged over the {n} views")
        if self.view_count == 1:
            told = N_("{views}, at {size} x {size} pixels")
        elif self.mirrored and len(self.views) > 1:
            told = N_("{views}, and the mirror image of each, at {size} x {size} pixels; features averaged over the {n} views")
        elif self.mirrored:
            told = N_("{views} and its mirror image, at {size} x {size} pixels; features averaged over the {n} views")
        views = _(" and ").join(view._describe_one() for view in self.views)
        return _(told, views=views, size=self.size, n=self.view_count)

    def _describe_one(self) -> str:
        share = f"{100 * self.crop:.3g}"
        if self.crop_mode == "crop":
            return _("the center crop ({share}% of the shorter side)", share=share)
        if self.crop == 1:
            return _("the whole picture squashed to a square")
        return _("{share}% of the picture squashed to a square", share=share)

    @property
    def geometry(self) -> tuple[int, str, float, str, str]:
        """Return what decides the prepared pixels; recipes that agree in it can share them."""
        return self.size, self.crop_mode, self.crop, self.interpolation, self.crop_rounding

    @property
    def nbytes(self) -> int:
        """Return the bytes of one prepared view."""
        return self.size * self.size * 3

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, in a fixed order; the usual depth and rounding are left out, so that digests stay.

        In files `crop_mode` is called "fit".
        """
        values = {"fit" if name == "crop_mode" else name: value for name, value in asdict(self).items()}
        if self.depth == FULL_DEPTH:
            del values["depth"]
        if self.crop_rounding == "even":
            del values["crop_rounding"]
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """Return the recipe that `to_dict` wrote."""
        named = {"crop_mode" if name == "fit" else name: value for name, value in values.items()}
        return cls(**{**named, "mean": tuple(values["mean"]), "std": tuple(values["std"])})


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one image could not be seen: a `reason` of a fixed list, the library's own words, and what to do about it.

    `cure` is empty where that of the reason will do; `advice` (see `penult.pixels.failures`) is never empty.
    """

    reason: str
    detail: str = ""
    cure: str = ""


@dataclass(frozen=True, slots=True)
class Remark:
    """What was found out about a photo while it was decoded, beside its pixels.

    `rows` is the share (0 to 1) of its rows that the file lacks, `scans` whether a progressive JPEG lacks its last scans.
    `levels` counts the samples of a 16-bit file: all of them, then those above each of `depth.THRESHOLDS`; empty for others.
    """

    rows: float = 0.0
    scans: bool = False
    levels: tuple[int, ...] = ()

    @property
    def incomplete(self) -> bool:
        """Whether a part of the photo is missing."""
        return self.rows > 0 or self.scans


class Refused(Exception):
    """A picture is not taken, for a reason of the list; it never leaves this package."""

    def __init__(self, reason: str, detail: str, cure: str = "") -> None:
        super().__init__(reason, detail)
        self.failure = Failure(reason, detail, cure)

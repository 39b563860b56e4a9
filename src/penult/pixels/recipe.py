"""What a network wants to see, and why an image could not be seen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from penult.errors import InputError

DEPTHS = (8, 10, 12, 14, 16)  # bits a sample that photos in 16-bit files may use
FULL_DEPTH = 16


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an RGB image becomes a network's input.

    `crop_mode="crop"`: the shorter side is resized to floor(size / crop), the centre size x size is kept.
    `crop_mode="squash"`: both sides are resized to floor(size / crop), whatever their ratio, and the centre is kept; with
    `crop=1.0` the whole picture is seen.
    Geometry is done by `pixels`; `mean`, `std` (in units of 0..1) and `channels` are nodes of the graph.
    `depth`: how many bits the photos use where a file stores 16 a sample, one of `DEPTHS`; white is 2 ** depth - 1. It
    changes nothing in photos of 8 bits.
    """

    size: int
    crop_mode: Literal["crop", "squash"] = "crop"
    crop: float = 0.875
    interpolation: Literal["bicubic", "bilinear", "nearest"] = "bicubic"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    channels: Literal["rgb", "bgr"] = "rgb"
    depth: int = 16

    def __post_init__(self) -> None:
        if self.size < 1 or not 0 < self.crop <= 1:
            raise InputError(f"a recipe needs size >= 1 and 0 < crop <= 1; got {self.size} and {self.crop}: give others.")
        if self.depth not in DEPTHS:
            raise InputError(f"a recipe needs a depth of 8, 10, 12, 14 or 16 bits; got {self.depth!r}: give another.")

    @property
    def geometry(self) -> tuple[int, str, float, str]:
        """Return what decides the prepared pixels; recipes that agree in it can share them."""
        return self.size, self.crop_mode, self.crop, self.interpolation

    @property
    def nbytes(self) -> int:
        """Return the bytes of one prepared image."""
        return self.size * self.size * 3

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, in a fixed order; a depth of 16, the usual one, is left out, so that digests stay.

        In files `crop_mode` is called "fit".
        """
        values = {"fit" if name == "crop_mode" else name: value for name, value in asdict(self).items()}
        if self.depth == FULL_DEPTH:
            del values["depth"]
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

"""What a network wants to see, and why an image could not be seen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from penult.errors import InputError


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an RGB image becomes a network's input.

    `fit="crop"`: the shorter side is resized to floor(size / crop), the centre size x size is kept.
    `fit="squash"`: both sides are resized to floor(size / crop), whatever their ratio, and the centre is kept; with
    `crop=1.0` the whole picture is seen.
    Geometry is done by `pixels`; `mean`, `std` (in units of 0..1) and `channels` are nodes of the graph.
    """

    size: int
    fit: Literal["crop", "squash"] = "crop"
    crop: float = 0.875
    interpolation: Literal["bicubic", "bilinear", "nearest"] = "bicubic"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    channels: Literal["rgb", "bgr"] = "rgb"

    def __post_init__(self) -> None:
        if self.size < 1 or not 0 < self.crop <= 1:
            raise InputError(f"a recipe needs size >= 1 and 0 < crop <= 1; got {self.size} and {self.crop}: give others.")

    @property
    def geometry(self) -> tuple[int, str, float, str]:
        """Return what decides the prepared pixels; recipes that agree in it can share them."""
        return self.size, self.fit, self.crop, self.interpolation

    @property
    def nbytes(self) -> int:
        """Return the bytes of one prepared image."""
        return self.size * self.size * 3

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, in a fixed order."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """Return the recipe that `to_dict` wrote."""
        return cls(**{**values, "mean": tuple(values["mean"]), "std": tuple(values["std"])})


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one image could not be seen: a `reason` of a fixed list, and the library's own words."""

    reason: str
    detail: str = ""

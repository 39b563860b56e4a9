"""Where a model looked in one photo: the value that leaves this room, and its small picture.

In: what was found. Out: `Explanation`, and PNG bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import pixels, plots
from penult.explain.subject import Method
from penult.floats import default_errors
from penult.pixels.resizing import Box

UNITS = {"cam": "logit per 1% of the photo", "occlusion": "logit lost when covered"}
NAMES = {"cam": "class activation map (exact)", "occlusion": "occlusion (not exact)"}


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """What in one photo spoke for a class, and what against it.

    `label` is the class that is explained, `probability` its calibrated probability; `predicted` is the likeliest class, and
    `index` the photo's place among the sources. `photo` is the upright photo, shrunk, and `heat` lies on its pixels: positive
    where it speaks for the class. `seen` is the part that the networks see (left, top, right, bottom, as shares
    of its width and height); outside of it `heat` is 0.

    `logit` is the class's logit less the mean logit of all classes, before calibration. With the method "cam", `heat.sum()` is
    `logit - intercept`: every pixel's part of it. With "occlusion", `heat` is by how much `logit` falls when the place is
    covered, and `intercept` is None: such numbers do not add up.
    """

    file: str
    label: str
    probability: float
    method: Method
    heat: NDArray[np.float32]  # (h, w)
    photo: NDArray[np.uint8] = field(repr=False)  # (h, w, 3)
    logit: float
    intercept: float | None
    predicted: str
    seen: Box
    index: int

    @property
    def shown(self) -> NDArray[np.float32]:
        """The heat in the unit of the legend (see `unit`), (h, w)."""
        return self.heat * np.float32(self.heat.size / 100) if self.method == "cam" else self.heat

    @property
    def unit(self) -> str:
        """What one unit of `shown` is."""
        return UNITS[self.method]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, without the pictures."""
        names = ("file", "label", "probability", "method", "logit", "intercept", "predicted")
        return {name: getattr(self, name) for name in names}


@default_errors
def heat_png(explanation: Explanation, side: int = 160) -> bytes:
    """Return the photo with the heat over it as a small PNG, its longer side at most `side` pixels."""
    over = plots.overlay(explanation.photo, explanation.shown)
    return pixels.encode_png(pixels.shrink(over, side))

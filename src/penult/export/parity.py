"""Whether an exported graph answers as `predict` does: the same photos through both, by every runtime that is installed.

The measure is the largest difference of a probability beside `predict` in float32. Half precision and lower are the engines'
own business: an export is compared with what the numbers mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import engines, pixels
from penult.backbones import Backbone
from penult.bundle import Bundle
from penult.embed import EmbedOptions
from penult.errors import InputError, PenultError
from penult.export.model_graph import Input, Weights
from penult.i18n import N_, _
from penult.predict import Predictor

OUTPUTS = ("probabilities", "novelty")  # what is compared
# The largest difference that is taken: the geometry is equal to the bit, but in OpenVINO, which has float32 only, not that of
# slivers and of nearest neighbor; weights in two bytes are rounded, the more so in float16.
BOUNDS = {"onnxruntime": 1e-5, "openvino": 2e-3, "litert": 1e-4}
ROUNDED = {"f16": 2e-2, "int16": 5e-3}


@dataclass(frozen=True, slots=True)
class Parity:
    """How near one runtime came to `predict`: over `photos` photos, the largest difference of a probability.

    `novelty` is the largest difference of that, as a share of it where it is above 1; None where the model has none.
    """

    runtime: str
    version: str
    photos: int
    difference: float
    bound: float
    novelty: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


class ParityCheck:
    """What `predict` answers in float32 on some photos: `inputs` are these photos as a graph takes them, one by one.

    Raises `InputError` where there are none.
    """

    def __init__(self, model: Bundle, photos: Sequence[NDArray[np.uint8]], takes: Input) -> None:
        pictures = [*model.selftest.get("images", ()), *photos]
        if not pictures:
            raise InputError(_("this model has no drawn pictures to compare with; give photos with --photos DIR."))
        predictor = Predictor(model, EmbedOptions(precision="f32", cache=False, workers=0), check=False)
        self._wanted = predictor.predict(pictures)
        predictor.close()
        self._knows_novelty = model.novelty is not None and self._wanted.novelty is not None
        self.inputs = [_fed(picture, model.backbones, takes) for picture in pictures]

    def check(self, graph: bytes, weights: Weights) -> list[Parity]:
        """Return the parity of each runtime that is installed. Raises `PenultError` where one is beyond its bound."""
        found = []
        for name in engines.runtimes():
            run, version = engines.open_graph(name, graph, OUTPUTS)
            found.append(self.judge(name, version, [run(one) for one in self.inputs], weights))
        return found

    def judge(self, runtime: str, version: str, answers: Sequence[Sequence[NDArray[Any]]], weights: Weights) -> Parity:
        """Return the parity of the probabilities and novelty that a runtime gave to each photo. Raises as `check` does."""
        proba, novelty = (np.array([np.reshape(row, -1) for row in rows]) for rows in zip(*answers, strict=True))
        off, bound = float(np.abs(proba - self._wanted.proba).max()), ROUNDED.get(weights, BOUNDS[runtime])
        unlike = _relative(novelty[:, 0], self._wanted.novelty) if self._knows_novelty else None
        for what, difference in ((N_("a probability"), off), (N_("the novelty"), unlike or 0.0)):
            if not difference <= bound:  # a NaN is not
                raise PenultError(
                    _(
                        "the exported graph answers otherwise than `penult predict` in {runtime} {version}: {what} differs "
                        "by {difference:.2g}, and {bound:g} is allowed, so nothing was written. Export in another format, or "
                        "report it with the model's network.",
                        runtime=runtime,
                        version=version,
                        what=_(what),
                        difference=difference,
                        bound=bound,
                    )
                )
        return Parity(runtime, version, len(answers), off, bound, unlike)


def _relative(given: NDArray[Any], wanted: Any) -> float:
    return float((np.abs(given - wanted) / np.maximum(wanted, 1)).max())


def _fed(picture: NDArray[np.uint8], backbones: Sequence[Backbone], takes: Input) -> dict[str, NDArray[np.uint8]]:
    if takes == "image":
        return {"image": np.ascontiguousarray(picture)}
    views = [view for backbone in backbones for view in backbone.recipe.views]
    return {f"pixels_{i}": pixels.prepare(picture, view)[None] for i, view in enumerate(views)}

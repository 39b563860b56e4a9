"""Which backbones a run uses, and how each of them sees: as it wants to, or as the seed had it."""

from __future__ import annotations

from typing import Any

from penult import zoo
from penult.backbones import Backbone
from penult.train.job import Say
from penult.train.options import Options

# The seed gave Keras 1.2's generator a target size and nothing else: both sides resized by Pillow's resize, whose default
# was the nearest pixel until its version 7, and the network saw 0..255 unless a function was given to it. Two of the three
# got theirs; ResNet50 did not.
_SQUASHED: dict[str, Any] = {"fit": "squash", "crop": 1.0, "interpolation": "nearest"}
_UNPREPARED: dict[str, Any] = {"mean": (0.0, 0.0, 0.0), "std": (1 / 255, 1 / 255, 1 / 255), "channels": "rgb"}


def networks(options: Options, say: Say) -> list[Backbone]:
    """Return the backbones of a run; those that must be converted first are."""
    return [
        zoo.find(
            name, options.pooling, cache=options.settings.cache, recipe=options.recipe, say=say, **_changes(name, options)
        )
        for name in zoo.expand(options.backbones)
    ]


def _changes(name: str, options: Options) -> dict[str, Any]:
    if options.protocol == "seed":
        return {**_SQUASHED, **(_UNPREPARED if name.startswith("keras:ResNet50") else {})}
    return {} if options.fit is None else {"fit": options.fit}

"""Which backbones a run uses, and how each of them sees: as it wants to, or as the blog post of 2017 had it."""

from __future__ import annotations

from typing import Any

from penult import zoo
from penult.backbones import Backbone
from penult.errors import InputError, ProgressCallback
from penult.training.options import TrainOptions

# The blog post gave Keras 1.2's generator a target size and nothing else: both sides resized by Pillow's resize, whose default
# was the nearest pixel until its version 7, and the network saw 0..255 unless a function was given to it. Two of the three
# got theirs; ResNet50 did not.
SQUASHED: dict[str, Any] = {"crop_mode": "squash", "crop": 1.0, "interpolation": "nearest"}
UNPREPARED: dict[str, Any] = {"mean": (0.0, 0.0, 0.0), "std": (1 / 255, 1 / 255, 1 / 255), "channels": "rgb"}


def networks(options: TrainOptions, progress: ProgressCallback) -> list[Backbone]:
    """Return the backbones of a run; those that must be converted first are."""
    found: list[Backbone] = []
    out_of_reach: dict[str, zoo.Unreachable] = {}
    for name in zoo.expand(options.backbones):
        changes = _changes(name, options)
        try:
            found.append(
                zoo.find(
                    name, options.pooling, cache=options.settings.cache, recipe=options.recipe, progress=progress, **changes
                )
            )
        except zoo.Unreachable as error:
            out_of_reach[name] = error
    if len(out_of_reach) > 1:
        fetch = " ".join(f"--fetch {name}" for name in out_of_reach)
        raise InputError(
            f"the weights of {', '.join(out_of_reach)} are not on this machine and their hubs cannot be reached. On a machine "
            f"with network type `penult backbones {fetch}` and copy the folders that it names to "
            f"{zoo.root_of(options.settings.cache) / 'backbones'}, or give weights that you have: -b NAME@FILE for each."
        )
    for one in out_of_reach.values():
        raise one
    return found


def _changes(name: str, options: TrainOptions) -> dict[str, Any]:
    if options.protocol == "blog2017":
        return {**SQUASHED, **(UNPREPARED if zoo.understand(name).name == "ResNet50" else {})}
    return {} if options.crop_mode is None else {"crop_mode": options.crop_mode}

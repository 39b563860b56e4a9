"""What callers give: a model in any form, images in any form, and class shares."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penult import bundle, images, pixels
from penult.bundle import Bundle
from penult.embed import EmbedOptions
from penult.errors import InputError
from penult.heads.prior import parse_prior
from penult.i18n import _
from penult.predict import Predictor
from penult.training import Run

Model = str | Path | Run | Bundle | Predictor


@dataclass(frozen=True, slots=True)
class GivenImages:
    """Images as a model takes them, and their names."""

    sources: list[Any]
    ids: tuple[str, ...]


def given_images(given: Any, classes: Sequence[str], table: images.TableOptions | None = None) -> GivenImages:
    """Return what was given as images: paths as the command line takes them, all else as `pixels.image_list` does."""
    several = [given] if isinstance(given, str | os.PathLike) else given
    if isinstance(several, list | tuple) and several and all(isinstance(one, str | os.PathLike) for one in several):
        found = images.scan_unlabelled([os.fspath(one) for one in several], classes, table or images.TableOptions())
        return GivenImages(list(found.sources), tuple(found.ids))
    sources = pixels.image_list(given)
    return GivenImages(sources, tuple(pixels.image_name(i, one) for i, one in enumerate(sources)))


def open_predictor(model: Any, settings: EmbedOptions | None, own: bool = False) -> Predictor:
    """Return what serves a model, however it was given; one that is open keeps its settings where none are given.

    `own`: another one than what was given, because class shares are set in it.
    """
    if isinstance(model, Predictor):
        return model if settings is None and not own else Predictor(model.bundle, settings or model.settings)
    if isinstance(model, Run):
        model = model.model
    if isinstance(model, str | os.PathLike):
        model = bundle.load_bundle(Path(model))
    if not isinstance(model, Bundle):
        raise InputError(
            _(
                "a {name} is no model; give the path of model.penult or of a run folder, a Run, or what "
                "penult.load_model returns.",
                name=type(model).__name__,
            )
        )
    return Predictor(model, settings)


def use_prior(predictor: Predictor, prior: str | Mapping[str, float] | None, answer: Callable[[], Any]) -> None:
    """Have a model answer for class shares: those that were asked for, or that its answers tell. Raises `InputError`."""
    if prior is None:
        return
    if prior != "estimate":
        predictor.use_prior(parse_prior(prior, predictor.bundle.classes, bundle.training_prior(predictor.bundle)))
        return
    predictor.watch_drift()
    answer()
    found = predictor.estimate_prior()
    if found.differs:
        predictor.use_prior(found.shares)

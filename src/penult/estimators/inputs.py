"""What both estimators make of their parameters and of the images they get."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import pixels, zoo
from penult.backbones import Backbone
from penult.embed import Embedding, EmbedOptions
from penult.errors import InputError
from penult.i18n import _, ngettext
from penult.pixels import summarize_failures, views_to_crop_mode
from penult.texts import enumeration

_SHOWN = 5


def former_names(**old: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Let a constructor take parameters by their former names, which neither its signature nor `get_params` shows."""

    def decorated(init: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(init)
        def accepting(self: Any, *args: Any, **given: Any) -> None:
            init(self, *args, **{old.get(name, name): value for name, value in given.items()})

        return accepting

    return decorated


def options(estimator: Any) -> EmbedOptions:
    """Return where and how features are computed."""
    cache = None if estimator.cache_dir is True else estimator.cache_dir
    return EmbedOptions(estimator.device, estimator.precision, cache, max_pixels=estimator.max_pixels)


def networks(estimator: Any) -> tuple[Backbone, ...]:
    """Return the networks that an estimator names, with its preprocessing. Raises `InputError` or `UnknownName`."""
    names = estimator.backbones
    crop_mode = views_to_crop_mode(estimator.views, estimator.crop_mode)
    changes: dict[str, Any] = {} if crop_mode is None else {"crop_mode": crop_mode}
    several = [names] if isinstance(names, str) else list(names) if isinstance(names, Iterable) else []
    if not several or not all(isinstance(name, str) for name in several):
        raise InputError(
            _("the backbones are {names!r}; give the name of one network, or a list of names, such as 'lite'.", names=names)
        )
    more = {"cache": estimator.cache_dir, "recipe": estimator.recipe, **changes}
    return tuple(zoo.find_backbone(n, estimator.pooling, **more) for n in zoo.expand(several))


def images(X: Any) -> list[Any]:
    """Return X as a list of one image or more, as `pixels.image_list` does."""
    several = pixels.image_list(X)
    if not several:
        raise InputError(_("there are no images: found array with 0 samples; give a list of one image or more."))
    return several


def readable(done: Embedding, images: Sequence[Any]) -> NDArray[np.float32]:
    """Return the features; scikit-learn's contract has no place for a missing row, so an unreadable image raises."""
    if done.failures:
        bad = [f"{pixels.image_name(i, images[i])} ({_(f.reason)})" for i, f in sorted(done.failures.items())]
        names = enumeration(bad[:_SHOWN])
        if len(bad) > _SHOWN:
            names = _("{names} and {n:,} more", names=names, n=len(bad) - _SHOWN)
        raise InputError(
            ngettext(
                "{n} image cannot be read: {names}; leave it out, or fix it: {why}.",
                "{n} images cannot be read: {names}; leave them out, or fix them: {why}.",
                len(bad),
                names=names,
                why=summarize_failures(done.failures.values()),
            )
        )
    return done.features()

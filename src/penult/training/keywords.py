"""Keyword arguments of Python functions as options: the long names of the command line, with `_` for `-`, the same defaults.

In: what a caller named. Out: `TrainOptions`, `EmbedOptions`, `TableOptions`; a name that is none is told with the nearest.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from penult import zoo
from penult.embed import EmbedOptions, Tolerance
from penult.errors import InputError, unknown
from penult.evaluate import DecisionRequest
from penult.i18n import _
from penult.images import TableOptions
from penult.pixels import views_to_crop_mode
from penult.texts import parse_size
from penult.training.options import TrainOptions

OTHER_NAMES = {"backbone": "backbones", "fit": "crop_mode", "cache": "cache_dir"}  # on the command line: here
SETTINGS = ("device", "precision", "cache_dir", "max_pixels", "max_bad", "strict", "workers")
DECISIONS = ("cost", "target", "coverage")
TABLES = tuple(one.name for one in fields(TableOptions) if one.name not in ("folds", "weights"))  # those are of training


class Keywords:
    """What a caller named, taken out bit by bit; what is left at the end is no option."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.given = {OTHER_NAMES.get(name, name): value for name, value in given.items()}
        self.known: set[str] = set()

    def take(self, *names: str) -> dict[str, Any]:
        """Return those of these options that were given."""
        self.known.update(names)
        return {name: self.given.pop(name) for name in names if name in self.given}

    def settings(self) -> EmbedOptions:
        """Return where and how features are computed. Raises `InputError`."""
        found = self.take(*SETTINGS)
        limit = found.pop("max_bad", None)
        tolerance = Tolerance.parse(None if limit is None else str(limit), bool(found.pop("strict", False)))
        cache = found.pop("cache_dir", None)
        return EmbedOptions(cache=None if cache is True else cache, tolerance=tolerance, **found)

    def table(self) -> TableOptions:
        """Return how a table of images is to be read."""
        return TableOptions(**self.take(*TABLES))

    def networks(self) -> dict[str, Any]:
        """Return the names of networks and their preprocessing, as `TrainOptions` has them."""
        found = self.take("backbones", "crop_mode", "views", "pooling", "recipe")
        if "backbones" in found:
            names = found["backbones"]
            found["backbones"] = (names,) if isinstance(names, str) else tuple(names)
        found["crop_mode"] = views_to_crop_mode(int(found.pop("views", 1)), found.get("crop_mode"))
        if isinstance(found.get("recipe"), list | tuple):
            found["recipe"] = zoo.parse_recipe(list(found["recipe"]))
        return found

    def training(self) -> TrainOptions:
        """Return how to train; refuses what is left. Raises `InputError`, `UnknownName`."""
        others = {one.name for one in fields(TrainOptions)} - {"settings", "configured", "backbones", "crop_mode"}
        found = {**self.networks(), **self.take(*others, *DECISIONS)}
        if decided := {name: found.pop(name) for name in DECISIONS if name in found}:
            cost = decided.get("cost")
            costs = [str(cost)] if isinstance(cost, str | os.PathLike) else cost
            found["decision"] = DecisionRequest.parse(costs, decided.get("target"), decided.get("coverage"))
        found = {name: value for name, value in found.items() if value is not None}
        if isinstance(found.get("memory"), str):
            found["memory"] = self._bytes(found["memory"])
        if "out" in found:
            found["out"] = os.fspath(found["out"])
        make = TrainOptions.of_blog2017 if found.pop("protocol", None) == "blog2017" else TrainOptions
        settings = self.settings()
        self.end()
        return make(settings=settings, **found)

    def end(self) -> None:
        """Raise `UnknownName` for what was given and is no option."""
        for name in self.given:
            raise unknown(_("option"), name, sorted(self.known | set(OTHER_NAMES)))

    def _bytes(self, text: str) -> int:
        found = parse_size(text)
        if not found:
            raise InputError(_("memory={text!r} is no size; give one like 5GB, 500MB or 2.5GiB.", text=text))
        return found

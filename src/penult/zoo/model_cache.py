"""Converted networks on disk: one folder each, a graph and the record of what it is.

Its folder in the cache, `backbones/<name>-<12 digits of the key>`, can be copied to the same place on another machine.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penult import store
from penult.backbones import Backbone, onnx_guard
from penult.errors import DamagedFile, InputError
from penult.i18n import _
from penult.pixels.recipe import Recipe
from penult.zoo import checkpoint, onnx_external
from penult.zoo.preprocessing import replace_preprocessing
from penult.zoo.sources import SOURCES, ModelSpec

log = logging.getLogger(__name__)

VERSION = 1  # of the conversion: raised when the same spec would give another graph
KIND, _FILE = "backbones", "graph.onnx"


@dataclass(frozen=True, slots=True)
class CachedGraph:
    """The graph of a converted network, read when it is asked for."""

    entry: store.CacheEntry
    recipe: Recipe

    def __call__(self, recipe: Recipe, classifier: bool = False) -> bytes:
        """Return the bytes, checked, with this recipe's nodes in front.

        Raises `InputError` for another size than the converted one, `DamagedFile` for a changed file.
        """
        if classifier or recipe.size != self.recipe.size:
            raise InputError(
                _(
                    "{name} was converted for {size} x {size} pixels, and without a classifier; name the size with "
                    "the network (NAME:SIZE) to have another conversion.",
                    name=self.entry.folder.name,
                    size=self.recipe.size,
                )
            )
        data = self.entry.read(_FILE)
        try:
            onnx_guard.check(data)
        except ValueError as error:
            raise DamagedFile(
                _(
                    "{folder} cannot be used: {error}; delete its folder and convert the network again.",
                    folder=self.entry.folder / _FILE,
                    error=error,
                )
            ) from error
        own = self.recipe
        same = (recipe.mean, recipe.std, recipe.channels) == (own.mean, own.std, own.channels)
        return data if same else replace_preprocessing(data, recipe)


def entry_of(spec: ModelSpec, cache: Path) -> store.CacheEntry:
    """Return the cache entry of a network; its key is the same on every machine, whatever the paths of its files are."""
    is_file = bool(SOURCES[spec.source].suffix)
    file = spec.name if is_file else spec.weights
    digest = None
    if file is not None:
        digest = checkpoint.of_file(file)  # says what is wrong with an empty file
        digest = onnx_external.digest(file) if is_file else digest  # with the weights that lie beside it
    changes = {"size": spec.size, "pooling": spec.pooling if spec.pooling in SOURCES[spec.source].poolings else None}
    facts = {
        "kind": spec.source,
        "name": Path(spec.name).name if is_file else spec.name,
        "file": digest,
        "changes": {key: value for key, value in changes.items() if value is not None},
        "recipe": None if spec.recipe is None else dict(spec.recipe),
        "output": spec.output,
        "version": VERSION,
    }
    return store.CacheEntry.of(cache, KIND, facts, store.slug(spec.converted))


def put(entry: store.CacheEntry, graph: bytes, record: dict[str, Any]) -> None:
    """Write a converted network. Raises `OutputError`."""
    entry.put({_FILE: graph}, **record)


def get(entry: store.CacheEntry) -> Backbone | None:
    """Return the network of an entry, or None where there is none, or one that cannot be read."""
    record = entry.values()
    if record is None or not store.is_file(entry.folder / _FILE):
        return None
    record.pop("facts", None)
    try:
        return Backbone.of_network(record, CachedGraph(entry, Recipe.from_dict(record["recipe"])))
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError) as error:  # an InputError is a ValueError
        log.warning("%s cannot be used (%s) and is made again", entry.folder, error)
        return None


def cached_networks(cache: Path) -> Iterator[tuple[Path, Backbone]]:
    """Yield all converted networks of a cache with their folders, by name."""
    for entry in store.entries(cache, KIND):
        if (found := get(entry)) is not None:
            yield entry.folder, found

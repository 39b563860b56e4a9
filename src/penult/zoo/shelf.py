"""Converted networks on disk: one folder each, a graph and the record of what it is.

In: what was wished for, and a graph. Out: the record again, and the graph, checked. On disk: `<cache>/backbones/<name>-<12
digits of the key>/` with `graph.onnx` and, written last, `record.json`. A folder can be copied to the same place on another
machine.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penult import store, untrusted
from penult.backbones import Backbone, onnx_guard
from penult.errors import DamagedFile, InputError, OutputError
from penult.pixels.recipe import Recipe
from penult.zoo import digest, onnx_external
from penult.zoo.dress import redress
from penult.zoo.wish import Wish

log = logging.getLogger(__name__)

VERSION = 1  # of the conversion: raised when the same wish would give another graph
CURE = "choose another cache folder with --cache DIR"


@dataclass(frozen=True, slots=True)
class Shelved:
    """The graph of a converted network, read when it is asked for."""

    path: Path
    sha256: str
    recipe: Recipe

    def __call__(self, recipe: Recipe, classifier: bool = False) -> bytes:
        """Return the bytes, checked, with this recipe's nodes in front.

        Raises `InputError` for another size than the converted one, `DamagedFile` for a changed file.
        """
        if classifier or recipe.size != self.recipe.size:
            raise InputError(
                f"{self.path.parent.name} was converted for {self.recipe.size} x {self.recipe.size} pixels, and without a "
                "classifier; name the size with the network (NAME:SIZE) to have another conversion."
            )
        data = self._read()
        return data if _colours(recipe) == _colours(self.recipe) else redress(data, recipe)

    def _read(self) -> bytes:
        try:
            data = untrusted.content(self.path)
        except OSError as error:
            raise DamagedFile(
                f"{self.path} cannot be read ({error.strerror}); run again, it will be converted again."
            ) from error
        if hashlib.sha256(data).hexdigest() != self.sha256:
            with suppress(OutputError):  # another user's folder, perhaps
                store.drop(self.path.with_name("record.json"))
            raise DamagedFile(f"{self.path} was changed since its conversion; run again, it will be converted again.")
        try:
            onnx_guard.check(data)
        except ValueError as error:
            raise DamagedFile(
                f"{self.path} cannot be used: {error}; delete its folder and convert the network again."
            ) from error
        return data


def _colours(recipe: Recipe) -> tuple[Any, ...]:
    return recipe.mean, recipe.std, recipe.channels


def place(wish: Wish, label: str, cache: Path) -> Path:
    """Return the folder of a wish; the same on every machine, whatever the paths of its files are."""
    file = wish.name if wish.kind == "onnx" else wish.weights
    facts = {
        "kind": wish.kind,
        "name": Path(wish.name).name if wish.kind == "onnx" else wish.name,
        "file": None if file is None else _digest(wish.kind, file),
        "changes": dict(wish.changes),
        "recipe": None if wish.recipe is None else dict(wish.recipe),
        "output": wish.output,
        "version": VERSION,
    }
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return cache / "backbones" / f"{store.slug(label)}-{key[:12]}"


def _digest(kind: str, file: str) -> str:
    """Return the sha256 of the file of a wish; of an ONNX file with its weights beside it, that of all of them."""
    digits = digest.of_checkpoint(file)  # says what is wrong with an empty file
    return onnx_external.digest(file) if kind == "onnx" else digits


def put(folder: Path, graph: bytes, record: dict[str, Any]) -> None:
    """Write a converted network; the record comes last, so that a folder with one is whole. Raises `OutputError`."""
    store.make_folder(folder, CURE)
    with store.atomic_write(folder / "graph.onnx", cure=CURE) as file:
        file.write(graph)
    store.write_json(folder / "record.json", {**record, "graph": hashlib.sha256(graph).hexdigest()}, cure=CURE)


def get(folder: Path) -> Backbone | None:
    """Return the network in a folder, or None where there is none, or one that cannot be read."""
    try:
        record = untrusted.loads(untrusted.content(folder / "record.json", untrusted.MOST_JSON))
        graph = record.pop("graph")
        path = folder / "graph.onnx"
        if not store.is_file(path):
            return None
        recipe = Recipe.from_dict(record["recipe"])
        return Backbone.of_network(record, Shelved(path, graph, recipe))
    except FileNotFoundError:
        return None
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        ArithmeticError,
    ) as error:  # an InputError is a ValueError
        log.warning("%s cannot be used (%s) and is made again", folder, error)
        return None


def every(cache: Path) -> Iterator[tuple[Path, Backbone]]:
    """Yield all converted networks of a cache with their folders, by name."""
    folders = cache / "backbones"
    for record in sorted(folders.glob("*/record.json")) if store.is_folder(folders) else []:
        if (found := get(record.parent)) is not None:
            yield record.parent, found

"""The layers of a Keras network under names that do not depend on what was built before it.

In: a Keras model. Out: its layers in order, its state, a copy of its weights in another build.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.zoo.keras_door import import_keras

_CONSTANTS = {"rescaling": ("scale", "offset"), "normalization": ("mean", "variance")}


@dataclass(frozen=True, slots=True)
class Leaf:
    """One layer of a network: its class in snake case, its path in Keras 3's tree of layers, its number among all."""

    layer: Any
    kind: str
    path: str
    number: int

    @property
    def variables(self) -> list[Any]:
        """Its weights, in Keras's order."""
        return list(self.layer.weights)

    def assign(self, values: Sequence[NDArray[Any]]) -> None:
        """Set all its weights."""
        for variable, value in zip(self.variables, values, strict=True):
            variable.assign(value)
        if hasattr(self.layer, "finalize_state"):  # a normalization computes with a second copy
            self.layer.finalize_state()


def leaves(model: Any) -> list[Leaf]:
    """Return the layers of the network in its order, those of a part of it in the place of the part."""
    return [Leaf(layer, kind, path, number) for number, (layer, kind, path) in enumerate(_walk(model, ""))]


def state(model: Any) -> dict[str, NDArray[Any]]:
    """Return every number that decides what the network computes: its weights, and the constants of layers without any.

    Two networks can differ in such a constant alone: EfficientNet rescales once more where the weights are ImageNet's.
    """
    convert = import_keras().ops.convert_to_numpy
    found: dict[str, NDArray[Any]] = {}
    for leaf in leaves(model):
        values = {str(i): convert(v) for i, v in enumerate(leaf.variables)}  # their names may be numbered, too
        if not values:
            names = _CONSTANTS.get(leaf.kind, ())
            values = {n: np.ravel(np.asarray(convert(getattr(leaf.layer, n)), np.float32)) for n in names}
        found |= {f"{leaf.number:04d} {leaf.kind} {name}": array for name, array in values.items()}
    return found


def copy(source: Any, target: Any) -> None:
    """Copy the weights of one build of a network into another; they do not depend on the order of the axes."""
    convert = import_keras().ops.convert_to_numpy
    for one, other in zip(leaves(source), leaves(target), strict=True):
        other.assign([convert(v) for v in one.variables])


def rescalings(model: Any) -> int:
    """Return how many layers of the network only rescale."""
    return sum(leaf.kind == "rescaling" for leaf in leaves(model))


def learnt(model: Any) -> int:
    """Return how many numbers of the network are learnt."""
    return sum(int(np.prod(v.shape)) for v in model.trainable_weights)


def _walk(model: Any, inside: str) -> Iterator[tuple[Any, str, str]]:
    counts: dict[str, int] = {}
    for layer in model.layers:
        kind = _snake(type(layer).__name__)
        count = counts.get(kind, 0)
        counts[kind] = count + 1
        path = f"{inside}layers/{kind}_{count}" if count else f"{inside}layers/{kind}"
        if hasattr(layer, "layers"):
            yield from _walk(layer, f"{path}/")
        else:
            yield layer, kind, path


def _snake(name: str) -> str:
    return re.sub("([a-z])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)).lower()

"""Put the numbers of a file into a Keras network, or say everything that does not fit.

In: a network, and the layers of a file with or without a last layer. Out: the network with these weights.

A layer of the file belongs to the one of the network that has its name. The numbers that Keras gives to nameless layers
(conv2d_94) count on through a session, so only their sequence is looked at. Where names differ, as in files of old versions,
the order of all layers decides, as in Keras itself. What comes behind the network's own layers is somebody's last layer,
of any number of classes, and is not read.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from penult.errors import InputError, listed
from penult.store.refusals import shown
from penult.zoo.keras_door import build_whole
from penult.zoo.keras_file import Checkpoint, SavedLayer
from penult.zoo.keras_layers import Leaf, leaves
from penult.zoo.prefixes import misfit

Keys = tuple[dict[str, Leaf], dict[str, SavedLayer]]


def fill(model: Any, file: Checkpoint, name: str) -> None:
    """Give the network called `name` the weights of the file.

    Raises `InputError` with all that is missing, unexpected or of another shape, or with all that is not finite.
    """
    wanted = [leaf for leaf in leaves(model) if leaf.variables]
    pairs = _paired(wanted, file)
    if pairs is None:
        raise InputError(_misfit(wanted, file, name))
    broken = []
    for leaf, saved in pairs:
        values = [tensor.read() for tensor in saved.tensors]
        broken += [t.name for t, v in zip(saved.tensors, values, strict=True) if not np.isfinite(v).all()]
        leaf.assign(values)
    if broken:
        raise InputError(f"weights in {shown(file.path)} are not finite: {listed(broken)}; take an earlier save.")


def _paired(wanted: Sequence[Leaf], file: Checkpoint) -> list[tuple[Leaf, SavedLayer]] | None:
    """Return which layer of the file belongs to which of the network, or None."""
    ours, theirs = _keys(wanted, file)
    by_name = [(leaf, theirs[key]) for key, leaf in ours.items() if key in theirs]
    # A path says where a layer stands; of a list, nothing may stand before or between the network's own.
    first = {id(saved) for saved in (file.layers if file.paths else file.layers[: len(wanted)])}
    if len(by_name) == len(wanted) and all(_fits(*pair) and id(pair[1]) in first for pair in by_name):
        return by_name
    in_order = list(zip(wanted, file.layers, strict=False))
    if not file.paths and len(in_order) == len(wanted) and all(_fits(*pair) for pair in in_order):
        return in_order
    return None


def _fits(leaf: Leaf, saved: SavedLayer) -> bool:
    return [tuple(v.shape) for v in leaf.variables] == [t.shape for t in saved.tensors]


def _keys(wanted: Sequence[Leaf], file: Checkpoint) -> Keys:
    """Return the layers of both sides under names that can be compared."""
    if file.paths:
        inside = _place({leaf.path for leaf in wanted}, {saved.name for saved in file.layers})
        theirs = {s.name.removeprefix(inside): s for s in file.layers if s.name.startswith(inside)}
        return {leaf.path: leaf for leaf in wanted}, theirs
    kinds = {leaf.kind for leaf in wanted}
    ours = _numbered([leaf.layer.name for leaf in wanted], kinds)
    keys = _numbered([saved.name for saved in file.layers], kinds)
    return dict(zip(ours, wanted, strict=True)), dict(zip(keys, file.layers, strict=True))


def _place(wanted: Collection[str], paths: Collection[str]) -> str:
    """Return where in the file's tree the network stands: at its top, or as one layer of somebody's model."""
    first = min(wanted, key=len)
    places = {path.removesuffix(first) for path in paths if path.endswith(f"/{first}")} | {""}
    return min(places, key=lambda place: (-sum(place + path in paths for path in wanted), len(place)))


def _numbered(names: Sequence[str], kinds: Collection[str]) -> list[str]:
    """Return names in which those that Keras numbered (conv2d_94) carry their place among their kind instead."""
    automatic = re.compile(f"({'|'.join(sorted(kinds, key=len, reverse=True))})(?:_([0-9]+))?")
    parts = [automatic.fullmatch(name) for name in names]
    numbers: dict[str, set[int]] = {}
    for part in filter(None, parts):
        numbers.setdefault(part[1], set()).add(int(part[2] or 0))
    places = {kind: {number: place for place, number in enumerate(sorted(found))} for kind, found in numbers.items()}
    return [f"{p[1]} #{places[p[1]][int(p[2] or 0)]}" if p else name for p, name in zip(parts, names, strict=True)]


def _misfit(wanted: Sequence[Leaf], file: Checkpoint, name: str) -> str:
    ours, theirs = _keys(wanted, file)
    unfit = [d for key, leaf in ours.items() if key in theirs for d in _differences(key, leaf, theirs[key])]
    parts: Mapping[str, list[str]] = {
        "missing": [f"{key}/{v.name}" for key, leaf in ours.items() if key not in theirs for v in leaf.variables],
        "unexpected": [f"{s.name}/{t.last}" for s in _strange(set(ours), theirs, file, name) for t in s.tensors],
        "of another shape": unfit,
    }
    return f"{shown(file.path)} does not fit {name}: {misfit(parts)}. Name the network that these weights were trained in."


def _strange(ours: set[str], theirs: Mapping[str, SavedLayer], file: Checkpoint, name: str) -> list[SavedLayer]:
    """Return the layers of the file that are neither the network's own nor a last layer, Keras's or somebody's."""
    if file.paths:
        tops = {leaf.path for leaf in leaves(build_whole(name))}
        return [s for key, s in theirs.items() if key not in ours | tops and not re.search(r"(^|/)dense(_\d+)?$", key)]
    known = {id(theirs[key]) for key in ours if key in theirs}
    last = max((i for i, saved in enumerate(file.layers) if id(saved) in known), default=len(file.layers))
    return [saved for saved in file.layers[:last] if id(saved) not in known]


def _differences(key: str, leaf: Leaf, saved: SavedLayer) -> list[str]:
    if len(leaf.variables) != len(saved.tensors):
        return [f"{key} ({len(saved.tensors)} arrays, {len(leaf.variables)} wanted)"]
    pairs = zip(leaf.variables, saved.tensors, strict=True)
    return [f"{key}/{v.name} {t.shape}, {tuple(v.shape)} wanted" for v, t in pairs if tuple(v.shape) != t.shape]

"""Read the weights out of a file that Keras wrote, and nothing else out of it.

In: the path of a legacy `.h5` (weights or a whole model), a `.weights.h5` or a `.keras`; which of them it is is seen from
its content. Out: its layers, in the file's own words, their numbers read when asked for. Nothing is unpickled, no layer is
made from the configuration in the file, which may hold foreign code. Refused: links, data in other files, sizes that the
file cannot hold, data that was never written.
"""

from __future__ import annotations

import contextlib
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import untrusted
from penult.errors import DamagedFile, InputError, PenultError
from penult.store.refusals import shown
from penult.zoo.keras_guard import Contents, contents

_ROOTS = ("layers/", "_layer_checkpoint_dependencies/")  # the second: Keras 2.12 to 2.15
_MEMBER = "model.weights.h5"
_MOST_PACKED = 20  # weights shrink by a tenth; what claims more is a trap


@dataclass(frozen=True, slots=True)
class Tensor:
    """One array of a file, not read yet."""

    name: str
    dataset: Any
    path: Path

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape that the file declares."""
        return tuple(self.dataset.shape)

    @property
    def last(self) -> str:
        """The last part of its name, which says what it is in the layer."""
        return self.name.rpartition("/")[2]

    def read(self) -> NDArray[Any]:
        """Return the numbers."""
        with _told(self.path):
            return np.asarray(self.dataset[()])


@dataclass(frozen=True, slots=True)
class SavedLayer:
    """A layer with weights: its name or path in the file, and its arrays in Keras's order."""

    name: str
    tensors: tuple[Tensor, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The layers with weights of a file, in its order.

    `paths`: their names are paths through Keras 3's tree of layers (counted by class), else the names of layers.
    `rescalings` is how many layers only rescale, which some networks have only for some weights; None: not said.
    """

    path: Path
    layers: tuple[SavedLayer, ...]
    paths: bool
    rescalings: int | None


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Checkpoint]:
    """Yield what the file holds. Raises `InputError` for a file that cannot be used, `DamagedFile` for a broken one."""
    import h5py

    with contextlib.ExitStack() as stack:
        with _told(path):
            source = _source(path)
            file = stack.enter_context(h5py.File(source, "r", **({"locking": False} if source is path else {})))
            checkpoint = _checkpoint(path, contents(path, file))
        yield checkpoint


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Say in one sentence that the file is damaged, whatever HDF5 or zip stumble over."""
    try:
        yield
    except (PenultError, MemoryError):
        raise
    except Exception as error:  # they answer damage with a dozen kinds of error
        first = str(error).split("\n")[0][:200]
        raise DamagedFile(f"{shown(path)} is damaged or cut off: {first}; get a fresh copy, or save it again.") from error


def _source(path: Path) -> Any:
    """Return what h5py is to open: the path, or the one member of a `.keras` that holds weights."""
    import h5py

    if not path.is_file():
        raise InputError(f"{shown(path)} is not a file; give the path of a .h5, .weights.h5 or .keras file.")
    if h5py.is_hdf5(path):
        return path
    if not zipfile.is_zipfile(path):
        raise DamagedFile(f"{shown(path)} is no whole .h5, .weights.h5 or .keras file; get a fresh copy, or save it again.")
    with untrusted.opened(path) as file:
        archive = untrusted.directory(file)
        if _MEMBER not in archive.namelist():
            raise InputError(f"{shown(path)} holds no {_MEMBER}; save the model with Keras 3 as .keras or .weights.h5.")
        size, whole = archive.getinfo(_MEMBER).file_size, path.stat().st_size
        if size > _MOST_PACKED * whole or archive.getinfo(_MEMBER).compress_size > whole:
            raise InputError(f"{shown(path)} claims {size} bytes of weights, more than it can hold; get a fresh copy.")
        return io.BytesIO(archive.read(_MEMBER))  # zip checks its checksum


def _checkpoint(path: Path, file: Contents) -> Checkpoint:
    for root in ("", "model_weights"):
        if file.attribute(root, "layer_names") is not None:
            return _legacy(path, file, root)
    layers = _tree(file)
    if not layers:
        raise InputError(f"{shown(path)} holds no layers with weights; give a .h5, .weights.h5 or .keras file of Keras.")
    silent = [g for g in file.groups if g.endswith("/vars") and f"{g}/0" not in file.datasets and g.startswith(_ROOTS)]
    rescalings = sum(bool(re.search(r"(^|/)rescaling(_\d+)?/vars$", g)) for g in silent) if silent else None
    return Checkpoint(path, layers, True, rescalings)


def _tree(file: Contents) -> tuple[SavedLayer, ...]:
    """Return the layers of Keras 3's layout: arrays 0, 1, 2 ... below `<path>/vars`."""
    found: dict[str, dict[int, Tensor]] = {}
    for name, dataset in file.datasets.items():
        place, _, number = name.rpartition("/vars/")
        if place.startswith(_ROOTS) and number.isdecimal() and "seed_generator" not in place:
            place = place.replace(_ROOTS[1], _ROOTS[0])
            found.setdefault(place, {})[int(number)] = Tensor(name, dataset, file.path)
    return tuple(SavedLayer(place, tuple(t for _, t in sorted(tensors.items()))) for place, tensors in found.items())


def _legacy(path: Path, file: Contents, root: str) -> Checkpoint:
    """Return the layers of the old layout: names in attributes, each layer a group of named arrays."""
    layers: list[SavedLayer] = []
    silent, nested = [], False
    for layer in file.attribute(root, "layer_names") or ():
        group = f"{root}/{layer}".lstrip("/")
        names = file.attribute(group, "weight_names") or ()
        tensors = [Tensor(name, file.dataset(f"{group}/{name}"), path) for name in names]
        if not tensors:
            silent.append(layer)
            continue
        inner = _inner(tensors)
        nested |= len(inner) > 1
        layers += [SavedLayer(layer, tuple(tensors))] if len(inner) == 1 else inner
    rescalings = None if nested or not silent else sum(bool(re.fullmatch(r"rescaling(_\d+)?", s)) for s in silent)
    return Checkpoint(path, tuple(layers), False, rescalings)


def _inner(tensors: list[Tensor]) -> list[SavedLayer]:
    """Return the layers inside a group: a network that was used as one layer has several, told by their names."""
    found: dict[str, list[Tensor]] = {}
    for tensor in tensors:
        found.setdefault(tensor.name.rpartition("/")[0], []).append(tensor)
    return [SavedLayer(place.rpartition("/")[2], tuple(inside)) for place, inside in found.items()]

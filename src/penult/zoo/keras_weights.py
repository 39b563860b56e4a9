"""Read the weights out of a file that Keras wrote, and nothing else out of it, and put them into a network.

A legacy `.h5` (weights or a whole model), a `.weights.h5` or a `.keras`: which of them it is is seen from its content.
Nothing is unpickled, no layer is made from the configuration in the file, which may hold foreign code. Every link and every
size is looked at before anything is read. Refused: links to elsewhere, groups inside themselves, data in other files, sizes
that the file cannot hold, data that was declared and never written (HDF5 reads it as zeros). Keras's own loading does not
bound any of these, and takes neither a network inside somebody's model nor another number of classes.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import math
import re
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from penult import untrusted
from penult.arrays import Array
from penult.errors import DamagedFile, InputError, PenultError, listed
from penult.i18n import N_, _
from penult.texts import printable
from penult.zoo.checkpoint import misfit
from penult.zoo.keras_network import Leaf, build_with_top, leaves

_ROOTS = ("layers/", "_layer_checkpoint_dependencies/")  # the second: Keras 2.12 to 2.15
_MEMBER = "model.weights.h5"
_MOST_PACKED = 20  # weights shrink by a tenth; what claims more is a trap
_UNPACKED = {2, 3}  # shuffle and checksum: filters that do not make data smaller
_KINDS = "fiub"


@dataclass(frozen=True, slots=True)
class SavedArray:
    """One array of a file, not read yet; the last part of its name says what it is in the layer."""

    name: str
    dataset: Any
    path: Path

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape that the file declares."""
        return tuple(self.dataset.shape)

    def read(self) -> Array:
        """Return the numbers."""
        with _as_damage(self.path):
            return np.asarray(self.dataset[()])


@dataclass(frozen=True, slots=True)
class SavedLayer:
    """A layer with weights: its name or path in the file, and its arrays in Keras's order."""

    name: str
    arrays: tuple[SavedArray, ...]


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """The layers with weights of a file, in its order.

    `paths`: their names are paths through Keras 3's tree of layers (counted by class), else the names of layers.
    `rescalings` is how many layers only rescale, which some networks have only for some weights; None: not said.
    """

    path: Path
    layers: tuple[SavedLayer, ...]
    paths: bool
    rescalings: int | None


@contextlib.contextmanager
def opened(path: Path) -> Iterator[WeightsFile]:
    """Yield what the file holds. Raises `InputError` for a file that cannot be used, `DamagedFile` for a broken one."""
    import h5py

    with contextlib.ExitStack() as stack:
        with _as_damage(path):
            source = _source(path)
            file = stack.enter_context(h5py.File(source, "r", **({"locking": False} if source is path else {})))
            weights = _weights_file(path, file)
        yield weights


@contextlib.contextmanager
def _as_damage(path: Path) -> Iterator[None]:
    """Say in one sentence that the file is damaged, whatever HDF5 or zip stumble over."""
    try:
        yield
    except (PenultError, MemoryError):
        raise
    except Exception as error:  # they answer damage with a dozen kinds of error
        first = str(error).split("\n")[0][:200]
        raise DamagedFile(
            _("{path} is damaged or cut off: {first}; get a fresh copy, or save it again.", path=printable(path), first=first)
        ) from error


def _source(path: Path) -> Any:
    """Return what h5py is to open: the path, or the one member of a `.keras` that holds weights."""
    import h5py

    if not path.is_file():
        raise InputError(_("{path} is not a file; give the path of a .h5, .weights.h5 or .keras file.", path=printable(path)))
    if h5py.is_hdf5(path):
        return path
    if not zipfile.is_zipfile(path):
        raise DamagedFile(
            _(
                "{path} is not a whole .h5, .weights.h5 or .keras file; get a fresh copy, or save it again.",
                path=printable(path),
            )
        )
    with untrusted.open_file(path) as file:
        archive = untrusted.open_zip(file)
        if _MEMBER not in archive.namelist():
            raise InputError(
                _(
                    "{path} holds no {member}; save the model with Keras 3 as .keras or .weights.h5.",
                    path=printable(path),
                    member=_MEMBER,
                )
            )
        size, whole = archive.getinfo(_MEMBER).file_size, path.stat().st_size
        if size > _MOST_PACKED * whole or archive.getinfo(_MEMBER).compress_size > whole:
            raise InputError(
                _(
                    "{path} claims {size} bytes of weights, more than it can hold; get a fresh copy.",
                    path=printable(path),
                    size=size,
                )
            )
        return io.BytesIO(archive.read(_MEMBER))  # zip checks its checksum


def _weights_file(path: Path, file: Any) -> WeightsFile:
    """Look at all groups and data sets of the open HDF5 file, then make out its layers."""
    import h5py

    groups: dict[str, Any] = {"": file}
    datasets: dict[str, Any] = {}
    size = path.stat().st_size if file.driver != "fileobj" else file.id.get_filesize()
    for where, thing in _members(path, file, "", {_address(file)}):
        (datasets if isinstance(thing, h5py.Dataset) else groups)[where] = thing
    for where, dataset in datasets.items():
        _check_size(path, where, dataset, size)
    for root in ("", "model_weights"):
        if _names(groups, root, "layer_names") is not None:
            return _legacy(path, groups, datasets, root)
    layers = _tree(path, datasets)
    if not layers:
        raise InputError(
            _("{path} holds no layers with weights; give a .h5, .weights.h5 or .keras file of Keras.", path=printable(path))
        )
    silent = [g for g in groups if g.endswith("/vars") and f"{g}/0" not in datasets and g.startswith(_ROOTS)]
    rescalings = sum(bool(re.search(r"(^|/)rescaling(_\d+)?/vars$", g)) for g in silent) if silent else None
    return WeightsFile(path, layers, True, rescalings)


def _members(path: Path, group: Any, place: str, met: set[int]) -> Iterator[tuple[str, Any]]:
    """Yield all groups and data sets below a group, by paths without a slash in front."""
    import h5py

    for name in group:
        where = f"{place}/{name}".lstrip("/")
        if group.id.links.get_info(name.encode()).type != h5py.h5l.TYPE_HARD:
            raise _refusal(path, where, _("is a link to somewhere else"))
        thing = group[name]
        if isinstance(thing, h5py.Dataset):
            yield where, thing
        elif isinstance(thing, h5py.Group):
            if _address(thing) in met:
                raise _refusal(path, where, _("is a group that stands in two places"))
            met.add(_address(thing))
            yield where, thing
            yield from _members(path, thing, where, met)


def _address(group: Any) -> int:
    import h5py

    return int(h5py.h5o.get_info(group.id).addr)


def _check_size(path: Path, name: str, data: Any, size: int) -> None:
    if data.is_virtual or data.external:
        raise _refusal(path, name, _("keeps its data in other files"))
    if data.shape is None or data.dtype.kind not in _KINDS:
        raise _refusal(path, name, _("holds {dtype}, which is no kind of number that weights are", dtype=data.dtype))
    declared = data.id.get_type().get_size() * math.prod(data.shape)
    plan = data.id.get_create_plist()
    packed = {plan.get_filter(i)[0] for i in range(plan.get_nfilters())} - _UNPACKED
    if declared > size * (_MOST_PACKED if packed else 1):
        raise _refusal(
            path, name, _("claims {shape} numbers, more than a file of {size} bytes can hold", shape=data.shape, size=size)
        )
    if data.chunks is None:
        whole = data.id.get_storage_size() >= declared
    else:
        wanted = math.prod(-(-n // c) for n, c in zip(data.shape, data.chunks, strict=True))
        whole = data.id.get_num_chunks() >= wanted
    if not whole:
        raise DamagedFile(
            _(
                "{name!r} in {path} was declared but never written; get a fresh copy, or save it again.",
                name=name,
                path=printable(path),
            )
        )


def _refusal(path: Path, name: str, what: str) -> InputError:
    return InputError(
        _(
            "{name!r} in {path} {what}; penult reads plain weights only: save the model again with Keras.",
            name=name,
            path=printable(path),
            what=what,
        )
    )


def _names(groups: Mapping[str, Any], group: str, name: str) -> tuple[str, ...] | None:
    """Return a list of names kept as an attribute, which Keras splits into `name0`, `name1` ... when it is long."""
    if group not in groups:
        return None
    attributes = groups[group].attrs
    split = itertools.takewhile(attributes.__contains__, (f"{name}{i}" for i in itertools.count()))
    keys = [name] if name in attributes else list(split)
    if not keys:
        return None
    return tuple(v.decode() if isinstance(v, bytes) else str(v) for key in keys for v in attributes[key])


def _tree(path: Path, datasets: Mapping[str, Any]) -> tuple[SavedLayer, ...]:
    """Return the layers of Keras 3's layout: arrays 0, 1, 2 ... below `<path>/vars`."""
    found: dict[str, dict[int, SavedArray]] = {}
    for name, dataset in datasets.items():
        place, _, number = name.rpartition("/vars/")
        if place.startswith(_ROOTS) and number.isdecimal() and "seed_generator" not in place:
            place = place.replace(_ROOTS[1], _ROOTS[0])
            found.setdefault(place, {})[int(number)] = SavedArray(name, dataset, path)
    return tuple(SavedLayer(place, tuple(a for _, a in sorted(arrays.items()))) for place, arrays in found.items())


def _legacy(path: Path, groups: Mapping[str, Any], datasets: Mapping[str, Any], root: str) -> WeightsFile:
    """Return the layers of the old layout: names in attributes, each layer a group of named arrays."""
    layers: list[SavedLayer] = []
    silent, nested = [], False
    for layer in _names(groups, root, "layer_names") or ():
        group = f"{root}/{layer}".lstrip("/")
        inside: dict[str, list[SavedArray]] = {}  # a network that was used as one layer has several, told by their names
        for name in _names(groups, group, "weight_names") or ():
            if f"{group}/{name}" not in datasets:
                raise DamagedFile(
                    _(
                        "{path} announces {name!r} and does not have it; get a fresh copy.",
                        path=printable(path),
                        name=f"{group}/{name}",
                    )
                )
            inside.setdefault(name.rpartition("/")[0], []).append(SavedArray(name, datasets[f"{group}/{name}"], path))
        if not inside:
            silent.append(layer)
        nested |= len(inside) > 1
        for place, arrays in inside.items():
            layers.append(SavedLayer(place.rpartition("/")[2] if len(inside) > 1 else layer, tuple(arrays)))
    rescalings = None if nested or not silent else sum(bool(re.fullmatch(r"rescaling(_\d+)?", s)) for s in silent)
    return WeightsFile(path, tuple(layers), False, rescalings)


def fill(model: Any, file: WeightsFile, name: str) -> None:
    """Give the network called `name`, without its last layer, the weights of the file.

    A layer of the file belongs to the one of the network that has its name. The numbers that Keras gives to nameless layers
    (conv2d_94) count on through a session, so only their sequence is looked at. Where names differ, as in files of old
    versions, the order of all layers decides, as in Keras itself. What comes behind the network's own layers is somebody's
    last layer, of any number of classes, and is not read. Raises `InputError` with all that is missing, unexpected or of
    another shape, or with all that is not finite.
    """
    wanted = [leaf for leaf in leaves(model) if leaf.variables]
    pairs = _paired(wanted, file)
    if pairs is None:
        raise InputError(_misfit(wanted, file, name))
    broken = []
    for leaf, saved in pairs:
        values = [array.read() for array in saved.arrays]
        broken += [a.name for a, v in zip(saved.arrays, values, strict=True) if not np.isfinite(v).all()]
        leaf.assign(values)
    if broken:
        raise InputError(
            _(
                "weights in {path} are not finite: {broken}; take an earlier save.",
                path=printable(file.path),
                broken=listed(broken),
            )
        )


def _paired(wanted: Sequence[Leaf], file: WeightsFile) -> list[tuple[Leaf, SavedLayer]] | None:
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
    return [tuple(v.shape) for v in leaf.variables] == [a.shape for a in saved.arrays]


def _keys(wanted: Sequence[Leaf], file: WeightsFile) -> tuple[dict[str, Leaf], dict[str, SavedLayer]]:
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


def _misfit(wanted: Sequence[Leaf], file: WeightsFile, name: str) -> str:
    ours, theirs = _keys(wanted, file)
    strange = _strange(set(ours), theirs, file, name)
    parts = {
        N_("missing"): [f"{key}/{v.name}" for key, leaf in ours.items() if key not in theirs for v in leaf.variables],
        N_("unexpected"): [f"{s.name}/{a.name.rpartition('/')[2]}" for s in strange for a in s.arrays],
        N_("of another shape"): [d for k, leaf in ours.items() if k in theirs for d in _differences(k, leaf, theirs[k])],
    }
    return _(
        "{path} does not fit {name}: {misfit}. Name the network that these weights were trained in.",
        path=printable(file.path),
        name=name,
        misfit=misfit(parts),
    )


def _strange(ours: set[str], theirs: Mapping[str, SavedLayer], file: WeightsFile, name: str) -> list[SavedLayer]:
    """Return the layers of the file that are neither the network's own nor a last layer, Keras's or somebody's."""
    if file.paths:
        tops = {leaf.path for leaf in leaves(build_with_top(name))}
        return [s for key, s in theirs.items() if key not in ours | tops and not re.search(r"(^|/)dense(_\d+)?$", key)]
    known = {id(theirs[key]) for key in ours if key in theirs}
    last = max((i for i, saved in enumerate(file.layers) if id(saved) in known), default=len(file.layers))
    return [saved for saved in file.layers[:last] if id(saved) not in known]


def _differences(key: str, leaf: Leaf, saved: SavedLayer) -> list[str]:
    if len(leaf.variables) != len(saved.arrays):
        return [_("{key} ({n} arrays, {wanted} wanted)", key=key, n=len(saved.arrays), wanted=len(leaf.variables))]
    pairs = zip(leaf.variables, saved.arrays, strict=True)
    return [
        _("{name} {shape}, {wanted} wanted", name=f"{key}/{v.name}", shape=a.shape, wanted=tuple(v.shape))
        for v, a in pairs
        if tuple(v.shape) != a.shape
    ]

"""What an HDF5 file of weights contains, every link and every size looked at before anything is read.

In: an open HDF5 file from anywhere. Out: its groups, attributes of names, and data sets by their paths. Refused: links to
elsewhere, groups inside themselves, data in other files, sizes that the file cannot hold, data that was declared and never
written (HDF5 reads it as zeros).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penult.errors import DamagedFile, InputError
from penult.store.refusals import shown

_MOST_PACKED = 20
_UNPACKED = {2, 3}  # shuffle and checksum: filters that do not make data smaller
_KINDS = "fiub"


@dataclass(frozen=True, slots=True)
class Contents:
    """All groups and data sets of a file by path, without a slash in front; the root is the empty path."""

    path: Path
    groups: dict[str, Any]
    datasets: dict[str, Any]

    def attribute(self, group: str, name: str) -> tuple[str, ...] | None:
        """Return a list of names kept as an attribute, which Keras splits into `name0`, `name1` ... when it is long."""
        if group not in self.groups:
            return None
        attributes = self.groups[group].attrs
        split = itertools.takewhile(attributes.__contains__, (f"{name}{i}" for i in itertools.count()))
        keys = [name] if name in attributes else list(split)
        if not keys:
            return None
        return tuple(v.decode() if isinstance(v, bytes) else str(v) for key in keys for v in attributes[key])

    def dataset(self, path: str) -> Any:
        """Return a data set. Raises `DamagedFile` where it is only announced."""
        if path not in self.datasets:
            raise DamagedFile(f"{shown(self.path)} announces {path!r} and does not have it; get a fresh copy.")
        return self.datasets[path]


def contents(path: Path, file: Any) -> Contents:
    """Return what the open HDF5 `file` holds. Raises `InputError` or `DamagedFile` for what is refused, see above."""
    found = Contents(path, {"": file}, {})
    _collect(found, "", file, {_address(file)})
    size = path.stat().st_size if file.driver != "fileobj" else file.id.get_filesize()
    for name, dataset in found.datasets.items():
        _plausible(path, name, dataset, size)
    return found


def _collect(found: Contents, place: str, group: Any, met: set[int]) -> None:
    import h5py

    for name in group:
        where = f"{place}/{name}".lstrip("/")
        if group.id.links.get_info(name.encode()).type != h5py.h5l.TYPE_HARD:
            raise _refusal(found.path, where, "is a link to somewhere else")
        thing = group[name]
        if isinstance(thing, h5py.Dataset):
            found.datasets[where] = thing
        elif isinstance(thing, h5py.Group):
            if _address(thing) in met:
                raise _refusal(found.path, where, "is a group that stands in two places")
            met.add(_address(thing))
            found.groups[where] = thing
            _collect(found, where, thing, met)


def _address(group: Any) -> int:
    import h5py

    return int(h5py.h5o.get_info(group.id).addr)


def _plausible(path: Path, name: str, data: Any, size: int) -> None:
    if data.is_virtual or data.external:
        raise _refusal(path, name, "keeps its data in other files")
    if data.shape is None or data.dtype.kind not in _KINDS:
        raise _refusal(path, name, f"holds {data.dtype}, which is no kind of number that weights are")
    declared = data.id.get_type().get_size() * math.prod(data.shape)
    plan = data.id.get_create_plist()
    packed = {plan.get_filter(i)[0] for i in range(plan.get_nfilters())} - _UNPACKED
    if declared > size * (_MOST_PACKED if packed else 1):
        raise _refusal(path, name, f"claims {data.shape} numbers, more than a file of {size} bytes can hold")
    if data.chunks is None:
        whole = data.id.get_storage_size() >= declared
    else:
        wanted = math.prod(-(-n // c) for n, c in zip(data.shape, data.chunks, strict=True))
        whole = data.id.get_num_chunks() >= wanted
    if not whole:
        raise DamagedFile(f"{name!r} in {shown(path)} was declared but never written; get a fresh copy, or save it again.")


def _refusal(path: Path, name: str, what: str) -> InputError:
    return InputError(f"{name!r} in {shown(path)} {what}; penult reads plain weights only: save the model again with Keras.")

"""Open an HDF5 file from anywhere, and look at what it claims before anything is read.

In: a path. Out: its data sets as plain arrays, or one sentence that says why not. Refused: links to elsewhere, data kept in
other files, sizes that the file cannot hold, chunks that were never written (HDF5 reads those as zeros), unknown filters,
damage.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from penult.arrays import Array
from penult.errors import DamagedFile, InputError, PenultError
from penult.i18n import _
from penult.texts import printable

_FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 4: "szip", 5: "nbit", 6: "scaleoffset", 32000: "lzf"}
_LARGEST_CHUNK = 64 << 20  # HDF5 unpacks a chunk as a whole
_MOST_PACKED = 20  # float features shrink by a quarter, zeros and lies by a thousand
_MOST_ATTRIBUTE = 1 << 16


@contextlib.contextmanager
def opened(path: Path) -> Iterator[CheckedFile]:
    """Yield the file's data sets.

    Raises `InputError` for a file that cannot be used and `DamagedFile` where HDF5 itself stumbles.
    """
    import h5py

    size = _size(path)
    try:
        with h5py.File(path, "r", locking=False) as file:
            yield CheckedFile(path, size, file)
    except (PenultError, MemoryError):
        raise
    except Exception as error:  # HDF5 answers damage with OSError, RuntimeError, KeyError, TypeError and more
        raise DamagedFile(
            _(
                "{path} is damaged or cut off: {error}; write it again, or get a fresh copy.",
                path=printable(path),
                error=_short(error),
            )
        ) from error


class CheckedFile:
    """The data sets of one open file, each looked at before it is read."""

    def __init__(self, path: Path, size: int, file: Any) -> None:
        self.path = path
        self.size = size
        self._file = file
        self._seen: dict[str, Any] = {}

    def attribute(self, name: str) -> bytes | None:
        """Return a root attribute that holds bytes of a fixed length, or None."""
        if name not in self._file.attrs or self._file.attrs.get_id(name).get_storage_size() > _MOST_ATTRIBUTE:
            return None
        value = self._file.attrs[name]
        return bytes(value) if isinstance(value, np.bytes_) else None

    def has(self, name: str) -> bool:
        """Say whether there is a data set of that name."""
        return bool(self._file.id.links.exists(name.encode()))  # `name in file` would follow a link

    def read(self, name: str, ranks: tuple[int, ...], kinds: str) -> Array:
        """Return a whole data set of one of the `ranks` and one of the `kinds` (numpy's dtype letters)."""
        return np.asarray(self.data(name, ranks, kinds)[...])

    def data(self, name: str, ranks: tuple[int, ...], kinds: str) -> Any:
        """Return such a data set unread, to be sliced; it is looked at when it is asked for first."""
        if name not in self._seen:
            self._seen[name] = self._looked_at(name, ranks, kinds)
        return self._seen[name]

    def _looked_at(self, name: str, ranks: tuple[int, ...], kinds: str) -> Any:
        import h5py

        if self._file.id.links.get_info(name.encode()).type != h5py.h5l.TYPE_HARD:
            raise self._refusal(name, _("is a link to somewhere else"))
        data = self._file[name]
        if not isinstance(data, h5py.Dataset):
            raise self._refusal(name, _("is not a data set"))
        if data.is_virtual or data.external:
            raise self._refusal(name, _("keeps its data in other files"))
        if data.shape is None or len(data.shape) not in ranks:
            raise self._refusal(
                name,
                _("has the shape {shape}, not {ranks} dimension(s)", shape=data.shape, ranks=_(" or ").join(map(str, ranks))),
            )
        text = h5py.check_string_dtype(data.dtype) is not None  # an object that is no text is a reference
        if data.dtype.kind not in kinds or (data.dtype.kind == "O" and not text):
            raise self._refusal(name, _("holds {dtype}, which is not allowed there", dtype=data.dtype))
        self._plausible(name, data)
        return data

    def _plausible(self, name: str, data: Any) -> None:
        """Refuse sizes that the file cannot hold, and data that was declared but never written."""
        import h5py

        bytes_declared = data.id.get_type().get_size() * math.prod(data.shape)
        plan = data.id.get_create_plist()
        filters = {plan.get_filter(i)[0] for i in range(plan.get_nfilters())}
        for number in filters:
            if number not in _FILTERS or not h5py.h5z.filter_avail(number):
                label = _FILTERS.get(number, f"number {number}")
                raise self._refusal(name, _("is packed with the filter {name}, which is not available", name=label))
        packed = bool(filters - {2, 3})
        if bytes_declared > self.size * (_MOST_PACKED if packed else 1):
            raise self._refusal(
                name, _("claims {shape} values, more than a file of {size} bytes can hold", shape=data.shape, size=self.size)
            )
        if data.chunks is None:
            if data.id.get_storage_size() < bytes_declared:
                raise DamagedFile(self._sentence(name, _("was declared but never written")))
            return
        chunk = math.prod(data.chunks) * data.dtype.itemsize
        if chunk > max(_LARGEST_CHUNK, self.size):
            raise self._refusal(name, _("has chunks of {size} bytes", size=chunk))
        wanted = math.prod(-(-n // c) for n, c in zip(data.shape, data.chunks, strict=True))
        if data.id.get_num_chunks() < wanted:
            raise DamagedFile(self._sentence(name, _("has rows that were never written")))

    def _refusal(self, name: str, what: str) -> InputError:
        return InputError(self._sentence(name, what))

    def _sentence(self, name: str, what: str) -> str:
        return _(
            "{name!r} in {path} {what}; give a file with plain data sets train, test and label.",
            name=name,
            path=printable(self.path),
            what=what,
        )


def _size(path: Path) -> int:
    """Return the file's size; a device or pipe is refused before anything waits for it."""
    import h5py

    if not path.is_file():
        if path.exists():
            raise InputError(_("{path} is not a file; give the path of a feature file (.h5).", path=printable(path)))
        raise InputError(_("{path} does not exist; give the path of a feature file (.h5).", path=printable(path)))
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
    except OSError as error:
        raise InputError(
            _("{path} cannot be read: {reason}; check its permissions.", path=printable(path), reason=error.strerror)
        ) from error
    if not h5py.is_hdf5(path):
        raise InputError(_("{path} is not an HDF5 file; give a feature file (.h5).", path=printable(path)))
    return size


def _short(error: Exception) -> str:
    text = str(error).split("\n")[0]
    return text if len(text) <= 200 else text[:200] + "..."

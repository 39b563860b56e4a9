"""One encoded image somewhere: a file, a part of a tar or zip file, a cell of a Parquet file, an object of a store.

In: where it lies. Out: its bytes, or an OSError. A member pickles small, so that the process that decodes an image reads it.
"""

from __future__ import annotations

import errno
import os
from contextlib import closing
from dataclasses import dataclass
from typing import Literal, get_args

from penult.errors import InputError
from penult.i18n import _
from penult.sources.unpacking import MAX_BYTES, Container, too_large
from penult.texts import is_url

Packing = Literal["file", "stored", "zip", "gzip", "parquet", "object", "refused"]
PACKINGS: tuple[str, ...] = get_args(Packing)
_IN_PLACE = ("file", "stored", "zip", "refused")


@dataclass(frozen=True, slots=True, eq=False)
class FileContent:
    """An image file that is in memory, to be given wherever a path can be.

    Bytes alone are a path, as everywhere in Python, and bytes from a stranger must never be opened as one; so those of a file
    say what they are.

    Parameters
    ----------
    data : bytes
        What stands in the file.

    Raises
    ------
    InputError
        For anything but bytes.

    Examples
    --------
    >>> import penult
    >>> with open("cat.jpg", "rb") as file:
    ...     photo = penult.FileContent(file.read())
    >>> penult.Embedder("colour_histogram").transform([photo, "cat.jpg"]).shape
    (2, 112)
    """

    data: bytes

    def __post_init__(self) -> None:
        if isinstance(self.data, bytearray | memoryview):
            object.__setattr__(self, "data", bytes(self.data))
        elif not isinstance(self.data, bytes):
            kind = type(self.data).__name__
            raise InputError(
                _("got a {kind} for the bytes of a photo; give what `open(path, 'rb').read()` returns.", kind=kind)
            )


@dataclass(frozen=True, slots=True)
class Member:
    """One encoded image of a source.

    `id` is what the user calls it: the path inside the source, `/`-separated. `container` is the folder or file that it lies
    in, path or address; `size` how many bytes it has (-1: not known); `label` what the container itself says that it shows (a
    column, a `.cls` member), None where it is silent. `tag` changes when the content may have changed: an ETag, or size and
    time. `packing` says what `key` and `offset` are:

    ========= ==================================== ===========================================
    packing   key                                  offset
    ========= ==================================== ===========================================
    file      path inside the folder
    object    key below the address
    stored                                         of its bytes in the tar
    gzip                                           of its bytes in what the tar unpacks to
    zip       method:packed size:CRC               of its header
    parquet   row group:row:column
    refused   why it cannot be read
    ========= ==================================== ===========================================
    """

    id: str
    container: str
    key: str = ""
    offset: int = -1
    size: int = -1
    packing: Packing = "file"
    tag: str = ""
    label: str | None = None

    @property
    def path(self) -> str:
        """The path of a file of its own, which any program can open; empty for everything else."""
        return os.path.join(self.container, self.key) if self.packing == "file" else ""  # noqa: PTH118 - surrogates

    @property
    def in_place(self) -> bool:
        """Whether any process can read it at once; of others many are read together, in order, by `read_ahead`."""
        return self.packing in _IN_PLACE and not is_url(self.container)

    def read(self, most: int = MAX_BYTES, container: Container | None = None) -> bytes:
        """Return the encoded bytes, or the first `most` of them and perhaps more; `container` is its own, if that is open.

        Raises OSError, with EFBIG for what is too large; InputError where a store refuses all.
        """
        if self.packing == "refused":
            raise OSError(errno.EINVAL, self.key)
        if self.size > MAX_BYTES:
            raise too_large(self.size)
        if self.packing == "file":
            with open(self.path, "rb", buffering=0) as file:  # noqa: PTH123 - surrogates
                return file.read()
        if self.packing == "object":
            from penult.objects import open_store

            return open_store(self.container).get(self.key)
        if container is not None:
            return container.read(self, most)
        with closing(Container(self.container)) as opened:
            return opened.read(self, most)

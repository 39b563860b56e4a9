"""Files of an object store that are read again and again are fetched once, and kept in one file on the disk.

In: what fetches a file, and the sizes of those to keep. Out: the same bytes. The file on the disk has no name, so a process
that is killed leaves nothing behind.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import IO

SPARE = 2.2  # times the size of the files that must be free: training unpacks the rows beside them


class KeptFiles:
    """Files by their names; where `folder` has no space for those with `sizes` (bytes), each is fetched whenever it is read.

    Any thread may read.
    """

    def __init__(self, fetch: Callable[[str], bytes], sizes: Mapping[str, int], folder: Path) -> None:
        self._fetch, self._lock = fetch, Lock()
        self._places: dict[str, tuple[int, int]] = {}  # start and size
        self._file: IO[bytes] | None = None
        with suppress(OSError):
            if shutil.disk_usage(folder).free >= SPARE * sum(sizes.values()):
                self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - it is closed with this
                weakref.finalize(self, self._file.close)

    def read(self, name: str) -> bytes:
        """Return the bytes of a file. Raises what fetching it raises."""
        with self._lock:
            if self._file is None:
                return self._fetch(name)
            if name in self._places:
                start, size = self._places[name]
                self._file.seek(start)
                return self._file.read(size)
            data = self._fetch(name)
            try:
                self._places[name] = self._file.seek(0, 2), len(data)
                self._file.write(data)
                self._file.flush()
            except OSError:  # the disk is full, or fails: what is there may not be whole
                self._file = None
            return data

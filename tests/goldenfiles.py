"""The files that an earlier version wrote, unpacked."""

from __future__ import annotations

import tarfile
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden" / "v0"


def unpack_golden(folder: Path) -> None:
    with tarfile.open(GOLDEN / "files.tar.xz") as archive:
        if hasattr(tarfile, "data_filter"):  # not in Python before 3.11.4, which Debian 12 has
            archive.extraction_filter = staticmethod(tarfile.data_filter)
        archive.extractall(folder)

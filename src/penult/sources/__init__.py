"""Where encoded images lie: folders, tar and zip files, Parquet with images in it, object stores.

In: a path or an address. Out: the members in a fixed order, each with a name, and their bytes. It decodes nothing.

Tar, zip and gzip are read by readers of our own, not by `tarfile`, `zipfile` and `gzip`, because

- any process reads a member at once by its place, which plans keep; `zipfile` reads the whole directory before, `tarfile` all
  headers up to the member;
- listing takes a seventh (tar) and a quarter (zip) of the memory, at about the same speed (`benchmarks/cluster.py bytes`);
- damage costs itself: `tarfile` ends at a damaged header without a word, and reads an extended header of any size; `gzip`
  raises where a file is cut, and has no bound for what it unpacks to. `tests/test_sources.py` has these files.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from penult.sources.member import FileContent, Member
from penult.sources.reading import read_ahead, reading_order
from penult.sources.unpacking import MAX_BYTES

if TYPE_CHECKING:
    from penult.sources.parquet_images import ParquetColumns as ParquetColumns
    from penult.sources.scan import SourceKind as SourceKind
    from penult.sources.scan import kind_of as kind_of
    from penult.sources.scan import locate as locate
    from penult.sources.scan import members as members
    from penult.sources.scan import no_source as no_source

__all__ = [
    "MAX_BYTES", "FileContent", "Member", "ParquetColumns", "SourceKind", "kind_of", "locate", "members",
    "no_source", "read_ahead", "reading_order",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import what lists sources when it is first used: decoding processes read single members and start at once."""
    if name == "ParquetColumns":
        return import_module("penult.sources.parquet_images").ParquetColumns
    if name in __all__:
        return getattr(import_module("penult.sources.scan"), name)
    raise AttributeError(f"module 'penult.sources' has no attribute {name!r}")

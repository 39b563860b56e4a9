"""What kind of source a path or an address is, and the images in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Literal

from penult.signatures import named_like_image
from penult.sources.member import Member
from penult.sources.stores import stored_members

SourceKind = Literal["folder", "table", "tar", "zip", "parquet", "objects"]
SCHEMES = ("s3://", "gs://", "az://")
_ENDINGS: dict[SourceKind, tuple[str, ...]] = {
    "tar": (".tar", ".tar.gz", ".tgz"),
    "zip": (".zip",),
    "parquet": (".parquet",),
    "table": (".csv", ".tsv", ".txt"),
}


def kind_of(source: str) -> SourceKind | None:
    """Return what a path or an address (`s3://`, `gs://`, `az://`) is; None for what is not there or none of these."""
    remote = source.startswith(SCHEMES)
    if not remote and os.path.isdir(source):  # noqa: PTH112 - names that no file can have are no reason to fail
        return "folder"
    for kind, endings in _ENDINGS.items():
        if source.lower().endswith(endings) and (remote or os.path.isfile(source)):  # noqa: PTH113
            return kind
    return "objects" if remote else None


def members(source: str, on_skip: Callable[[str, str], None] = lambda kind, name: None) -> Iterator[Member]:
    """Yield the images of a source one by one, a folder at a time in natural order, archives in their own order.

    `on_skip(kind, name)` is told of everything that is passed over. Raises InputError for a source that cannot be read at all;
    one image that cannot be yields a member whose `read` raises.
    """
    if kind_of(source) == "objects":
        yield from stored_members(source, on_skip)
        return
    for folder, below, files in os.walk(source):
        below.sort()
        for name in sorted(files):
            if named_like_image(name):
                path = os.path.join(folder, name)  # noqa: PTH118
                key, found = os.path.relpath(path, source), os.stat(path)  # noqa: PTH116
                tag = f"{found.st_size}-{found.st_mtime_ns}"
                yield Member(key.replace(os.sep, "/"), source, key, size=found.st_size, tag=tag)
            else:
                on_skip("files that are not images", os.path.join(folder, name))  # noqa: PTH118

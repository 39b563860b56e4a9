"""Parquet files that list images and have none in them: a table, as a CSV is one.

In: a path. Out: whether a file is such a table, and its rows: names of the columns first, then the values. It must not know
what the columns mean.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from penult.errors import DamagedFile, InputError, MissingExtra
from penult.sources.parquet_images import BINARY, class_names

_ROWS = 4096  # that are read at a time
_NESTED = ("fixed_size_list", "list<element: float", "list<item: float", "large_list<item: float", "map<", "extension<")


def is_parquet_table(path: str) -> bool:
    """Tell whether a Parquet file has no images in it, and is none of penult's own: a table of names and labels."""
    try:
        found = os.stat(path)  # noqa: PTH116 - names that no file can have are no reason to fail
    except (OSError, ValueError):
        return False
    return _is_table(path, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=64)
def _is_table(path: str, when: int, size: int) -> bool:
    """Look into a file as it was then."""
    from penult.parquet import ParquetReader

    try:
        reader = ParquetReader(path, path, by_page=True)
    except (DamagedFile, MissingExtra, OSError):  # told by who reads it
        return False
    kinds = [kind for _, kind in reader.columns]
    own = any(name.startswith("penult") for name in reader.metadata)
    return not own and bool(kinds) and not any(kind.startswith((*BINARY, "fixed_size_binary")) for kind in kinds)


def read_rows(path: str) -> Iterator[list[Any]]:
    """Yield the names of the columns, then the values of each row; bytes and vectors are left out, numbers of classes named.

    Raises `InputError`, `MissingExtra`.
    """
    from penult.parquet import ParquetReader

    try:
        reader = ParquetReader(path, path, by_page=True)
        names = [name for name, kind in reader.columns if not kind.startswith((*BINARY, "fixed_size_binary", *_NESTED))]
        classes = class_names(reader.metadata)
        yield list(names)
        for group in range(len(reader.group_rows)):
            for batch in reader.batches(names, group, _ROWS):
                columns = [_named(batch[name], classes, name) for name in names]
                yield from map(list, zip(*columns, strict=True))
    except DamagedFile as error:
        raise InputError(str(error)) from error


def _named(values: list[Any], classes: Mapping[str, list[str]], column: str) -> list[Any]:
    """Return the values of a column, the numbers of classes as their names."""
    known = classes.get(column)
    if known is None:
        return values
    return [known[value] if isinstance(value, int) and 0 <= value < len(known) else None for value in values]

"""The rows of a table of images with other labels, and without some of its images; all other cells stay as they are."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from penult.images.columns import TableOptions
from penult.images.labels import LabelNormalizer, normalize_label
from penult.images.table import Table
from penult.images.walk import ScanLog


def corrected_rows(path: str, options: TableOptions, labels: Mapping[str, str | None]) -> Iterator[list[str]]:
    """Yield the header and the rows of a table; `labels` gives files another label, or None: their rows are left out.

    Raises `InputError` for a table that cannot be used.
    """
    changed = {os.path.normpath(file): label for file, label in labels.items()}
    table = Table(path, options)
    table.images(ScanLog(), LabelNormalizer())
    yield table.header
    for file, cells in table.listed():
        label = changed.get(os.path.normpath(file), "")
        if label is not None:
            yield _relabelled(cells, label, table) if label else cells


def _relabelled(cells: list[str], label: str, table: Table) -> list[str]:
    row = cells + [""] * (len(table.header) - len(cells))
    if table.cells.one_hot:
        for at in table.columns.labels:
            row[at] = "1" if normalize_label(table.header[at]) == label else "0"
        return row
    names = [normalize_label(name) for name in table.header]
    first = names[table.columns.labels[0]]
    for at, name in enumerate(names):
        if name in (first, f"{first}.1"):  # a column that stands there twice
            row[at] = label
    return row

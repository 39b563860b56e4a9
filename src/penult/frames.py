"""Results as a pandas table, where pandas is installed, and as one line of text; nothing here needs pandas to be."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from penult.errors import MissingExtra
from penult.i18n import _


def data_frame(columns: Mapping[str, Sequence[Any]], index: Sequence[Any] | None = None) -> Any:
    """Return columns of one length as a `pandas.DataFrame`. Raises `MissingExtra` where there is no pandas."""
    try:
        import pandas as pd
    except ImportError:
        raise MissingExtra(_("a table for pandas needs pandas, which is not installed; run `pip install pandas`.")) from None
    return pd.DataFrame(dict(columns), index=index)


def rows_frame(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Return records that have the same keys as a `pandas.DataFrame`. Raises `MissingExtra`."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return data_frame({name: [row.get(name) for row in rows] for name in names})


def read_frame(path: Path) -> Any:
    """Return a CSV file of ours as a `pandas.DataFrame`, numbers as numbers. Raises `MissingExtra`."""
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        header, *rows = csv.reader(file)
    return data_frame({name: _numbers([row[i] for row in rows]) for i, name in enumerate(header)})


def _numbers(cells: list[str]) -> list[Any]:
    """Return a column as numbers where all are."""
    for kind in (int, float):
        with suppress(ValueError):
            return [kind(cell) for cell in cells]
    return list(cells)


def short(kind: str, **facts: object) -> str:
    """Return one line for a result: `Predictions(3 images, 2 classes)`."""
    told = ", ".join(f"{name}={value}" if not isinstance(value, bool) else name for name, value in facts.items())
    return f"{kind}({told})"

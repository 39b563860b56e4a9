"""What is to be told of a table: which columns were taken, where its photos are, and what was made of names and labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from penult.images.columns import FILE, LABEL, written_by_penult
from penult.images.labels import LabelNormalizer, decode_surrogates, normalize_label
from penult.texts import printable

if TYPE_CHECKING:
    from penult.images.table import Table


def table_notes(
    table: Table, folders: Sequence[str], ways: Counter[frozenset[str]], encoding: str, labels: LabelNormalizer
) -> list[str]:
    """Return one sentence on what was found out about a table, one on a guessed `encoding`, and those on labels.

    `folders` are those that its photos were found in, `ways` in what names differ from those of the files.
    """
    said = _columns_taken(table)
    named = [f"'{printable(name)}'" for name in folders if name != "."]
    if named:
        more = f" and {len(named) - 3:,} more folders" if len(named) > 3 else ""
        said.append(f"photos found in {', '.join(named[:3])}{more}")
    for way, count in ways.most_common():
        if way:
            said.append(f"{count:,} {'name' if count == 1 else 'names'} matched {' and '.join(sorted(way))}")
    at = table.columns.labels
    if len(at) == 1 and _stands_twice(table.header, at[0]):
        said.append(f"its column '{printable(table.header[at[0]])}' stands there twice, with the same labels")
    notes = [f"'{printable(table.path)}': {'; '.join(said)}"] if said else []
    if guessed := _guessed_encoding(table, encoding, labels):
        notes.append(
            f"'{printable(table.path)}' is not UTF-8 and was read as {guessed}; if letters look wrong, save it as "
            "'CSV UTF-8', or give its encoding with --encoding NAME"
        )
    return [*notes, *(note for note in labels.notes("labels") if "Windows-1252" not in note)]


def _columns_taken(table: Table) -> list[str]:
    """Return which columns were taken, unless they are called so that nobody need be told."""
    columns, header = table.columns, table.header
    image = "" if columns.image is None else header[columns.image]
    if table.headless:
        said = ["its first line is a row, and no names of columns", f"images by its {_place(columns.image)} column"]
        return said + ([f"labels by its {_place(columns.labels[0])} column"] if columns.labels else [])
    label = header[columns.labels[0]] if len(columns.labels) == 1 else LABEL
    plain = normalize_label(image).lower() == FILE and normalize_label(label).lower() == LABEL
    if plain and not table.cells.one_hot and table.cells.task == "classes":
        return []
    said = [f"images by its column '{printable(image)}'"]
    return said + ([f"labels by {table.cells.describe()}"] if columns.labels else [])


def _place(at: int | None) -> str:
    return ("first", "second")[at or 0]


def _guessed_encoding(table: Table, encoding: str, labels: LabelNormalizer) -> str:
    """Return the encoding that was guessed, where that made a difference."""
    if table.options.encoding is not None:
        return ""
    if encoding == "gb18030":
        return "GB 18030 (Chinese)"
    written = [*table.header, *(form for forms in labels.forms.values() for form in forms)]
    odd = encoding == "cp1252" and any(decode_surrogates(text) != text for text in written)
    return "Windows-1252" if odd else ""


def _stands_twice(header: Sequence[str], at: int) -> bool:
    names = [normalize_label(name).lower() for name in header]
    return not written_by_penult(names) and (names.count(names[at]) > 1 or f"{names[at]}.1" in names)

"""What is to be told of a table: which columns were taken, where its photos are, and what was made of names and labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from penult.i18n import N_, _, ngettext
from penult.images.columns import FILE, LABEL, written_by_penult
from penult.images.labels import LabelNormalizer, decode_surrogates, normalize_label
from penult.texts import enumeration, in_quotes, printable

if TYPE_CHECKING:
    from penult.images.table import Table


def table_notes(
    table: Table, folders: Sequence[str], ways: Counter[frozenset[str]], encoding: str, labels: LabelNormalizer
) -> list[str]:
    """Return one sentence on what was found out about a table, one on a guessed `encoding`, and those on labels.

    `folders` are those that its photos were found in, `ways` in what names differ from those of the files.
    """
    said = _columns_taken(table)
    named = [in_quotes(name) for name in folders if name != "."]
    if named:
        names, more = enumeration(named[:3]), len(named) - 3
        if more > 0:
            said.append(_("photos found in {names} and {more:,} more folders", names=names, more=more))
        else:
            said.append(_("photos found in {names}", names=names))
    for way, count in ways.most_common():
        if way:
            how = _(" and ").join(map(_, sorted(way)))
            said.append(ngettext("{n:,} name matched {how}", "{n:,} names matched {how}", count, how=how))
    at = table.columns.labels
    if len(at) == 1 and _stands_twice(table.header, at[0]):
        name = printable(table.header[at[0]])
        said.append(_("its column '{name}' stands there twice, with the same labels", name=name))
    notes = [_("'{path}': {said}", path=printable(table.path), said=_("; ").join(said))] if said else []
    if guessed := _guessed_encoding(table, encoding, labels):
        notes.append(
            _(
                "'{path}' is not UTF-8 and was read as {encoding}; if letters look wrong, save it as 'CSV UTF-8', or give "
                "its encoding with --encoding NAME",
                path=printable(table.path),
                encoding=guessed,
            )
        )
    return [*notes, *labels.notes(N_("labels"), encoding=False)]


def _columns_taken(table: Table) -> list[str]:
    """Return which columns were taken, unless they are called so that nobody need be told."""
    columns, header = table.columns, table.header
    image = "" if columns.image is None else header[columns.image]
    if table.headless:
        said = [_("its first line is a row, and no names of columns")]
        said.append(_("images by its second column") if columns.image else _("images by its first column"))
        if columns.labels:
            said.append(_("labels by its second column") if columns.labels[0] else _("labels by its first column"))
        return said
    label = header[columns.labels[0]] if len(columns.labels) == 1 else LABEL
    plain = normalize_label(image).lower() == FILE and normalize_label(label).lower() == LABEL
    if plain and not table.cells.one_hot and table.cells.task == "classes":
        return []
    said = [_("images by its column '{name}'", name=printable(image))]
    return said + ([table.cells.describe()] if columns.labels else [])


def _guessed_encoding(table: Table, encoding: str, labels: LabelNormalizer) -> str:
    """Return the encoding that was guessed, where that made a difference."""
    if table.options.encoding is not None:
        return ""
    if encoding == "gb18030":
        return _("GB 18030 (Chinese)")
    written = [*table.header, *(form for forms in labels.forms.values() for form in forms)]
    odd = encoding == "cp1252" and any(decode_surrogates(text) != text for text in written)
    return "Windows-1252" if odd else ""


def _stands_twice(header: Sequence[str], at: int) -> bool:
    names = [normalize_label(name).lower() for name in header]
    return not written_by_penult(names) and (names.count(names[at]) > 1 or f"{names[at]}.1" in names)

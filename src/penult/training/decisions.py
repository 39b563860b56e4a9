"""Read the list that says what becomes of photos: `findings.csv` with a column `decision`, or a list of moves (file,to)."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from penult import untrusted
from penult.audit import KINDS
from penult.errors import InputError
from penult.i18n import _
from penult.texts import printable

FILE, TO, DECISION = "file", "to", "decision"
_MOVE = "move:"


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one photo; `value` is the class of a move, or the new name of a line with `to`.

    `file` has no `.` or `..` to leave out where it comes from findings, so that one photo has one name.
    """

    file: str
    action: Literal["keep", "drop", "move", "to"]
    value: str = ""
    kind: str = ""  # of the finding


def read_decisions(listing: str) -> list[Decision]:
    """Return what a list says, each photo once where it comes from findings. Raises `InputError`."""
    try:
        encoding = untrusted.guess_encoding(listing)
        rows = untrusted.read_csv(listing, ",;\t", FILE, untrusted.UTF8 if encoding == "cp1252" else encoding)
        _other, header = next(rows, (0, [""]))
        names = [name.strip().lower() for name in header]
        if FILE not in names or not {TO, DECISION} & set(names):
            raise InputError(
                _(
                    "{listing} lacks the columns file,to or file,decision; nothing was moved. Write one line a photo "
                    "to move, or add a column decision (keep, drop or move:CLASS) to findings.csv.",
                    listing=listing,
                )
            )
        if DECISION in names:
            return _once(_decided(rows, names, listing), listing)
        return list(_moved(rows, names, listing))
    except InputError:
        raise
    except untrusted.CSV_ERRORS as error:
        raise InputError(
            _("the list {listing} cannot be read ({error}); nothing was moved. Check its name.", listing=listing, error=error)
        ) from error


def _moved(rows: Iterator[tuple[int, list[str]]], names: list[str], listing: str) -> Iterator[Decision]:
    at = names.index(FILE), names.index(TO)
    for line, cells in rows:
        if max(at) >= len(cells) or not all(cells[i] for i in at):
            raise InputError(
                _(
                    "{listing}: line {line} lacks `file` or `to`; nothing was moved. Fill it in, or take it off the list.",
                    listing=listing,
                    line=line,
                )
            )
        yield Decision(cells[at[0]], "to", cells[at[1]])


def _decided(rows: Iterator[tuple[int, list[str]]], names: list[str], listing: str) -> Iterator[tuple[int, Decision]]:
    """Yield line and decision where there is one."""
    for line, cells in rows:
        row = dict(zip(names, cells, strict=False))
        said = row.get(DECISION, "").strip()
        if not said:
            continue
        word, file, kind = said.lower(), row.get(FILE, ""), row.get("kind", "")
        if not file or (kind in KINDS and KINDS[kind].about == "class"):
            raise InputError(
                _(
                    "{listing}: line {line} is about no photo; nothing was moved. Leave its decision empty.",
                    listing=listing,
                    line=line,
                )
            )
        file = posixpath.normpath(file)
        if word in ("keep", "drop"):
            yield line, Decision(file, "keep" if word == "keep" else "drop", kind=kind)
        elif word.startswith(_MOVE) and said[len(_MOVE) :].strip():
            yield line, Decision(file, "move", said[len(_MOVE) :].strip(), kind)
        else:
            raise InputError(
                _(
                    "{listing}: line {line} has the decision {said!r}; nothing was moved. Write keep, drop or "
                    "move:CLASS, or leave it empty.",
                    listing=listing,
                    line=line,
                    said=printable(said[:60]),
                )
            )


def _once(decided: Iterator[tuple[int, Decision]], listing: str) -> list[Decision]:
    """Return one decision for each photo; several findings of one photo must not contradict each other."""
    found: dict[tuple[bool, str], tuple[int, Decision]] = {}
    for line, one in decided:
        before, first = found.setdefault((one.kind == "leak", one.file), (line, one))
        if (first.action, first.value) != (one.action, one.value):
            raise InputError(
                _(
                    "{listing}: lines {before} and {line} have different decisions for {file}; nothing was moved. "
                    "Make them agree, or leave one empty.",
                    listing=listing,
                    before=before,
                    line=line,
                    file=printable(one.file),
                )
            )
    return [one for _, one in found.values()]

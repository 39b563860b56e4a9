"""Tables of answers, by the ending of their name: CSV that spreadsheets open rightly, Parquet, and a JSON object a line.

In: answers, part by part. Out: one file, whole or not there. A CSV for spreadsheets has a byte order mark where there is
anything beside ASCII in it (Excel takes it for the system's own code page otherwise), and no text of it is run as a formula:
a file name that begins like one stands as `./=name.jpg`, any other text behind an apostrophe.
"""

from __future__ import annotations

import codecs
import csv
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from penult import store
from penult.arrays import row_chunks
from penult.errors import InputError
from penult.i18n import _
from penult.predict.answers import SETS, Prediction, Predictions, novelty_text, share_text
from penult.texts import printable, valid_unicode

TABLE, PARQUET, JSON_LINES = (".csv", ".txt"), (".parquet",), (".jsonl", ".ndjson")
ENDINGS = (*TABLE, *PARQUET, *JSON_LINES)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

Add = Callable[[Predictions], None]


def check_table(path: str | Path, option: str) -> None:
    """Raise `InputError` for a name whose ending says no kind of table; none at all is CSV. `MissingExtra` without pyarrow."""
    if "://" in str(path):
        raise InputError(
            _(
                "{option} {path} is an address; write a file on this machine, and copy it there.",
                option=option,
                path=printable(path),
            )
        )
    ending = Path(path).suffix.lower()
    if ending not in ("", *ENDINGS):
        raise InputError(
            _(
                "{option} {path} ends in {ending}, which is no table that can be written; give a name "
                "that ends in {endings} or {last}, such as {example}.",
                option=option,
                path=printable(path),
                ending=printable(ending),
                endings=", ".join(ENDINGS[:-1]),
                last=ENDINGS[-1],
                example=printable(Path(path).with_suffix(".csv")),
            )
        )
    if ending in PARQUET:
        from penult.parquet import check_installed

        check_installed()


@contextmanager
def open_table(path: str | Path, like: Predictions) -> Iterator[Add]:
    """Yield what adds answers to a table, of the kind that its name ends in; it appears once the block ends well.

    `like` are answers of the same model, which may be none: they have the columns. The columns are `file`, `label` (`labels`
    of a model with several labels a photo), `confidence`, one a class, `novelty`, and `prediction_set` of a model that has
    some; Parquet and JSON lines also have why a photo is `unreadable`. Of such a photo all others but `file` are empty.
    """
    ending = Path(path).suffix.lower()
    opened = _parquet if ending in PARQUET else _json_lines if ending in JSON_LINES else _spreadsheet
    with opened(Path(path), like) as add:
        yield add


def write_predictions(path: str | Path, like: Predictions, parts: Iterable[Predictions]) -> None:
    """Write the answers of all parts as a CSV for programs: the texts as they are, in UTF-8 without a mark.

    One part at a time is in memory.
    """
    with store.atomic_write_text(path) as file:
        rows = csv.writer(file)
        rows.writerow(_header(like))
        for part in parts:
            rows.writerows(_lines(part))


def formula_safe(text: str, is_file: bool = False) -> str:
    """Return a text that no spreadsheet runs as a formula: one that begins like it gets `./` (a file's name) or `'` in front.

    A number stays as it is.

    Examples
    --------
    >>> from penult.predict.tables import formula_safe
    >>> formula_safe("=cmd|'/C calc'!A0.jpg", is_file=True), formula_safe("@home"), formula_safe("-1")
    ("./=cmd|'/C calc'!A0.jpg", "'@home", '-1')
    """
    if not text.startswith(_FORMULA):
        return text
    try:
        float(text)
    except ValueError:
        return f"./{text}" if is_file and text[0] not in "\t\r" else f"'{text}"
    return text


@contextmanager
def _spreadsheet(path: Path, like: Predictions) -> Iterator[Add]:
    plain = all(text.isascii() for text in like.classes)

    def add(part: Predictions) -> None:
        nonlocal plain
        for file, label, *rest in _lines(part):
            plain = plain and file.isascii()
            rows.writerow([formula_safe(file, is_file=True), formula_safe(label), *rest])

    with store.atomic_write_text(path) as file:
        rows = csv.writer(file)
        rows.writerow(map(formula_safe, _header(like)))
        yield add
    if not plain:
        _mark(path)


def _mark(path: Path) -> None:
    """Put a byte order mark in front of a text; that it needs one is known at its end."""
    with path.open("rb") as text, store.atomic_write(path) as marked:
        marked.write(codecs.BOM_UTF8)
        shutil.copyfileobj(text, marked, 1 << 20)


@contextmanager
def _json_lines(path: Path, like: Predictions) -> Iterator[Add]:
    def add(part: Predictions) -> None:
        file.writelines(json.dumps(answer.to_dict(), allow_nan=False) + "\n" for answer in part)

    with store.atomic_write_text(path) as file:
        yield add


@contextmanager
def _parquet(path: Path, like: Predictions) -> Iterator[Add]:
    from penult.parquet import ParquetWriter

    fixed = ("file", like.heading, "confidence", "novelty", SETS, "unreadable")
    names = [valid_unicode(name) for name in _unlike(like.classes, fixed)]
    kinds = {"file": "string", like.heading: "string", "confidence": "float64", **dict.fromkeys(names, "float64")}
    kinds |= {"novelty": "float64", **({} if like.sets is None else {SETS: "string"}), "unreadable": "string"}

    def add(part: Predictions) -> None:
        for at in row_chunks(len(part)):
            some = list(part[at])
            columns: dict[str, Any] = {
                "file": [valid_unicode(one.id) for one in some],
                like.heading: [one.label and valid_unicode(one.label) for one in some],
                "confidence": [one.confidence for one in some],
                "novelty": [one.novelty for one in some],
                SETS: [one.prediction_set and valid_unicode(";".join(one.prediction_set)) for one in some],
                "unreadable": [one.failure and one.failure.reason for one in some],
            }
            columns |= {name: [one.probabilities.get(c) for one in some] for name, c in zip(names, like.classes, strict=True)}
            writer.write(columns)

    with store.atomic_write(path) as file, ParquetWriter(file, kinds) as writer:
        yield add


def _unlike(classes: Sequence[str], taken: Sequence[str]) -> list[str]:
    """Return a column's name for each class: its own, unless another column is called so."""
    names = []
    for name in classes:
        column = name
        while column in taken or (column != name and column in classes):
            column = f"{column} (class)"
        names.append(column)
    return names


def _header(like: Predictions) -> list[str]:
    return ["file", like.heading, "confidence", *like.classes, "novelty", *([] if like.sets is None else [SETS])]


def _lines(part: Predictions) -> Iterator[list[str]]:
    """Yield the cells of the rows."""
    for at in row_chunks(len(part)):
        for one in part[at]:
            yield _cells(one, len(part.classes), part.sets is not None)


def _cells(one: Prediction, k: int, sets: bool) -> list[str]:
    held = [";".join(one.prediction_set or ())] if sets else []
    if one.failure is not None:
        return [one.id, *[""] * (k + 3), *held]
    shares = [f"{q:.6g}" for q in one.probabilities.values()]
    return [one.id, one.label or "", share_text(one.confidence), *shares, novelty_text(one.novelty), *held]

"""The confusion matrix, whose cells open their photos, and the results of each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penult.html import Html, join, tag
from penult.i18n import N_, _, ngettext
from penult.report.thumbnails import Thumbnails
from penult.runs import RunResults
from penult.texts import gap, percent

FEW, WORDY = 3, 6  # classes up to which cells are large, and have their share
TABLE = 24  # classes up to which there is a table; above, the pairs that are confused most
PAIRS = 30
SHADES = 10
TITLE = N_("Confusion matrix: which classes get mixed up")
TERMS = N_("Recall: share of this class that was found. Precision: share of its predictions that are correct.")


def section(results: RunResults, thumbnails: Thumbnails) -> Html | None:
    """Return the confusion matrix."""
    table = results.metrics["scores"]["confusion"]
    if not table:
        return None
    body = _table(results.classes, table) if len(table) <= TABLE else _pairs(results.classes, table)
    if body is None:
        return tag("section", tag("h2", _(TITLE)), tag("p", _("No photo was misclassified.")), id="confusion")
    many = len(table) > TABLE
    hint = _("The most confused pairs of classes.") if many else _("Rows: true label. Columns: prediction.")
    tip = tag("p", hint, tag("span", gap(), _click(results.sample, many), class_="script"), class_="soft")
    return tag("section", tag("h2", _(TITLE)), tip, body, _dialog(), id="confusion")


def _click(sample: str, many: bool) -> str:
    """Return how to see the photos of a cell, or of a number in a list of pairs."""
    if sample and many:
        return _("Click a number to see its photos, as far as they are in {sample}.", sample=sample)
    if sample:
        return _("Click a cell to see its photos, as far as they are in {sample}.", sample=sample)
    return _("Click a number to see its photos.") if many else _("Click a cell to see its photos.")


def _table(classes: Sequence[str], table: Sequence[Sequence[int]]) -> Html:
    head = tag("tr", tag("td"), *(tag("th", tag("span", name), scope="col") for name in classes))
    rows = [
        tag("tr", tag("th", classes[i], scope="row"), *(_cell(classes, i, j, row) for j in range(len(classes))))
        for i, row in enumerate(table)
    ]
    look = "matrix few" if len(classes) <= FEW else "matrix" if len(classes) <= WORDY else "matrix many"
    return tag("div", tag("table", tag("thead", head), tag("tbody", *rows), class_=look), class_="scroll", tabindex=0)


def _cell(classes: Sequence[str], i: int, j: int, row: Sequence[int]) -> Html:
    """Return one cell, shaded by its share of the row on a square-root scale, so that single confusions are seen."""
    number, share = row[j], row[j] / max(sum(row), 1)
    shade = -(-int(1000 * share**0.5) // (1000 // SHADES)) if number else 0
    kind = "right" if i == j else "wrong"
    look = f"{kind} s{min(shade, SHADES)}"
    if not number:
        return tag("td", tag("span", 0, class_="none"), class_=look)
    what = ngettext(
        "photo labelled {label}, predicted {given}: show", "photos labelled {label}, predicted {given}: show",
        number, label=classes[i], given=classes[j],
    )  # fmt: skip
    said = tag("span", " ", what, class_="unseen")
    shown = join(f"{number:,}", tag("small", " ", percent(share)) if len(classes) <= WORDY else None, said)
    return tag("td", tag("button", shown, type="button", data_cell=f"{i},{j}"), class_=look)


def _pairs(classes: Sequence[str], table: Sequence[Sequence[int]]) -> Html | None:
    """Return the pairs of classes that are confused most, for so many classes are read by nobody; None where none is."""
    found = sorted(((n, i, j) for i, row in enumerate(table) for j, n in enumerate(row) if n and i != j), reverse=True)
    if not found:
        return None
    rows = [
        tag(
            "tr",
            tag("td", classes[i]),
            tag("td", classes[j]),
            tag(
                "td",
                tag(
                    "button",
                    f"{n:,}",
                    type="button",
                    data_cell=f"{i},{j}",
                    aria_label=ngettext("{n:,} photo: show", "{n:,} photos: show", n),
                ),
            ),
        )
        for n, i, j in found[:PAIRS]
    ]
    head = tag("tr", *(tag("th", name, scope="col") for name in (_("true label"), _("prediction"), _("photos"))))
    return tag("table", tag("thead", head), tag("tbody", *rows), class_="plain")


def _dialog() -> Html:
    """Return the box that a cell opens; the page's script fills it."""
    close = tag("button", _("Close"), type="button", class_="close")
    bar = tag("div", tag("h3", "", id="cell-title"), close, class_="bar")
    more = tag("button", _("Show more"), type="button", id="cell-more", hidden=True)
    return tag("dialog", bar, tag("div", id="cell-photos", class_="tiny"), more, id="cell", aria_labelledby="cell-title")


def per_class(results: RunResults, thumbnails: Thumbnails) -> Html | None:
    """Return recall, precision and F1 of each class."""
    found: Sequence[Mapping[str, Any]] = results.metrics["scores"]["per_class"]
    rows = [
        tag(
            "tr",
            tag("th", one["name"], scope="row"),
            *(tag("td", percent(one[key]), share_bar(one[key])) for key in ("recall", "precision", "f1")),
            tag("td", f"{one['support']:,}"),
        )
        for one in found
    ]
    return class_table(_("Per-class results"), _(TERMS), (_("class"), _("recall"), _("precision"), _("F1"), _("photos")), rows)


def class_table(title: str, terms: str, names: Sequence[str], rows: Sequence[Html]) -> Html:
    """Return the section with a row for each class or label, its columns named and explained."""
    head = tag("thead", tag("tr", *(tag("th", name, scope="col") for name in names)))
    table = tag("div", tag("table", head, tag("tbody", *rows), class_="plain numbers"), class_="scroll", tabindex=0)
    return tag("section", tag("h2", title), tag("p", terms, class_="soft"), table, id="classes")


def share_bar(share: float | None) -> Html | None:
    """Return a share as a bar, None for None."""
    if share is None:
        return None
    full = tag("rect", width=round(100 * share, 1), height=4, class_="mass")
    return tag(
        "svg",
        tag("rect", width=100, height=4, class_="rest"),
        full,
        viewBox="0 0 100 4",
        preserveAspectRatio="none",
        class_="bar",
        aria_hidden="true",
    )

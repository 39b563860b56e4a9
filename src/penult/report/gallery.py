"""Photos with what is to be said about them: the most confident mistakes, the least confident predictions, the findings."""

from __future__ import annotations

from collections.abc import Iterable

from penult.audit import Finding
from penult.html import Html, file_name, join, phrase, tag
from penult.i18n import _, ngettext
from penult.report.thumbnails import TEST, TRAIN, PhotoKey, Thumbnails, least_confident, mistakes
from penult.runs import RunResults
from penult.stored_texts import retranslated
from penult.texts import gap, percent, printable


def section(results: RunResults, thumbnails: Thumbnails) -> Html | None:
    """Return both galleries; only that of the least confident predictions where nothing was wrong."""
    rows = results.rows
    totals = results.counted
    if not totals.measured:
        return None
    wrong, total = mistakes(rows), totals.wrong
    title = _("Most confident mistakes")
    if total:
        first = _gallery("mistakes", title, _mistaken(total, len(wrong), thumbnails), wrong, results, thumbnails)
    else:  # on how many no mistake was made: `every` may be four, or a fold of many thousands
        said = ngettext(
            "None: the one photo was classified correctly.", "None: all {n:,} photos were classified correctly.",
            totals.measured,
        )  # fmt: skip
        first = tag("section", tag("h2", title), tag("p", said), id="mistakes")
    said = _("The photos whose highest class probability is lowest.")
    unsure = least_confident(rows)
    return join(first, _gallery("unsure", _("Least confident predictions"), said, unsure, results, thumbnails))


def _mistaken(total: int, shown: int, thumbnails: Thumbnails) -> str:
    """Return how many mistakes there are, and what is seen of them."""
    said = ngettext("{n:,} misclassified photo.", "{n:,} misclassified photos.", total)
    if total > shown:
        said = ngettext(
            "{n:,} misclassified photo; the {shown} most confident.",
            "{n:,} misclassified photos; the {shown} most confident.",
            total, shown=shown,
        )  # fmt: skip
    if thumbnails.heat:
        said += gap() + _(
            "Beside each a heat map of the final model, which was trained on these photos too: orange areas argue for the "
            "predicted class, blue against it ({method}).",
            method=thumbnails.method,
        )
    return said


def _gallery(name: str, title: str, said: str, rows: Iterable[int], results: RunResults, thumbnails: Thumbnails) -> Html:
    cards = [photo_card(int(row), results, thumbnails) for row in rows]
    return tag("section", tag("h2", title), tag("p", said, class_="soft"), tag("div", *cards, class_="gallery"), id=name)


def dialog() -> Html:
    """Return the box in which the page's script shows a photo larger."""
    bar = tag(
        "div", tag("h2", "", id="zoom-title"),
        tag("div", tag("button", _("Previous"), type="button", id="zoom-back"), " ",
            tag("button", _("Next"), type="button", id="zoom-on"), " ",
            tag("button", _("Close"), type="button", class_="close"), class_="tools"),
        class_="bar",
    )  # fmt: skip
    return tag("dialog", bar, tag("div", id="zoom-photo"), id="zoom", aria_labelledby="zoom-title")


def photo_card(row: int, results: RunResults, thumbnails: Thumbnails) -> Html:
    """Return a training photo with its label, the prediction and its confidence; its heat map where there is one."""
    rows = results.rows
    file, label = rows.files[row], results.classes[rows.y[row]]
    given, key = results.classes[rows.given[row]], (TRAIN, rows.files[row])
    words = {"given": tag("b", given), "label": tag("b", label), "share": percent(rows.sure[row])}
    if rows.given[row] == rows.y[row]:
        said = phrase(_("correct: {given} ({share})"), **words)
    else:
        said = phrase(_("labelled {label}, predicted {given} ({share})"), **words)
    alt = _("{file}, labelled {label}, predicted {given}", file=file, label=printable(label), given=printable(given))
    photo = thumbnails.img(key, alt)
    return tag(
        "figure",
        tag("div", photo, thumbnails.heat_img(key), class_="pair"),
        tag("figcaption", said, file_name(file)),
    )


def finding_keys(finding: Finding, results: RunResults) -> tuple[PhotoKey, ...]:
    """Return the photos of a finding: of a leak the test photo, then the training one; else training photos.

    A file that is no training photo is one of the test photos. A finding about a class has no photo.
    """
    if finding.kind == "leak":
        return tuple(zip((TEST, TRAIN), finding.photos, strict=False))
    only_test = results.test_names - results.train_names
    return tuple((TEST if file in only_test else TRAIN, file) for file in finding.photos)


def finding_card(finding: Finding, results: RunResults, thumbnails: Thumbnails) -> Html:
    """Return the photo or the two photos of a finding, with its reason."""
    pictures = [made for key in finding_keys(finding, results) if (made := thumbnails.img(key))]
    return tag(
        "figure",
        tag("div", *pictures, class_="pair") if pictures else None,
        tag(
            "figcaption",
            retranslated(finding.reason),
            _named(finding),
            file_name(finding.related, join(_("and"), " ")) if finding.related else None,
        ),
        class_="wide" if len(pictures) > 1 else None,
    )


def _named(finding: Finding) -> Html:
    return file_name(finding.file, join(_("class"), " ") if finding.about == "class" else "")

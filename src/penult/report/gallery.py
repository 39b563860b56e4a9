"""Photos with what is to be said about them: the most confident mistakes, the least confident predictions, the findings."""

from __future__ import annotations

from collections.abc import Iterable

from penult.audit import Finding
from penult.html import Html, file_name, join, prose, tag
from penult.report.thumbnails import TEST, TRAIN, PhotoKey, Thumbnails, least_confident, mistakes
from penult.runs import RunResults
from penult.texts import count, percent, printable


def section(results: RunResults, thumbnails: Thumbnails) -> Html | None:
    """Return both galleries; only that of the least confident predictions where nothing was wrong."""
    rows = results.rows
    totals = results.counted
    if not totals.measured:
        return None
    wrong, total = mistakes(rows), totals.wrong
    said = f"{count(total, 'misclassified photo')}{f'; the {len(wrong)} most confident' if total > len(wrong) else ''}."
    if thumbnails.heat:
        said += (
            f" Beside each a heat map of the final model, which was trained on these photos too: orange areas argue for the "
            f"predicted class, blue against it ({thumbnails.method})."
        )
    first = (
        _gallery("mistakes", "Most confident mistakes", said, wrong, results, thumbnails)
        if total
        else tag(
            "section", tag("h2", "Most confident mistakes"), tag("p", f"None: {_all_right(totals.measured)}."), id="mistakes"
        )
    )
    said = "The photos whose highest class probability is lowest."
    unsure = least_confident(rows)
    return join(first, _gallery("unsure", "Least confident predictions", said, unsure, results, thumbnails))


def _all_right(measured: int) -> str:
    """Return on how many photos no mistake was made, for `every` may be four, or a fold of many thousands."""
    return "the one photo was classified correctly" if measured == 1 else f"all {measured:,} photos were classified correctly"


def _gallery(name: str, title: str, said: str, rows: Iterable[int], results: RunResults, thumbnails: Thumbnails) -> Html:
    cards = [photo_card(int(row), results, thumbnails) for row in rows]
    return tag("section", tag("h2", title), tag("p", said, class_="soft"), tag("div", *cards, class_="gallery"), id=name)


def dialog() -> Html:
    """Return the box in which the page's script shows a photo larger."""
    bar = tag(
        "div", tag("h2", "", id="zoom-title"),
        tag("div", tag("button", "Previous", type="button", id="zoom-back"), " ",
            tag("button", "Next", type="button", id="zoom-on"), " ",
            tag("button", "Close", type="button", class_="close"), class_="tools"),
        class_="bar",
    )  # fmt: skip
    return tag("dialog", bar, tag("div", id="zoom-photo"), id="zoom", aria_labelledby="zoom-title")


def photo_card(row: int, results: RunResults, thumbnails: Thumbnails) -> Html:
    """Return a training photo with its label, the prediction and its confidence; its heat map where there is one."""
    rows = results.rows
    file, label = rows.files[row], results.classes[rows.y[row]]
    given, key = results.classes[rows.given[row]], (TRAIN, rows.files[row])
    sure = prose(f" ({percent(rows.sure[row])})")
    if rows.given[row] == rows.y[row]:
        said = join("correct: ", tag("b", given), sure)
    else:
        said = join("labelled ", tag("b", label), ", predicted ", tag("b", given), sure)
    photo = thumbnails.img(key, f"{file}, labelled {printable(label)}, predicted {printable(given)}")
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
            finding.reason,
            file_name(finding.file, "class " if finding.about == "class" else ""),
            file_name(finding.related, "and ") if finding.related else None,
        ),
        class_="wide" if len(pictures) > 1 else None,
    )

"""One photo with what is to be said about it: the building stone of galleries and findings.

In: a row or a finding, the album. Out: `<figure>`.
"""

from __future__ import annotations

from penult.audit import Finding
from penult.html import Html, file_name, join, prose, tag
from penult.report.album import Album, Key
from penult.report.numbers import percent
from penult.runs import RunResults
from penult.texts import printable

TRAIN, TEST = "train", "test"


def row_card(row: int, results: RunResults, album: Album) -> Html:
    """Return a training photo with its label, what the model said and how sure it was; its heat where there is one."""
    rows = results.rows
    file, label = rows.files[row], results.classes[rows.y[row]]
    given, key = results.classes[rows.given[row]], (TRAIN, rows.files[row])
    right = rows.given[row] == rows.y[row]
    said = (
        join("labelled ", tag("b", label), ", given ", tag("b", given), prose(f" at {percent(rows.sure[row])}"))
        if not right
        else join("rightly ", tag("b", given), prose(f", at {percent(rows.sure[row])}"))
    )
    return tag(
        "figure",
        tag(
            "div",
            album.picture(key, f"{file}, labelled {printable(label)}, given {printable(given)}"),
            _heat(key, album),
            class_="pair",
        ),
        tag("figcaption", said, file_name(file)),
    )


def _heat(key: Key, album: Album) -> Html | None:
    source = album.heat.get(key)
    return tag("img", src=source, alt="where the model looked", class_="heat") if source else None


def finding_keys(finding: Finding, results: RunResults) -> tuple[Key, ...]:
    """Return the photos of a finding: of a leak the test photo, then the training one; else training photos.

    A file that is no training photo is one of the test photos. A finding about a class has no photo.
    """
    if finding.kind == "leak":
        return tuple(zip((TEST, TRAIN), finding.photos, strict=False))
    return tuple((TEST if _only_test(file, results) else TRAIN, file) for file in finding.photos)


def _only_test(file: str, results: RunResults) -> bool:
    return file in results.test_names and file not in results.train_names


def finding_card(finding: Finding, results: RunResults, album: Album) -> Html:
    """Return the photo or the two photos of a finding, with its reason."""
    keys = finding_keys(finding, results)
    pictures = [album.picture(key) for key in keys]
    names = file_name(finding.file, "class " if finding.about == "class" else "")
    other = file_name(finding.related, "beside ") if finding.related else None
    return tag(
        "figure",
        tag("div", *pictures, class_="pair") if any(pictures) else None,
        tag("figcaption", finding.reason, names, other),
        class_="wide" if len([p for p in pictures if p]) > 1 else None,
    )

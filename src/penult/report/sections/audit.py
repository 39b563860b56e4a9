"""Every finding of the audit, and every file that could not be read.

In: `RunResults`. Out: markup.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan

from penult.audit import Finding
from penult.html import Html, tag
from penult.report import choosing
from penult.report.album import Album
from penult.report.numbers import count, digits
from penult.report.sections.todo import called
from penult.runs import RunResults

LISTED = 300  # lines of one kind; `findings.csv` has them all


def section(results: RunResults, album: Album) -> Html | None:
    """Return the lists, closed at first; None where nothing was found or looked for."""
    parts = [_kind(kind, found) for kind, found in choosing.by_kind(results.findings).items()]
    if results.skipped and not any(f.kind == "unreadable" for f in results.findings):
        parts.append(_skipped(results.skipped))
    notes = [tag("li", note) for note in results.metrics.get("notes") or ()]
    if notes:
        parts.append(tag("details", tag("summary", "Notes of the run"), tag("ul", *notes)))
    if not parts:
        return None
    return tag("section", tag("h2", "Audit of the data"), *parts, id="audit")


def _kind(kind: str, found: Sequence[Finding]) -> Html:
    rows = [
        tag(
            "tr",
            tag("td", one.file, tag("small", one.related) if one.related else None, class_="file"),
            tag("td", "" if isnan(one.score) else digits(one.score)),
            tag("td", one.reason),
            tag("td", one.suggestion),
        )
        for one in found[:LISTED]
    ]
    return _list(
        called(kind, len(found)),
        ("class" if found[0].about == "class" else "file", "score", "why", "what to do"),
        rows,
        len(found),
        "findings.csv",
    )


def _skipped(found: Sequence[Mapping[str, str]]) -> Html:
    rows = [
        tag(
            "tr",
            tag("td", one["file"], class_="file"),
            tag("td", one["part"]),
            tag("td", one["reason"]),
            tag("td", one["detail"]),
            tag("td", one.get("cure") or ""),
        )
        for one in found[:LISTED]
    ]
    title = f"{count(len(found), 'file')} that could not be read"
    return _list(title, ("file", "part", "reason", "detail", "what to do"), rows, len(found), "skipped.csv")


def _list(title: str, names: Sequence[str], rows: Sequence[Html], total: int, where: str) -> Html:
    head = tag("tr", *(tag("th", name, scope="col") for name in names))
    table = tag("div", tag("table", tag("thead", head), tag("tbody", *rows), class_="plain"), class_="scroll", tabindex=0)
    more = tag("p", f"{total - len(rows):,} more in ", tag("code", where)) if total > len(rows) else None
    return tag("details", tag("summary", title), table, more)

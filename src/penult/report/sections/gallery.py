"""The photos worth looking at: the surest mistakes, and those that the model was least sure of.

In: `RunResults`, `Album`. Out: markup.
"""

from __future__ import annotations

from collections.abc import Iterable

from penult.html import Html, join, tag
from penult.report import choosing
from penult.report.album import Album
from penult.report.cards import row_card
from penult.report.numbers import count
from penult.runs import PhotoRows, RunResults


def section(results: RunResults, album: Album) -> Html | None:
    """Return both galleries; only that of the least sure where nothing was wrong."""
    rows = results.rows
    if not (rows.given >= 0).any():
        return None
    wrong = choosing.mistakes(rows)
    total = int(rows.wrong.sum())
    words = [count(total, "photo"), " judged wrong", f"; the {len(wrong)} most confident" if total > len(wrong) else "", "."]
    if album.heat:
        words.append(
            " Beside it, where the final model looks, which was trained on these photos too: orange speaks for the class "
            f"given, blue against it ({album.method})."
        )
    mistakes = (
        _gallery("mistakes", "Most confident mistakes", "".join(words), wrong, results, album)
        if total
        else tag("section", tag("h2", "Most confident mistakes"), tag("p", f"None: {_all_right(rows)}."), id="mistakes")
    )
    unsure = _gallery(
        "unsure", "Least sure", "Where its highest probability was lowest.", choosing.least_sure(rows), results, album
    )
    return join(mistakes, unsure)


def _all_right(rows: PhotoRows) -> str:
    """Return on how many photos no mistake was made, for `every` may be four, or a fold of many thousands."""
    measured = int((rows.given >= 0).sum())
    return "the one photo was judged right" if measured == 1 else f"all {count(measured, 'photo')} were judged right"


def _gallery(name: str, title: str, said: str, rows: Iterable[int], results: RunResults, album: Album) -> Html:
    cards = [row_card(int(row), results, album) for row in rows]
    return tag("section", tag("h2", title), tag("p", said, class_="soft"), tag("div", *cards, class_="gallery"), id=name)

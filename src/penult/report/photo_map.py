"""The map of the photos, which the page's script draws, and the data that the script needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from penult.audit.map import FEW
from penult.html import Html, join, phrase, tag
from penult.i18n import N_, _
from penult.report.thumbnails import TRAIN, Thumbnails, flagged
from penult.runs import RunResults
from penult.texts import count, gap, hundredths, printable

STEPS = 9999  # places are whole numbers from 0 to this: a screen has fewer pixels
LIGHT = 1500  # photos up to which dots are large
HUES, KEYED = 8, 24  # colors of classes, and classes that the picture's key names
SHAPES = ("h0", "h0", "m-4 0h8m-4-4v8", "m-3-3l6 6m0-6l-6 6")  # round, square, plus, cross: what follows the place of a dot
PREFIX = "data:image/webp;base64,"
SAID = N_(
    "Each dot is a photo; similar photos are close together ({method}). Distances between far-apart groups mean nothing."
)
KEYS = N_("Arrow keys move from photo to photo, Enter selects one, + and − zoom, Escape clears the selection.")


def section(results: RunResults, thumbnails: Thumbnails) -> Html | None:
    """Return an empty canvas, its tools, and what a reader without script is told; None where the run has no map."""
    if results.rows.places is None:
        return None
    said = _(SAID, method="t-SNE" if len(results.rows.files) >= FEW else _("principal components"))
    if results.sample:
        said += gap() + _(
            "Shown is {sample}: what tells most (mistakes, unsure and flagged photos), and others at random.",
            sample=results.sample,
        )
    marked, wrong = int(flagged(results).sum()), int(results.rows.wrong.sum())
    shown = results.sample or count(len(results.rows.files), "photo")
    title = _("Map of {photos}, {wrong:,} misclassified, {flagged:,} flagged.", photos=shown, wrong=wrong, flagged=marked)
    title = f"{title}{gap()}{_(KEYS)}"
    canvas = tag("canvas", id="map-canvas", tabindex=0, role="application", aria_label=title, aria_describedby="map-panel")
    tools = [
        _tool("zoom-in", "+", _("Zoom in")),
        _tool("zoom-out", "−", _("Zoom out")),
        _tool("reset", _("Reset")),
        _tool("lasso", _("Lasso"), pressed=True),
        _tool("wrong", _("Next mistake")),
        _tool("flagged", _("Next flagged photo")) if marked else None,
    ]
    chosen = tag(
        "div",
        tag("p", tag("b", "", id="map-count"), " ", tag("button", _("Copy list"), type="button", id="map-copy"), " ",
            tag("button", _("Clear"), type="button", id="map-clear")),
        tag("textarea", id="map-files", readonly=True, rows=6, aria_label=_("Selected files"), spellcheck="false"),
        id="map-chosen", hidden=True,
    )  # fmt: skip
    hint = tag("p", _("Hover over a dot (or use the arrow keys) to see its photo and the most similar ones."), class_="soft")
    panel = tag("div", hint, id="map-panel", aria_live="polite")
    legend = tag("div", id="map-legend", role="group", aria_label=_("Classes shown"))
    plot = tag("div", canvas, tag("div", *tools, class_="tools"), class_="plot")
    script = tag("div", legend, tag("div", plot, panel, class_="mapped"), chosen, class_="script", id="map-all")
    none = tag(
        "noscript",
        tag("p", phrase(_("With JavaScript the map shows its photos; its data are in {file}."), file=tag("code", "map.csv"))),
    )
    title = tag("h2", _("Map of the photos"))
    return tag("section", title, tag("p", said, class_="soft"), join(script, none, _picture(results)), id="map")


def _picture(results: RunResults) -> Html:
    """Return the map as a picture, for paper and for readers without script: a dot a photo, a ring around each mistake.

    Dots on one spot are drawn once, so that many thousands of photos make no heavy page.
    """
    rows, side = results.rows, 600
    places = np.rint(np.asarray(rows.places) * (side - 20) + 10).astype(int)  # (n, 2)
    drawn = [
        _dots(c, list(dict.fromkeys(map(tuple, places[rows.y == c].tolist()))), len(places) <= LIGHT)
        for c in range(len(results.classes))
    ]
    rings = [_ring(x, y) for x, y in places[rows.wrong].tolist()]
    shown = results.sample or count(len(places), "photo")
    said = _("Map of {photos}, {wrong:,} misclassified", photos=shown, wrong=int(rows.wrong.sum()))
    picture = tag("svg", tag("title", said), drawn, rings, viewBox=f"0 0 {side} {side}", role="img", class_="still")
    keys = [_key(_dots(c, [(8, 8)], True), name) for c, name in enumerate(results.classes[:KEYED])]
    keys += [_key(_ring(8, 8), _("misclassified"))] if rings else []
    return tag("div", picture, tag("ul", keys, class_="keys"), class_="paper")


def _dots(c: int, spots: Sequence[tuple[int, int]], large: bool) -> Html:
    """Return the dots of a class as one path: of no length each, with round ends."""
    shape = SHAPES[c // HUES % len(SHAPES)]
    look = f"dots{' few' if large else ''} class-{c % HUES}{' square' if c // HUES % len(SHAPES) == 1 else ''}"
    return tag("path", d="".join(f"M{x} {y}{shape}" for x, y in spots), class_=look)


def _ring(x: int, y: int) -> Html:
    return tag("circle", cx=x, cy=y, r=6, class_="ring")


def _key(mark: Html, name: str) -> Html:
    return tag("li", tag("svg", mark, viewBox="0 0 16 16", aria_hidden="true"), name)


def _tool(name: str, shown: str, said: str = "", pressed: bool = False) -> Html:
    state = "false" if pressed else None
    return tag("button", shown, type="button", id=f"map-{name}", aria_label=said or None, aria_pressed=state)


def script_data(results: RunResults, thumbnails: Thumbnails) -> dict[str, Any]:
    """Return the rows as columns, and the thumbnails by row number without what they all begin with."""
    rows = results.rows
    if results.label_rows is not None:  # nothing in such a page asks for them
        return {"photos": thumbnails.photos}
    small = {i: thumbnails.small.get((TRAIN, file)) for i, file in enumerate(rows.files)}
    places = None if rows.places is None else np.rint(rows.places * STEPS).astype(int)
    return {
        "classes": [printable(name) for name in results.classes],
        "files": [printable(file) for file in rows.files],
        "label": rows.y.tolist(),
        "given": rows.given.tolist(),
        "sure": [-1 if np.isnan(share) else hundredths(share) for share in rows.sure.tolist()],
        "x": None if places is None else places[:, 0].tolist(),
        "y": None if places is None else places[:, 1].tolist(),
        "near": None if rows.near is None else [[j for j in near if j >= 0] for near in rows.near.tolist()],
        "flagged": np.flatnonzero(flagged(results)).tolist(),
        "prefix": PREFIX,
        "small": {i: made.removeprefix(PREFIX) for i, made in small.items() if made},
        "photos": thumbnails.photos,
    }

"""The map of the photos, which the page's script draws, and the data that the script needs."""

from __future__ import annotations

from typing import Any

import numpy as np

from penult.audit.map import FEW
from penult.html import Html, join, tag
from penult.report.thumbnails import TRAIN, Thumbnails, flagged
from penult.runs import RunResults
from penult.texts import count, hundredths, printable

STEPS = 9999  # places are whole numbers from 0 to this: a screen has fewer pixels
PREFIX = "data:image/webp;base64,"
SAID = "Each dot is a photo; similar photos are close together ({}). Distances between far-apart groups mean nothing."
KEYS = "Arrow keys move from photo to photo, Enter selects one, + and − zoom, Escape clears the selection."


def section(results: RunResults, thumbnails: Thumbnails) -> Html | None:
    """Return an empty canvas, its tools, and what a reader without script is told; None where the run has no map."""
    if results.rows.places is None:
        return None
    said = SAID.format("t-SNE" if len(results.rows.files) >= FEW else "principal components")
    marked, wrong = int(flagged(results).sum()), int(results.rows.wrong.sum())
    title = f"Map of {count(len(results.rows.files), 'photo')}, {wrong:,} misclassified, {marked:,} flagged. {KEYS}"
    canvas = tag("canvas", id="map-canvas", tabindex=0, role="application", aria_label=title, aria_describedby="map-panel")
    tools = [
        _tool("zoom-in", "+", "Zoom in"),
        _tool("zoom-out", "−", "Zoom out"),
        _tool("reset", "Reset"),
        _tool("lasso", "Lasso", pressed=True),
        _tool("wrong", "Next mistake"),
        _tool("flagged", "Next flagged photo") if marked else None,
    ]
    chosen = tag(
        "div",
        tag("p", tag("b", "", id="map-count"), " ", tag("button", "Copy list", type="button", id="map-copy"), " ",
            tag("button", "Clear", type="button", id="map-clear")),
        tag("textarea", id="map-files", readonly=True, rows=6, aria_label="Selected files", spellcheck="false"),
        id="map-chosen", hidden=True,
    )  # fmt: skip
    hint = tag("p", "Hover over a dot (or use the arrow keys) to see its photo and the most similar ones.", class_="soft")
    panel = tag("div", hint, id="map-panel", aria_live="polite")
    legend = tag("div", id="map-legend", role="group", aria_label="Classes shown")
    plot = tag("div", canvas, tag("div", *tools, class_="tools"), class_="plot")
    script = tag("div", legend, tag("div", plot, panel, class_="mapped"), chosen, class_="script", id="map-all")
    none = tag("noscript", tag("p", "The map needs JavaScript; its data are in ", tag("code", "map.csv"), "."))
    return tag("section", tag("h2", "Map of the photos"), tag("p", said, class_="soft"), join(script, none), id="map")


def _tool(name: str, shown: str, said: str = "", pressed: bool = False) -> Html:
    state = "false" if pressed else None
    return tag("button", shown, type="button", id=f"map-{name}", aria_label=said or None, aria_pressed=state)


def script_data(results: RunResults, thumbnails: Thumbnails) -> dict[str, Any]:
    """Return the rows as columns, and the thumbnails by row number without what they all begin with."""
    rows = results.rows
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
        "near": None if rows.near is None else rows.near.tolist(),
        "flagged": np.flatnonzero(flagged(results)).tolist(),
        "prefix": PREFIX,
        "small": {i: made.removeprefix(PREFIX) for i, made in small.items() if made},
        "photos": thumbnails.photos,
    }

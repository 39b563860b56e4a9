"""The embedding map: an empty canvas, its tools and what a reader without script is told; the page's script draws it.

In: `RunResults`. Out: markup.
"""

from __future__ import annotations

from penult.html import Html, join, tag
from penult.report import choosing
from penult.report.album import Album
from penult.report.numbers import count
from penult.runs import RunResults

SAID = (
    "Every dot is a photo; those that the networks see as alike lie together. Who is beside whom tells something, distances "
    "between far groups do not."
)
KEYS = "Arrow keys go from photo to photo, Enter adds one to the selection, + and − come nearer, Escape leaves the selection."


def section(results: RunResults, album: Album) -> Html | None:
    """Return the map, or None where the run has none."""
    if results.rows.places is None:
        return None
    n = len(results.rows.files)
    suspects = int(choosing.suspects(results).sum())
    wrong = int(results.rows.wrong.sum())
    title = f"Map of {count(n, 'photo')}, {wrong:,} of them judged wrong, {suspects:,} with findings. {KEYS}"
    canvas = tag("canvas", id="map-canvas", tabindex=0, role="application", aria_label=title, aria_describedby="map-panel")
    tools = [
        _tool("zoom-in", "+", "nearer"),
        _tool("zoom-out", "−", "farther"),
        _tool("whole", "Whole map"),
        _tool("draw", "Draw around photos", pressed=True),
        _tool("wrong", "Next mistake"),
        _tool("suspect", "Next finding") if suspects else None,
    ]
    chosen = tag(
        "div",
        tag("p", tag("b", "", id="map-count"), " ", tag("button", "Copy the list", type="button", id="map-copy"), " ",
            tag("button", "Clear", type="button", id="map-clear")),
        tag("textarea", id="map-files", readonly=True, rows=6, aria_label="Files in the selection", spellcheck="false"),
        id="map-chosen", hidden=True,
    )  # fmt: skip
    panel = tag(
        "div",
        tag("p", "Point at a dot to see its photo and its neighbours.", class_="soft"),
        id="map-panel",
        aria_live="polite",
    )
    legend = tag("div", id="map-legend", role="group", aria_label="Classes shown")
    plot = tag("div", canvas, tag("div", *tools, class_="tools"), class_="plot")
    script = tag("div", legend, tag("div", plot, panel, class_="mapped"), chosen, class_="script", id="map-all")
    none = tag(
        "noscript",
        tag("p", "The map is drawn by a script, which this reader does not run; ", tag("code", "map.csv"), " has it."),
    )
    return tag("section", tag("h2", "Map of the photos"), tag("p", SAID, class_="soft"), join(script, none), id="map")


def _tool(name: str, shown: str, said: str = "", pressed: bool | None = None) -> Html:
    state = None if pressed is None else "false"
    return tag("button", shown, type="button", id=f"map-{name}", aria_label=said or None, aria_pressed=state)

"""The facts of the run: what, when, with what, on what, how long, every setting, and the command to repeat it.

In: `RunResults`. Out: markup.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from penult.html import Html, join, tag
from penult.report.album import Album
from penult.report.cards import TRAIN
from penult.report.numbers import count, digits, plain, seconds
from penult.runs import RunResults
from penult.texts import printable

OWN = frozenset({"report"})  # a page cannot say how long it took to make itself


def section(results: RunResults, album: Album) -> Html:
    """Return the facts, settings last."""
    metrics = results.metrics
    blocks = [
        _block("Photos", {**_sources(metrics), **{name: f"{n:,}" for name, n in metrics["images"].items()}}),
        _block("Classes", {name: f"{n:,}" for name, n in metrics["classes"].items()}),
        _block("Networks", {b["name"]: _network(b) for b in metrics.get("backbones") or ()}),
        _block("Head", metrics.get("choice") or {}),
        _block("Machine", _machine(metrics)),
        _block("Precision", _precision(metrics.get("precision"))),
        _block("Time", _times(metrics)),
        _block("Versions", {"penult": metrics["penult"], **metrics.get("versions", {})}),
        _block("Settings", metrics.get("options") or {}),
    ]
    gone = _gone(album)
    again = tag("div", tag("h3", "The same again"), tag("pre", tag("code", command(metrics)), tabindex=0), class_="again")
    return tag("section", tag("h2", "Facts of the run"), again, tag("div", *blocks, class_="facts"), gone, id="facts")


def _block(title: str, values: Mapping[str, Any]) -> Html | None:
    lines = [tag("div", tag("dt", name), tag("dd", plain(value))) for name, value in values.items()]
    return tag("div", tag("h3", title), tag("dl", *lines)) if lines else None


def _sources(metrics: Mapping[str, Any]) -> dict[str, str]:
    return {f"folder ({part})": folder for part, folder in (metrics.get("sources") or {}).items() if folder}


def _network(backbone: Mapping[str, Any]) -> str:
    recipe = backbone.get("recipe") or {}
    seen = f"{recipe['size']} pixels, {recipe['fit']}" if "size" in recipe else ""
    parts = (
        count(backbone["width"], "feature"),
        seen,
        backbone.get("license", backbone.get("licence")),
        f"weights {str(backbone['weights'])[:12]}",
    )
    return ", ".join(str(p) for p in parts if p)


def _machine(metrics: Mapping[str, Any]) -> dict[str, Any]:
    engine = metrics.get("engine") or {}
    rate = engine.get("images_per_second")
    facts = {**(metrics.get("machine") or {}), **{k: v for k, v in engine.items() if k != "images_per_second"}}
    return {**facts, **({"images/s": f"{rate:.0f}"} if rate else {})}


def _precision(beside: Mapping[str, Any] | None) -> dict[str, str]:
    """Return what the precision of the run did to the log loss, beside f32 on the same photos and folds."""
    if not beside:
        return {}
    return {
        f"log loss in {beside['precision']}": digits(beside["log_loss"]),
        "log loss in f32": digits(beside["log_loss_f32"]),
        "measured on": count(beside["images"], "photo"),
    }


def _times(metrics: Mapping[str, Any]) -> dict[str, str]:
    stages = {name: value for name, value in metrics["seconds"].items() if name not in OWN}
    when = metrics.get("when") or {}
    return {**when, **{name: seconds(value) for name, value in stages.items()}, "together": seconds(sum(stages.values()))}


def command(metrics: Mapping[str, Any]) -> str:
    """Return the line that makes this run again, quoted for a shell; every name shows on one line."""
    words = [str(word) for word in metrics.get("command") or ()]
    if words and PurePath(words[0]).stem in ("penult", "__main__"):
        words[0] = "penult"
    line = printable(shlex.join(words))
    folder = metrics.get("folder")
    return f"cd {printable(shlex.quote(folder))} && {line}" if folder else line


def _gone(album: Album) -> Html | None:
    without = {**album.gone, **album.unseen}
    if not without:
        return None
    names = sorted(without)
    said = f"{len(names):,} of the photos that this page wanted to show could not be read when it was made:"
    listed = [tag("li", f"{file} ({without[part, file]})") for part, file in names[:20]]
    more = tag("li", f"and {len(names) - 20:,} more") if len(names) > 20 else None
    moved = any(part == TRAIN for part, _ in album.gone)
    help_ = join("If the training photos moved: ", tag("code", "penult report RUN --photos FOLDER"), " makes the page again.")
    return tag("div", tag("p", said), tag("ul", *listed, more), tag("p", help_) if moved else None, class_="note", id="gone")
